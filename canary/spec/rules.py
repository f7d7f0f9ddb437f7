"""Combinations that cannot work, each with the place it is written at and what would be right."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import TYPE_CHECKING, NamedTuple

from canary.spec.plan import steps_of
from canary.spec.quantities import format_duration
from canary.spec.strategy import Exponential, Linear, Strategy
from strategies.plan import MOST_STEPS, Plan

if TYPE_CHECKING:
    from canary.spec.metrics import LatencyLimit, Query
    from canary.spec.release import Bake, Spec
    from canary.spec.strategy import Hold, Step

Path = tuple[str | int, ...]

ALL = Decimal(100)
"""All the traffic: the bake."""

LEAST_CHANCE, MOST_CHANCE = 0.000001, 0.2
"""Below the first no release gives enough evidence; above the second the promise says nothing."""

SHORTEST_LOOK, LONGEST_LOOK = 0.2, 600.0
"""Seconds. Counters move no faster than proxies publish them; slower than ten minutes nothing is guarded."""


class Objection(NamedTuple):
    """One combination that cannot work.

    Attributes:
        path: keys and indices from the top of the file to the value to change.
        message: what is wrong.
        hint: what would be right.
    """

    path: Path
    message: str
    hint: str


def objections(spec: Spec) -> Iterator[Objection]:
    """Everything about a release whose single values are all right that still cannot work."""
    at: Path = ("spec",)
    yield from _arms(spec, at)
    yield from _strategy(spec, (*at, "strategy"))
    yield from _source(spec, (*at, "analysis", "source"))
    yield from _analysis(spec, (*at, "analysis"))
    yield from _metrics(spec, (*at, "analysis", "metrics"))
    yield from _hold(spec.bake, (*at, "bake"))
    yield from _gates(spec, (*at, "gates"))
    yield from _times(spec, at)
    yield from _waits(spec, (*at, "analysis"))


def _exactly_one(path: Path, kinds: Mapping[str, object]) -> Iterator[Objection]:
    given = [name for name, value in kinds.items() if value is not None]
    names = ", ".join(kinds)
    if not given:
        yield Objection(path, "this names no kind", f"write one of {names}")
    for name in given[1:]:
        yield Objection((*path, name), f"{given[0]} is already given here", f"keep one of {', '.join(given)}")


def _arms(spec: Spec, at: Path) -> Iterator[Objection]:
    if spec.canary.service == spec.stable.service:
        yield Objection(
            (*at, "canary", "service"),
            "canary and stable are the same Service",
            f"name another Service, such as {spec.stable.service}-canary",
        )
    if spec.canary.service is None and len(spec.stable.service) > 63 - len("-canary"):
        yield Objection(
            (*at, "stable", "service"),
            "this name is too long to append -canary to",
            "name the canary's Service: canary: {service: ...}",
        )
    if spec.workload is None and spec.canary.service is None:
        yield Objection(
            at,
            "there is neither a workload to make the canary from nor a Service that it is reached by already",
            "add workload: {name: <stable's Deployment>}, or canary: {service: ...}",
        )


def _strategy(spec: Spec, path: Path) -> Iterator[Objection]:
    strategy = spec.strategy
    yield from _exactly_one(
        path, {"linear": strategy.linear, "exponential": strategy.exponential, "steps": strategy.steps}
    )
    if strategy.linear:
        yield from _growth(strategy.linear, (*path, "linear"))
    if strategy.exponential:
        yield from _growth(strategy.exponential, (*path, "exponential"))
    if strategy.steps:
        yield from _steps(strategy.steps, (*path, "steps"))


def _growth(plan: Linear | Exponential, path: Path) -> Iterator[Objection]:
    yield from _share(plan.start, (*path, "from"))
    yield from _share(plan.to, (*path, "to"))
    if plan.to < plan.start:
        yield Objection((*path, "to"), f"to is smaller than from ({plan.start:f})", f"write at least {plan.start:f}")
    if isinstance(plan, Linear) and plan.by <= 0:
        yield Objection((*path, "by"), "a step must add something", "write more than 0")
    elif 0 < plan.start <= plan.to < ALL:
        yield from _length(plan, path)
    yield from _hold(plan.hold, (*path, "hold"))


def _length(plan: Linear | Exponential, path: Path) -> Iterator[Objection]:
    strategy = Strategy(linear=plan) if isinstance(plan, Linear) else Strategy(exponential=plan)
    key = "by" if isinstance(plan, Linear) else "factor"
    try:
        steps_of(strategy)
    except ValueError:
        yield Objection((*path, key), f"this makes more than {MOST_STEPS} steps", f"write a larger {key}")


def _steps(steps: tuple[Step, ...], path: Path) -> Iterator[Objection]:
    before = None
    for index, step in enumerate(steps):
        here = (*path, index)
        yield from _share(step.share, (*here, "share"))
        if before is not None and step.share <= before:
            yield Objection(
                (*here, "share"),
                f"this step is not larger than the one before it ({before:f})",
                "write the shares in ascending order",
            )
        before = step.share
        yield from _hold(step.hold, (*here, "hold"))


def _share(share: Decimal, path: Path) -> Iterator[Objection]:
    if share <= 0:
        yield Objection(path, "a step without traffic shows nothing", "write more than 0")
    if share >= ALL:
        yield Objection(path, "100 % is the bake, which follows the last step by itself", "write less than 100")


def _hold(hold: Hold | Bake, path: Path) -> Iterator[Objection]:
    if hold.max < hold.min:
        least = format_duration(hold.min)
        yield Objection((*path, "max"), f"max is shorter than min ({least})", f"write at least {least}")


def _source(spec: Spec, path: Path) -> Iterator[Objection]:
    source = spec.analysis.source
    yield from _exactly_one(path, {"prometheus": source.prometheus, "scrape": source.scrape})
    prometheus = source.prometheus
    if source.scrape is not None and spec.analysis.gateway == "pods":
        yield Objection(
            (*path, "scrape"),
            "the names of the pods are not in what they serve: Prometheus adds them",
            "read the pods' counters through a Prometheus",
        )
    if prometheus is None or prometheus.url.startswith("https://"):
        return
    if prometheus.bearer_token_file is not None:
        yield Objection(
            (*path, "prometheus", "bearerTokenFile"),
            "over http the token could be read on its way",
            "write the url with https://, or leave the token out",
        )
    if prometheus.tls is not None:
        yield Objection(
            (*path, "prometheus", "tls"), "tls says nothing about an http address", "write the url with https://"
        )


def _analysis(spec: Spec, path: Path) -> Iterator[Objection]:
    analysis = spec.analysis
    for key, chance in (("falseRollback", analysis.false_rollback), ("falseHealthy", analysis.false_healthy)):
        if not LEAST_CHANCE <= chance <= MOST_CHANCE:
            yield Objection((*path, key), "no judge can keep this chance", f"write {LEAST_CHANCE:f} to {MOST_CHANCE}")
    if analysis.every is not None and not SHORTEST_LOOK <= analysis.every <= LONGEST_LOOK:
        least, most = format_duration(SHORTEST_LOOK), format_duration(LONGEST_LOOK)
        yield Objection((*path, "every"), "looks cannot be taken at this pace", f"write {least} to {most}")


def _metrics(spec: Spec, path: Path) -> Iterator[Objection]:
    analysis, seen = spec.analysis, set[str]()
    for index, metric in enumerate(analysis.metrics):
        here = (*path, index)
        kinds = {"errors": metric.errors, "latency": metric.latency, "query": metric.query}
        yield from _exactly_one(here, kinds)
        if metric.name in seen:
            yield Objection(here, f"there is a metric named {metric.name} already", "judge each metric once")
        seen.add(metric.name)
        if metric.query:
            yield from _selectors(metric.query, (*here, "query"))
        if analysis.gateway == "none" and not metric.query:
            yield Objection(
                here if "metrics" in analysis.model_fields_set else path[:-1],
                f"without a gateway nobody counts {metric.name}",
                "name the gateway, or judge by queries of your own only: metrics: [{query: ...}]",
            )
        if metric.latency and not _has_latency(analysis.gateway):
            yield Objection(
                here if "metrics" in analysis.model_fields_set else (*path[:-1], "gateway"),
                f"{analysis.gateway} keeps no histogram of latencies",
                "judge errors only: metrics: [{errors: {}}], or latency by what the app counts: gateway: pods",
            )
        if metric.latency and metric.latency.limit:
            yield from _limits(metric.latency.limit, (*here, "latency", "limit"))
    if all(metric.chosen.dry_run for metric in analysis.metrics):
        yield Objection(path, "every metric is dryRun: nothing could ever decide", "let at least one metric decide")


def _has_latency(gateway: str) -> bool:
    """Whether this gateway's latencies can be judged; `none` has been objected to by then."""
    from analysis.packs import PACKS

    return gateway not in PACKS or PACKS[gateway].has_latency


