"""`report`: a release from its record, as a pipeline wants it; and what `submit` leaves beside its verdict."""

from __future__ import annotations

import contextlib
import json
import sys
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from canary.cli.boundary import Failure
from canary.cli.target import Context, Kubeconfig, Namespace, RouteName
from canary.core.outcome import ExitCode

if TYPE_CHECKING:
    from canary.adapters.kubernetes import Api
    from canary.report.released import Released
    from canary.spec import Release


class Form(StrEnum):
    """How a report is written."""

    MARKDOWN = "markdown"
    JUNIT = "junit"
    JSON = "json"


def report(
    record: Annotated[
        str,
        typer.Argument(
            metavar="RECORD",
            help="The name of a route or a release, whose record is in the cluster; or a file of `replay --save`.",
        ),
    ],
    *,
    uid: Annotated[
        str | None, typer.Option("--uid", metavar="UID", help="Which release of the route; by default the newest.")
    ] = None,
    namespace: Namespace = None,
    route: RouteName = None,
    kubeconfig: Kubeconfig = None,
    context: Context = None,
    output: Annotated[Form, typer.Option("--output", "-o", help="How to write it.")] = Form.MARKDOWN,
) -> None:
    """Report a release for a pipeline: Markdown for its summary, JUnit XML for its tests, JSON for programs.

    Reads the record that a release leaves, which outlives its Job; a case for each metric and step. The JSON's schema
    is printed by `canary schema report`.

    Example:  canary report user-service-route -n shop -o junit > canary.xml

    Ends with 0 when the report was written, whatever became of the release; with 22 when there is no record.
    """
    from canary.cli.replaying import read_cluster, read_file
    from canary.engine.record import RecordTooNew
    from canary.report.released import released

    stored = read_file(record)
    where, image = (namespace or "", route or Path(record).name), ""
    if stored is None:
        ways: dict[str, Any] = {"namespace": namespace, "route": route, "kubeconfig": kubeconfig, "context": context}
        stored = read_cluster(record, uid=uid, **ways)
        where, image = _subject(record, stored.release, ways)
    try:
        pieces, damage = stored.read()
    except RecordTooNew as error:
        raise Failure(str(error), code=ExitCode.INVALID_RELEASE_FILE) from error
    rows = [row for piece in pieces for row in piece.rows]
    found = released(rows, namespace=where[0], route=where[1], release=stored.release, image=image, damage=damage)
    typer.echo(written(found, output), nl=False)


def _subject(name: str, uid: str, ways: dict[str, Any]) -> tuple[tuple[str, str], str]:
    """Namespace and route of what was named, and the image that this release brought; empty where nobody says it."""
    from canary.adapters.kubernetes import KubernetesJournals
    from canary.adapters.kubernetes.paths import named
    from canary.cli.target import target_for
    from canary.engine.journal import JournalError, decode
    from canary.ports import PortError

    target, api = target_for(name, **ways)
    journals = KubernetesJournals(api, namespace=target.namespace, name=named("canary", target.route, "journal"))
    image = ""
    with contextlib.suppress(PortError, JournalError):
        stored = journals.load()
        journal = decode(stored.text) if stored else None
        if journal and journal.release.uid == uid and journal.subject and journal.subject.workload:
            image = journal.subject.workload.image
    return (target.namespace, target.route), image


def written(found: Released, form: Form) -> str:
    """A release in one of the forms."""
    if form is Form.JSON:
        from canary.report.released import data

        return json.dumps(data(found), indent=2) + "\n"
    from canary.report.pipeline import junit, markdown

    return junit(found) if form is Form.JUNIT else markdown(found)


# Beside the verdict of `submit` --------------------------------------------------------------------------------------


def leave(
    api: Api, file: Release, *, code: int, reason: str, summary: Path | None, junit: Path | None, data: Path | None
) -> None:
    """Write what was asked for. Whatever goes wrong here is said and changes no verdict.

    Args:
        api: the API server.
        file: the release file.
        code, reason: how the release ended, also where its record cannot be read.
        summary: Markdown is added to the end of this file, as CI systems expect it.
        junit, data: written anew.
    """
    wanted = [(summary, Form.MARKDOWN), (junit, Form.JUNIT), (data, Form.JSON)]
    if not any(path for path, _ in wanted):
        return
    found = _of(api, file, code=code, reason=reason)
    for path, form in wanted:
        if path is None:
            continue
        try:
            with path.open("a" if form is Form.MARKDOWN else "w", encoding="utf-8") as stream:
                stream.write(written(found, form))
        except OSError as error:
            print(f"{path} cannot be written: {error.strerror}; the verdict stands", file=sys.stderr)


def _of(api: Api, file: Release, *, code: int, reason: str) -> Released:
    """The newest release of the route if it is this one; else what the submission itself knows."""
    from dataclasses import replace

    from canary.adapters.kubernetes import KubernetesRecords
    from canary.adapters.kubernetes.paths import RELEASE_LABEL, named
    from canary.cli.submitting import journal_of
    from canary.engine.record import RecordTooNew
    from canary.engine.recordfile import Stored
    from canary.ports import PortError
    from canary.report.released import meaning, released
    from canary.submitting import identity_of

    namespace, route, image = file.metadata.namespace, file.spec.route.name, file.spec.image or ""
    uid, rows, damage = "", [], ""
    newest = journal_of(api, file)
    if newest is not None and newest[0] == identity_of(file):
        uid = newest[1].uid
        try:
            name = named("canary", route, uid)
            records = KubernetesRecords(api, namespace=namespace, name=name, labels={RELEASE_LABEL: uid})
            pieces, damage = Stored(release=uid, chunks=tuple(records.read())).read()
            rows = [row for piece in pieces for row in piece.rows]
        except (PortError, RecordTooNew) as error:
            damage = f"the record cannot be read: {error}"
    found = released(rows, namespace=namespace, route=route, release=uid, image=image, damage=damage)
    # The process's own code is the pipeline's: it says how this submission ended.
    return replace(found, code=code, meaning=meaning(code), reason=reason or found.reason)
