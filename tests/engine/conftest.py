"""A whole release in virtual time: the real decider, surgeon, observer and judge on the in-memory world."""

from __future__ import annotations

import copy
import math
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from decimal import Decimal
from random import Random
from typing import Any

import pytest

from analysis.judge import JudgeConfig, MetricConfig
from analysis.model import Arm
from analysis.sources import ROUTE, Key, Measured, Reading, Role, Sample
from analysis.sources.baseline import marked
from canary.adapters.memory import (
    MemoryGates,
    MemoryJournals,
    MemoryLeases,
    MemoryPreflights,
    MemoryRecords,
    MemoryReporters,
    MemoryRoutes,
    MemoryWorkloads,
    ScriptedSources,
    World,
)
from canary.core import events as on
from canary.core.outcome import ExitCode
from canary.core.release import Policy, Release, StepPolicy
from canary.engine.decider import Decider, started
from canary.engine.journal import decode
from canary.engine.observer import Observer, Question
from canary.engine.surgeon import Surgeon
from canary.engine.surroundings import EndpointsObserved, Observation, Ports, ReadingTaken, RouteObserved
from canary.ports import Pasts, Reporters
from strategies import Pool, RefId

NAMESPACE = "shop"
POOL = Pool(
    stable=RefId("Service", "", NAMESPACE, "shop", 8080), canary=RefId("Service", "", NAMESPACE, "shop-canary", 8080)
)


def a_route() -> dict[str, Any]:
    def ref(name: str, weight: int) -> dict[str, Any]:
        return {"group": "", "kind": "Service", "name": name, "port": 8080, "weight": weight}

    return {
        "apiVersion": "gateway.networking.k8s.io/v1",
        "kind": "HTTPRoute",
        "metadata": {"name": "shop", "namespace": NAMESPACE, "annotations": {"team": "payments"}},
        "spec": {
            "parentRefs": [{"name": "web"}],
            "rules": [
                {"name": "shop", "backendRefs": [ref("shop", 9), ref("help", 1)]},
                {"name": "about", "backendRefs": [ref("help", 1)]},
            ],
        },
    }