def _selectors(query: Query, path: Path) -> Iterator[Objection]:
    """Selectors that could not be read; the packs know which, and need to be asked with any Services at all."""
    from analysis.model import Arm
    from analysis.packs import PackError, Target, custom

    services = {Arm.STABLE: "stable", Arm.CANARY: "canary"}
    target = Target(namespace="namespace", route="route", services=services, port=1)
    for key, selector in (("bad", query.bad), ("total", query.total)):
        try:
            for feed in custom(query.name, bad=selector, total=selector, target=target):
                for _, pattern in feed.where:
                    re.compile(pattern)
        except PackError as error:
            said = " ".join(str(error).removeprefix(f"{query.name}: ").split())
            yield Objection((*path, key), said, 'write a counter, such as requests_total{service="$arm"}')
        except re.error as error:
            yield Objection((*path, key), f"a matcher is not a regular expression: {error}", "correct it")


def _limits(limit: LatencyLimit, path: Path) -> Iterator[Objection]:
    if not limit.quantiles:
        yield Objection(path, "this limits nothing", "write a quantile and its limit, such as p99: 800ms")
    before = 0.0
    for quantile, seconds in limit.quantiles:
        key = f"p{quantile * 100:.4g}"
        if seconds <= 0:
            yield Objection((*path, key), "no request is that fast", "write more than 0")
        elif seconds < before:
            least = format_duration(before)
            yield Objection(
                (*path, key), "a higher quantile cannot be faster than a lower one", f"write at least {least}"
            )
        before = max(before, seconds)


