"""`validate` and `schema`: what can be said about a release file without a cluster."""

from __future__ import annotations

import dataclasses
import json
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

from canary.cli.options import Format, Image, Output, Template, read_release
from canary.core.outcome import ExitCode


def validate(
    releases: Annotated[
        list[Path], typer.Argument(metavar="RELEASE...", help="Release files; - reads one from standard input.")
    ],
    image: Image = None,
    template: Template = None,
    output: Format = Output.TEXT,
) -> None:
    """Check release files without a cluster: every mistake at once, each with its place and what would be right.

    Example:  canary validate release.yaml

    Ends with 0 when all are valid, else with 20.
    """
    from canary.spec import ReleaseFileError, normalised

    results: list[dict[str, Any]] = []
    for path in releases:
        try:
            release = read_release(path, image, template=template)
        except ReleaseFileError as error:
            results.append({"file": str(path), "valid": False, "problems": error.problems})
        else:
            results.append({"file": str(path), "valid": True, "release": normalised(release)})
    if output is Output.JSON:
        typer.echo(json.dumps(results, default=dataclasses.asdict, indent=2))
    else:
        typer.echo("\n".join(_lines(results)))
    if not all(result["valid"] for result in results):
        raise typer.Exit(ExitCode.INVALID_RELEASE_FILE)


def _lines(results: list[dict[str, Any]]) -> list[str]:
    lines: list[str] = []
    for result in results:
        if result["valid"]:
            meta = result["release"]["metadata"]
            lines.append(f"{result['file']}: valid: release {meta['name']} in namespace {meta['namespace']}")
        else:
            count = len(result["problems"])
            lines += [str(problem) for problem in result["problems"]]
            lines.append(f"{result['file']}: {count} problem{'s' if count > 1 else ''}")
    return lines


class Document(StrEnum):
    """What a schema is of."""

    RELEASE = "release"
    REPORT = "report"


def print_schema(
    of: Annotated[Document, typer.Argument(metavar="release|report", help="A release file, or a report's JSON.")] = (
        Document.RELEASE
    ),
) -> None:
    """Print the JSON Schema of release files, for completion and checking in editors; or that of a report's JSON.

    Example:  canary schema > release.schema.json

    Then begin a release file with the line:  # yaml-language-server: $schema=release.schema.json
    """
    if of is Document.REPORT:
        from canary.report.released import schema as schema_of_reports

        typer.echo(json.dumps(schema_of_reports(), indent=2))
        return
    from canary.spec import schema

    typer.echo(json.dumps(schema(), indent=2))
