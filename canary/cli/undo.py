"""`undo`: back to the version before the newest release, as a release like any other."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from canary.cli.boundary import Failure
from canary.cli.options import DryRun, EngineImage, Format, Output, ReleaseFile, Wait
from canary.cli.submit import Until, carry
from canary.cli.target import Context, Kubeconfig, reach
from canary.core.outcome import ExitCode

if TYPE_CHECKING:
    from canary.engine.journal import Journal
    from canary.spec import Release
    from canary.spec.template import Source

BY_HAND = "to release a version that you know: canary submit RELEASE --image IMG"


def undo(
    release: ReleaseFile,
    *,
    wait: Wait = True,
    allow_mutable_tags: Annotated[
        bool, typer.Option("--allow-mutable-tags", help="Go back to an image by tag; it may mean another version now.")
    ] = False,
    engine_image: EngineImage = None,
    dry_run: DryRun = False,
    kubeconfig: Kubeconfig = None,
    context: Context = None,
    output: Format = Output.TEXT,
) -> None:
    """Release the version that stable had before the newest promotion.

    It is a release like any other: in steps, judged, and rolled back when that version is worse by now. Where a whole
    pod template was released, the one before it comes back, from the Deployment's own history; else the image, and env
    and config stay as they are. While a release is on its way, abort it instead.

    Example:  canary undo release.yaml
    """
    from canary.cli.submitting import read, require_room
    from canary.spec import parse

    text, file = read(release, None)
    image, template = version_before(file, kubeconfig, context)
    before = parse(text, file=str(release), image=image, template=template, folder=None)
    require_room(text, before, str(release))
    carry(
        text,
        before,
        wait=wait,
        until=Until.END,
        again=True,
        allow_mutable_tags=allow_mutable_tags,
        engine_image=engine_image,
        dry_run=dry_run,
        kubeconfig=kubeconfig,
        context=context,
        output=output,
    )


def version_before(file: Release, kubeconfig: Path | None, context: str | None) -> tuple[str, Source | None]:
    """What stable had before the newest release of this route, if that one still is what stable runs.

    Returns:
        Its image, and its pod template where a whole one was released.

    Raises:
        Failure: there is nothing to undo, or going back would undo somebody else's work.
    """
    from canary.adapters.kubernetes import KubernetesJournals
    from canary.adapters.kubernetes.history import NotKept, deployment_before
    from canary.adapters.kubernetes.objects import Objects
    from canary.adapters.kubernetes.paths import named
    from canary.cli.resuming import readable
    from canary.cli.submitting import submissions_of
    from canary.ports import PortError
    from canary.spec.template import LIVE, Source

    workload, namespace = file.spec.workload, file.metadata.namespace
    if workload is None:
        hint = "without a workload the engine deploys nothing; swap the two Services in the file, and submit that"
        raise Failure("this release has no workload", code=ExitCode.USAGE, hint=hint)
    api = reach(kubeconfig, context)[0]
    name = named("canary", file.spec.route.name, "journal")
    try:
        journal = readable(KubernetesJournals(api, namespace=namespace, name=name).load())
        now = submissions_of(api, file).stable_image(workload.name, workload.container)
        image = to_go_back_to(journal, now, deployment=workload.name)
        released = journal.subject.workload if journal and journal.subject else None
        known = released.template_before if released else ""
        if not known and workload.template == LIVE:
            return image, None
        # A release of the image alone leaves env and config as they are, whatever the file says by now.
        whole = deployment_before(Objects(api, namespace), workload.name, known)
    except PortError as error:
        raise Failure(str(error), code=ExitCode.PREFLIGHT_FAILED, hint="nothing was touched") from error
    except NotKept as error:
        raise _nothing(str(error), BY_HAND) from error
    return image, Source(name="the template before", raw=json.dumps(whole).encode())


def to_go_back_to(journal: Journal | None, now: str, *, deployment: str) -> str:
    """The image to go back to.

    Args:
        journal: of the newest release.
        now: the image that stable runs.
        deployment: stable's name, for sentences.

    Raises:
        Failure: as above.
    """
    from canary.adapters.kubernetes.versions import same_image
    from canary.core.release import FINAL

    released = journal.subject.workload if journal and journal.subject else None
    if journal is None or released is None:
        raise _nothing("no release of this route's workload is known", BY_HAND)
    outcome = journal.release.outcome
    if journal.release.phase not in FINAL or outcome is None:
        raise _nothing("a release is on its way", "stop it, and traffic goes back by itself: canary abort NAME")
    if outcome.code is not ExitCode.PROMOTED:
        raise _nothing("the newest release was not promoted: stable runs what it ran before it", BY_HAND)
    if not same_image(now, released.image):
        raise _nothing(
            f"Deployment {deployment} runs {now}, and the newest release promoted {released.image}: somebody deployed "
            f"since",
            BY_HAND,
        )
    if not released.before or (same_image(released.before, released.image) and not released.template_before):
        raise _nothing("the version before the newest release is not known", BY_HAND)
    return released.before


def _nothing(why: str, hint: str) -> Failure:
    return Failure(f"nothing to undo: {why}", code=ExitCode.PREFLIGHT_FAILED, hint=hint)
