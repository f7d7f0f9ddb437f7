"""The engine: threads around the decider.

    decider   this thread: takes events from a queue, urgent ones first, and ticks
    lease     renews the lease while the decider's heart beats
    watchers  the route, the endpoints of both arms, and what people write
    looks     paced by APScheduler; a worker reads the counters
    lanes     one serial worker each for checks, for the workload and for what people decide

The wall clock is used by APScheduler alone, for pacing: if it jumps, looks come early or late and nothing else happens.
"""

from __future__ import annotations

import contextlib
import itertools
import logging
import queue
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from canary.core import events as on
from canary.core.leaving import JobFate
from canary.core.outcome import ExitCode
from canary.engine.ahead import import_ahead
from canary.engine.decider import Decider
from canary.engine.leasekeeper import LeaseKeeper
from canary.engine.leaving import Leaving
from canary.engine.surroundings import EndpointsObserved, Observation, Ports, ReadingTaken, RouteObserved
from canary.engine.waking import Waking
from strategies.pacing import MOST_LOOKS, interval, young

TICK = 0.2
"""Seconds between ticks: the precision of holds and deadlines."""

QUEUE, DROPPABLE = 1_000, 100
"""Events waiting at most; and how many may wait when a reading or a renewal of the lease comes, which is dropped then:
what cannot be (an abort, a lost fence, what watches show) finds room while the decider hangs, and the lease's thread
never waits for it."""

READ_TIMEOUT = 5.0
"""Seconds that a reading may take in all; a slower one is a look missed."""

SOON = 0.15
"""Seconds from a change of weights to the next reading: quick gateways have followed by then."""

CLOSER, FOR, QUICK = 8, 6, 2.0
"""After a change of weights looks are taken this many times as often, for so many intervals, where the paced ones are
no further apart than so many seconds: that is where a bad version is found. The test is right at any look."""

FASTEST = 0.1
"""Seconds between those looks at least: each is a scrape of every proxy."""

READING_PART = 0.25
"""Part of the time that those looks may spend on reading: many proxies, or large ones, are read less often."""

OTHERS = 4
"""Spells of a release besides its steps, in which looks are taken too: building, the bake, promoting, cleaning."""

LATE = 3
"""A look later than this many intervals is an event of its own."""

URGENT, NORMAL = 0, 1


