"""From pydantic's errors to problems with a place, in words of the release file."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, get_args

from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails

from canary.spec import unsupported
from canary.spec.base import Part
from canary.spec.document import Node, Place
from canary.spec.problems import Problem, shown
from canary.spec.release import Release

LONGEST_KEY = 40
"""No key of ours is longer; comparing more letters only costs time."""

Path = tuple[str | int, ...]

_WORDS: dict[str, tuple[str, str]] = {
    "string_type": ("this must be a text", "put it in quotes"),
    "int_type": ("this must be a whole number", "write digits, without quotes"),
    "int_from_float": ("this must be a whole number", "write digits, without a point"),
    "float_type": ("this must be a number", "write digits, without quotes"),
    "finite_number": ("this must be a finite number", "write digits"),
    "bool_type": ("this must be true or false", "write true or false, without quotes"),
    "tuple_type": ("this must be a list", "write [one, two], or each item in a line of its own after '- '"),
    "dict_type": ("this must be a mapping", "write key: value"),
    "greater_than": ("this is too small", "write more than {gt}"),
    "greater_than_equal": ("this is too small", "write at least {ge}"),
    "less_than": ("this is too large", "write less than {lt}"),
    "less_than_equal": ("this is too large", "write at most {le}"),
    "too_short": ("this list is too short", "write at least {min_length}"),
    "too_long": ("this holds too much", "write at most {max_length}"),
    "string_too_long": ("this text is too long", "write at most {max_length} characters"),
    "literal_error": ("this is not one of the choices", "write {expected}"),
    "wrong": ("{message}", "{hint}"),
}
"""Per error type of pydantic: what is wrong, and what would be right, filled from the error's context."""


def problems(details: Iterable[ErrorDetails], root: Node, file: str) -> Iterator[Problem]:
    """Each of pydantic's errors as a problem at its place.

    Args:
        details: the errors.
        root: the document they are about.
        file: what to call it.
    """
    for detail in details:
        yield from _Translator(root, file).translate(detail)


class _Translator:
    def __init__(self, root: Node, file: str) -> None:
        self._root = root
        self._file = file

    def translate(self, detail: ErrorDetails) -> Iterator[Problem]:
        context: Mapping[str, Any] = detail.get("ctx", {})
        path: Path = detail["loc"]
        match detail["type"]:
            case "impossible":
                for place, message, hint in context["objections"]:
                    yield self._problem(place, message, hint)
            case "missing":
                field = _fields(path[:-1])[str(path[-1])]
                yield self._problem(path, "this is missing", _first_sentence(field.description or ""))
            case "extra_forbidden":
                yield self._unknown_key(path)
            case "too_short" if self._length(path) >= context["min_length"]:
                return  # pydantic counts only the items that are right, and those that are wrong are told anyway
            case "model_type" | "model_attributes_type":
                yield self._problem(path, "this must be a mapping", _known(_fields(path)), of_type=True)
            case kind:
                yield self._bad_value(path, kind, context, detail["msg"])

    def _bad_value(self, path: Path, kind: str, context: Mapping[str, Any], fallback: str) -> Problem:
        node, _ = self._find(path)
        later = unsupported.VALUES.get(_dotted(path), {})
        if node and isinstance(node.value, str) and node.value in later:
            return self._problem(path, "this is not supported yet", later[node.value])
        never = unsupported.REFUSED.get(_dotted(path), {})
        if node and isinstance(node.value, str) and node.value in never:
            return self._problem(path, *never[node.value])
        message, hint = _WORDS.get(kind, (fallback, ""))
        spelled = {**context, "expected": str(context.get("expected", "")).replace("'", "")}
        return self._problem(path, message.format(**spelled), hint.format(**spelled), of_type=kind.endswith("_type"))

    def _unknown_key(self, path: Path) -> Problem:
        fields = _fields(path[:-1])
        message, hint = "there is no such key", _nearest(str(path[-1]), fields) or _known(fields)
        if (later := unsupported.KEYS.get(_dotted(path))) is not None:
            message, hint = "this is not supported yet", later
        parent, place = self._find(path[:-1])
        place = parent.keys.get(path[-1], place) if parent else place
        return Problem(
            file=self._file,
            line=place.line,
            column=place.column,
            key=_spelled(path),
            message=message,
            value="",
            hint=hint,
        )

    def _length(self, path: Path) -> int:
        node, _ = self._find(path)
        return len(node.children) if node else 0

    def _problem(self, path: Path, message: str, hint: str, *, of_type: bool = False) -> Problem:
        node, place = self._find(path)
        hidden = node is None or _secret(path, node.value) or (bool(node.children) and not of_type)
        value = "" if node is None or hidden else shown(node.value)
        return Problem(
            file=self._file,
            line=place.line,
            column=place.column,
            key=_spelled(path),
            message=message,
            value=value,
            hint=hint,
        )

    def _find(self, path: Path) -> tuple[Node | None, Place]:
        """The node at a path and where to point; where the path ends early, no node and the last key on it."""
        node, place = self._root, self._root.place
        for part in path:
            child = node.children.get(part)
            if child is None:
                return None, place
            place = node.keys.get(part, child.place)
            node = child
        # A value is pointed at itself; a whole mapping or list at its key, since it may begin in another line.
        return node, place if node.children else node.place


def _secret(path: Path, value: object) -> bool:
    """Whether a value may hold a credential: a header's, or an address with a user in it."""
    return "headers" in path or (isinstance(value, str) and "://" in value and "@" in value)


def _spelled(path: Path) -> str:
    """The path as people write it: `spec.analysis.metrics[0].errors`."""
    parts = (f"[{part}]" if isinstance(part, int) else f".{shown(part)[1:-1]}" for part in path)
    return "".join(parts).removeprefix(".")


def _dotted(path: Path) -> str:
    return ".".join(part for part in path if isinstance(part, str))


def _fields(path: Path) -> dict[str, FieldInfo]:
    """The known keys of the mapping at a path, by walking the models."""
    model: type[Part] | None = Release
    for part in path:
        if model is None or isinstance(part, int):
            continue
        field = _by_key(model).get(part)
        model = _model_in(field.annotation) if field else None
    return _by_key(model) if model else {}


def _by_key(model: type[Part]) -> dict[str, FieldInfo]:
    return {field.alias or name: field for name, field in model.model_fields.items()}


def _model_in(annotation: object) -> type[Part] | None:
    if isinstance(annotation, type) and issubclass(annotation, Part):
        return annotation
    return next((model for arg in get_args(annotation) if (model := _model_in(arg))), None)


def _known(fields: Iterable[str]) -> str:
    return f"known here: {', '.join(fields)}"


def _nearest(key: str, fields: Iterable[str]) -> str:
    by_lower = {name.lower(): name for name in fields}
    near = difflib.get_close_matches(key[:LONGEST_KEY].lower().replace("_", ""), by_lower, n=1, cutoff=0.6)
    return f"did you mean {by_lower[near[0]]}?" if near else ""


def _first_sentence(text: str) -> str:
    """A field's description up to its first full stop, as a hint."""
    sentence = text.split(". ", maxsplit=1)[0].rstrip(".")
    return sentence[:1].lower() + sentence[1:]
