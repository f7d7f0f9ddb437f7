"""What a release would do, offline: every step with its holds, its weights and the exact writes.

The writes are planned by the same functions that the engine uses, each on the route as the one before it leaves it.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from functools import partial
from typing import Any

from analysis.judge import JudgeConfig
from analysis.packs import PACKS
from analysis.planning import Prospect, Traffic, prospect
from canary.report import beside, changed, prospects, words
from canary.report.changed import Change
from canary.spec import Release
from canary.spec.plan import steps_of
from canary.spec.pool import pool_of
from canary.spec.template import PodTemplate
from canary.spec.traffic import Workload
from strategies.plan import Step
from strategies.route.lowering import detach, lower
from strategies.route.model import STAMP, Rule, rules_of
from strategies.route.operations import Patch
from strategies.route.original import Original, Pool, choose
from strategies.route.raising import attach, set_share

Apply = Callable[[Any, Patch], Any]

ALL = Decimal(100)
TOKEN = "<token>"  # noqa: S105 - a placeholder in a printed plan: the engine makes the real one when it starts
RELEASE = "<release>"
_SHOW = "What it changes: --workload FILE, from kubectl get deployment NAME -o yaml"


@dataclass(frozen=True, slots=True, kw_only=True)
class Write:
    """One write to the route.

    Attributes:
        what: in words.
        share: the canary's share of the pool after it, percent.
        hold_min, hold_max: seconds that follow it; None for a write that nobody waits after.
        weights: each rule's weights after it; empty without a route.
        of_rules: per chosen rule, the canary's percentage of everything the rule sends.
        of_route: the smallest and the largest percentage that the canary can have of everything the route sends; they
            differ where it has different parts of several rules, whose traffic nobody told. Empty without a route.
        patch: the JSON Patch; empty without a route.
        sees: what the step can see; None without traffic, and where no step is compared with stable.
    """

    what: str
    share: Decimal
    hold_min: float | None = None
    hold_max: float | None = None
    weights: tuple[str, ...] = ()
    of_rules: tuple[float, ...] = ()
    of_route: tuple[float, ...] = ()
    patch: Patch = ()
    sees: Prospect | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Planned:
    """The whole plan.

    Attributes:
        release, namespace: whose it is.
        writes: in order.
        shortest, longest: seconds, the holds alone; settling, starting pods and gates come on top.
        restored: whether the last write leaves the route's spec as it was; None without a route.
        traffic: what the steps' sight was computed for; None without.
        gateway: whose counters decide; none when only queries do.
        unseen: what these counters cannot see, one sentence each.
        verified: on what they were tried.
        rules: how the metrics are judged that are not judged at every look, one sentence each.
        template: the file that the pod template comes from; empty where it is the running Deployment's.
        changes: what that file changes; None where the running Deployment was not told.
        fresh: what a fresh baseline is and costs, in one sentence; empty where there is none.
    """

    release: str
    namespace: str
    writes: tuple[Write, ...]
    shortest: float
    longest: float
    restored: bool | None = None
    traffic: Traffic | None = None
    gateway: str = "none"
    unseen: tuple[str, ...] = ()
    verified: str = ""
    rules: tuple[str, ...] = ()
    template: str = ""
    changes: tuple[Change, ...] | None = None
    fresh: str = ""


def planned(
    release: Release,
    route: Mapping[str, Any] | None = None,
    *,
    apply: Apply | None = None,
    sight: tuple[JudgeConfig, Traffic] | None = None,
    config: JudgeConfig | None = None,
    workload: Mapping[str, Any] | None = None,
) -> Planned:
    """The plan of a release, with weights and writes when its route is given.

    Args:
        release: a valid release file.
        route: the route as it is; needs `apply`.
        apply: what a JSON Patch makes of a document.
        sight: the judge's config and the traffic to expect; adds what each step can see.
        config: the judge's; adds how metrics are judged that are not judged at every look.
        workload: stable's Deployment as it is; adds what a pod template from a file changes, and a baseline's pods.

    Raises:
        SurgeryError: the route has no room for this plan, or does not send to stable.
    """
    spec = release.spec
    steps = steps_of(spec.strategy)
    bare = [
        Write(
            what=f"step {i} of {len(steps)}",
            share=step.share,
            hold_min=step.hold_min,
            hold_max=step.hold_max,
            sees=_sees(step, *sight) if sight else None,
        )
        for i, step in enumerate(steps, start=1)
    ]
    bake = Write(what="bake", share=ALL, hold_min=spec.bake.min, hold_max=spec.bake.max)
    nothing, ours = Decimal(0), "the canary and its baseline" if release.baseline_service else "the canary"
    writes = [
        Write(what=f"attach {ours}", share=nothing),
        *bare,
        bake,
        Write(what="back to stable, which runs the new version", share=nothing),
        Write(what=f"detach {ours}", share=nothing),
    ]
    restored = None
    if route is not None and apply is not None:
        writes, restored = _on_route(release, route, writes, apply)
    known = PACKS.get(spec.analysis.gateway)
    template = spec.workload.template if spec.workload and isinstance(spec.workload.template, PodTemplate) else None
    return Planned(
        release=release.metadata.name,
        namespace=release.metadata.namespace,
        writes=tuple(writes),
        shortest=sum(write.hold_min or 0.0 for write in writes),
        longest=sum(write.hold_max or 0.0 for write in writes),
        restored=restored,
        traffic=sight[1] if sight else None,
        gateway=spec.analysis.gateway,
        unseen=known.blind if known else (),
        verified=known.verified if known else "",
        rules=tuple(beside.rules(config)) if config else (),
        template=template.file if template else "",
        changes=_changes(spec.workload, workload) if template and workload is not None else None,
        fresh=_fresh(release, steps, workload) if release.baseline_service else "",
    )


def _fresh(release: Release, steps: Sequence[Step], deployment: Mapping[str, Any] | None) -> str:
    """What a fresh baseline is, and the pods that it costs beside the canary's."""
    said = f"In each step the canary is compared with a fresh baseline behind {release.baseline_service}: it gets what "
    said += "the canary gets, or what is left, "
    if deployment is None:
        return f"{said}in as many pods as that needs, two at least where stable has several. How many: --workload FILE."
    from canary.adapters.kubernetes.derive import replicas_for, replicas_of

    stable, pods, most = replicas_of(deployment), list[int](), 0
    for step in steps:
        most = max(most, replicas_for(min(step.share, ALL - step.share), stable=stable))
        pods.append(most)
    return f"{said}in {', '.join(map(str, pods))} pods, step by step (stable has {stable})."


