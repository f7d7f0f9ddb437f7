"""YAML text to plain data, with the place of every value, and nothing that could surprise.

Only what a release file needs is read: one document of mappings, sequences and scalars as YAML 1.2's core schema
names them (so `no` is a text and `1:30` is not a number), no tags, aliases within bounds. The parser's events are
taken one by one: nothing is built, resolved or expanded before it was counted.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, NoReturn

from canary.spec.problems import Problem, ReleaseFileError, shown

DEEPEST = 32
"""Collections in collections; a release file needs eight."""

MOST_VALUES = 10_000
"""Values once aliases are written out: what keeps a small file from becoming a huge release."""

MOST_PROBLEMS = 100
"""Problems noted before reading ends: a file with more is another kind of file."""

_INTEGER = re.compile(r"[-+]?[0-9]{1,18}")
_FLOAT = re.compile(r"[-+]?(\.[0-9]{1,18}|[0-9]{1,18}(\.[0-9]{0,18})?)([eE][-+]?[0-9]{1,3})?")
_OCTAL = re.compile(r"0[0-7]+")
_NULLS = frozenset({"", "~", "null", "Null", "NULL"})
_TRUTH = {"true": True, "True": True, "TRUE": True, "false": False, "False": False, "FALSE": False}

_LINE_ENDS = "\n\r"
_MISLEADING = frozenset(
    "\u0085\u2028\u2029\u200b\u200e\u200f\u061c\ufeff\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"
)
"""Line ends that editors do not show, zero-width blanks, and marks that turn the direction of text around."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where something is written; both count from 1."""

    line: int
    column: int


@dataclass(slots=True)
class Node:
    """A value with its place.

    Attributes:
        place: where it begins.
        value: it as plain data; sequences are tuples.
        size: how many values it holds, itself included, aliases written out.
        children: the nodes below, by key or index.
        keys: the places of a mapping's keys.
    """

    place: Place
    value: Any = None
    size: int = 1
    children: dict[str | int, Node] = field(default_factory=dict)
    keys: dict[str | int, Place] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Document:
    """What a text holds.

    Attributes:
        root: its only value.
        problems: what was wrong with it and could still be read past, such as a key written twice.
    """

    root: Node
    problems: tuple[Problem, ...]


@dataclass(slots=True)
class _Open:
    """A collection that is being read; in a mapping, `key` is the one whose value comes next."""

    node: Node
    is_mapping: bool
    anchor: str | None
    key: str | None = None


def read(text: str, *, file: str, manifest: bool = False) -> Document:
    """The only document in a text.

    Args:
        text: the file's text.
        file: what to call it in problems.
        manifest: it is a Kubernetes object, which may say null, and in which other readers see more than is written:
            such spellings are problems.

    Raises:
        ReleaseFileError: it cannot be read to its end; the last problem says where and why.
    """
    return _Reader(file, manifest=manifest).read(text)


