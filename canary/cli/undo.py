"""`undo`: back to the version before the newest release, as a release like any other."""

from __future__ import annotations

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

    It is a release like any other: in steps, judged, and rolled back when that version is worse by now. What is
    known is the image; env and config stay as they are. While a release is on its way, abort it instead.

    Example:  canary undo release.yaml
    """
    from canary.cli.submitting import read
    from canary.spec import parse

    text, file = read(release, None)
    carry(
        text,
        parse(text, file=str(release), image=image_before(file, kubeconfig, context)),
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


def image_before(file: Release, kubeconfig: Path | None, context: str | None) -> str:
    """The image that stable had before the newest release of this route, if that one still is what stable runs.

    Raises:
        Failure: there is nothing to undo, or going back would undo somebody else's work.
    """
    from canary.adapters.kubernetes import KubernetesJournals
    from canary.adapters.kubernetes.paths import named
    from canary.cli.resuming import readable
    from canary.cli.submitting import submissions_of
    from canary.ports import PortError

    workload = file.spec.workload
    if workload is None:
        hint = "without a workload the engine deploys nothing; swap the two Services in the file, and submit that"
        raise Failure("this release has no workload", code=ExitCode.USAGE, hint=hint)
    api = reach(kubeconfig, context)[0]
    name = named("canary", file.spec.route.name, "journal")
    try:
        journal = readable(KubernetesJournals(api, namespace=file.metadata.namespace, name=name).load())
        now = submissions_of(api, file).stable_image(workload.name, workload.container)
    except PortError as error:
        raise Failure(str(error), code=ExitCode.PREFLIGHT_FAILED, hint="nothing was touched") from error
    return to_go_back_to(journal, now, deployment=workload.name)


def to_go_back_to(journal: Journal | None, now: str, *, deployment: str) -> str:
    """The image to go back to.

    Args:
        journal: of the newest release.
        now: the image that stable runs.
        deployment: stable's name, for sentences.

    Raises:
        Failure: as above.
    """
    from canary.adapters.kubernetes.stable import same_image
    from canary.core.release import FINAL

    by_hand = "to release a version that you know: canary submit RELEASE --image IMG"
    released = journal.subject.workload if journal and journal.subject else None
    if journal is None or released is None:
        raise _nothing("no release of this route's workload is known", by_hand)
    outcome = journal.release.outcome
    if journal.release.phase not in FINAL or outcome is None:
        raise _nothing("a release is on its way", "stop it, and traffic goes back by itself: canary abort NAME")
    if outcome.code is not ExitCode.PROMOTED:
        raise _nothing("the newest release was not promoted: stable runs what it ran before it", by_hand)
    if not same_image(now, released.image):
        raise _nothing(
            f"Deployment {deployment} runs {now}, and the newest release promoted {released.image}: somebody deployed "
            f"since",
            by_hand,
        )
    if not released.before or same_image(released.before, released.image):
        raise _nothing("the version before the newest release is not known", by_hand)
    return released.before


def _nothing(why: str, hint: str) -> Failure:
    return Failure(f"nothing to undo: {why}", code=ExitCode.PREFLIGHT_FAILED, hint=hint)