def _changes(workload: Workload | None, deployment: Mapping[str, Any]) -> tuple[Change, ...]:
    if workload is None or not isinstance(workload.template, PodTemplate):
        return ()
    live = (deployment.get("spec") or {}).get("template") or {}
    return tuple(changed.changes(live, workload.template.template, container=workload.container))


def _sees(step: Step, config: JudgeConfig, traffic: Traffic) -> Prospect:
    return prospect(config, traffic, share=float(step.share), hold_min=step.hold_min, hold_max=step.hold_max)


def _on_route(
    release: Release, route: Mapping[str, Any], writes: Sequence[Write], apply: Apply
) -> tuple[list[Write], bool]:
    pool = pool_of(release)
    shares = [write.share for write in writes if write.hold_min is not None]
    original = choose(route, pool, selectors=release.spec.route.rules, shares=shares)
    now: Any = copy.deepcopy(dict(route))
    notes = now.setdefault("metadata", {}).setdefault("annotations", {})
    notes |= dict(zip(STAMP, (TOKEN, RELEASE, original.text()), strict=True))
    raises = partial(set_share, pool=pool, original=original, token=TOKEN)
    patches: list[Callable[[Any], Patch]] = [
        lambda route: attach(route, pool=pool, original=original, token=TOKEN),
        *(partial(raises, share=write.share) for write in writes[1:-2]),
        lambda route: lower(route, pool=pool, original=original, release=RELEASE).patch,
        lambda route: detach(route, pool=pool, original=original, release=RELEASE).patch,
    ]
    done = []
    for write, patch_for in zip(writes, patches, strict=True):
        patch = patch_for(now)
        now = apply(now, patch)
        done.append(_with_weights(write, now, patch, pool=pool, original=original))
    return done, now.get("spec") == route.get("spec")


