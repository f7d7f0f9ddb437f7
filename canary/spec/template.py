"""The pod template beside a release file: read, checked as far as no cluster is needed, and kept with its text.

It comes from the same place as the release file, so it is as little trusted: only a file below the release file's own
folder is read for it, and what is wrong is told with its place and without the values of what may be a secret.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, PlainSerializer, PlainValidator, WithJsonSchema

from canary.spec import document
from canary.spec.base import wrong
from canary.spec.document import Node, Place
from canary.spec.problems import Problem, ReleaseFileError, shown

LIVE = "live"

TEMPLATE_LIMIT = 64 * 1024
"""Bytes. It travels in the Job beside the release file, and the old template in the canary's Deployment."""

_PATH = r"[A-Za-z0-9_][-A-Za-z0-9_.]*(/[A-Za-z0-9_][-A-Za-z0-9_.]*)*"
_PATH_HINT = "write live, or the path of a file below the release file's folder, such as deploy/web.yaml"
_PARTS = frozenset({"apiVersion", "kind", "metadata", "spec"})


class PodTemplate(BaseModel):
    """What the canary's pods, and at promotion stable's, are made from.

    Attributes:
        template: the pod template, metadata and spec.
        deployment: the rest of the Deployment's spec, where the file holds a whole one; None where it does not.
        labels: of that Deployment itself.
        annotations: of that Deployment itself.
        file: what to call it in sentences.
        text: as it was written; no part of what the release is.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    template: dict[str, Any]
    deployment: dict[str, Any] | None = None
    labels: dict[str, str] = Field(default_factory=dict)
    annotations: dict[str, str] = Field(default_factory=dict)
    file: str = Field(default="", exclude=True)
    text: str = Field(default="", exclude=True, repr=False)

    def whole(self) -> dict[str, Any] | None:
        """The Deployment's metadata and spec; None where the file holds less."""
        if self.deployment is None:
            return None
        metadata = {"labels": self.labels, "annotations": self.annotations}
        return {"metadata": metadata, "spec": {**self.deployment, "template": self.template}}


def _check(value: object) -> Literal["live"] | PodTemplate:
    if isinstance(value, PodTemplate):
        return value
    if value == LIVE:
        return "live"
    raise wrong("this is not the path of a file", _PATH_HINT)


def _data(value: object) -> object:
    return value.model_dump(mode="json") if isinstance(value, PodTemplate) else value


Template = Annotated[
    Literal["live"] | PodTemplate,
    PlainValidator(_check),
    PlainSerializer(_data),
    WithJsonSchema({"type": "string", "pattern": f"^{_PATH}$", "maxLength": 253}),
]
"""`live`, or what was read from the file that the release file names."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """A template's text and what to call it in problems."""

    name: str
    raw: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class About:
    """What of the release file a template must fit to; empty where the release file does not say it."""

    namespace: str
    deployment: str
    container: str


def beside(folder: Path, written: str) -> Source:
    """The file that a release file names.

    Args:
        folder: the release file's.
        written: what stands in the release file.

    Raises:
        ValueError: it is not read, or cannot be: (what is wrong, what would be right).
    """
    if not re.fullmatch(_PATH, written) or len(written) > 253:
        raise ValueError("this is not the path of a file below the release file's folder", _PATH_HINT)
    path = folder / written
    try:
        if not path.resolve().is_relative_to(folder.resolve()):
            raise ValueError("this leads out of the release file's folder", "put the file beside the release file")
        with path.open("rb") as stream:
            return Source(name=str(path), raw=stream.read(TEMPLATE_LIMIT + 1))
    except OSError as error:
        reason = (error.strerror or type(error).__name__).lower()
        hint = "its path is read from the release file's folder; --template FILE names another"
        raise ValueError(f"the file {path} cannot be read: {reason}", hint) from None


def read(source: Source, about: About) -> PodTemplate:
    """The pod template in a file: a whole Deployment's, a PodTemplate's, or one alone.

    Raises:
        ReleaseFileError: it is none, or does not fit to the release; every problem is in it.
    """
    name = source.name
    if len(source.raw) > TEMPLATE_LIMIT:
        text = f"the file is larger than {TEMPLATE_LIMIT // 1024} KiB"
        raise ReleaseFileError([_problem(name, Place(1, 1), "", text, "a pod template has some hundred lines")])
    try:
        text = source.raw.decode().removeprefix("\ufeff").replace("\r\n", "\n")
    except UnicodeDecodeError as error:
        place = Place(error.object[: error.start].count(b"\n") + 1, 1)
        raise ReleaseFileError(
            [_problem(name, place, "", "the file is not UTF-8 text here", "save it as UTF-8")]
        ) from None
    content = document.read(text, file=name, manifest=True)
    reader = _Checks(name, content.root, about)
    found = [*content.problems, *reader.problems()]
    if found:
        raise ReleaseFileError(found)
    return reader.made(text)


