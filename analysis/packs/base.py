"""What a pack is, and the one place where names from outside become PromQL."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from string import Template

from analysis.model import Arm
from analysis.sources.model import Key, Role


class PackError(Exception):
    """A metric cannot be read this way; the message says why and what to do."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """Whose counters are wanted.

    Attributes:
        namespace: of the route and the Services.
        route: name of the route.
        services: Service of each arm.
        port: the Services' port.
        gateways: (namespace, name) of the route's parents; empty when not known.
    """

    namespace: str
    route: str
    services: Mapping[Arm, str]
    port: int
    gateways: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Feed:
    """One family of counters, or part of it, that feeds one number.

    Attributes:
        family: name of the series as the exposition has it.
        where: label to regular expression; each must match the whole value.
        key: the number it feeds; for buckets the bound is filled in from the label `le`.
        scale: what a bound is multiplied by to become seconds.
    """

    family: str
    where: tuple[tuple[str, str], ...]
    key: Key
    scale: float = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Pack:
    """One gateway's counters.

    Attributes:
        name: as the release file says it.
        feeds: from a target to everything that is read.
        exact: the gateway keeps shares exactly (round robin), not at random.
        blind: what these counters cannot see, one sentence each.
    """

    name: str
    feeds: Callable[[Target], tuple[Feed, ...]]
    exact: bool
    blind: tuple[str, ...]


def escape_regex(value: str) -> str:
    """A value as a regular expression that matches just it, in RE2's and in Python's syntax alike."""
    return "".join(
        character if character.isalnum() and character.isascii() else _escaped(character) for character in value
    )


def _escaped(character: str) -> str:
    """Every other character by its code point: no syntax character is left to be understood differently."""
    if character == "_":
        return character
    if character.isascii() and character.isprintable():
        return "\\" + character if not character.isspace() else "[ ]"
    code = f"{ord(character):x}"
    return f"\\x{{{code}}}"


def quote(value: str) -> str:
    """A value as a PromQL string literal, quotes included."""
    escaped = value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n").replace("\r", "\\r")
    return f'"{escaped}"'


def selector(family: str, where: Mapping[str, str]) -> str:
    """A PromQL selector; Prometheus anchors a regular expression at both ends by itself.

    Args:
        family: the series' name.
        where: label to regular expression.

    Raises:
        PackError: a name is not one that PromQL knows.
    """
    if not re.fullmatch(r"[a-zA-Z_:][a-zA-Z0-9_:]*", family):
        raise PackError(f"{family!r} is not the name of a series")
    for label in where:
        if not re.fullmatch(r"[a-zA-Z_][a-zA-Z0-9_]*", label):
            raise PackError(f"{label!r} is not the name of a label")
    inner = ",".join(f"{label}=~{quote(pattern)}" for label, pattern in sorted(where.items()))
    return f"{family}{{{inner}}}"


_PLAIN = re.compile(r"\s*([a-zA-Z_:][a-zA-Z0-9_:]*)\s*(?:\{(.*)\})?\s*", re.DOTALL)
_MATCHER = re.compile(r'\s*([a-zA-Z_][a-zA-Z0-9_]*)\s*(=~|=)\s*"((?:[^"\\]|\\.)*)"\s*(?:,|$)', re.DOTALL)
_UNESCAPE = {"\\\\": "\\", '\\"': '"', "\\n": "\n"}


def custom(name: str, *, bad: str, total: str, target: Target) -> tuple[Feed, ...]:
    """The feeds of a metric of one's own.

    `bad` and `total` are PromQL selectors of raw counters, such as `checkouts_total{service="$arm",result="failed"}`;
    `$arm` stands for the arm's Service, `$namespace` for the namespace. Functions are refused: the judge needs raw
    counters (rates and `increase()` lose a counter's first value).

    Args:
        name: the metric's name.
        bad, total: selectors.
        target: whose counters.

    Raises:
        PackError: a selector is not a plain one, or does not name the arm.
    """
    feeds = []
    for text, role in ((bad, Role.BAD), (total, Role.TOTAL)):
        if "$arm" not in text and "${arm}" not in text:
            raise PackError(f"{name}: {text!r} does not tell the arms apart; put $arm where the Service's name stands")
        for arm, service in target.services.items():
            feeds.append(_custom_feed(name, text, role=role, arm=arm, service=service, namespace=target.namespace))
    return tuple(feeds)


def _custom_feed(name: str, text: str, *, role: Role, arm: Arm, service: str, namespace: str) -> Feed:
    plain = _PLAIN.fullmatch(text)
    if plain is None:
        raise PackError(
            f'{name}: {text!r} is not a plain selector of a counter, such as requests_total{{service="$arm"}}'
        )
    where, rest = [], plain.group(2) or ""
    while rest.strip():
        matcher = _MATCHER.match(rest)
        if matcher is None:
            raise PackError(
                f"{name}: {rest.strip()!r} is not a matcher; only = and =~ with double quotes are understood"
            )
        label, operator, value = matcher.groups()
        value = re.sub(r'\\\\|\\"|\\n', lambda found: _UNESCAPE[found.group()], value)
        where.append((label, _filled(value, operator, service, namespace)))
        rest = rest[matcher.end() :]
    return Feed(family=plain.group(1), where=tuple(where), key=Key(name, arm, role))


def _filled(value: str, operator: str, service: str, namespace: str) -> str:
    values = {"arm": service, "namespace": namespace}
    if operator == "=":
        return escape_regex(Template(value).safe_substitute(values))
    return Template(value).safe_substitute({key: escape_regex(one) for key, one in values.items()})
