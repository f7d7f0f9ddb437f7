"""`watchdog`: finishes releases whose engine is gone."""

from __future__ import annotations

import functools
import signal
import sys
import threading
import time
import uuid
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated

import typer

from canary.cli.boundary import Failure
from canary.cli.target import Context, Kubeconfig, Namespace
from canary.core.outcome import ExitCode
from canary.core.vigil import MORE, RATE, SILENT, SUSPECTED, Ended, Rescue, Vigil

if TYPE_CHECKING:
    from canary.adapters.kubernetes import Api
    from canary.adapters.kubernetes.fleets import KubernetesFleets
    from canary.cli.health import Health
    from canary.ports import Clock, Leftovers
    from canary.report.outbox import Outbox

TURN = 0.2
"""Seconds between two turns of the watchdog and of each rescue."""

UNREACHED = 120.0
"""Seconds after which `--once` gives an API server up that never answered."""


def watchdog(
    *,
    namespace: Namespace = None,
    everywhere: Annotated[
        bool, typer.Option("--all-namespaces", "-A", help="Look over the leases of all namespaces.")
    ] = False,
    once: Annotated[
        bool, typer.Option("--once", help="Look for as long as a lease lasts, finish what is due, and end.")
    ] = False,
    replicas: Annotated[
        int,
        typer.Option(
            "--replicas",
            metavar="N",
            min=1,
            max=10,
            help="How many watchdogs run: together they begin at most 5 rollbacks a second.",
        ),
    ] = 1,
    port: Annotated[
        int, typer.Option("--port", metavar="PORT", min=0, max=65535, help="Serve /metrics and /healthz; 0: do not.")
    ] = 0,
    listen: Annotated[str, typer.Option("--listen", metavar="ADDRESS", help="Where --port listens.")] = "127.0.0.1",
    silent: Annotated[
        float, typer.Option("--silent", hidden=True, min=1, help="Instead of 30 s, for the sandbox: not safe.")
    ] = SILENT,
    kubeconfig: Kubeconfig = None,
    context: Context = None,
) -> None:
    """Finish releases whose engine is gone: traffic goes back to stable without it.

    A lease that stood unchanged for 30 s, while it could be read and written, counts as abandoned. Its release is
    rolled back from its journal, or completed where the promotion was confirmed. Run two: they need no leader.

    Example:  canary watchdog --all-namespaces --replicas 2 --port 8080 --listen 0.0.0.0

    Ends with 143 on SIGTERM; --once ends with 0, 30 when a release needs a person, 22 when nothing could be read.
    """
    from canary.adapters.kubernetes import ServerClock
    from canary.adapters.kubernetes.fleets import KubernetesFleets
    from canary.adapters.kubernetes.leftovers import KubernetesLeftovers
    from canary.adapters.kubernetes.people import namespace_of
    from canary.cli.health import Health
    from canary.cli.target import reach

    if everywhere and namespace is not None:
        raise Failure("--all-namespaces and --namespace contradict each other", code=ExitCode.USAGE)
    api, in_cluster = reach(kubeconfig, context)
    where = (
        None if everywhere else namespace or namespace_of(kubeconfig=kubeconfig, context=context, in_cluster=in_cluster)
    )
    health = Health()
    vigil = Vigil(salt=uuid.uuid4().hex, limit=max(1, RATE // replicas), silent=silent * SUSPECTED / SILENT)
    guard = Guard(
        api,
        KubernetesFleets(api, namespace=where),
        leftovers=KubernetesLeftovers(api, namespace=where),
        clock=ServerClock(api),
        health=health,
        vigil=vigil,
    )
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, lambda *_: guard.stop.set())
    server = health.serve(listen, port) if port else None
    _say(f"watching the leases of {where or 'all namespaces'}")
    try:
        code = guard.run(once=once)
    finally:
        if server is not None:
            server.shutdown()
        _lines().flush(1.0)
    raise typer.Exit(code)


class Guard:
    """The threads around a watchdog: its watch, and one for each rescue under way.

    Args:
        api: the API server.
        fleets: the leases.
        leftovers: what releases made.
        clock: the server's.
        health: gets the numbers.
        vigil: what is known at the beginning.
    """

    def __init__(
        self,
        api: Api,
        fleets: KubernetesFleets,
        *,
        leftovers: Leftovers,
        clock: Clock,
        health: Health,
        vigil: Vigil,
    ) -> None:
        from canary.engine.sweeper import Sweeper
        from canary.engine.watchdog import Watchdog

        self.stop = threading.Event()
        self._api, self._fleets, self._clock, self._health = api, fleets, clock, health
        self._alarms = 0
        self._threads: set[threading.Thread] = set()
        self._sweeper = Sweeper(leftovers=leftovers, fleets=fleets, clock=clock, tell=_say)
        self.watchdog = Watchdog(
            fleets=fleets,
            clock=clock,
            start=self._start,
            vigil=vigil,
            tell=_say,
        )

    def run(self, *, once: bool) -> ExitCode:
        """Until SIGTERM, or with `once` until nothing is due any more."""
        watch = threading.Thread(
            target=lambda: self._fleets.watch(self.watchdog.heard, self.stop), name="leases", daemon=True
        )
        watch.start()
        threading.Thread(target=self._sweep, name="leftovers", daemon=True).start()
        began = time.monotonic()
        while not self.stop.is_set():
            self.watchdog.turn()
            self._health.seen(self.watchdog)
            if once and (code := self._done(time.monotonic() - began)) is not None:
                self.stop.set()
                return code
            self.stop.wait(TURN)
        # A rescue that is under way is gone on with by the other watchdog, from its journal.
        return ExitCode.HANDED_OVER

    def _done(self, since: float) -> ExitCode | None:
        """With `--once`: how to end; None as long as there is something to wait for."""
        vigil = self.watchdog.vigil
        if vigil.read is None:
            return ExitCode.PREFLIGHT_FAILED if since >= UNREACHED else None
        if self._threads or since < vigil.silent + 1.0:
            return None
        now = self._clock.monotonic()
        # Longer only for a lease that was silent all the time, and whose count began anew meanwhile.
        open_ = any(lease.busy or (now - lease.since > MORE and not lease.settled) for lease in vigil.leases.values())
        if open_ and since < 10 * vigil.silent:
            return None
        return ExitCode.ROLLBACK_INCOMPLETE if open_ or self._alarms else ExitCode.PROMOTED

    def _sweep(self) -> None:
        while not self.stop.is_set():
            self._sweeper.turn()
            self.stop.wait(1.0)

    def _start(self, rescue: Rescue) -> None:
        thread = threading.Thread(target=self._rescue, args=(rescue,), name=rescue.key, daemon=True)
        self._threads.add(thread)
        thread.start()

    def _rescue(self, wanted: Rescue) -> None:
        how = Ended.REFUSED
        try:
            how = self._carry_through(wanted)
        finally:
            self._health.rescued(how)
            self.watchdog.finished(wanted.key, how)
            self._threads.discard(threading.current_thread())

    def _carry_through(self, wanted: Rescue) -> Ended:
        from canary.cli.rescuing import scene_of
        from canary.core.vigil import Ended
        from canary.engine.engine import Lanes
        from canary.engine.rescue import Rescue as Attempt
        from canary.engine.suspicion import CONFIRM
        from canary.ports import PortError

        try:
            scene = scene_of(self._api, self._fleets.place(wanted.key), clock=self._clock, say=_say)
        except PortError as error:
            self._alarm(str(error))
            return Ended.SETTLED
        lanes = Lanes()
        name, confirm = f"watchdog-{uuid.uuid4().hex[:12]}", CONFIRM * self.watchdog.vigil.silent / SUSPECTED
        attempt = Attempt(wanted, scene, holder=name, background=lanes, confirm=confirm)
        lanes.answer = attempt.answer
        try:
            while (how := attempt.turn()) is None:
                if self.stop.wait(TURN):
                    return Ended.DONE
            if attempt.code is not None:
                self._health.finished(attempt.code)
            if attempt.alarmed or attempt.code is ExitCode.ROLLBACK_INCOMPLETE:
                self._alarm("")
            return how
        finally:
            lanes.close()

    def _alarm(self, sentence: str) -> None:
        self._alarms += 1
        self._health.alarm()
        if sentence:
            _say(f"ALARM  {sentence}")


def _say(line: str) -> None:
    """Never waits: a log that nobody takes must not hold a rescue up."""
    at = datetime.now(UTC).strftime("%H:%M:%SZ")
    _lines().put(f"{at} {line}")


@functools.cache
def _lines() -> Outbox[str]:
    from canary.report.outbox import Outbox, unbuffered

    stream = unbuffered(sys.stderr)
    return Outbox(lambda line: print(line, file=stream, flush=True), lost=lambda number, _: f"{number} lines were lost")
