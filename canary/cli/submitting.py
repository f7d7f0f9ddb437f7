"""What `submit` does before it follows: read, refuse, decide, create. Imported when the command runs."""

from __future__ import annotations

import json
import sys
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

import typer
from pydantic import ValidationError

from canary import __version__
from canary.adapters.kubernetes import Api, KubernetesJournals
from canary.adapters.kubernetes.paths import named
from canary.adapters.kubernetes.submissions import Settings, Submissions
from canary.cli.boundary import Failure
from canary.core.outcome import ExitCode
from canary.core.release import FINAL
from canary.core.release import Release as Running
from canary.engine.journal import JournalError, decode
from canary.ports import Conflict, PortError, Refused
from canary.spec import Release, parse
from canary.spec.load import LARGEST_FILE, read_bytes, template_source
from canary.submitting import Attach, Create, Finished, World, decide, identity_of, job_name, pinned
from canary.submitting.job import FILE_LIMIT, Submission, job_of, least_deadline, template_text
from canary.submitting.values import JobValues

TRIES = 5
"""How often is decided anew when somebody else submits the same release at the same moment."""


def read(path: Path, image: str | None, template: Path | None = None) -> tuple[str, Release]:
    """The release file as it was written, and as it is read with this image and this pod template.

    Raises:
        ReleaseFileError: it is not a release.
        Failure: it does not fit into a Job.
    """
    piped = str(path) == "-"
    raw = sys.stdin.buffer.read(LARGEST_FILE + 1) if piped else read_bytes(path)
    name, folder = ("<stdin>", Path()) if piped else (str(path), path.parent)
    source = template_source(template) if template is not None else None
    file = parse(raw, file=name, image=image, template=source, folder=folder)
    text = raw.decode("utf-8-sig")
    require_room(text, file, name)
    return text, file


def require_room(text: str, file: Release, name: str) -> None:
    """Refuse what does not fit into a Job.

    Raises:
        Failure: the release file, with the pod template that it names, is too large.
    """
    if len(text.encode()) + len(template_text(file).encode()) > FILE_LIMIT:
        what = f"{name} and its pod template are" if template_text(file) else f"{name} is"
        hint = "a release file has some hundred lines"
        code = ExitCode.INVALID_RELEASE_FILE
        raise Failure(f"{what} larger than {FILE_LIMIT // 1024} KiB", code=code, hint=hint)


def require_a_pinned_image(file: Release, *, allow_mutable_tags: bool) -> None:
    """Refuse an image that may mean another version tomorrow.

    Raises:
        Failure: there is none, or it is a tag that was not allowed.
    """
    image = file.spec.image
    if image is None:
        if file.spec.workload is not None:
            hint = "pass --image REF@sha256:..., or write spec.image in the file"
            raise Failure("no image is given", code=ExitCode.USAGE, hint=hint)
        return
    if not pinned(image) and not allow_mutable_tags:
        raise Failure(
            f"{image} is a tag, which may mean another version tomorrow or on another node",
            code=ExitCode.USAGE,
            hint="pass the digest that the push printed (REF@sha256:...), or --allow-mutable-tags",
        )


def settings_for(submissions: Submissions, text: str, engine_image: str | None) -> tuple[Settings, JobValues, str]:
    """The operator's, with the engine's image settled.

    Raises:
        Failure: they cannot be used, belong to another version, or there is no pinned image of the engine.
    """
    settings = submissions.settings()
    if settings.version and settings.version != __version__:
        raise Failure(
            f"the chart in the cluster is of canary {settings.version}, this is canary {__version__}",
            code=ExitCode.USAGE,
            hint="install the chart of this version, or submit with that version",
        )
    try:
        values = JobValues.model_validate_json(settings.values or "{}")
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"]))
        hint = "install the chart of this version"
        message = f"the chart's job values cannot be used: {where}: {first['msg']}"
        raise Failure(message, code=ExitCode.USAGE, hint=hint) from error
    chosen = engine_image or values.image
    if not pinned(chosen):
        what = f"the engine's image {chosen} is not pinned" if chosen else "no image of the engine is given"
        hint = "set job.image=REPOSITORY@sha256:... in the chart's values, or pass --engine-image"
        raise Failure(what, code=ExitCode.USAGE, hint=hint)
    return settings, values.model_copy(update={"image": chosen}), text


