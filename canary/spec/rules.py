"""Combinations that cannot work, each with the place it is written at and what would be right."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from typing import TYPE_CHECKING

from canary.spec.metric_rules import metrics
from canary.spec.objection import Objection, Path, exactly_one
from canary.spec.plan import steps_of
from canary.spec.quantities import PROMOTION, format_duration
from canary.spec.strategy import Exponential, Linear, Strategy
from canary.spec.template import LIVE, PodTemplate
from strategies.plan import MOST_STEPS, Plan

if TYPE_CHECKING:
    from canary.spec.release import Bake, Spec
    from canary.spec.strategy import Hold, Step

ALL = Decimal(100)
"""All the traffic: the bake."""

LEAST_CHANCE, MOST_CHANCE = 0.000001, 0.2
"""Below the first no release gives enough evidence; above the second the promise says nothing."""

SHORTEST_LOOK, LONGEST_LOOK = 0.2, 600.0
"""Seconds. Counters move no faster than proxies publish them; slower than ten minutes nothing is guarded."""


def objections(spec: Spec) -> Iterator[Objection]:
    """Everything about a release whose single values are all right that still cannot work."""
    at: Path = ("spec",)
    yield from _arms(spec, at)
    yield from _strategy(spec, (*at, "strategy"))
    yield from _source(spec, (*at, "analysis", "source"))
    yield from _analysis(spec, (*at, "analysis"))
    yield from metrics(spec, (*at, "analysis", "metrics"))
    yield from _hold(spec.bake, (*at, "bake"))
    yield from _gates(spec, (*at, "gates"))
    yield from _promotion(spec, (*at, "promote", "by"))
    yield from _versioned(spec, (*at, "workload", "versioned"))
    yield from _baseline(spec, at)
    yield from _first(spec, (*at, "firstRelease"))
    yield from _times(spec, at)
    yield from _waits(spec, (*at, "analysis"))


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
    yield from exactly_one(
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
    yield from exactly_one(path, {"prometheus": source.prometheus, "scrape": source.scrape})
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
    young = min(shortest, spec.bake.max)  # any step may have new pods, and the bake has
    if spec.analysis.warmup >= young and any(metric.latency for metric in spec.analysis.metrics):
        said = f"a step would end before its latency is judged, after {format_duration(spec.analysis.warmup)}"
        yield Objection((*path, "warmup"), said, f"write less than {format_duration(young)}, or hold longer")
    if spec.analysis.interval >= shortest:
        yield Objection((*path, "every"), "a step would end before its first look", hint)


def _gates(spec: Spec, path: Path) -> Iterator[Objection]:
    seen = set[Decimal | str]()
    shares = {step.share for step in _plan(spec)}
    for index, gate in enumerate(spec.gates):
        here = (*path, index, "before")
        if gate.before in seen:
            yield Objection(here, "there is a gate before this step already", "write one gate for each step")
        elif shares and gate.before not in {ALL, PROMOTION} and gate.before not in shares:
            known = ", ".join(f"{share.normalize():f}" for share in sorted(shares))
            yield Objection(here, "no step has this share", f"write one of {known}, 100 for the bake, or promotion")
        seen.add(gate.before)
        if gate.on_expiry != spec.gates[0].on_expiry:
            yield Objection(
                (*path, index, "onExpiry"),
                "gates of one release expire alike",
                f"write {spec.gates[0].on_expiry}, as the first gate does",
            )


def _promotion(spec: Spec, path: Path) -> Iterator[Objection]:
    workload = spec.workload
    if spec.promote.by == "hook" and workload is not None and workload.template != LIVE:
        yield Objection(
            path,
            "the engine knows a hook's work by the image alone, and a template is more than that",
            "write engine, or template: live and let the tool change the rest before or after the release",
        )


def _versioned(spec: Spec, path: Path) -> Iterator[Objection]:
    workload = spec.workload
    if workload is not None and workload.versioned and workload.template == LIVE:
        yield Objection(
            path,
            "the running Deployment names the copies that it was last promoted with, and not what they were made from",
            "write template: FILE, whose file names the originals; or leave versioned out",
        )


def _baseline(spec: Spec, at: Path) -> Iterator[Objection]:
    workload, stable = spec.workload, spec.stable.service
    if workload is None or not workload.baseline:
        return
    if len(stable) > 63 - len("-baseline"):
        yield Objection(
            (*at, "workload", "baseline"),
            "the name of stable's Service is too long to append -baseline to",
            "leave baseline out",
        )
    if spec.canary.service == f"{stable}-baseline":
        yield Objection(
            (*at, "canary", "service"),
            "the fresh baseline's Service has this name",
            f"name another Service, such as {stable}-canary",
        )
    if scaling := {"HorizontalPodAutoscaler", "ScaledObject"} & set(workload.copies):
        yield Objection(
            (*at, "workload", "copy"),
            "an autoscaler of the canary's own would give it another size than the fresh baseline's",
            f"leave {' and '.join(sorted(scaling))} out, or baseline",
        )


def _first(spec: Spec, path: Path) -> Iterator[Objection]:
    if spec.first_release != "direct":
        return
    template = spec.workload.template if spec.workload else LIVE
    if not isinstance(template, PodTemplate):
        yield Objection(
            path,
            "there is nothing to make a first version from",
            "write workload: {name: ..., template: FILE}, whose file holds the whole Deployment; or refuse",
        )
    elif template.deployment is None:
        yield Objection(
            path,
            "a pod template alone does not say how many pods a first version has, and how they are selected",
            f"write the whole Deployment in {template.file}; or refuse",
        )
    elif not template.deployment.get("selector"):
        yield Objection(path, "the Deployment has no selector", f"write spec.selector in {template.file}; or refuse")
    elif template.deployment.get("replicas") == 0:
        yield Objection(path, "a Deployment of 0 replicas is no version", f"write spec.replicas in {template.file}")


def _plan(spec: Spec) -> Plan:
    """The plan, or no step when it is impossible, which is told elsewhere."""
    try:
        return steps_of(spec.strategy)
    except ValueError:
        return ()
