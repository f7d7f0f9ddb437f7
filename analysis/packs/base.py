"""What a pack is, and the one place where names from outside become PromQL."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field, replace
from string import Template

from analysis.model import Arm
from analysis.packs.expressions import slow
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
        ports: an arm's port where it is another one.
        workloads: Deployment of each arm, for counters of pods; an arm that is not named is called like its Service.
        places: for each arm, where its references stand, as (index of the rule, index of the reference); some
            gateways call their counters by these numbers. Empty when not known.
        baseline: the same with a fresh baseline in stable's place; None where there is none.
    """

    namespace: str
    route: str
    services: Mapping[Arm, str]
    port: int
    gateways: tuple[tuple[str, str], ...] = ()
    ports: Mapping[Arm, int] = field(default_factory=dict)
    workloads: Mapping[Arm, str] = field(default_factory=dict)
    places: Mapping[Arm, tuple[tuple[int, int], ...]] = field(default_factory=dict)
    baseline: Target | None = None

    @property
    def alone(self) -> Target:
        """The same without a baseline."""
        return replace(self, baseline=None)

    def port_of(self, arm: Arm) -> int:
        """The port of this arm's Service."""
        return self.ports.get(arm, self.port)

    def workload_of(self, arm: Arm) -> str:
        """The name of this arm's Deployment."""
        return self.workloads.get(arm, self.services[arm])


@dataclass(frozen=True, slots=True, kw_only=True)
class Feed:
    """One family of counters, or part of it, that feeds one number.

    Attributes:
        family: name of the series as the exposition has it.
        where: label to regular expression; each must match the whole value.
        key: the number it feeds; for buckets the bound is filled in from the label `le`.
        scale: what a bound is multiplied by to become seconds.
        pod, node: labels that name the application's pod (or its address) and its node; empty where there are none.
            A label that Prometheus adds for what it scraped names the proxy's pod, and is not meant.
    """

    family: str
    where: tuple[tuple[str, str], ...]
    key: Key
    scale: float = 1.0
    pod: str = ""
    node: str = ""


def nothing(_: Target) -> tuple[Feed, ...]:
    """No feeds: what a gateway does not count."""
    return ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Pack:
    """One gateway's counters.

    Attributes:
        name: as the release file says it.
        feeds: from a target to everything that is read.
        exact: the gateway keeps shares exactly (round robin), not at random.
        blind: what these counters cannot see, one sentence each.
        missing: why stable may have no counters although it has traffic, and what to do; one or more sentences.
        verified: on what the pack was tried, and what was not; one sentence.
        unit: unit of the histogram's bounds, `s` or `ms`; empty where there is no histogram.
        late: seconds by which latencies come after the requests that they belong to.
        takes: seconds that a change of weights usually takes to be in force, by the controller's own delays; None where
            these counters do not say which gateway it is. Planned with, never relied on: settling is seen.
        pod_label: label that tells the pods of one arm apart; empty where the gateway has none.
        listed: families that list everything that the gateway counts, each with the label that names it; the first that
            is there is looked at.
        explain: from a target and the names listed, why stable has no counters; empty where they do not tell.
        beside: feeds of `Role.STARTED`, where the gateway counts attempts that were only begun. Not among `feeds`.
        retries: attempts that were made again are counted apart, as `RETRIES`, so that errors are the answers that
            clients saw.
        keeps_shares: over many requests its arms get what the weights ask for; where they do not, the share check and
            the check of completed requests are off.
        together: the same proxies count both arms, so that an arm without series beside one that has some had no
            request. Where each arm's pods are seen for themselves it may merely not be scraped.
    """

    name: str
    feeds: Callable[[Target], tuple[Feed, ...]]
    exact: bool
    blind: tuple[str, ...]
    missing: str
    verified: str
    unit: str
    late: float = 0.0
    takes: float | None = None
    pod_label: str = ""
    beside: Callable[[Target], tuple[Feed, ...]] = nothing
    listed: tuple[tuple[str, str], ...] = ()
    explain: Callable[[Target, Collection[str]], str] | None = None
    retries: bool = False
    keeps_shares: bool = True
    together: bool = True

    @property
    def has_latency(self) -> bool:
        """Whether there is a histogram of latencies."""
        return bool(self.unit)


def escape_regex(value: str) -> str:
    """A value as a regular expression that matches just it, in RE2's and in Python's syntax alike."""
    # Both take a backslash before ASCII punctuation as that character, and every other character as itself.
    return "".join(
        "\\" + character if character.isascii() and character.isprintable() and not _is_word(character) else character
        for character in value
    )