class Engine:
    """Runs one release in this process until it ends.

    Args:
        decider: owns the release.
        ports: the world.
        every: seconds between looks.
        holder: our name on the lease.
        fate: what becomes of our own Job, asked when we are told to end; may block and raise PortError.
    """

    def __init__(
        self,
        *,
        decider: Decider,
        ports: Ports,
        every: float,
        holder: str,
        fate: Callable[[], JobFate] = lambda: JobFate.UNKNOWN,
    ) -> None:
        self._decider, self._ports, self._every = decider, ports, every
        policy = decider.release.policy
        spells = len(policy.steps) + OTHERS
        closer = spells * FOR * (CLOSER - 1) if every <= QUICK else 0
        most = max(MOST_LOOKS // 2, MOST_LOOKS - closer)
        self._young = young(every=every, lasts=policy.deadline, steps=spells, most=most)
        self._queue: queue.PriorityQueue[tuple[int, int, on.Event | Observation]] = queue.PriorityQueue(QUEUE)
        self._numbers = itertools.count()
        self._stop = threading.Event()
        self._leaving = Leaving(ask=fate, clock=ports.clock)
        self._beat = ports.clock.monotonic()
        self._waking = Waking(leases=ports.leases, routes=ports.routes, clock=ports.clock, holder=holder)
        self._reading = threading.Semaphore(1)
        self._read_at, self._overdue = ports.clock.monotonic(), False
        self._took = 0.0
        self._keeper = LeaseKeeper(
            leases=ports.leases, holder=holder, clock=ports.clock, beat=lambda: self._beat, tell=self.put
        )

    def put(self, item: on.Event | Observation) -> None:
        """Hand an event or observation to the decider, from any thread; what cannot wait goes to the front."""
        urgent = isinstance(
            item, on.AbortRequested | on.FenceLost | on.EffectFailed | RouteObserved | EndpointsObserved
        )
        entry = (URGENT if urgent else NORMAL, next(self._numbers), item)
        # The next reading counts from the same counters; and a renewal that is not heard of lets nothing be raised.
        droppable = isinstance(item, ReadingTaken | on.LeaseRenewed)
        if not (droppable and self._queue.qsize() >= DROPPABLE):
            self._queue.put(entry)

    def abort(self, by: str, reason: str) -> None:
        """Roll back, on a person's or a signal's word; safe to call from a signal handler."""
        threading.Thread(
            target=self.put, args=(on.AbortRequested(at=self._ports.clock.now(), by=by, reason=reason),), daemon=True
        ).start()

    def terminate(self) -> None:
        """Raise nothing from now on; hand over, or roll back where our Job has ended. For signal handlers."""
        self._leaving.begin(self._decider)

    def leave(self) -> None:
        """End soon without touching the route: another process goes on from the journal. Safe from any thread."""
        self._leaving.now(self._decider)

    def run(self, first: on.Event, lanes: Lanes) -> ExitCode:
        """Begin with `first`, go on until the release ends, and return its exit code."""
        threads = self._threads()
        scheduler = self._pace()
        lanes.answer = self.put
        lanes.submit("imports", import_ahead)
        self._decider.share_changed = lambda: self._look_soon(scheduler)
        try:
            self._decider.handle(first)
            for thread in threads:
                thread.start()
            scheduler.start()
            return self._loop()
        except Exception:
            self._decider.put_traffic_back()
            raise
        finally:
            self._stop.set()
            scheduler.shutdown(wait=False)
            lanes.close()

    def _loop(self) -> ExitCode:
        ticked = 0.0
        while (code := self._decider.code) is None:
            if (left := self._leaving.step(self._decider)) is not None:
                return left
            if not self._decider.standing_by:  # whoever stands by must not look alive to those who take over
                self._beat = self._ports.clock.monotonic()
            self._waking.turn(self._decider)
            self._look_if_overdue()
            with contextlib.suppress(queue.Empty):
                _, _, item = self._queue.get(timeout=TICK)
                self._decider.handle(item)
            if self._ports.clock.monotonic() - ticked >= TICK:
                ticked = self._ports.clock.monotonic()
                self._decider.tick()
        return code

    def _threads(self) -> list[threading.Thread]:
        clock, ports = self._ports.clock, self._ports
        bodies: list[tuple[str, Callable[[], None]]] = [
            ("lease", lambda: self._keeper.run(self._stop)),
            (
                "route",
                lambda: ports.routes.watch(
                    lambda route: self.put(RouteObserved(at=clock.now(), route=route)), self._stop
                ),
            ),
        ]
        gates = ports.gates
        if gates is not None:
            bodies.append(("people", lambda: gates.watch(self._decider.desk.changed, self._stop)))
        workloads = ports.workloads
        if workloads is not None:
            bodies.append(
                (
                    "endpoints",
                    lambda: workloads.watch(
                        lambda seen: self.put(EndpointsObserved(at=clock.now(), endpoints=seen)), self._stop
                    ),
                )
            )
        return [threading.Thread(target=body, name=name, daemon=True) for name, body in bodies]

    def _pace(self) -> Any:
        from apscheduler.executors.pool import ThreadPoolExecutor as Pool
        from apscheduler.schedulers.background import BackgroundScheduler

        # On a busy machine it warns of every look that came too late; what that means is said by `LookMissed`.
        logging.getLogger("apscheduler").setLevel(logging.ERROR)
        scheduler = BackgroundScheduler(executors={"default": Pool(2)}, timezone="UTC")
        scheduler.add_job(
            self._look,
            "interval",
            seconds=self._every,
            id="look",
            max_instances=2,
            coalesce=True,
            misfire_grace_time=None,
        )
        return scheduler

    def _look_soon(self, scheduler: Any) -> None:
        """Look right after a change of weights, so that the look that holds the change is short and is lost cheaply."""
        from datetime import UTC, datetime, timedelta

        soon = datetime.now(UTC) + timedelta(seconds=SOON)
        if self._every > QUICK:
            scheduler.modify_job("look", next_run_time=soon)
            return
        between = max(FASTEST, self._every / CLOSER)
        paced = soon + timedelta(seconds=FOR * self._every)
        scheduler.add_job(
            self._look,
            "interval",
            seconds=between,
            start_date=soon,
            end_date=paced - timedelta(seconds=between / 2),
            id="closer",
            replace_existing=True,
            max_instances=2,
            coalesce=True,
            misfire_grace_time=None,
        )
        scheduler.modify_job("look", next_run_time=paced)

    def _look_if_overdue(self) -> None:
        """The scheduler goes by the wall clock: when that is set back, nothing would be looked at until it is again."""
        silent = self._ports.clock.monotonic() - self._read_at
        if silent > LATE * self._interval() + READ_TIMEOUT and not self._overdue:
            self._overdue = True
            threading.Thread(target=self._look, name="overdue", daemon=True).start()

    def _interval(self) -> float:
        """Seconds between looks now: as asked while the share is new, and never more looks than a release may take."""
        release = self._decider.release
        since = release.settling.since if release.settling is not None else release.since
        return interval(self._ports.clock.now() - since, every=self._every, k=self._young)

    def _look(self) -> None:
        """One reading, on a worker; a reading still under way is not doubled."""
        wanted = self._interval()
        passed = self._ports.clock.monotonic() - self._read_at
        early = wanted > self._every and passed < wanted - self._every / 2
        early = early or passed < min(self._every / 2, self._took / READING_PART)
        if early or self._stop.is_set() or not self._reading.acquire(blocking=False):
            return
        try:
            began = self._ports.clock.monotonic()
            late = began - self._read_at
            self._read_at, self._overdue = began, False
            if late > LATE * wanted + READ_TIMEOUT:
                self.put(on.LookMissed(at=self._ports.clock.now(), reason=f"no look was taken for {late:.0f} s"))
            reading = self._ports.sources.read(timeout=min(READ_TIMEOUT, max(1.0, LATE * self._every)))
            self._took = self._ports.clock.monotonic() - began
            self.put(ReadingTaken(at=self._ports.clock.now(), reading=reading))
        finally:
            self._reading.release()


class Lanes:
    """The engine's background: one serial worker per lane."""

    def __init__(self) -> None:
        self.answer: Callable[[on.Event | Observation], None] = lambda _: None
        self._pools: dict[str, ThreadPoolExecutor] = {}

    def submit(self, lane: str, task: Callable[[], on.Event | Observation | None]) -> None:
        """Run the task after those before it in this lane; its event goes to the decider."""
        pool = self._pools.get(lane)
        if pool is None:
            pool = self._pools[lane] = ThreadPoolExecutor(1, thread_name_prefix=lane)
        pool.submit(self._run, task)

    def _run(self, task: Callable[[], on.Event | Observation | None]) -> None:
        event = task()
        if event is not None:
            self.answer(event)

    def close(self) -> None:
        """Forget what has not begun; what runs ends by its own deadline."""
        for pool in self._pools.values():
            pool.shutdown(wait=False, cancel_futures=True)
