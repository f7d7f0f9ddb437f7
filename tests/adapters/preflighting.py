"""Preflight run on the shop: nothing is written meanwhile, and what was found is told apart."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Any

from analysis.model import Arm
from analysis.sources import Reading
from analysis.sources.model import Key, Role, Sample
from canary.adapters.kubernetes import Api, KubernetesPreflights, KubernetesRoutes, KubernetesWorkloads
from canary.adapters.kubernetes.budget import Pacer
from canary.core.outcome import ExitCode
from canary.ports import Problem
from strategies import Pool, RefId

Check = Callable[..., list[Problem]]
PLURALS = ("deployments", "services", "httproutes", "configmaps", "leases", "events")
SHARES = (Decimal(5), Decimal(50))
GOOD = Reading(at=0.0, samples=(Sample(Key("errors", Arm.STABLE, Role.TOTAL), "s", 1.0, 7.0),))


class Told:
    """A source that says what it is told to, the last again and again."""

    def __init__(self, *readings: Reading) -> None:
        self.readings = list(readings)

    def read(self, *, timeout: float) -> Reading:
        assert timeout > 0
        return self.readings.pop(0) if len(self.readings) > 1 else self.readings[0]


def pool_of(namespace: str, *, stable: str = "shop", port: int = 8080) -> Pool:
    return Pool(
        stable=RefId("Service", "", namespace, stable, port),
        canary=RefId("Service", "", namespace, "shop-canary", 8080),
    )


def versions(shop: Any) -> dict[str, str]:
    """Every object of the namespace that preflight could touch, with its version."""
    return {
        f"{plural}/{each['metadata']['name']}": each["metadata"]["resourceVersion"]
        for plural in PLURALS
        for each in shop.list(plural)
    }


def checking(shop: Any, controller: Any) -> Check:
    """Runs preflight, and makes sure that it wrote nothing. The world stands still meanwhile."""

    def run(
        *readings: Reading,
        api: Api | None = None,
        release: str = "f00d",
        selectors: tuple[str | int, ...] | None = None,
        shares: tuple[Decimal, ...] = SHARES,
        workload: bool = True,
        pool: Pool | None = None,
        missing: str = "",
        **changes: Any,
    ) -> list[Problem]:
        controller.close()
        api = api or shop.api()
        api.pacer = Pacer(sleep=lambda _: None)
        pool = pool or pool_of(shop.namespace)
        workloads: Any = {
            "namespace": shop.namespace,
            "release": release,
            "deployment": "shop",
            "container": "app",
            "image": "example.test/shop@sha256:" + "2" * 64,
            "stable_service": pool.stable.name,
            "canary_service": "shop-canary",
            "port": 8080,
        }
        preflights = KubernetesPreflights(
            api,
            namespace=shop.namespace,
            routes=KubernetesRoutes(api, namespace=shop.namespace, name=changes.pop("route", "shop")),
            pool=pool,
            selectors=selectors,
            shares=shares,
            release=release,
            workloads=KubernetesWorkloads(api, **{**workloads, **changes}) if workload else None,
            sources=Told(*(readings or (GOOD,))),
            missing=missing,
        )
        before, log = versions(shop), shop.requests()
        found = preflights.check()
        assert versions(shop) == before
        since = [each for each in shop.requests() if each["number"] > (log[-1]["number"] if log else 0)]
        wrote = [each for each in since if each["verb"] not in {"get", "list", "watch"}]
        assert all(each["dryRun"] == "All" for each in wrote), wrote
        assert all(each.what.endswith(".") and len(each.fix) > 10 for each in found), found
        return found

    return run


def refusing(found: list[Problem]) -> list[Problem]:
    return [problem for problem in found if problem.code is not None]


def one(found: list[Problem], *words: str, code: ExitCode | None = ExitCode.PREFLIGHT_FAILED) -> Problem:
    """The one finding that holds the words, and no other that refuses beside it."""
    matching = [each for each in found if all(word in f"{each.what} {each.fix}" for word in words)]
    assert len(matching) == 1, found
    assert matching[0].code is code, found
    if code is not None:
        assert refusing(found) == matching
    return matching[0]