def _is_word(character: str) -> bool:
    return character.isalnum() or character in "_ "


def quote(value: str) -> str:
    """A value as a PromQL string literal, quotes included.

    Raises:
        PackError: it is not text (half of a surrogate pair).
    """
    return '"' + "".join(_quoted(character) for character in value) + '"'


def _quoted(character: str) -> str:
    if character in '\\"':
        return "\\" + character
    if character.isascii() and character.isprintable():
        return character
    code = ord(character)
    if 0xD800 <= code <= 0xDFFF:
        raise PackError(f"a name has a character that no text has (U+{code:04X}); retype it")
    return f"\\u{code:04x}" if code <= 0xFFFF else f"\\U{code:08x}"


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
_ODD = re.compile(r"(?<!\\)(?:\\\\)*(\(\?(?:[=!>(#]|<[=!]|P=|[a-zA-Z]*[aLux])|\\[1-9ZuUN]|[*+?}]\+|\[:\^?[a-z]+:\])")
"""Look-around, atomic groups, back references, possessive quantifiers and the like: what only one of Python and
Prometheus (RE2) knows, as far as Python does not refuse it by itself."""

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
        PackError: a selector is not a plain one, does not tell the arms apart, or has an expression that Prometheus
            and we would understand differently.
    """
    feeds: list[Feed] = []
    for text, role in ((bad, Role.BAD), (total, Role.TOTAL)):
        matchers = _matchers(name, text)
        if not any(_names_arm(value) for _, _, value in matchers[1]):
            raise PackError(f"{name}: {text!r} does not tell the arms apart; put $arm where the Service's name stands")
        _refuse_overlap(name, text, matchers[1], target)
        for arm, service in target.services.items():
            where = tuple(
                (label, _filled(value, operator, service, target.namespace)) for label, operator, value in matchers[1]
            )
            feeds.append(Feed(family=matchers[0], where=where, key=Key(name, arm, role)))
    return tuple(feeds)


def _matchers(name: str, text: str) -> tuple[str, list[tuple[str, str, str]]]:
    """The family, and (label, operator, value) of each matcher."""
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
        if label == "__name__":
            raise PackError(f"{name}: write the series' name before the brace instead of as __name__")
        where.append((label, operator, _unescaped(name, value)))
        rest = rest[matcher.end() :]
    for label, operator, value in where:
        if operator == "=~" and slow(value):
            raise PackError(
                f"{name}: the expression of {label} repeats or branches too often to be matched quickly; write it "
                "plainer, without repeating what repeats"
            )
        if operator == "=~" and (odd := _ODD.search(value)):
            raise PackError(
                f"{name}: {odd.group(1)!r} in the expression of {label} is not understood everywhere; write it plainer"
            )
    return plain.group(1), where


def _unescaped(name: str, value: str) -> str:
    for escape in re.findall(r"\\.", value, re.DOTALL):
        if escape not in _UNESCAPE:
            raise PackError(f"{name}: {escape!r} is not an escape that is understood; a backslash is written twice")
    return re.sub(r"\\.", lambda found: _UNESCAPE[found.group()], value)


def _names_arm(value: str) -> bool:
    return "arm" in Template(value).get_identifiers()


def _refuse_overlap(name: str, text: str, where: list[tuple[str, str, str]], target: Target) -> None:
    """Refuse a selector of one arm that takes the other's Service as well, as `$arm.*` does."""
    for arm, service in target.services.items():
        for other, theirs in target.services.items():
            pairs = [
                (_filled(value, operator, service, target.namespace), _literal(value, theirs, target.namespace))
                for _, operator, value in where
                if _names_arm(value)
            ]
            if arm is not other and all(re.fullmatch(pattern, literal, re.ASCII) for pattern, literal in pairs):
                raise PackError(
                    f"{name}: {text!r} takes {theirs!r} for {service!r}; write it so that it matches only one"
                )


def _literal(value: str, service: str, namespace: str) -> str:
    return Template(value).safe_substitute(arm=service, namespace=namespace)


def _filled(value: str, operator: str, service: str, namespace: str) -> str:
    values = {"arm": service, "namespace": namespace}
    if operator == "=":
        return escape_regex(Template(value).safe_substitute(values))
    return Template(value).safe_substitute({key: escape_regex(one) for key, one in values.items()})
