"""Everything that can be known before the first touch. Nothing is written: each write is asked for with dryRun=All."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from decimal import Decimal
from urllib.parse import quote

import strategies as cut
from analysis.classical import ClassicalConfig
from analysis.judge import MetricConfig
from analysis.model import Arm
from analysis.sources import Measured, Reading
from canary.adapters.kubernetes.access import Right, denied, rule_for
from canary.adapters.kubernetes.api import Api
from canary.adapters.kubernetes.envoy_proxies import check_stat_names
from canary.adapters.kubernetes.gates import gate_name
from canary.adapters.kubernetes.neighbours import COVERS
from canary.adapters.kubernetes.objects import Objects, understood
from canary.adapters.kubernetes.paths import (
    AUTOSCALER,
    CONFIG_MAP,
    DEPLOYMENT,
    ENDPOINT_SLICE,
    EVENT,
    LEASE,
    POD,
    REPLICA_SET,
    ROUTE_KINDS,
    SCALED_OBJECT,
    SERVICE,
    Resource,
    named,
)
from canary.adapters.kubernetes.preflight_metrics import check_buckets, check_gauges, check_series
from canary.adapters.kubernetes.preflight_workload import check_first, check_service, check_workload, owners
from canary.adapters.kubernetes.rehearsal import (
    first_raise,
    rehearse_first,
    rehearse_notes,
    rehearse_route,
    rehearse_workload,
)
from canary.adapters.kubernetes.routes import KubernetesRoutes
from canary.adapters.kubernetes.versioned import RESOURCES
from canary.adapters.kubernetes.workload import KubernetesWorkloads
from canary.core.outcome import ExitCode
from canary.ports import Conflict, JsonObject, NotFound, Problem, Refused, Sources, WorkloadFailure

READ_WITHIN = 5.0
"""Seconds for one reading of the counters."""

TRIES = 3
"""How often the first raise is planned on a route that moves meanwhile."""

READS, BETWEEN = 3, 1.0
"""Readings that are tried before the source counts as bad, and seconds between them."""


class KubernetesPreflights:
    """See `canary.ports.Preflights`.

    Args:
        api: the API server.
        namespace: of the route and the workload.
        routes: the route.
        pool: stable's and the canary's reference.
        selectors: rules chosen by name or index; None for every rule that sends to stable.
        shares: the plan's shares, percent.
        release: the release's uid.
        workloads: what makes the canary; None when the canary's Service is there already.
        sources: where the counters are read.
        missing: why stable may have no counters, in general.
        why: asks the source for a better reason, when there are none.
        metrics: what is judged, for what the source's series and buckets can show of it.
        rules: what is judged of gauges.
        stat_names: the gateway is told what to call its clusters by an EnvoyProxy.
    """

    def __init__(
        self,
        api: Api,
        *,
        namespace: str,
        routes: KubernetesRoutes,
        pool: cut.Pool,
        selectors: Sequence[str | int] | None,
        shares: Sequence[Decimal],
        release: str,
        workloads: KubernetesWorkloads | None,
        sources: Sources,
        missing: str = "",
        why: Callable[[], str] | None = None,
        rules: Sequence[ClassicalConfig] = (),
        stat_names: bool = False,
        metrics: Sequence[MetricConfig] = (),
    ) -> None:
        self._api, self._namespace, self._routes, self._pool = api, namespace, routes, pool
        self._selectors, self._shares, self._release = selectors, tuple(shares), release
        self._workloads, self._sources, self._missing = workloads, sources, missing
        self._metrics, self._rules = tuple(metrics), tuple(rules)
        self._why, self._stat_names = why, stat_names
        self._objects, self._first = Objects(api, namespace), False
        self._lease, self._journal = named("canary", routes.name), named("canary", routes.name, "journal")

    def check(self) -> list[Problem]:
        """See Preflights.

        Raises:
            Unavailable: the API server could not be asked; nothing is known.
        """
        return list(dict.fromkeys(problem for _, problems in self.sections() for problem in problems))

    def sections(self) -> Iterator[tuple[str, list[Problem]]]:
        """The checks one by one, as (what is checked, what was found), each run when it is asked for.

        Raises:
            Unavailable: the API server could not be asked; nothing is known.
        """
        lacking = self._section(self._check_access)
        yield "permissions", lacking
        for name, check in (
            ("route", self._check_route),
            ("workload", self._check_workload),
            ("lease and journal", self._check_notes),
            ("metrics", self._check_metrics),
        ):
            problems = self._section(check)
            # What is not permitted was said already, with the rule that is missing.
            yield name, [each for each in problems if each.code is not ExitCode.NOT_PERMITTED or not lacking]

    def _section(self, check: Callable[[], list[Problem]]) -> list[Problem]:
        """One check's findings; what it could not read is a finding as well."""
        try:
            with understood("checking"):
                return check()
        except cut.SurgeryError as error:
            return [Problem(what=_sentence(error), fix="Correct the route, or spec.route and spec.stable.")]
        except (NotFound, WorkloadFailure) as error:
            return [Problem(what=_sentence(error), fix="Create it, or correct its name in the release file.")]
        except Refused as error:
            lacking = error.status in {401, 403}
            return [
                Problem(
                    what=_sentence(error),
                    fix="Give the engine's ServiceAccount this permission." if lacking else "See the server's words.",
                    code=ExitCode.NOT_PERMITTED if lacking else ExitCode.PREFLIGHT_FAILED,
                )
            ]

    # Permissions -------------------------------------------------------------------------------------------

    def _check_access(self) -> list[Problem]:
        lacking = denied(self._api, self._namespace, self._rights())
        found = []
        for needed in (True, False):
            these = [right for right in lacking if right.needed is needed]
            if not these:
                continue
            what = f"The engine may not {', '.join(map(str, these))} in namespace {self._namespace}."
            fix = f"Add to its Role: {rule_for(these)}."
            found.append(Problem(what=what, fix=fix, code=ExitCode.NOT_PERMITTED if needed else None))
        return found

    def _rights(self) -> list[Right]:
        route, name = ROUTE_KINDS[self._routes.kind], self._routes.name
        rights = [Right(verb=verb, resource=route, name=name) for verb in ("get", "list", "watch", "patch")]
        for resource, which in ((LEASE, self._lease), (CONFIG_MAP, self._journal)):
            rights += [Right(verb=verb, resource=resource, name=which) for verb in ("get", "patch")]
            rights.append(Right(verb="create", resource=resource))
        gate = gate_name(name)
        rights += [Right(verb=verb, resource=CONFIG_MAP, name=gate) for verb in ("get", "list", "watch", "patch")]
        rights.append(Right(verb="create", resource=EVENT, needed=False))
        rights += [Right(verb=verb, resource=CONFIG_MAP, needed=False) for verb in ("list", "delete")]  # old records
        rights += [Right(verb="get", resource=SERVICE, name=part.name) for part in self._pool.parts]
        rights.append(Right(verb="list", resource=ENDPOINT_SLICE))
        return rights + (self._workload_rights(self._workloads) if self._workloads else [])

    def _workload_rights(self, workloads: KubernetesWorkloads) -> list[Right]:
        stable, made = workloads.stable_name, [workloads.canary_name]
        services = [workloads.canary_service]
        if workloads.fresh is not None:
            made, services = [*made, workloads.fresh.name], [*services, workloads.fresh.service]
        return [
            Right(verb="get", resource=DEPLOYMENT, name=stable),
            *([] if workloads.hook else [Right(verb="patch", resource=DEPLOYMENT, name=stable)]),
            *([Right(verb="delete", resource=DEPLOYMENT, name=stable)] if workloads.direct else []),
            *(Right(verb=verb, resource=DEPLOYMENT, name=name) for name in made for verb in ("get", "patch", "delete")),
            *(Right(verb=verb, resource=DEPLOYMENT) for verb in ("create", "list")),
            *(
                Right(verb=verb, resource=RESOURCES[kind])
                for kind in sorted(workloads.versioned)
                for verb in ("get", "list", "create", "delete")
            ),
            *([Right(verb="list", resource=REPLICA_SET)] if workloads.versioned else []),
            *(Right(verb="delete", resource=SERVICE, name=name) for name in services),
            *(Right(verb=verb, resource=SERVICE) for verb in ("create", "list")),
            Right(verb="watch", resource=ENDPOINT_SLICE),
            Right(verb="list", resource=POD),
            *(Right(verb="create", resource=resource) for resource in COVERS if resource.kind in workloads.copies),
            *(
                Right(verb=verb, resource=resource)
                for resource in (AUTOSCALER, SCALED_OBJECT)
                if resource.kind in workloads.copies
                for verb in ("list", "create", "patch")
            ),
        ]

    # The route ---------------------------------------------------------------------------------------------

    def _check_route(self) -> list[Problem]:
        route = self._routes.read()
        what = f"{self._routes.kind} {self._namespace}/{self._routes.name}"
        held = self._check_holder(route, what)
        if held:
            return held
        found = [*self._check_parents(route, what), *self._check_owners(route, what)]
        return found + self._section(lambda: self._rehearse_route(route))

    def _rehearse_route(self, route: JsonObject) -> list[Problem]:
        for _ in range(TRIES):
            original = cut.choose(route, self._pool, selectors=self._selectors, shares=self._shares)
            share, release = self._shares[0], self._release
            patch = first_raise(route, pool=self._pool, original=original, share=share, release=release)
            try:
                return rehearse_route(self._routes, patch)
            except Conflict as error:
                refused = error
                route = self._routes.read()
        fix = "Look in managedFields who changes it all the time, or which webhook; the release tests what it replaces."
        return [Problem(what=_sentence(refused), fix=fix)]

    def _check_holder(self, route: JsonObject, what: str) -> list[Problem]:
        if route["metadata"].get("deletionTimestamp"):
            return [Problem(what=f"{what} is being deleted.", fix="Create it again, then release.")]
        notes = cut.annotations_of(route)
        holder = notes.get(cut.RELEASE) or notes.get(cut.TOKEN, "").partition("/")[0]
        if not holder or holder == self._release:
            return []
        fix = (
            f"Wait for it to end or abort it. If its engine is dead, run that release again with its own file: it "
            f"goes on or rolls back. If its weights are back already, remove its mark: kubectl -n {self._namespace} "
            f"annotate {self._routes.kind.lower()} {self._routes.name} {' '.join(f'{name}-' for name in _MARKS)}"
        )
        return [Problem(what=f"{what} carries the mark of release {holder}.", fix=fix, code=ExitCode.HELD_BY_ANOTHER)]

    def _check_parents(self, route: JsonObject, what: str) -> list[Problem]:
        parents = cut.parents(route)
        good = [parent for parent in parents if parent.good(0)]
        bad = [parent for parent in parents if not parent.good(0)]
        if good:
            # DESIGN, SETTLING: parents that were bad before are listed and ignored.
            fix = "Nothing, if that is known; they are not waited for."
            return [Problem(what=f"A gateway does not accept {what}: {one.reason}.", fix=fix, code=None) for one in bad]
        reason = bad[0].reason if bad else "no controller has written a status"
        fix = "Check spec.parentRefs, the Gateway's listeners and allowedRoutes, and that its controller runs."
        return [Problem(what=f"No gateway accepts {what}: {reason}.", fix=fix)]

    def _check_owners(self, route: JsonObject, what: str) -> list[Problem]:
        return owners(route, what, group="gateway.networking.k8s.io", path="/spec/rules", touched="the weights")

    # The workload ------------------------------------------------------------------------------------------

    def _check_workload(self) -> list[Problem]:
        if self._workloads is not None and self._workloads.direct and not self._stable_is_there(self._workloads):
            found = check_first(self._objects, self._workloads, self._pool.stable)
            self._first = any(problem.first for problem in found)
            return found + (rehearse_first(self._objects, *self._workloads.first()) if self._first else [])
        found = check_service(self._objects, self._pool.stable)
        if self._workloads is None:
            return found + check_service(self._objects, self._pool.canary)
        try:
            drafts = self._workloads.drafts()
        except NotFound:
            if found:
                return found  # it is stable's Service, and was said
            what = self._objects.what(DEPLOYMENT, self._workloads.stable_name)
            return [Problem(what=f"{what} does not exist: there is no stable version.", fix=_NO_STABLE)]
        found += check_workload(self._objects, self._workloads, drafts)
        what = self._objects.what(DEPLOYMENT, self._workloads.stable_name)
        path = drafts.promotion[-1]["path"]
        hook, copies = self._workloads.hook, self._workloads.copies
        if not hook:
            found += owners(drafts.stable, what, group="apps", path=path, touched="the image at promotion")
        return found + rehearse_workload(self._objects, drafts, release=self._release, copies=copies, hook=hook)

    def _stable_is_there(self, workloads: KubernetesWorkloads) -> bool:
        try:
            self._objects.get(DEPLOYMENT, workloads.stable_name)
        except NotFound:
            return False
        return True

    def _check_notes(self) -> list[Problem]:
        return rehearse_notes(self._objects, lease=self._lease, journal=self._journal)

    # Metrics -----------------------------------------------------------------------------------------------

    def _check_metrics(self) -> list[Problem]:
        if self._first:
            return []  # nothing is compared, and there is nothing to count yet
        if self._stat_names and (named := self._section(self._check_stat_names)):
            return named
        gauges: dict[tuple[str, Arm], Measured] = {}
        for attempt in range(READS):
            reading = self._sources.read(timeout=READ_WITHIN)
            # Each is asked for at its own pace, so that not every reading has it.
            gauges |= {(one.metric, one.arm): one for one in reading.gauges}
            if _tells_about_stable(reading) and not check_series(reading, self._metrics):
                break
            if attempt + 1 < READS:
                self._api.pacer.sleep(BETWEEN)
        if reading.trouble is not None:
            return [Problem(what=f"The metrics cannot be read: {reading.sentence or reading.trouble}.", fix=_SOURCE)]
        of_gauges = check_gauges(gauges.values(), self._rules)
        if _tells_about_stable(reading):
            return [*check_series(reading, self._metrics), *check_buckets(reading, self._metrics), *of_gauges]
        service = self._pool.stable.name
        seen = self._why() if self._why else ""
        return [
            Problem(
                what=f"The source answers, but has no counters of stable (Service {service}).",
                fix=seen or f"{_LABELS} {self._missing}".strip(),
            ),
            *of_gauges,
        ]

    def _check_stat_names(self) -> list[Problem]:
        return check_stat_names(self._routes.read(), self._namespace, read=self._readable)

    def _readable(self, resource: Resource, namespace: str, name: str) -> JsonObject | None:
        """An object that the engine needs no right to read; None where it may not."""
        path = resource.path(namespace, name) if namespace else f"{resource.everywhere()}/{quote(name, safe='')}"
        try:
            return self._api.get(path, doing=f"reading {resource.kind} {name}", deadline=self._api.deadline())
        except (NotFound, Refused):
            return None


def _tells_about_stable(reading: Reading) -> bool:
    return reading.trouble is None and any(sample.key.arm is Arm.STABLE for sample in reading.samples)


def _sentence(error: Exception) -> str:
    text = str(error).rstrip(".")
    return f"{text[:1].upper()}{text[1:]}."


_MARKS = ("canary-engine.io/token", "canary-engine.io/release", "canary-engine.io/original")
_NO_STABLE = (
    "Correct its name in the release file, or deploy it; or let the release do that: firstRelease: direct, with the "
    "whole Deployment in the file that workload.template names."
)
_SOURCE = "Check spec.analysis.source: its address, credentials, and whether this place may reach it."
_LABELS = (
    "Send it a request; if that does not help, check spec.analysis.gateway, the gateway's own metrics options, and "
    "that the names of the namespace and the Service are the ones in the metrics' labels."
)
