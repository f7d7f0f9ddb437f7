"""The world around the engines: a route that is audited at every write, a gateway with a lag, and people's edits."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from analysis.model import Arm
from analysis.sources import ROUTE, Key, Reading, Role, Sample
from analysis.sources.baseline import marked
from canary.adapters.memory import MemoryJournals, MemoryRoutes, MemoryWorkloads, World
from canary.adapters.memory.patching import copied
from canary.adapters.memory.routes import MANAGER
from canary.engine.subject import Subject, Workload
from simulated.scenario import Scenario
from strategies import Pool, RefId

NAMESPACE = "shop"
POOL = Pool(
    stable=RefId("Service", "", NAMESPACE, "shop", 8080), canary=RefId("Service", "", NAMESPACE, "shop-canary", 8080)
)
SUBJECT = Subject(
    name="shop",
    namespace=NAMESPACE,
    route="shop",
    stable="shop",
    canary="shop-canary",
    stable_port=8080,
    canary_port=8080,
    workload=Workload(name="shop", image="shop:v2"),
)
BASELINE = "shop-baseline"
FRESH_POOL = replace(POOL, baseline=RefId("Service", "", NAMESPACE, BASELINE, 8080))
FRESH_SUBJECT = SUBJECT.model_copy(update={"workload": Workload(name="shop", image="shop:v2", baseline=BASELINE)})
MADE = frozenset({"shop-canary", BASELINE})
"""Services that a release makes."""

OURS = "canary-engine.io/"
Object = dict[str, Any]


def a_route(scenario: Scenario) -> Object:
    """The route before the release; the first `scenario.rules` rules send to stable."""

    def ref(name: str, weight: int) -> Object:
        whole = {"group": "", "kind": "Service", "name": name, "port": 8080}
        return {**whole, "weight": weight} if scenario.written else whole

    rules: list[Object] = []
    for number in range(scenario.rules):
        matches = [{"path": {"type": "PathPrefix", "value": f"/{number}"}}]
        rule: Object = {"matches": matches, "backendRefs": [ref("shop", 9), ref("help", 1)]}
        rules.append({"name": f"shop-{number}", **rule} if scenario.named else rule)
    about = {"matches": [{"path": {"type": "PathPrefix", "value": "/about"}}], "backendRefs": [ref("help", 1)]}
    return {
        "apiVersion": "gateway.networking.k8s.io/v1",
        "kind": "HTTPRoute",
        "metadata": {"name": "shop", "namespace": NAMESPACE, "annotations": {"team": "payments"}},
        "spec": {"parentRefs": [{"name": "web"}], "rules": [*rules, about]},
    }


def weights(rule: Object) -> dict[str, int]:
    """A rule's weights by backend; two references to one backend count together."""
    found: dict[str, int] = {}
    for ref in rule.get("backendRefs", ()):
        found[ref["name"]] = found.get(ref["name"], 0) + ref.get("weight", 1)
    return found


def shares(route: Object | None) -> list[float]:
    """The canary's part of the pool, in every rule that sends to stable or to it."""
    if route is None:
        return []
    found = []
    for rule in route["spec"]["rules"]:
        now = weights(rule)
        if "shop" in now or "shop-canary" in now:
            pool = now.get("shop", 0) + now.get("shop-canary", 0) + now.get(BASELINE, 0)
            found.append(now.get("shop-canary", 0) / pool if pool else 0.0)
    return found


class AuditedRoutes(MemoryRoutes):
    """Tells of every write before anybody else hears of it."""

    def __init__(self, world: World, route: Object, audit: Callable[[Object | None, Object, bool], None]) -> None:
        self._audit: Callable[[Object | None, Object, bool], None] = lambda *_: None
        super().__init__(world, route)
        self._audit = audit

    @property
    def bare(self) -> Object | None:
        """The route itself; not to be changed."""
        return self._route

    def _store(self, route: Object, manager: str) -> None:
        before = self._route
        super()._store(route, manager)
        if self._route is not None and self._route is not before:
            self._audit(before, self._route, manager == MANAGER)


class Workloads(MemoryWorkloads):
    """Says when stable is given the new version."""

    promoting: Callable[[], None]

    def _promote(self, *, promoted: bool) -> None:
        before = self.promoted
        super()._promote(promoted=promoted)
        if self.promoted and not before:
            self.promoting()


class Journals(MemoryJournals):
    """Says what stands in the journal."""

    written: Callable[[str], None]

    def overwrite(self, text: str) -> str:
        self.written(text)
        return super().overwrite(text)


@dataclass(frozen=True, slots=True, kw_only=True)
class Counters:
    """What a scripted reading holds: requests so far on each arm (None: the source is down); `skew` as in Reading."""

    at: float
    totals: tuple[int, int] | None
    skew: float = 0.0