def _with_weights(write: Write, now: Any, patch: Patch, *, pool: Pool, original: Original) -> Write:
    chosen = {rule.key for rule in original.rules}
    every = rules_of(now)
    rules = [rule for rule in every if rule.key in chosen]
    found = [(rule, rule.find(pool.canary)) for rule in rules]
    parts = [_part(rule, pool) for rule in every]
    return replace(
        write,
        weights=tuple(f"{rule}: {' '.join(f'{ref.id.name}={ref.weight}' for ref in rule.refs)}" for rule in rules),
        of_rules=tuple(100.0 * (ref.weight if ref else 0) / (rule.total or 1) for rule, ref in found),
        of_route=(min(parts), max(parts)) if parts else (),
        patch=patch,
    )


def _part(rule: Rule, pool: Pool) -> float:
    """The canary's percentage of everything that a rule sends."""
    ref = rule.find(pool.canary)
    return 100.0 * (ref.weight if ref else 0) / (rule.total or 1)


def _of_route(write: Write) -> str:
    if not write.of_route or not write.of_route[1]:
        return ""
    low, high = write.of_route
    if high - low < 0.01 * high:
        return f"  ({high:.3g} % of the whole route)"
    return f"  ({f'{low:.3g} to ' if low else 'at most '}{high:.3g} % of the whole route)"


def _closing(plan: Planned) -> Iterable[str]:
    """What the steps' lines mean together, or how to have them."""
    seeing = [(write.sees, write.hold_max) for write in plan.writes if write.sees is not None]
    if not plan.traffic or not seeing:
        return [prospects.HOW]
    return prospects.closing(plan.traffic, [sees for sees, _ in seeing], hold_max=seeing[0][1] or 0.0)


def text(plan: Planned) -> str:
    """The plan for a person: the steps, and below each what the route then says."""
    steps = sum(write.hold_min is not None for write in plan.writes) - 1
    holds = f"{words.span(plan.shortest)} to {words.span(plan.longest)} of holds"
    lines = [
        f"Release {plan.release} in {plan.namespace}: {steps} step{'s' if steps > 1 else ''} and a bake, {holds}",
        *(prospects.opening(plan.traffic) if plan.traffic else ()),
        "",
    ]
    for write in plan.writes:
        hold = ""
        if write.hold_min is not None and write.hold_max is not None:
            hold = f"  hold {words.span(write.hold_min)} to {words.span(write.hold_max)}"
        lines.append(f"{words.share(write.share):>9}  {write.what}{hold}{_of_route(write)}")
        for weights, percent in zip(write.weights, write.of_rules, strict=True):
            lines.append(f"{'':11}{weights}  ({percent:.4g} % of this rule)")
        if write.sees is not None and write.hold_min is not None and write.hold_max is not None:
            other = "the baseline" if plan.fresh else "stable"
            told = prospects.lines(write.sees, hold_min=write.hold_min, hold_max=write.hold_max, other=other)
            lines += [f"{'':11}{line}" for line in told]
    lines += ["", *_closing(plan)]
    if plan.unseen:
        lines += ["", f"What {plan.gateway}'s counters cannot see:", *(f"  - {each}" for each in plan.unseen)]
        lines += [f"  ({plan.verified})"]
    if plan.fresh:
        lines += ["", plan.fresh]
    if plan.rules:
        lines += ["", "Beside the test at every look:", *(f"{'':2}{rule}" for rule in plan.rules)]
    if plan.template:
        unknown = [f"The pod template comes from {plan.template}. {_SHOW}"]
        lines += ["", *(unknown if plan.changes is None else changed.lines(list(plan.changes), file=plan.template))]
    if plan.restored is not None:
        end = "equals" if plan.restored else "does NOT equal"
        lines += ["", f"The route's spec after the last write {end} the one before the first."]
        lines += ["Print the JSON Patch of each write with: -o json"]
    return "\n".join(lines) + "\n"
