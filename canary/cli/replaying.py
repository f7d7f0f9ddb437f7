"""`replay`: a release's record, judged again."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from canary.cli.boundary import Failure
from canary.cli.options import Format, Output
from canary.cli.target import Context, Kubeconfig, Namespace, RouteName
from canary.core.outcome import ExitCode

if TYPE_CHECKING:
    from analysis.replay import Replayed
    from canary.engine.recordfile import Stored


def replay(
    record: Annotated[
        str,
        typer.Argument(
            metavar="RECORD",
            help="A file written by --save; or the name of a route or a release, whose record is in the cluster.",
        ),
    ],
    *,
    save: Annotated[
        Path | None, typer.Option("--save", metavar="FILE", help="Also write the record to a file, for later.")
    ] = None,
    uid: Annotated[
        str | None,
        typer.Option("--uid", metavar="UID", help="Which release of the route; by default the newest."),
    ] = None,
    every: Annotated[
        bool, typer.Option("--looks", help="Print every look, not only those at which something changed.")
    ] = False,
    namespace: Namespace = None,
    route: RouteName = None,
    kubeconfig: Kubeconfig = None,
    context: Context = None,
    output: Format = Output.TEXT,
) -> None:
    """Judge a release again from its record: the same verdicts at the same looks, every number to 1e-9.

    Everything that the judge was told stands in the record, so that what it said can be checked by anybody, at any
    time, without the cluster.

    Example:  canary replay user-service-route -n shop --save release.record.json;  canary replay release.record.json

    Ends with 0 when everything is said again, with 1 when anything differs, with 20 when the record is damaged, not
    whole, or of another version of the judge, with 22 when there is no record.
    """
    from canary.report.replayed import data, text

    stored = read_file(record) or read_cluster(
        record, uid=uid, namespace=namespace, route=route, kubeconfig=kubeconfig, context=context
    )
    if save is not None:
        _write(save, stored)
    found, damage = judged_again(stored)
    if output is Output.JSON:
        typer.echo(json.dumps(data(stored.release, found, damage=damage), indent=2))
    else:
        typer.echo(text(stored.release, found, damage=damage, every=every), nl=False)
    if found.differing:
        raise typer.Exit(ExitCode.BUG)
    if damage or any(life.lost for life in found.lives):
        raise Failure(
            damage or "a part of the record is missing",
            code=ExitCode.INVALID_RELEASE_FILE,
            hint="what is there was judged again, and is the same; what is missing cannot be checked",
        )


def judged_again(stored: Stored) -> tuple[Replayed, str]:
    """The record judged again, and what is wrong with it; empty when nothing is.

    Raises:
        Failure: another version of the judge wrote it, or an entry of it is damaged.
    """
    from analysis.replay import Unreplayable, replay
    from canary.engine.record import RecordTooNew, lives

    try:
        pieces, damage = stored.read()
        return replay(lives(pieces)), damage
    except (RecordTooNew, Unreplayable) as error:
        raise Failure(str(error), code=ExitCode.INVALID_RELEASE_FILE) from error


def read_file(name: str) -> Stored | None:
    """The record in a file; None where the name is not that of a file with a record."""
    from canary.engine.record import RecordError
    from canary.engine.recordfile import LARGEST, parse

    path = Path(name)
    try:
        if not path.is_file():
            if name.endswith(".json"):
                raise Failure(f"there is no file {name}", code=ExitCode.USAGE, hint="write one with --save FILE")
            return None
        if path.stat().st_size > LARGEST:
            raise Failure(f"{name} is too large to be a record", code=ExitCode.USAGE)
        stored = parse(path.read_bytes())
    except OSError as error:
        raise Failure(f"{name} cannot be read: {error.strerror}", code=ExitCode.USAGE, hint="check the path") from error
    except RecordError as error:
        raise Failure(f"{name}: {error}", code=ExitCode.INVALID_RELEASE_FILE) from error
    if stored is None and name.endswith(".json"):
        hint = "write one with: canary replay NAME --save FILE"
        raise Failure(f"{name} does not hold a record", code=ExitCode.USAGE, hint=hint)
    return stored


def read_cluster(
    name: str,
    *,
    uid: str | None,
    namespace: str | None,
    route: str | None,
    kubeconfig: Path | None,
    context: str | None,
) -> Stored:
    """The record in the cluster.

    Raises:
        Failure: there is none, or it cannot be read.
    """
    from canary.adapters.kubernetes import KubernetesJournals, KubernetesRecords
    from canary.adapters.kubernetes.paths import RELEASE_LABEL, named
    from canary.cli.target import target_for
    from canary.engine.journal import JournalError, decode
    from canary.engine.recordfile import Stored
    from canary.ports import PortError, Refused

    target, api = target_for(name, namespace=namespace, route=route, kubeconfig=kubeconfig, context=context)
    try:
        journals = KubernetesJournals(
            api, namespace=target.namespace, name=named("canary", target.route, "journal"), labels={}
        )
        kept = journals.load()
        journal = decode(kept.text) if kept else None
        if uid is None and journal is None:
            raise Failure(
                f"no release of {target} is known",
                code=ExitCode.PREFLIGHT_FAILED,
                hint="check the name and -n NAMESPACE, or pass --uid",
            )
        mark = journal.record if journal and uid in {None, journal.release.uid} else None
        uid = uid or (journal.release.uid if journal else "")
        records = KubernetesRecords(
            api,
            namespace=target.namespace,
            name=named("canary", target.route, uid),
            labels={RELEASE_LABEL: uid},
        )
        chunks = tuple(records.read())
    except JournalError as error:
        hint = "pass --uid UID to replay a release that the journal does not name"
        raise Failure(str(error), code=ExitCode.INVALID_RELEASE_FILE, hint=hint) from error
    except Refused as error:
        hint = "reading ConfigMaps in the namespace is all that is needed"
        raise Failure(str(error), code=ExitCode.NOT_PERMITTED, hint=hint) from error
    except PortError as error:
        raise Failure(str(error), code=ExitCode.PREFLIGHT_FAILED, hint="nothing was touched") from error
    if not chunks:
        raise Failure(
            f"release {uid} of {target} has no record",
            code=ExitCode.PREFLIGHT_FAILED,
            hint="it has not judged yet, or its record was deleted",
        )
    return Stored(release=uid, chunks=chunks, mark=mark)


def _write(path: Path, stored: Stored) -> None:
    try:
        path.write_text(stored.text(), encoding="utf-8")
    except OSError as error:
        raise Failure(f"{path} cannot be written: {error.strerror}", code=ExitCode.USAGE) from error