class Gateway:
    """Serves the weights of `lag` seconds ago, exactly, and counts; says in the status what it has taken."""

    def __init__(self, world: World, routes: AuditedRoutes, scenario: Scenario) -> None:
        self.accepts, self.silent = True, False
        self.rate = scenario.rate
        self.errors = {Arm.STABLE: 0.004, Arm.CANARY: 0.004}
        self.totals = {arm: [0, 0] for arm in Arm}
        self._world, self._routes, self._lag = world, routes, scenario.lag
        self._fresh: list[int] | None = [0, 0] if scenario.baseline else None
        self._carry = dict.fromkeys(Arm, 0.0)
        self._share_carry = 0.0
        self._changes: deque[tuple[float, float]] = deque()
        self._now, self._seen = 0.0, 0
        self._at = world.clock.now()

    def serve(self) -> None:
        """The requests since the last call."""
        now = self._world.clock.now()
        requests = round(self.rate * (now - self._at))
        self._at = now
        self._share_carry += requests * self._share(now)
        canary = int(self._share_carry + 1e-6)
        self._share_carry -= canary
        for arm, number in ((Arm.CANARY, canary), (Arm.STABLE, max(0, requests - canary))):
            self._carry[arm] += number * self.errors[arm]
            bad = min(number, int(self._carry[arm]))
            self._carry[arm] -= bad
            self.totals[arm][0] += number
            self.totals[arm][1] += bad
            if arm is Arm.STABLE and self._fresh is not None and self._now < 1.0:
                # As the engine gives it: what the canary has, or what is left.
                part = min(self._now, 1.0 - self._now) / (1.0 - self._now)
                self._fresh[0] += round(number * part)
                self._fresh[1] += round(bad * part)

    def _share(self, now: float) -> float:
        route = self._routes.bare
        if route is not None and id(route) != self._seen:
            self._seen = id(route)
            found = shares(route)
            self._changes.append((now, sum(found) / len(found) if found else 0.0))
        while self._changes and now - self._changes[0][0] >= self._lag:
            self._now = self._changes.popleft()[1]
        return self._now

    def counters(self) -> Counters:
        """What the scripted judge reads."""
        return Counters(at=self._world.clock.now(), totals=(self.totals[Arm.STABLE][0], self.totals[Arm.CANARY][0]))

    def reading(self) -> Reading:
        """What the real judge reads."""
        at = self._world.clock.now()
        samples = []
        for arm, (total, bad) in self.totals.items():
            if arm is Arm.STABLE or total:
                mine = (total, bad) if arm is Arm.CANARY or self._fresh is None else self._rest(total, bad)
                for role, value in zip((Role.TOTAL, Role.BAD), mine, strict=True):
                    samples.append(Sample(Key("errors", arm, role), "svc", at, float(value)))
        fresh = self._fresh or [0, 0]
        for role, value in ((Role.TOTAL, fresh[0]), (Role.BAD, fresh[1])):
            if fresh[0]:
                samples.append(Sample(marked(Key("errors", Arm.STABLE, role)), "fresh", at, float(value)))
        total, bad = (sum(column) for column in zip(*self.totals.values(), strict=True))
        samples.append(Sample(Key(ROUTE, None, Role.TOTAL), "route", at, float(total)))
        samples.append(Sample(Key(ROUTE, None, Role.BAD), "route", at, float(bad)))
        return Reading(at=at, samples=tuple(samples))

    def _rest(self, total: int, bad: int) -> tuple[int, int]:
        """What of the old version's requests stable itself had."""
        fresh = self._fresh or [0, 0]
        return total - fresh[0], max(0, bad - fresh[1])

    def answer_in_status(self) -> None:
        """Write the status where it does not say what the gateway has taken."""
        route = self._routes.bare
        if route is None or self.silent:
            return
        word, generation = str(self.accepts), route["metadata"]["generation"]
        parents = route.get("status", {}).get("parents")
        if parents:
            known = parents[0]["conditions"][0]
            if (known["status"], known["observedGeneration"]) == (word, generation):
                return
        conditions = [
            {"type": kind, "status": word, "observedGeneration": generation, "reason": kind, "message": ""}
            for kind in ("Accepted", "ResolvedRefs")
        ]
        status = {"parents": [{"parentRef": {"name": "web"}, "controllerName": "gw", "conditions": conditions}]}
        self._routes.edit(lambda one: one.update(status=status), manager="gateway")


# People ------------------------------------------------------------------------------------------------------------

CLEAN = frozenset(
    {"hostnames", "label", "note", "timeouts", "other-rule", "rule-in-front", "rename-rule", "delete-rule"}
)
"""Edits after which the end of the route is known exactly: what it was before, with the edit."""