class _Checks:
    """What can be wrong with a template without looking at a cluster."""

    def __init__(self, file: str, root: Node, about: About) -> None:
        self._file, self._root, self._about = file, root, about
        kind = root.children.get("kind") if isinstance(root.value, dict) else None
        self._kind = str(kind.value) if kind else ""
        self._at: tuple[str, ...] = {"Deployment": ("spec", "template"), "PodTemplate": ("template",)}.get(
            self._kind, ()
        )

    def made(self, text: str) -> PodTemplate:
        whole = _plain(self._root)
        template = whole
        for key in self._at:
            template = template[key]
        rest = None
        if self._kind == "Deployment":
            rest = {key: value for key, value in whole["spec"].items() if key != "template"}
        metadata = (whole.get("metadata") or {}) if rest is not None else {}
        return PodTemplate(
            template={"metadata": template.get("metadata") or {}, "spec": template["spec"]},
            deployment=rest,
            labels=metadata.get("labels") or {},
            annotations=metadata.get("annotations") or {},
            file=self._file,
            text=text,
        )

    def problems(self) -> Iterator[Problem]:
        if not isinstance(self._root.value, dict):
            yield self._told((), "a pod template is a mapping", "begin with metadata and spec, or write the Deployment")
            return
        if self._kind not in {"", "Deployment", "PodTemplate"}:
            hint = "write the Deployment, or what stands in its spec.template alone"
            yield self._told(("kind",), f"this is a {_word(self._kind)}", hint)
            return
        if self._kind == "Deployment":
            yield from self._of_deployment()
        node = self._node(self._at)
        if node is None or not isinstance(node.value, dict) or not node.children:
            yield self._told(self._at, "there is no pod template here", "write its metadata and its spec")
            return
        if not self._kind:
            for key in node.children:
                if key not in _PARTS:
                    hint = "a pod template has metadata and spec; a whole Deployment says kind: Deployment"
                    yield self._told((str(key),), "there is no such key", hint)
        yield from self._of_labels()
        yield from self._of_containers()

    def _of_deployment(self) -> Iterator[Problem]:
        for path, wanted, key in (
            (("apiVersion",), "apps/v1", ""),
            (("metadata", "name"), self._about.deployment, "spec.workload.name"),
            (("metadata", "namespace"), self._about.namespace, "metadata.namespace"),
        ):
            node = self._node(path)
            if node is None and path[-1] == "namespace":
                continue
            value = node.value if node else None
            if wanted and value != wanted:
                said = f"the release says {_word(wanted)}" if key else "no other version is known"
                hint = f"write {_word(wanted)}" + (f", or correct {key} of the release" if key else "")
                yield self._told(path, said, hint)
        selects = self._node(("spec", "selector", "matchLabels"))
        if selects is None or not isinstance(selects.value, dict) or not selects.value:
            return
        labels = self._labels()
        missing = [_word(f"{key}: {value}") for key, value in selects.value.items() if labels.get(str(key)) != value]
        if missing:
            hint = f"write in spec.template.metadata.labels: {', '.join(missing)}"
            yield self._told((*self._at, "metadata", "labels"), "the Deployment does not select these pods", hint)

    def _of_labels(self) -> Iterator[Problem]:
        at = (*self._at, "metadata", "labels")
        heads = {(), self._at} if self._kind == "Deployment" else {self._at}
        for path in ((*head, "metadata", part) for head in sorted(heads) for part in ("annotations", "labels")):
            node = self._node(path)
            if node is not None and node.value is not None and not isinstance(node.value, dict):
                yield self._told(path, "this must be a mapping", "write key: value")
            for key, child in node.children.items() if node and isinstance(node.value, dict) else ():
                if not isinstance(child.value, str | None):
                    yield self._told((*path, str(key)), "this must be a text", "put it in quotes")
        if not self._labels():
            yield self._told(at, "the pods have no labels", "write those that the Deployment and its Service select")

    def _of_containers(self) -> Iterator[Problem]:
        at = (*self._at, "spec", "containers")
        node = self._node(at)
        if node is None or not isinstance(node.value, tuple) or not node.value:
            yield self._told(at, "there are no containers here", "write the list of the pod's containers")
            return
        names = [one.get("name") if isinstance(one, dict) else None for one in node.value]
        for index, name in enumerate(names):
            if not isinstance(name, str) or not name:
                yield self._told((*at, index), "this container has no name", "write name: ...")
        known = ", ".join(_word(name) for name in names if isinstance(name, str))
        if self._about.container and self._about.container not in names:
            hint = "correct spec.workload.container of the release, or the name here"
            yield self._told(at, f"there is no container {_word(self._about.container)}, only {known}", hint)
        elif not self._about.container and len(names) > 1:
            hint = "say in spec.workload.container of the release which of them gets the image"
            yield self._told(at, f"there are several containers: {known}", hint)

    def _labels(self) -> dict[str, Any]:
        node = self._node((*self._at, "metadata", "labels"))
        return node.value if node and isinstance(node.value, dict) else {}

    def _node(self, path: tuple[str | int, ...]) -> Node | None:
        node: Node | None = self._root
        for key in path:
            node = node.children.get(key) if node else None
        return node

    def _told(self, path: tuple[str | int, ...], message: str, hint: str) -> Problem:
        node, place = self._root, self._root.place
        for key in path:
            child = node.children.get(key)
            if child is None:
                break
            place, node = node.keys.get(key, child.place), child
        words = "".join(f"[{key}]" if isinstance(key, int) else f".{_word(key)}" for key in path)
        return _problem(self._file, place, words.removeprefix("."), message, hint)


def _word(text: str) -> str:
    """A text as it may stand in a sentence."""
    return shown(text)[1:-1]


def _plain(node: Node) -> Any:
    """The value as Kubernetes objects have it: lists, and no entries that are null."""
    if isinstance(node.value, dict):
        return {key: _plain(child) for key, child in node.children.items() if child.value is not None}
    return [_plain(child) for child in node.children.values()] if isinstance(node.value, tuple) else node.value


def _problem(file: str, place: Place, key: str, message: str, hint: str) -> Problem:
    return Problem(file=file, line=place.line, column=place.column, key=key, message=message, value="", hint=hint)
