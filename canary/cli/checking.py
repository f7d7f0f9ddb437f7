"""The adapters that a release file names, for those who only look: what `run` works with, without an engine."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from canary.adapters.kubernetes import Api, KubernetesPreflights, KubernetesRoutes, KubernetesWorkloads
    from canary.ports import Pasts, Routes, Sources
    from canary.spec import Release


def workloads_of(file: Release, api: Api, *, release: str) -> KubernetesWorkloads | None:
    """What makes the canary; None where the release moves traffic between two Services that exist."""
    from canary.adapters.kubernetes import KubernetesWorkloads

    workload = file.spec.workload
    if workload is None or file.spec.image is None:
        return None
    return KubernetesWorkloads(
        api,
        namespace=file.metadata.namespace,
        release=release,
        deployment=workload.name,
        container=workload.container,
        image=file.spec.image,
        stable_service=file.spec.stable.service,
        canary_service=file.canary_service,
        port=file.spec.stable.port,
        copies=workload.copies,
        floor=workload.floor == "hold",
        hook=file.spec.promote.by == "hook",
    )


def sources_of(file: Release, routes: Routes, *, now: Callable[[], float]) -> Sources:
    """Where the counters of stable and canary are read."""
    from canary.cli.assemble import pool_of
    from canary.cli.counters import seen_on, target_of
    from canary.cli.reads import source_of

    return source_of(
        file, seen_on(routes, target_of(file), pool=pool_of(file), selectors=file.spec.route.rules), now=now
    )


def pasts_of(file: Release, routes: Routes, *, now: Callable[[], float]) -> Pasts | None:
    """Where stable's recorded past is read; None where the source keeps none."""
    from canary.cli.assemble import pool_of
    from canary.cli.counters import seen_on, target_of
    from canary.cli.reads import stable_alone

    target = seen_on(routes, target_of(file), pool=pool_of(file), selectors=file.spec.route.rules)
    return stable_alone(file, target, now=now)


def preflights_of(
    file: Release,
    api: Api,
    *,
    release: str,
    routes: KubernetesRoutes,
    workloads: KubernetesWorkloads | None,
    sources: Sources,
) -> KubernetesPreflights:
    """The checks of a release before it begins.

    Args:
        file: the release file.
        api: the API server, with the rights that are to be checked.
        release: the release's uid.
        routes, workloads, sources: what it works with.
    """
    from canary.adapters.kubernetes import KubernetesPreflights
    from canary.cli.assemble import pool_of
    from canary.cli.counters import naming_of, target_of, why_none
    from canary.cli.question import judge_config
    from canary.core.policy import steps_of

    config = judge_config(file, looks=1)
    return KubernetesPreflights(
        api,
        namespace=file.metadata.namespace,
        routes=routes,
        pool=pool_of(file),
        selectors=file.spec.route.rules,
        shares=[step.share for step in steps_of(file)],
        metrics=config.metrics,
        rules=config.classical,
        release=release,
        workloads=workloads,
        sources=sources,
        missing=why_none(file),
        why=naming_of(file, target_of(file), sources),
        stat_names=file.spec.analysis.gateway == "envoy-gateway",
    )
