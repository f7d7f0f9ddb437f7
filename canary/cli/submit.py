"""`submit`: the release as a Job, or the Job that carries it already; followed to its verdict."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NoReturn

import typer

from canary.cli.boundary import Failure
from canary.cli.options import DryRun, EngineImage, Format, Image, Output, ReleaseFile, Template, Wait
from canary.cli.target import Context, Kubeconfig, reach
from canary.core.outcome import MEANING, ExitCode

if TYPE_CHECKING:
    from canary.adapters.kubernetes import Api
    from canary.core.release import Release as Running
    from canary.spec import Release


class Until(StrEnum):
    """How long it is followed."""

    END = "end"
    GATE = "gate"


def submit(
    release: ReleaseFile,
    *,
    image: Image = None,
    template: Template = None,
    wait: Wait = True,
    until: Annotated[
        Until,
        typer.Option("--until", help="Follow it to its end, or end with 0 when it waits at a gate or for a hook."),
    ] = Until.END,
    again: Annotated[
        bool, typer.Option("--again", help="Release it once more, though it was promoted, judged bad or rejected.")
    ] = False,
    allow_mutable_tags: Annotated[
        bool, typer.Option("--allow-mutable-tags", help="Take an image by tag; it may mean another version tomorrow.")
    ] = False,
    engine_image: EngineImage = None,
    summary: Annotated[
        Path | None,
        typer.Option("--summary", metavar="FILE", help="Add the report to this file, as Markdown."),
    ] = None,
    junit: Annotated[
        Path | None, typer.Option("--junit", metavar="FILE", help="Write the report as JUnit XML, too.")
    ] = None,
    report: Annotated[Path | None, typer.Option("--report", metavar="FILE", help="Write it as JSON, too.")] = None,
    dry_run: DryRun = False,
    kubeconfig: Kubeconfig = None,
    context: Context = None,
    output: Format = Output.TEXT,
) -> None:
    """Start a release as a Kubernetes Job and follow it; end with its verdict.

    Run again while that very release runs, it attaches. What was promoted and still is what stable runs is not
    released again; what was judged bad is only with --again. Ctrl-C stops following, never the release.

    --summary, --junit and --report leave files for the pipeline; nothing that goes wrong with them changes the verdict.

    Example:  canary submit release.yaml --image ghcr.io/acme/user-service@sha256:...
    """
    from canary.cli.submitting import read

    text, file = read(release, image, template)

    def leave(code: ExitCode, why: str) -> None:
        if not (summary or junit or report):
            return
        from canary.cli.reporting import leave as leave_reports

        try:
            api = reach(kubeconfig, context)[0]  # anew: what was followed with may be hours old
            leave_reports(api, file, code=int(code), reason=why, summary=summary, junit=junit, data=report)
        except Exception as error:  # noqa: BLE001 - whatever it is, the pipeline gets the release's verdict
            _say(f"no report was left: {error}; the verdict stands")

    carry(
        text,
        file,
        wait=wait,
        until=until,
        again=again,
        allow_mutable_tags=allow_mutable_tags,
        engine_image=engine_image,
        dry_run=dry_run,
        kubeconfig=kubeconfig,
        context=context,
        output=output,
        leave=leave,
    )


def carry(
    text: str,
    file: Release,
    *,
    wait: bool,
    until: Until,
    again: bool,
    allow_mutable_tags: bool,
    engine_image: str | None,
    dry_run: bool,
    kubeconfig: Path | None,
    context: str | None,
    output: Output,
    leave: Callable[[ExitCode, str], None] = lambda *_: None,
) -> NoReturn:
    """Have a release carried by a Job, follow it, and end as it ends.

    Args:
        text, file: the release file as it was written, and as it is read with its image.
        leave: told the verdict before this process ends with it.
        wait, until, again: the others are as `submit` has them.

    Raises:
        typer.Exit: with the verdict.
        Failure: nothing was started, or it cannot be followed.
    """
    from canary.cli import submitting as work
    from canary.ports import PortError
    from canary.submitting import Finished

    work.require_a_pinned_image(file, allow_mutable_tags=allow_mutable_tags)
    submissions = work.submissions_of(reach(kubeconfig, context)[0], file)
    try:
        found = work.carried_out(
            submissions,
            file,
            lambda: work.settings_for(submissions, text, engine_image),
            again=again,
            dry_run=dry_run,
        )
    except PortError as error:
        raise work.not_started(error) from error
    if isinstance(found, Finished):
        leave(found.code, found.reason)
        _conclude(found.code, found.reason, job=found.name, hint=found.hint, output=output, attached=True)
    name, attached = found
    how = "attached to" if attached else "started"
    _say(f"{how} Job {file.metadata.namespace}/{name}; to stop it: canary abort {file.spec.route.name}"
         f" -n {file.metadata.namespace} --reason ...")  # fmt: skip
    if not wait:
        _conclude(ExitCode.PROMOTED, f"{how} Job {name}", job=name, output=output, attached=attached, over=False)
    code, why = _follow(file, name, kubeconfig, context, until=until)
    if code is None:
        _conclude(ExitCode.PROMOTED, why, job=name, output=output, attached=attached, over=False)
    leave(code, why)
    _conclude(code, why, job=name, output=output, attached=attached)


# After -------------------------------------------------------------------------------------------------------


def _follow(
    file: Release, name: str, kubeconfig: Path | None, context: str | None, *, until: Until
) -> tuple[ExitCode | None, str]:
    from canary.cli.following import Followed, LostSight
    from canary.cli.submitting import journal_of, submissions_of
    from canary.submitting import identity_of

    identity = identity_of(file)

    def ours(api: Api) -> Running | None:
        found = journal_of(api, file)
        return found[1] if found and found[0] == identity else None

    followed = Followed(
        reach=lambda: reach(kubeconfig, context)[0],
        submissions=lambda api: submissions_of(api, file),
        name=name,
        journal=ours,
        say=_say,
    )
    where = f"canary status {file.spec.route.name} -n {file.metadata.namespace}"
    try:
        return followed.until_end(waits=_waits(file) if until is Until.GATE else ())
    except KeyboardInterrupt:
        _say(f"not followed any more; the release goes on: {where}")
        raise typer.Exit(130) from None
    except LostSight as error:
        hint = f"the release goes on without us; run the same command again to follow it, or {where}"
        raise Failure(str(error), code=ExitCode.NOT_PERMITTED, hint=hint) from error


def _waits(file: Release) -> tuple[str, ...]:
    """The phases in which the release waits for somebody: a gate, or the hook that promotes."""
    return ("GATED", "PROMOTING") if file.spec.promote.by == "hook" else ("GATED",)


def _conclude(
    code: ExitCode, why: str, *, job: str, output: Output, attached: bool, hint: str = "", over: bool = True
) -> NoReturn:
    """Say how it ended, on standard output, and end so.

    Raises:
        typer.Exit: always.
    """
    meaning = MEANING[code] if over else "under way"
    if output is Output.JSON:
        told = {"job": job, "attached": attached, "code": int(code), "meaning": meaning, "reason": why}
        typer.echo(json.dumps(told, indent=2))
    else:
        typer.echo(f"{meaning} (exit {int(code)}): {why}")
    if hint:
        _say(f"  {hint}")
    raise typer.Exit(int(code))


def _say(line: str) -> None:
    from canary.report.lines import plain

    print(plain(line), file=sys.stderr, flush=True)
