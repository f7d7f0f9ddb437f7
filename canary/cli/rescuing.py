"""A watchdog's way to a release: from a lease, and from what its journal says, to the ports that finish it."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from canary.core.outcome import ExitCode
from canary.ports import Progress, Refused

if TYPE_CHECKING:
    from analysis.sources import Reading
    from canary.adapters.kubernetes import Api
    from canary.adapters.kubernetes.fleets import Place
    from canary.engine.journal import Journal
    from canary.engine.rescue import Scene
    from canary.engine.surroundings import Ports
    from canary.ports import Clock, Problem, Workloads


class _Nothing:
    """The ports that a watchdog has no use for: it begins no release, and reads no counters."""

    def check(self) -> list[Problem]:
        """See Preflights."""
        raise Refused("a watchdog begins no release")

    def read(self, *, timeout: float) -> Reading:
        """See Sources."""
        raise Refused(f"a watchdog judges nothing (asked within {timeout} s)")


class _Lines:
    """One line for each change, with the release that it is about."""

    def __init__(self, head: str, say: Callable[[str], None]) -> None:
        self._head, self._say = head, say

    def tell(self, progress: Progress) -> None:
        """See Reporters."""
        from canary.report.lines import line

        text = line(progress)
        if text is not None:
            self._say(f"{self._head}: {text}")


def scene_of(api: Api, place: Place, *, clock: Clock, say: Callable[[str], None]) -> Scene:
    """One release's world.

    Args:
        api: the API server.
        place: whose lease it is.
        clock: the server's.
        say: gets the lines.

    Raises:
        Refused: the lease does not say which route it is about.
    """
    from canary.adapters.kubernetes import (
        KubernetesGates,
        KubernetesJournals,
        KubernetesLeases,
        KubernetesRecords,
        KubernetesRoutes,
    )
    from canary.adapters.kubernetes.api import FIELD_MANAGER
    from canary.adapters.kubernetes.events import EventReporter
    from canary.adapters.kubernetes.origin import here
    from canary.adapters.kubernetes.paths import ROUTE_KINDS, named
    from canary.cli.telling import sentence
    from canary.core.release import Phase
    from canary.engine.rescue import Scene
    from canary.engine.surroundings import Ports

    space, route, nothing = place.namespace, place.route, _Nothing()
    if not route or place.kind not in ROUTE_KINDS:
        raise Refused(f"Lease {space}/{place.lease} does not say which route it is about")
    events = EventReporter(api, namespace=space, route=route, kind=place.kind)
    routes = KubernetesRoutes(api, namespace=space, name=route, kind=place.kind)
    journals = KubernetesJournals(api, namespace=space, name=named("canary", route, "journal"))
    leases = KubernetesLeases(
        api, namespace=space, name=place.lease, clock=clock, origin=here(), route=f"{place.kind}/{route}"
    )

    def furnish(journal: Journal) -> Ports:
        subject, uid = journal.subject, journal.release.uid
        if subject is None or (subject.namespace, subject.kind, subject.route) != (space, place.kind, route):
            raise Refused(f"the journal of {space}/{route} is about another route; was it copied?")
        labels = {"canary-engine.io/release": uid, "canary-engine.io/service": subject.stable}
        return Ports(
            clock=clock,
            routes=routes,
            leases=leases,
            journals=journals,
            records=KubernetesRecords(api, namespace=space, name=named("canary", route, uid), labels=labels),
            preflights=nothing,
            sources=nothing,
            workloads=_workloads(api, journal),
            gates=KubernetesGates(api, namespace=space, route=route),
            reporters=(_Lines(f"{space}/{route}", say), events),
        )

    def tell(text: str, alarm: bool) -> None:
        say(f"{space}/{route}: {'ALARM  ' if alarm else ''}{text}")
        code = ExitCode.ROLLBACK_INCOMPLETE if alarm else None
        events.tell(
            sentence(text, at=clock.now(), phase=Phase.ROLLING_BACK, reason="EngineLost", alarm=alarm, code=code)
        )

    return Scene(
        clock=clock,
        routes=routes,
        leases=leases,
        journals=journals,
        manager=FIELD_MANAGER,
        furnish=furnish,
        tell=tell,
    )


def _workloads(api: Api, journal: Journal) -> Workloads | None:
    from canary.adapters.kubernetes import KubernetesWorkloads

    subject = journal.subject
    if subject is None or subject.workload is None:
        return None
    return KubernetesWorkloads(
        api,
        namespace=subject.namespace,
        release=journal.release.uid,
        deployment=subject.workload.name,
        container=subject.workload.container,
        image=subject.workload.image,
        hook=subject.workload.hook,
        stable_service=subject.stable,
        canary_service=subject.canary,
        baseline_service=subject.workload.baseline,
        port=subject.stable_port,
    )
