"""The adapters that a release file names, for those who only look: what `run` works with, without an engine."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from analysis.packs import Target
    from canary.adapters.kubernetes import Api, KubernetesPreflights, KubernetesRoutes, KubernetesWorkloads
    from canary.ports import Routes, Sources
    from canary.spec import Release


def workloads_of(file: Release, api: Api, *, release: str) -> KubernetesWorkloads | None:
    """What makes the canary; None where the release moves traffic between two Services that exist."""
    from canary.adapters.kubernetes import KubernetesWorkloads
    from canary.spec.template import PodTemplate

    workload = file.spec.workload
    if workload is None or file.spec.image is None:
        return None
    template = workload.template if isinstance(workload.template, PodTemplate) else None
    return KubernetesWorkloads(
        api,
        namespace=file.metadata.namespace,
        release=release,
        deployment=workload.name,
        container=workload.container,
        image=file.spec.image,
        stable_service=file.spec.stable.service,
        canary_service=file.canary_service,
        baseline_service=file.baseline_service,
        port=file.spec.stable.port,
        copies=workload.copies,
        floor=workload.floor == "hold",
        hook=file.spec.promote.by == "hook",
        template=template.template if template else None,
        versioned=workload.versioned,
        first=template.whole() if template and file.spec.first_release == "direct" else None,
    )


def target_on(file: Release, routes: Routes) -> Target:
    """Whose counters are read: as the file says, and as the route shows."""
    from canary.cli.counters import seen_on, target_of
    from canary.spec.pool import pool_of

    return seen_on(routes, target_of(file), pool=pool_of(file), selectors=file.spec.route.rules)


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
    from canary.cli.counters import naming_of, target_of, why_none
    from canary.cli.question import judge_config
    from canary.spec.plan import steps_of
    from canary.spec.pool import pool_of

    config = judge_config(file, looks=1)
    return KubernetesPreflights(
        api,
        namespace=file.metadata.namespace,
        routes=routes,
        pool=pool_of(file),
        selectors=file.spec.route.rules,
        shares=[step.share for step in steps_of(file.spec.strategy)],
        metrics=config.metrics,
        rules=config.classical,
        release=release,
        workloads=workloads,
        sources=sources,
        missing=why_none(file),
        why=naming_of(file, target_of(file), sources),
        stat_names=file.spec.analysis.gateway == "envoy-gateway",
    )