# Deciding and creating ---------------------------------------------------------------------------------------


def carried_out(
    submissions: Submissions,
    file: Release,
    settings: Callable[[], tuple[Settings, JobValues, str]],
    *,
    again: bool,
    dry_run: bool,
) -> Finished | tuple[str, bool]:
    """What came of it: an end that still holds, or the Job's name and whether it was there already."""
    identity = identity_of(file)
    for _ in range(TRIES):
        attempts = submissions.attempts()
        decision = decide(identity, file.spec.image, attempts, _world(submissions, file), again=again)
        if isinstance(decision, Attach):
            return decision.name, True
        if isinstance(decision, Finished):
            return decision
        job = _job(file, identity, decision, settings(), requester_of(submissions.api, file))
        if dry_run:
            typer.echo(json.dumps(job, indent=2))
            raise typer.Exit
        try:
            return submissions.create(job)["metadata"]["name"], False
        except Conflict:
            continue  # somebody submits the same at this moment: theirs is seen now
    raise Failure(
        "somebody else keeps submitting this release",
        code=ExitCode.HELD_BY_ANOTHER,
        hint="see whether two pipelines run for the same commit",
    )


def _job(
    file: Release, identity: str, decision: Create, settings: tuple[Settings, JobValues, str], requester: str
) -> dict[str, Any]:
    found, values, text = settings
    least = least_deadline(file)
    if values.active_deadline_seconds and values.active_deadline_seconds < least:
        raise Failure(
            f"job.activeDeadlineSeconds is {values.active_deadline_seconds}, and this release needs at least {least}",
            code=ExitCode.USAGE,
            hint="the engine must end a release before the Job does; leave it at 0",
        )
    given = Submission(
        file=file,
        text=text,
        values=values,
        name=job_name(file.spec.stable.service, identity, decision.attempt),
        identity=identity,
        attempt=decision.attempt,
        nonce=uuid.uuid4().hex,
        account=found.account,
        version=__version__,
        requester=requester,
    )
    return job_of(given)


def _world(submissions: Submissions, file: Release) -> World:
    newest = journal_of(submissions.api, file)
    workload = file.spec.workload
    image = submissions.stable_image(workload.name, workload.container) if workload else ""
    if newest is None:
        return World(stable_image=image)
    identity, release = newest
    outcome = release.outcome
    ended = outcome is not None and release.phase in FINAL
    return World(
        newest=identity,
        code=int(outcome.code) if outcome and ended else None,
        reason=outcome.reason if outcome and ended else "",
        stable_image=image,
    )


def requester_of(api: Api, file: Release) -> str:
    """Who asks for the release, where one of its gates keeps them from deciding; else empty."""
    from canary.adapters.kubernetes.people import whoami

    return whoami(api) if any(gate.separation_of_duties for gate in file.spec.gates) else ""


def journal_of(api: Api, file: Release) -> tuple[str, Running] | None:
    """Identity and release of the route's journal; None when there is none that can be read."""
    name = named("canary", file.spec.route.name, "journal")
    try:
        stored = KubernetesJournals(api, namespace=file.metadata.namespace, name=name).load()
        journal = decode(stored.text) if stored else None
    except (PortError, JournalError):
        return None
    return (journal.identity, journal.release) if journal else None


def submissions_of(api: Api, file: Release) -> Submissions:
    """Requests about the Jobs of this release's service."""
    return Submissions(api, namespace=file.metadata.namespace, service=file.spec.stable.service)


def not_started(error: PortError) -> Failure:
    """What it means that the API server refused, or did not answer."""
    if isinstance(error, Refused):
        hint = "nothing was started; the chart's submitter role (rbac.submitters) holds the rights that this needs"
        return Failure(str(error), code=ExitCode.NOT_PERMITTED, hint=hint)
    hint = "whether it was started is not known; run the same command again: if it was, it attaches"
    return Failure(str(error), code=ExitCode.PREFLIGHT_FAILED, hint=hint)
