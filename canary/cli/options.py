"""Arguments that several commands share, spelled and explained once."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from canary.spec import Release


class Output(StrEnum):
    """How a result is printed."""

    TEXT = "text"
    JSON = "json"


ReleaseFile = Annotated[
    Path, typer.Argument(metavar="RELEASE", help="The release file; - reads it from standard input.")
]
Image = Annotated[str | None, typer.Option("--image", metavar="IMG", help="The new version, in place of the file's.")]
Template = Annotated[
    Path | None,
    typer.Option("--template", metavar="FILE", help="The pod template, in place of the file that the release names."),
]
Format = Annotated[Output, typer.Option("--output", "-o", help="How to print the result.")]
Wait = Annotated[
    bool, typer.Option("--wait/--no-wait", help="Follow it and end with its verdict, or end when it is started.")
]
EngineImage = Annotated[
    str | None,
    typer.Option("--engine-image", metavar="IMG", help="The engine's own image, by digest; by default the chart's."),
]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Print the Job and make nothing.")]


def read_release(path: Path, image: str | None = None, *, template: Path | None = None, whole: bool = True) -> Release:
    """The release in a file, or on standard input when the path is `-`.

    Args:
        path: where it is.
        image: the new version, in place of the file's.
        template: the pod template, in place of the file that the release names.
        whole: without, no pod template is read.

    Raises:
        ReleaseFileError: it is not a release.
    """
    from canary.spec import load, parse
    from canary.spec.load import LARGEST_FILE, template_source

    source = template_source(template) if template is not None else None
    if str(path) != "-":
        return load(path, image=image, template=source, whole=whole)
    import sys

    folder = Path() if whole else None
    raw = sys.stdin.buffer.read(LARGEST_FILE + 1)
    return parse(raw, file="<stdin>", image=image, template=source, folder=folder)
