"""What a process needs to go on with a release: whose it is, what it is about, and the journal that says so."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from canary.adapters.kubernetes.own_job import own_job
from canary.cli.boundary import Failure
from canary.core.outcome import ExitCode
from canary.core.release import FINAL

if TYPE_CHECKING:
    from canary.adapters.kubernetes import KubernetesWorkloads
    from canary.engine.journal import Journal
    from canary.engine.subject import Ended, Subject
    from canary.ports import Stored
    from canary.spec import Release

ENDED_KEPT = 10
"""Ends of Jobs' releases that the route's journal knows; as many as a service's past releases are kept."""


def readable(stored: Stored | None) -> Journal | None:
    """The route's journal; None when there is none.

    Raises:
        Failure: it cannot be read; whoever finishes releases will see the lease run out and put the traffic back.
    """
    from canary.engine.journal import JournalError, decode

    try:
        return decode(stored.text) if stored is not None else None
    except JournalError as error:
        raise Failure(str(error), code=ExitCode.INVALID_RELEASE_FILE, hint="nothing was touched") from error


def resumable(
    stored: Stored | None, identity: str, *, asked: float, seen: tuple[str, ...] = (), job: str = ""
) -> tuple[Stored | None, Journal | None]:
    """The journal to go on with, of this very release. One that has ended is written over: the file is run again.

    But an engine that was killed between its journal's last word and the lease's return left nobody who knows the end:
    whoever replaces it ends as the journal says, instead of releasing the same version once more. So does whoever stood
    by for it.

    Args:
        stored: the journal's text and version; None when there is none.
        identity: of the release file.
        asked: when the release was asked for, seconds since the epoch.
        seen: the holders of the lease that were waited for or taken over from.
        job: name of our Job; empty outside of one.

    Raises:
        Failure: it is of another release that has not ended, or was asked for later and was promoted; or it says that
            ours ended before that one; or it cannot be read.
    """
    from canary.cli.queueing import not_ended, not_over

    journal = readable(stored)
    if journal is None:
        return None, None
    not_ended(journal, job=job, asked=asked)
    if journal.release.phase in FINAL:
        ours = journal.release.incarnation in seen
        # A watchdog may have finished it meanwhile: the same Job's next pod must not begin it once more.
        ours = ours or (bool(job) and journal.subject is not None and journal.subject.job == job)
        if journal.identity != identity:
            not_over(journal, asked=asked)
            return stored, None
        return stored, journal if ours else None
    if journal.identity != identity:
        raise Failure(
            "another release of this route has not ended: its engine died, or runs with another file",
            code=ExitCode.HELD_BY_ANOTHER,
            hint="run that release again, with its own file: it will go on, or roll back",
        )
    return stored, journal


def image_before(journal: Journal | None, workloads: KubernetesWorkloads | None) -> str:
    """The image that stable had when the release began: as its journal says, or now where it begins."""
    from canary.ports import PortError

    if journal is not None:
        known = journal.subject.workload if journal.subject else None
        return known.before if known else ""
    try:
        return workloads.stable_image() if workloads else ""
    except PortError:
        return ""  # preflight says why


def template_before(file: Release, journal: Journal | None, workloads: KubernetesWorkloads | None) -> str:
    """The same of stable's pod template, by its fingerprint; empty where only the image is released."""
    from canary.ports import PortError
    from canary.spec.template import LIVE

    if journal is not None:
        known = journal.subject.workload if journal.subject else None
        return known.template_before if known else ""
    if workloads is None or file.spec.workload is None or file.spec.workload.template == LIVE:
        return ""
    try:
        return workloads.stable_template()
    except PortError:
        return ""  # preflight says why


def subject_of(
    file: Release,
    *,
    asked: float = 0.0,
    requester: str = "",
    before: Journal | None = None,
    over: Stored | None = None,
    replaces: str = "",
    template: str = "",
) -> Subject:
    """What the release is about, for a watchdog: it has the journal, and no release file.

    Args:
        file: the release file.
        asked, requester: when this process says that it was asked for, and by whom.
        before: the journal that is gone on with: what it says of these two, and of releases before it, stands.
        over: the journal that is written over where a release begins; None where none stands.
        replaces: the image that stable had when the release began.
        template: the fingerprint of the template that it had then, where a whole one is released.
    """
    from canary.engine.subject import Subject, Workload

    spec, known = file.spec, before.subject if before else None
    workload = None
    if spec.workload is not None and spec.image is not None:
        workload = Workload(
            name=spec.workload.name,
            container=spec.workload.container,
            image=spec.image,
            hook=spec.promote.by == "hook",
            before=replaces,
            template_before=template,
            baseline=file.baseline_service,
        )
    return Subject(
        name=file.metadata.name,
        namespace=file.metadata.namespace,
        kind=spec.route.kind,
        route=spec.route.name,
        stable=spec.stable.service,
        canary=file.canary_service,
        stable_port=spec.stable.port,
        canary_port=file.canary_port,
        workload=workload,
        job=own_job(os.environ) or "",
        asked=(known.asked if known else 0.0) or asked,
        requester=(known.requester if known else "") or requester,
        before=known.before if known else ended_before(over),
    )


def ended_before(stored: Stored | None) -> tuple[Ended, ...]:
    """What a release that begins keeps of the one whose journal it writes over, and of those before that."""
    from canary.engine.subject import Ended

    journal = readable(stored)
    if journal is None or journal.subject is None:
        return ()
    subject, outcome = journal.subject, journal.release.outcome
    if not subject.job or outcome is None or journal.release.phase not in FINAL:
        return subject.before
    return (*subject.before, Ended(job=subject.job, asked=subject.asked, code=outcome.code))[-ENDED_KEPT:]
