"""From a release file to the references between which it moves traffic."""

from __future__ import annotations

from canary.spec.release import Release
from strategies.route.model import RefId
from strategies.route.original import Pool


def pool_of(file: Release) -> Pool:
    """Stable's reference, the canary's, and the fresh baseline's where there is one."""
    stable, fresh = file.spec.stable, file.baseline_service

    def service(name: str, port: int) -> RefId:
        return RefId(kind="Service", group="", namespace=file.metadata.namespace, name=name, port=port)

    return Pool(
        stable=service(stable.service, stable.port),
        baseline=service(fresh, stable.port) if fresh else None,
        canary=service(file.canary_service, file.canary_port),
    )
