"""A release file to a `Release`, with every problem told at once."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pydantic import ValidationError
from pydantic_core import PydanticCustomError

from canary.spec import document
from canary.spec.document import Node, Place
from canary.spec.names import check_image
from canary.spec.problems import Problem, ReleaseFileError, shown
from canary.spec.release import Release
from canary.spec.template import LIVE, About, PodTemplate, Source, beside
from canary.spec.template import read as read_template
from canary.spec.translate import problems

LARGEST_FILE = 256 * 1024
"""Bytes. A release file has some hundred lines; this holds them a hundred times over."""


def load(path: Path, *, image: str | None = None, template: Source | None = None, whole: bool = True) -> Release:
    """Read a release file, and the pod template that it names.

    Args:
        path: where it is.
        image: the new version, in place of the file's own; what CI gives with --image.
        template: the pod template, in place of the one that the file names.
        whole: without, the pod template is not read, and the release says live in its place: for whoever only asks
            what the release is about, and may not have that file.

    Raises:
        ReleaseFileError: it cannot be read, or is not a release; every problem is in it.
    """
    folder = path.parent if whole else None
    return parse(read_bytes(path), file=str(path), image=image, template=template, folder=folder)


def template_source(path: Path) -> Source:
    """A pod template that is named beside the release file, wherever it is.

    Raises:
        ReleaseFileError: it cannot be read.
    """
    return Source(name=str(path), raw=read_bytes(path))


def read_bytes(path: Path) -> bytes:
    """A file's content, up to a byte more than a release file may have.

    Raises:
        ReleaseFileError: it cannot be read.
    """
    try:
        with path.open("rb") as stream:
            return stream.read(LARGEST_FILE + 1)
    except OSError as error:
        reason = (error.strerror or type(error).__name__).lower()
        raise _failure(str(path), f"the file cannot be read: {reason}", "check the path") from None


def parse(
    raw: bytes | str,
    *,
    file: str = "release.yaml",
    image: str | None = None,
    template: Source | None = None,
    folder: Path | None = Path(),
) -> Release:
    """Read a release from the bytes or the text of a file.

    Args:
        raw: the content; bytes are UTF-8, with or without a byte order mark.
        file: what to call it in problems.
        image: the new version, in place of the file's own.
        template: the pod template, in place of the one that the file names.
        folder: where the file that is named is looked for; None reads none, and the release says live in its place.

    Raises:
        ReleaseFileError: it is not a release; every problem is in it.
    """
    content = document.read(_decoded(raw, file), file=file)
    root, found = content.root, list(content.problems)
    if not isinstance(root.value, dict):
        raise _failure(file, "a release file is a mapping", "begin with apiVersion: canary/v1", root.place)
    value = root.value
    if image is not None:
        found += _override_problems(image)
        value = _with_image(value, image)
    value, of_template = _with_template(content.root, value, file, template=template, folder=folder)
    found += of_template
    try:
        release = Release.model_validate(value)
    except ValidationError as error:
        # The input is looked up in the document, where its place is known.
        details = error.errors(include_url=False, include_input=False)[: document.MOST_PROBLEMS]
        known = {(problem.line, problem.column) for problem in found}
        told = problems((d for d in details if image is None or d["loc"] != ("spec", "image")), root, file)
        found += [problem for problem in told if (problem.line, problem.column) not in known]
        raise ReleaseFileError(found) from None
    if found:
        raise ReleaseFileError(found)
    return release


def _with_template(
    root: Node, value: dict[str, Any], file: str, *, template: Source | None, folder: Path | None
) -> tuple[dict[str, Any], list[Problem]]:
    """The release with the pod template in place of its file's name, and what is wrong with that."""
    spec = value.get("spec")
    workload = spec.get("workload") if isinstance(spec, dict) else None
    written = workload.get("template", LIVE) if isinstance(workload, dict) else LIVE
    if not isinstance(spec, dict) or not isinstance(workload, dict) or not isinstance(written, str):
        return value, []
    if template is None and written == LIVE:
        return value, []

    def put(what: PodTemplate | str) -> dict[str, Any]:
        # Without its template nothing can be said about a first version either, nor about config.
        first = {"firstRelease": "refuse"} if what == LIVE and spec.get("firstRelease") == "direct" else {}
        others = {key: inner for key, inner in workload.items() if what != LIVE or key != "versioned"}
        return {**value, "spec": {**spec, **first, "workload": {**others, "template": what}}}

    if template is None and folder is None:
        return put(LIVE), []
    try:
        return put(read_template(template or beside(folder or Path(), written), _about(value, workload))), []
    except ReleaseFileError as error:
        return put(LIVE), list(error.problems)
    except ValueError as error:
        node = root.children["spec"].children["workload"].children["template"]
        place, key = node.place, "spec.workload.template"
        message, hint = map(str, error.args)
        problem = Problem(
            file=file, line=place.line, column=place.column, key=key, message=message, value=shown(written), hint=hint
        )
        return put(LIVE), [problem]


def _about(value: dict[str, Any], workload: dict[str, Any]) -> About:
    metadata = value.get("metadata")
    namespace = metadata.get("namespace") if isinstance(metadata, dict) else None
    said = (namespace, workload.get("name"), workload.get("container"))
    texts = [each if isinstance(each, str) else "" for each in said]
    return About(namespace=texts[0], deployment=texts[1], container=texts[2])


def _override_problems(image: str) -> list[Problem]:
    try:
        check_image(image)
    except PydanticCustomError as error:
        said = error.context or {}
        problem = Problem(
            file="--image", line=1, column=1, key="", message=said["message"], value=shown(image), hint=said["hint"]
        )
        return [problem]
    return []


def _decoded(raw: bytes | str, file: str) -> str:
    if len(raw) > LARGEST_FILE:
        raise _failure(
            file, f"the file is larger than {LARGEST_FILE // 1024} KiB", "a release file has some hundred lines"
        )
    try:
        text = raw.decode("utf-8") if isinstance(raw, bytes) else raw
    except UnicodeDecodeError as error:
        before = error.object[: error.start]
        place = Place(before.count(b"\n") + 1, error.start - before.rfind(b"\n"))
        raise _failure(file, "the file is not UTF-8 text here", "save it as UTF-8", place) from None
    return text.removeprefix("\ufeff").replace("\r\n", "\n")


def _with_image(value: dict[str, Any], image: str | None) -> dict[str, Any]:
    if image is None or not isinstance(value.get("spec"), dict):
        return value
    return {**value, "spec": {**value["spec"], "image": image}}


def _failure(file: str, message: str, hint: str, place: Place | None = None) -> ReleaseFileError:
    place = place or Place(1, 1)
    problem = Problem(file=file, line=place.line, column=place.column, key="", message=message, value="", hint=hint)
    return ReleaseFileError([problem])