class Gateway:
    """Serves what the route's weights say, exactly, and counts; writes the status after every change."""

    def __init__(self, world: World, routes: MemoryRoutes, chance: Random) -> None:
        self.rate = 200.0
        self.errors = {Arm.STABLE: 0.002, Arm.CANARY: 0.002}
        self.gauges: dict[str, dict[Arm, float | str]] = {}
        self.counted: dict[str, dict[Arm, float]] = {}
        """Of every metric of one's own, what part of each arm's requests it counts as bad; an arm may lack it."""
        self.slow: Callable[[Arm], float] | None = None
        """What part of an arm's requests takes longer than 0.1 s just now; None while no latencies are counted."""
        self.fresh_errors: float | None = None
        """What part of a fresh baseline's requests fails; None where there is no baseline."""
        self.fresh = [0.0, 0.0]
        self.accepts = True
        self.down = False
        self._world, self._routes, self._chance = world, routes, chance
        self._totals = {arm: [0.0, 0.0] for arm in Arm}
        self._own: dict[tuple[str, Arm], list[float]] = {}
        self._timed = {arm: [0, 0] for arm in Arm}
        self._carry = 0.0
        self._at = world.clock.now()

    def weights(self) -> dict[str, int]:
        route = self._routes.current
        return {ref["name"]: ref["weight"] for ref in route["spec"]["rules"][0]["backendRefs"]} if route else {}

    def share(self) -> float:
        refs = self.weights()
        pool = refs.get("shop", 0) + refs.get("shop-canary", 0) + refs.get("shop-baseline", 0)
        return refs.get("shop-canary", 0) / pool if pool else 0.0

    def _to_baseline(self, old: int) -> int:
        """How many of the old version's requests a fresh baseline gets, and counts."""
        refs = self.weights()
        both = refs.get("shop", 0) + refs.get("shop-baseline", 0)
        if self.fresh_errors is None or not both:
            return 0
        number = round(old * refs.get("shop-baseline", 0) / both)
        self.fresh[0] += number
        self.fresh[1] += sum(self._chance.random() < self.fresh_errors for _ in range(number))
        return number

    def serve(self) -> None:
        """The requests since the last call, at the weights as they are now."""
        now = self._world.clock.now()
        requests = self.rate * (now - self._at)
        self._at = now
        self._carry += requests * self.share()
        canary = int(self._carry + 1e-6)
        self._carry -= canary
        stable = round(requests) - canary
        stable -= self._to_baseline(stable)
        for arm, number in ((Arm.CANARY, canary), (Arm.STABLE, stable)):
            bad = sum(self._chance.random() < self.errors[arm] for _ in range(max(0, number)))
            self._totals[arm][0] += max(0, number)
            self._totals[arm][1] += bad
            if self.slow is not None:
                slow = sum(self._chance.random() < self.slow(arm) for _ in range(max(0, number)))
                self._timed[arm][0] += max(0, number) - slow
                self._timed[arm][1] += max(0, number)
            for metric, rates in self.counted.items():
                own = self._own.setdefault((metric, arm), [0.0, 0.0]) if arm in rates and number > 0 else [0.0, 0.0]
                own[0] += number
                own[1] += sum(self._chance.random() < rates.get(arm, 0.0) for _ in range(max(0, number)))

    def reading(self, at: float) -> Reading:
        samples = []
        for arm, (total, bad) in self._totals.items():
            if arm is Arm.CANARY and not total:
                continue
            for role, value in ((Role.TOTAL, total), (Role.BAD, bad)):
                samples.append(Sample(Key("errors", arm, role), "svc", at, value))
        for arm, (quick, timed) in self._timed.items():
            for bound, within in ((0.1, quick), (1.0, timed), (math.inf, timed)) if timed else ():
                samples.append(Sample(Key("latency", arm, Role.BUCKET, bound), "svc", at, within))
        if self.fresh[0]:
            for role, value in ((Role.TOTAL, self.fresh[0]), (Role.BAD, self.fresh[1])):
                samples.append(Sample(marked(Key("errors", Arm.STABLE, role)), "fresh", at, value))
        for (metric, arm), (total, bad) in self._own.items():
            if arm in self.counted[metric]:
                samples.append(Sample(Key(metric, arm, Role.TOTAL), "svc", at, total))
                samples.append(Sample(Key(metric, arm, Role.BAD), "svc", at, bad))
        every = [sum(column) for column in zip(*self._totals.values(), strict=True)]
        samples.append(Sample(Key(ROUTE, None, Role.TOTAL), "route", at, every[0]))
        samples.append(Sample(Key(ROUTE, None, Role.BAD), "route", at, every[1]))
        return Reading(at=at, samples=tuple(samples), gauges=tuple(self._measured(at)))

    def _measured(self, at: float) -> Iterator[Measured]:
        """Each gauge around its value; a text is why there is none."""
        for metric, arms in self.gauges.items():
            for arm, value in arms.items():
                if isinstance(value, str):
                    yield Measured(metric=metric, arm=arm, every=1.0, code="SERIES_ABSENT", sentence=value)
                else:
                    point = (at, value + self._chance.gauss(0.0, 1.0))
                    yield Measured(metric=metric, arm=arm, every=1.0, points=(point,))

    def answer_in_status(self) -> None:
        route = self._routes.current
        if route is None:
            return
        generation = route["metadata"]["generation"]
        word = "True" if self.accepts else "False"
        conditions = [
            {"type": kind, "status": word, "observedGeneration": generation, "reason": kind, "message": ""}
            for kind in ("Accepted", "ResolvedRefs")
        ]
        status = {"parents": [{"parentRef": {"name": "web"}, "controllerName": "gw", "conditions": conditions}]}
        if route.get("status") != status:
            self._routes.edit(lambda one: one.update(status=status), manager="gateway")


@dataclass(slots=True)
class Tasks:
    """The engine's background, run when the play says so."""

    waiting: deque[Callable[[], on.Event | Observation | None]]

    def submit(self, lane: str, task: Callable[[], on.Event | Observation | None]) -> None:
        del lane
        self.waiting.append(task)


