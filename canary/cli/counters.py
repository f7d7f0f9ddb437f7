"""Whose counters a release is judged by: what its file says, and what only the route shows."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from canary.spec import Release

if TYPE_CHECKING:
    from analysis.model import Arm
    from analysis.packs import Target
    from canary.ports import Routes, Sources
    from strategies import Pool, Rule

NAMED_WITHIN = 5.0
"""Seconds for the list of what a gateway counts."""


def target_of(file: Release) -> Target:
    """Whose counters are read, as far as the release file says."""
    from analysis.model import Arm
    from analysis.packs import Target

    spec = file.spec
    workloads: dict[Arm, str] = {}
    fresh: dict[Arm, str] = {}
    if spec.workload is not None:
        from canary.adapters.kubernetes.derive import DEPLOYMENT_NAME_LIMIT
        from canary.adapters.kubernetes.paths import named

        stable = spec.workload.name
        workloads = {Arm.STABLE: stable, Arm.CANARY: named(stable, "canary", limit=DEPLOYMENT_NAME_LIMIT)}
        fresh = {**workloads, Arm.STABLE: named(stable, "baseline", limit=DEPLOYMENT_NAME_LIMIT)}
    target = Target(
        namespace=file.metadata.namespace,
        route=spec.route.name,
        services={Arm.STABLE: spec.stable.service, Arm.CANARY: file.canary_service},
        port=spec.stable.port,
        ports={Arm.CANARY: file.canary_port},
        workloads=workloads,
    )
    if not file.baseline_service:
        return target
    services = {**target.services, Arm.STABLE: file.baseline_service}
    return replace(target, baseline=replace(target, services=services, workloads=fresh))


def seen_on(routes: Routes, target: Target, *, pool: Pool, selectors: tuple[str | int, ...] | None) -> Target:
    """The target with what the route tells. A route that cannot be read tells nothing: preflight says what is wrong."""
    from canary.ports import PortError
    from strategies.route.model import SurgeryError

    try:
        return told_by(routes.read(), target, pool=pool, selectors=selectors)
    except (PortError, SurgeryError, KeyError, AttributeError, TypeError):
        return target


def told_by(route: Mapping[str, Any], target: Target, *, pool: Pool, selectors: tuple[str | int, ...] | None) -> Target:
    """The target with what the route tells.

    Raises:
        SurgeryError, KeyError, AttributeError, TypeError: the object is no route.
    """
    from analysis.model import Arm

    seen = replace(
        target, gateways=_gateways(route, target.namespace), places=places_on(route, pool=pool, selectors=selectors)
    )
    if target.baseline is None:
        return seen
    places = {**seen.places, Arm.STABLE: places_of_baseline(route, pool=pool, selectors=selectors)}
    return replace(seen, baseline=replace(target.baseline, gateways=seen.gateways, places=places))


def _gateways(route: Mapping[str, Any], namespace: str) -> tuple[tuple[str, str], ...]:
    """Namespace and name of the route's Gateways; some metrics carry them."""
    parents = route["spec"].get("parentRefs") or []
    found = [parent for parent in parents if parent.get("kind", "Gateway") == "Gateway"]
    return tuple((parent.get("namespace") or namespace, parent["name"]) for parent in found)


def places_on(
    route: Mapping[str, Any], *, pool: Pool, selectors: tuple[str | int, ...] | None
) -> dict[Arm, tuple[tuple[int, int], ...]]:
    """Where each arm's references stand in the chosen rules; the canary's where the engine appends it.

    Args:
        route: as it is, before the release or during it.
        pool: stable and canary.
        selectors: names or indices of rules; None for every rule that sends to stable.

    Raises:
        SurgeryError: the object is no route, or names an arm twice in one rule.
    """
    from analysis.model import Arm

    stable, canary = [], []
    for rule in _chosen(route, selectors):
        known, ours = rule.find(pool.stable), rule.find(pool.canary)
        if known is not None:
            stable.append((rule.index, known.index))
            canary.append((rule.index, ours.index if ours else len(rule.refs)))
    return {Arm.STABLE: tuple(stable), Arm.CANARY: tuple(canary)}


def places_of_baseline(
    route: Mapping[str, Any], *, pool: Pool, selectors: tuple[str | int, ...] | None
) -> tuple[tuple[int, int], ...]:
    """Where a fresh baseline's references stand in the chosen rules; behind the canary's where the engine appends it.

    Args:
        route, pool, selectors: as for `places_on`; the pool has a baseline.

    Raises:
        SurgeryError: the object is no route, or names an arm twice in one rule.
    """
    found = []
    for rule in _chosen(route, selectors):
        if pool.baseline is None or rule.find(pool.stable) is None:
            continue
        fresh, canary = rule.find(pool.baseline), rule.find(pool.canary)
        found.append((rule.index, fresh.index if fresh else len(rule.refs) + (canary is None)))
    return tuple(found)


def _chosen(route: Mapping[str, Any], selectors: tuple[str | int, ...] | None) -> Iterator[Rule]:
    from strategies.route.model import rules_of

    for rule in rules_of(route):
        if selectors is None or rule.index in selectors or rule.name in selectors:
            yield rule


def why_none(file: Release) -> str:
    """What to do when stable has no counters, in the words of the gateway's pack; empty without one."""
    from analysis.packs import PACKS

    known = PACKS.get(file.spec.analysis.gateway)
    return known.missing if known else ""


def naming_of(file: Release, target: Target, sources: Sources) -> Callable[[], str] | None:
    """Asks the source what the gateway calls its counters, for why stable has none; None where names tell nothing."""
    from analysis.packs import PACKS

    known = PACKS.get(file.spec.analysis.gateway)
    names = getattr(sources, "names", None)
    if known is None or known.explain is None or names is None:
        return None
    explain, listed = known.explain, known.listed

    def why() -> str:
        for family, label in listed:
            if found := names(family, label, timeout=NAMED_WITHIN):
                return explain(target, found)
        return ""

    return why