def _times(spec: Spec, at: Path) -> Iterator[Objection]:
    plan = _plan(spec)
    least = spec.bake.min + sum(step.hold_min for step in plan)
    if plan and spec.deadline <= least:
        text = format_duration(least)
        yield Objection(
            (*at, "deadline"),
            f"the shortest holds and the bake alone take {text}",
            f"write more than {text}, with room for waiting",
        )


def _waits(spec: Spec, path: Path) -> Iterator[Objection]:
    """Waits that would leave a step without a single judged look."""
    holds = [step.hold_max for step in _plan(spec)]
    if not holds:
        return
    shortest, hint = min(holds), f"write less than {format_duration(min(holds))}, or hold longer"
    if spec.analysis.warmup >= shortest and any(metric.latency for metric in spec.analysis.metrics):
        warmup = format_duration(spec.analysis.warmup)
        yield Objection((*path, "warmup"), f"a step would end before its latency is judged, after {warmup}", hint)
    if spec.analysis.interval >= shortest:
        yield Objection((*path, "every"), "a step would end before its first look", hint)


def _gates(spec: Spec, path: Path) -> Iterator[Objection]:
    seen = set[Decimal]()
    shares = {step.share for step in _plan(spec)}
    for index, gate in enumerate(spec.gates):
        here = (*path, index, "before")
        if gate.before in seen:
            yield Objection(here, "there is a gate before this step already", "write one gate for each step")
        elif shares and gate.before != ALL and gate.before not in shares:
            known = ", ".join(f"{share.normalize():f}" for share in sorted(shares))
            yield Objection(here, "no step has this share", f"write one of {known}, or 100 for the bake")
        seen.add(gate.before)
        if gate.on_expiry != spec.gates[0].on_expiry:
            yield Objection(
                (*path, index, "onExpiry"),
                "gates of one release expire alike",
                f"write {spec.gates[0].on_expiry}, as the first gate does",
            )


def _plan(spec: Spec) -> Plan:
    """The plan, or no step when it is impossible, which is told elsewhere."""
    try:
        return steps_of(spec.strategy)
    except ValueError:
        return ()