class Play:
    """One engine on one world; `start` may be called again after a crash."""

    def __init__(
        self,
        *,
        seed: int = 1,
        judged: dict[str, Any] | None = None,
        asked: JudgeConfig | None = None,
        pasts: Pasts | None = None,
        warmup: float = 0.0,
        absent: bool = False,
        fresh: bool = False,
        others: tuple[Reporters, ...] = (),
        **policy: Any,
    ) -> None:
        errors = MetricConfig(name="errors", kind="errors", relative=0.5, absolute=0.005)
        judged = {**(judged or {}), "baseline": fresh}
        self.asked = asked or JudgeConfig(metrics=(errors,), planned_looks=90, warmup=warmup, **judged)
        baseline = RefId("Service", "", NAMESPACE, "shop-baseline", 8080)
        self.pool = replace(POOL, baseline=baseline) if fresh else POOL
        self.world = World()
        self.routes = MemoryRoutes(self.world, a_route())
        self.gateway = Gateway(self.world, self.routes, Random(seed))
        self.gateway.answer_in_status()
        self.before = copy.deepcopy(self.routes.current)
        self.gateway.fresh_errors = 0.002 if fresh else None
        self.workloads = MemoryWorkloads(self.world, absent=absent, fresh=fresh)
        self.journals, self.records = MemoryJournals(self.world), MemoryRecords(self.world)
        self.leases, self.reporters = MemoryLeases(self.world), MemoryReporters()
        self.others = others
        self.preflights, self.gates = MemoryPreflights(self.world), MemoryGates(self.world)
        self.lives = 0
        self.pasts = pasts
        steps = tuple(StepPolicy(share=Decimal(share), hold_min=5, hold_max=25) for share in (5, 25, 50))
        given = Policy(
            steps=steps,
            bake_min=4,
            bake_max=8,
            settle_window=2,
            settle_least=20,
            drain=10,
            deadline=600,
            last_call=800,
            exact_split=True,
        )
        self.policy = replace(given, **policy)
        self._seen: deque[Any] = deque()
        self.routes.watch(self._seen.append, _Never())
        self._endpoints: deque[Any] = deque()
        self.workloads.watch(self._endpoints.append, _Never())
        self.start()

    def start(self) -> None:
        """A new process: reads the journal, as `canary run` does."""
        self.lives += 1
        holder = f"i{self.lives}"
        self.leases.seize(holder)
        stored = self.journals.load()
        journal = decode(stored.text) if stored else None
        release = journal.release if journal else Release(uid="r1", incarnation=holder, policy=self.policy)
        self.ports = ports = Ports(
            clock=self.world.clock,
            routes=self.routes,
            leases=self.leases,
            journals=self.journals,
            records=self.records,
            preflights=self.preflights,
            sources=ScriptedSources(self.world, self.gateway.reading),
            workloads=self.workloads,
            gates=self.gates,
            reporters=(self.reporters, *self.others),
            pasts=self.pasts,
        )
        question = Question(config=self.asked, every=1.0, last_share=50.0)
        self.tasks = Tasks(deque())
        self.decider = Decider(
            release=release,
            ports=ports,
            surgeon=Surgeon(
                routes=self.routes,
                clock=self.world.clock,
                pool=self.pool,
                selectors=None,
                manager="canary-engine",
                state=journal.surgery if journal else None,
            ),
            observer=Observer(
                question,
                window=journal.window if journal else None,
                state=journal.judge if journal else None,
                totals=journal.totals if journal else (0, 0, 0),
            ),
            background=self.tasks,
            identity="same",
            stored=stored.version if stored else None,
            journal=journal,
        )
        self.gates.watch(self.decider.desk.changed, _Never())
        self.decider.handle(started(release, at=self.world.clock.now(), incarnation=holder))

    def second(self) -> None:
        """One second: background work, the gateway, what watches show, a reading, ticks."""
        for _ in range(5):
            self.world.clock.advance(0.2)
            self.gateway.serve()
            self.gateway.answer_in_status()
            while self.tasks.waiting and not self.decider.over:
                event = self.tasks.waiting.popleft()()
                if event is not None:
                    self.decider.handle(event)
            self._watches()
            if not self.decider.over:
                self.decider.handle(on.LeaseRenewed(at=self.world.clock.now()))
                self.decider.tick()
        if not self.gateway.down and not self.decider.over:
            at = self.world.clock.now()
            self.decider.handle(ReadingTaken(at=at, reading=self.gateway.reading(at)))

    def _watches(self) -> None:
        now = self.world.clock.now()
        while self._seen:
            route = self._seen.popleft()
            if not self.decider.over:
                self.decider.handle(RouteObserved(at=now, route=route))
        while self._endpoints:
            seen = self._endpoints.popleft()
            if not self.decider.over:
                self.decider.handle(EndpointsObserved(at=now, endpoints=seen))

    def until(self, done: Callable[[], bool], *, seconds: int = 400) -> None:
        for _ in range(seconds):
            if done():
                return
            self.second()
        told = "\n".join(f"{p.at:.1f} {p.phase} {p.message}" for p in self.reporters.told if p.message)
        raise AssertionError(f"it did not happen within {seconds} s:\n{told}")

    def to_the_end(self, *, seconds: int = 400) -> ExitCode:
        self.until(lambda: self.decider.over, seconds=seconds)
        assert self.decider.code is not None
        return self.decider.code

    def reason(self) -> str:
        outcome = self.decider.release.outcome
        return outcome.reason if outcome else ""

    def clean(self) -> bool:
        """Whether the route's spec and annotations are what they were."""
        now = self.routes.current
        return (
            now is not None
            and self.before is not None
            and now["spec"] == self.before["spec"]
            and now["metadata"].get("annotations") == self.before["metadata"].get("annotations")
        )


class _Never:
    def is_set(self) -> bool:
        return False


@pytest.fixture
def play() -> Play:
    return Play()


@pytest.fixture
def new_play() -> Callable[..., Play]:
    return Play