OF_BASELINE = ("baseline-more", "baseline-to-zero", "drop-baseline")
"""Edits of a fresh baseline's reference."""

PAYING = frozenset(
    {"canary-to-zero", "canary-to-all", "canary-less", "drop-canary", "stable-weight", "help-weight", *OF_BASELINE}
)
"""Edits of the pool itself: the weights that a person wrote stay, or go back to stable."""

BREAKING = frozenset({"drop-stable", "delete-route", "recreate-route"})
"""Edits that take away what the release stands on."""


def edit(kind: str, value: float) -> Callable[[Object], None]:  # noqa: C901 - a catalogue
    """A change of the route by hand, as a function that changes it in place; harmless where it does not fit."""

    def ref(route: Object, name: str) -> Object | None:
        refs = route["spec"]["rules"][_first(route)].get("backendRefs", [])
        return next((one for one in refs if one["name"] == name), None)

    def weigh(name: str, weight: Callable[[int], int]) -> Callable[[Object], None]:
        def change(route: Object) -> None:
            found = ref(route, name)
            if found is not None:
                found["weight"] = weight(found.get("weight", 1))

        return change

    def drop(name: str) -> Callable[[Object], None]:
        def change(route: Object) -> None:
            rule = route["spec"]["rules"][_first(route)]
            rule["backendRefs"] = [one for one in rule.get("backendRefs", []) if one["name"] != name]

        return change

    def all_to_canary(route: Object) -> None:
        stable, canary = ref(route, "shop"), ref(route, "shop-canary")
        if stable is not None and canary is not None:
            canary["weight"] = canary.get("weight", 1) + stable.get("weight", 1)
            stable["weight"] = 0

    def to_zero(route: Object) -> None:
        stable, canary = ref(route, "shop"), ref(route, "shop-canary")
        if stable is not None and canary is not None:
            stable["weight"] = canary.get("weight", 1) + stable.get("weight", 1)
            canary["weight"] = 0

    def in_front(route: Object) -> None:
        matches = [{"path": {"type": "Exact", "value": "/new"}}]
        route["spec"]["rules"].insert(0, {"matches": matches, "backendRefs": [{"name": "help", "port": 8080}]})

    def rename(route: Object) -> None:
        rule = route["spec"]["rules"][_first(route)]
        rule["name" if "name" in rule else "matches"] = (
            "renamed" if "name" in rule else [{"path": {"type": "PathPrefix", "value": "/renamed"}}]
        )

    def unnote(*names: str) -> Callable[[Object], None]:
        def change(route: Object) -> None:
            for name in names:
                route["metadata"].get("annotations", {}).pop(OURS + name, None)

        return change

    def about(route: Object) -> None:
        route["spec"]["rules"][-1]["backendRefs"][0]["weight"] = 3

    changes: dict[str, Callable[[Object], None]] = {
        "hostnames": lambda route: route["spec"].update(hostnames=[f"shop{value:.2f}.example"]),
        "label": lambda route: route["metadata"].setdefault("labels", {}).update(by="ann"),
        "note": lambda route: route["metadata"].setdefault("annotations", {}).update(oncall="ann"),
        "timeouts": lambda route: route["spec"]["rules"][_first(route)].update(timeouts={"request": "10s"}),
        "other-rule": about,
        "rule-in-front": in_front,
        "rename-rule": rename,
        "delete-rule": lambda route: route["spec"]["rules"].pop(_first(route)),
        "canary-to-zero": to_zero,
        "canary-to-all": all_to_canary,
        "canary-less": weigh("shop-canary", lambda weight: weight // 2),
        "drop-canary": drop("shop-canary"),
        "baseline-more": weigh(BASELINE, lambda weight: weight + 1 + int(value * 20)),
        "baseline-to-zero": weigh(BASELINE, lambda _: 0),
        "drop-baseline": drop(BASELINE),
        "stable-weight": weigh("shop", lambda weight: weight + 1 + int(value * 20)),
        "help-weight": weigh("help", lambda weight: weight + 1),
        "drop-stable": drop("shop"),
        "drop-token": unnote("token"),
        "drop-notes": unnote("token", "release", "original"),
    }
    return changes[kind]


def _first(route: Object) -> int:
    """Index of the first rule of the shop's own; the last one when there is none any more."""
    for index, rule in enumerate(route["spec"]["rules"]):
        if {"shop", "shop-canary"} & set(weights(rule)):
            return index
    return len(route["spec"]["rules"]) - 1


def content(route: Object) -> Object:
    """What of a route must be as expected: spec, labels, annotations."""
    metadata = route["metadata"]
    parts = {key: metadata[key] for key in ("labels", "annotations") if metadata.get(key)}
    result: Object = copied({"spec": route["spec"], **parts})
    return result
