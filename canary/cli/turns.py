"""What a release needs to know and say while it waits for its turn (`queueing`), as an API server has it."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from canary.cli.queueing import Line, Ours, Over
from canary.cli.resuming import resumable
from canary.cli.taking import given_back, same_release, take_lease
from canary.core.outcome import MEANING
from canary.submitting import identity_of

if TYPE_CHECKING:
    from canary.adapters.kubernetes import Api
    from canary.core.release import Policy
    from canary.engine.journal import Journal
    from canary.ports import Clock, Journals, Leases, Reporters, Stored
    from canary.spec import Release


@dataclass(frozen=True, slots=True, kw_only=True)
class Turn:
    """It is our turn: the lease is ours.

    Attributes:
        stored, journal: what to go on with, as `resumable` has it.
        asked, requester: when the release was asked for, and by whom where a gate needs to know.
        shortened: the policy with what waiting has left of the deadline.
    """

    stored: Stored | None
    journal: Journal | None
    asked: float
    requester: str
    shortened: Callable[[Policy], Policy]


def our_turn(
    file: Release,
    api: Api,
    *,
    leases: Leases,
    journals: Journals,
    clock: Clock,
    holder: str,
    reporters: tuple[Reporters, ...],
    say: Callable[[str], None],
) -> Turn:
    """Wait until the route is ours to release on, as the file says, and take its lease.

    Raises:
        Failure: another release holds it and is not waited for, or the journal cannot be used.
        PortError: the API server cannot be reached or refuses.
    """
    from canary.adapters.kubernetes.origin import known_dead
    from canary.engine.copying import restored

    identity = identity_of(file)
    asked, requester = asked_for(file, api, now=clock.now())
    ours = ours_of(file, identity, asked=asked)
    line = Line(
        ours,
        journals=journals,
        clock=clock,
        supersede=partial(put_down, api, file, ours),
        tell=partial(tell, reporters, clock),
        sleep=time.sleep,
    )
    take = partial(
        take_lease,
        leases,
        holder,
        dead=partial(known_dead, api=api, namespace=file.metadata.namespace),
        say=say,
        monotonic=clock.monotonic,
        same=partial(same_release, journals, identity),
    )

    def resume(seen: tuple[str, ...]) -> tuple[Stored | None, Journal | None]:
        with given_back(leases, holder):
            found = restored(journals, leases, holder=holder, clock=clock)
            stored, journal = resumable(found, identity, asked=asked, seen=seen, job=ours.job)
            if stored is not None and journal is None:
                not_over_already(api, namespace=file.metadata.namespace)
            return stored, journal

    stored, journal = line.take(take, resume)
    return Turn(stored=stored, journal=journal, asked=asked, requester=requester, shortened=line.shortened)


def not_over_already(api: Api, *, namespace: str) -> None:
    """Where a release would be begun over another one's end: ours may have ended before that one, while we waited.

    Raises:
        Over: our Job says how it ended.
    """
    from canary.adapters.kubernetes.own_job import own_job, recorded_end

    job = own_job(os.environ)
    ended = recorded_end(api, namespace=namespace, job=job) if job else None
    if ended is not None:
        raise Over(f"this Job's release has ended already, with {int(ended)}: {MEANING[ended]}", code=ended)


def asked_for(file: Release, api: Api, *, now: float) -> tuple[float, str]:
    """When the release was asked for, and by whom where one of its gates needs to know.

    In a Job both are the Job's, so that a pod that was replaced has not asked anew; else they are this process's.
    """
    from canary.adapters.kubernetes.own_job import asked_of, own_job
    from canary.adapters.kubernetes.people import whoami

    separated = any(gate.separation_of_duties for gate in file.spec.gates)
    job = own_job(os.environ)
    if not separated and not job and file.spec.on_concurrent == "refuse":
        return now, ""
    asked, requester = asked_of(api, namespace=file.metadata.namespace, job=job)
    if separated and not job:
        requester = whoami(api)
    return asked or now, requester


def ours_of(file: Release, identity: str, *, asked: float) -> Ours:
    """The release of a file, as it waits for its turn."""
    from canary.adapters.kubernetes.own_job import own_job
    from canary.spec.plan import steps_of

    spec = file.spec
    image = f" of {spec.image}" if spec.image else ""
    return Ours(
        identity=identity,
        name=f"release {file.metadata.name}{image}",
        asked=asked,
        does=spec.on_concurrent,
        deadline=spec.deadline,
        least=spec.bake.min + sum(step.hold_min for step in steps_of(spec.strategy)),
        job=own_job(os.environ),
    )


def put_down(api: Api, file: Release, ours: Ours) -> None:
    """Write onto the route that this release takes the other's place; see `aborting.supersede`."""
    from canary.cli.abort import world_of
    from canary.cli.aborting import supersede
    from canary.cli.target import Target
    from canary.core.gates import moment

    target = Target(namespace=file.metadata.namespace, route=file.spec.route.name)
    by = f"{ours.name}, asked for at {moment(ours.asked, full=True)}"
    supersede(world_of(api, target, say=lambda _: None), by=by, reason="onConcurrent: supersede")


def tell(reporters: tuple[Reporters, ...], clock: Clock, line: str) -> None:
    """Say it wherever the release's own changes will be said."""
    from canary.cli.telling import sentence
    from canary.core.release import Phase

    progress = sentence(line, at=clock.now(), phase=Phase.PENDING, reason="WaitingForTurn")
    for one in reporters:
        one.tell(progress)