class _Reader:
    def __init__(self, file: str, *, manifest: bool) -> None:
        self._file, self._manifest = file, manifest
        self._stack: list[_Open] = []
        self._anchors: dict[str, Node] = {}
        self._roots: list[Node] = []
        self._problems: list[Problem] = []

    def read(self, text: str) -> Document:
        self._check_characters(text)
        for event in self._events(text):
            self._take(event)
        if not self._roots:
            hint = "write a pod template" if self._manifest else "see what belongs in it with: canary schema"
            self._stop(Place(1, 1), "the file is empty", hint)
        return Document(self._roots[0], tuple(self._problems))

    def _check_characters(self, text: str) -> None:
        for number, line in enumerate(text.split("\n"), start=1):
            for column, char in enumerate(line, start=1):
                if char in "\t\r" or (" " <= char <= "~"):
                    continue
                if char in _MISLEADING or unicodedata.category(char) in {"Cc", "Cs", "Co", "Cn"}:
                    name = unicodedata.name(char, "a control character")
                    message = f"this character cannot be seen: U+{ord(char):04X} ({name})"
                    self._stop(Place(number, column), message, "delete it")

    def _events(self, text: str) -> Iterator[Any]:
        from ruamel.yaml import YAML
        from ruamel.yaml.error import MarkedYAMLError, YAMLError

        last = Place(1, 1)
        try:
            for event in YAML(typ="safe", pure=True).parse(text):
                last = _place(event.start_mark)
                yield event
        except MarkedYAMLError as error:
            mark = error.problem_mark or error.context_mark
            words = str(error.problem or error.context or "the text cannot be understood")
            self._stop(_place(mark) if mark else last, f"this is not YAML: {shown(words)[1:-1]}", _syntax_hint(words))
        except (YAMLError, ValueError, OverflowError, ArithmeticError):
            # Escapes such as "\UFFFFFFFF" end in errors of Python's own.
            self._stop(last, "this is not YAML", "correct what follows here")

    def _take(self, event: Any) -> None:
        from ruamel.yaml import events

        place = _place(event.start_mark)
        match event:
            case events.DocumentStartEvent() if self._roots:
                what = "object" if self._manifest else "release"
                self._stop(place, "a second document begins here", f"write one {what} in each file")
            case events.AliasEvent(anchor=anchor):
                node = self._anchors.get(str(anchor))
                if node is None:
                    self._stop(place, f"nothing before this is named {shown(f'&{anchor}')}", "write the value out")
                self._add(node, place)
            case events.ScalarEvent():
                self._refuse_tag(event, place)
                self._scalar(event, place)
            case events.MappingStartEvent() | events.SequenceStartEvent():
                self._refuse_tag(event, place)
                self._open(event, place, is_mapping=isinstance(event, events.MappingStartEvent))
            case events.MappingEndEvent() | events.SequenceEndEvent():
                self._close()

    def _refuse_tag(self, event: Any, place: Place) -> None:
        if event.tag is not None and str(event.tag) != "!":
            self._note(place, f"a tag has no meaning here: {shown(str(event.tag))}", "leave it out")

    def _scalar(self, event: Any, place: Place) -> None:
        top = self._stack[-1] if self._stack else None
        text = str(event.value)
        if top and top.is_mapping and top.key is None:
            if self._manifest and text == "<<":
                self._note(place, "merge keys are not read", "write out what is merged")
            if text in top.node.keys:
                first = top.node.keys[text]
                self._note(place, f"the key {shown(text)} is written twice", f"the first is in line {first.line}")
            top.key = text
            top.node.keys.setdefault(text, place)
            return
        value = _resolved(text) if event.implicit[0] else text
        if self._manifest and event.implicit[0] and _OCTAL.fullmatch(text):
            # YAML 1.1, which kubectl reads, takes it for octal: another mode of a file than it says here.
            self._note(place, f"this number begins with 0: {shown(text)}", f"write {int(text, 8)}, which kubectl reads")
        if value is None and not (self._manifest and top and top.is_mapping):
            place = self._key_place(place)
            self._note(place, "there is no value here", "give it one, or delete the line")
        node = Node(place, value)
        if event.anchor:
            self._anchors[str(event.anchor)] = node
        self._add(node, place)

    def _open(self, event: Any, place: Place, *, is_mapping: bool) -> None:
        if len(self._stack) >= DEEPEST:
            self._stop(place, f"this is nested deeper than {DEEPEST} levels", "a release file needs eight")
        if self._stack and self._stack[-1].is_mapping and self._stack[-1].key is None:
            self._stop(place, "a key must be a word, not a list or a mapping", "write key: value")
        self._stack.append(_Open(Node(place), is_mapping, str(event.anchor) if event.anchor else None))

    def _close(self) -> None:
        done = self._stack.pop()
        values = {key: child.value for key, child in done.node.children.items()}
        done.node.value = values if done.is_mapping else tuple(values.values())
        if done.anchor:
            self._anchors[done.anchor] = done.node
        self._add(done.node, done.node.place)

    def _add(self, node: Node, place: Place) -> None:
        if not self._stack:
            self._roots.append(node)
            return
        top = self._stack[-1]
        top.node.size += node.size
        if top.node.size > MOST_VALUES:
            self._stop(place, f"this makes more than {MOST_VALUES} values", "write a smaller file, with fewer aliases")
        if not top.is_mapping:
            top.node.children[len(top.node.children)] = node
        elif top.key is None:
            self._stop(place, "a key must be a word, not an alias", "write key: value")
        else:
            top.node.children[top.key] = node
            top.key = None

    def _key_place(self, place: Place) -> Place:
        """Where the key of the value that comes next is; an absent value has no good place of its own."""
        top = self._stack[-1] if self._stack else None
        return top.node.keys[top.key] if top and top.key is not None else place

    def _problem(self, place: Place, message: str, hint: str) -> Problem:
        return Problem(
            file=self._file, line=place.line, column=place.column, key="", message=message, value="", hint=hint
        )

    def _note(self, place: Place, message: str, hint: str) -> None:
        self._problems.append(self._problem(place, message, hint))
        if len(self._problems) >= MOST_PROBLEMS:
            raise ReleaseFileError(self._problems)

    def _stop(self, place: Place, message: str, hint: str) -> NoReturn:
        raise ReleaseFileError([*self._problems, self._problem(place, message, hint)])


def _place(mark: Any) -> Place:
    return Place(mark.line + 1, mark.column + 1)


def _resolved(text: str) -> str | int | float | bool | None:
    """A plain scalar by the core schema of YAML 1.2, without octal and hexadecimal numbers, infinity and NaN."""
    if text in _NULLS:
        return None
    if text in _TRUTH:
        return _TRUTH[text]
    if _INTEGER.fullmatch(text):
        return int(text)
    return float(text) if _FLOAT.fullmatch(text) else text


def _syntax_hint(words: str) -> str:
    if "\\t" in words or "\t" in words:
        return "indent with blanks, not with tabs"
    if "mapping values are not allowed" in words:
        return "check the indentation, and quote a text that holds ': '"
    if "could not find expected ':'" in words:
        return "write key: value, with a blank after the colon"
    return "check the indentation, the quotes and the brackets here"
