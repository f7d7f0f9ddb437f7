"""Queries of the user's own that are not two counters: a histogram, and any PromQL that gives one number per arm."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from string import Template

from analysis.model import Arm
from analysis.packs.base import Feed, PackError, Target, custom
from analysis.sources.model import Role

UNITS: Mapping[str, float] = {"s": 1.0, "ms": 0.001}
"""What a bound is multiplied by to become seconds."""

VARIABLES = frozenset({"arm", "stable", "canary", "namespace"})

_SELECTOR = re.compile(r"\s*[a-zA-Z_:][a-zA-Z0-9_:]*\s*(\{[^{}]*\})?\s*")
_PAIRS = {")": "(", "]": "[", "}": "{"}


@dataclass(frozen=True, slots=True, kw_only=True)
class GaugeFeed:
    """One number of one arm, by a query.

    Attributes:
        metric: the metric's name.
        arm: whose; the canary's where one query stands for both.
        query: PromQL, with the names filled in.
        raw: it is a plain selector, so that raw samples with their own times can be asked for.
        every: seconds between two values.
    """

    metric: str
    arm: Arm
    query: str
    raw: bool
    every: float


def histogram(name: str, *, buckets: str, unit: str, target: Target) -> tuple[Feed, ...]:
    """The feeds of a histogram of one's own.

    Args:
        name: the metric's name.
        buckets: a plain selector of the cumulative buckets, such as `checkout_seconds_bucket{service="$arm"}`.
        unit: of the label `le`.
        target: whose.

    Raises:
        PackError: the selector is not a plain one, does not tell the arms apart, or names no buckets.
    """
    feeds = custom(name, bad=buckets, total=buckets, target=target)
    found = []
    for feed in feeds:
        if feed.key.role is not Role.TOTAL:
            continue
        if any(label == "le" for label, _ in feed.where):
            raise PackError(f"{name}: leave out le: every bucket is needed")
        if not feed.family.endswith("_bucket"):
            raise PackError(f"{name}: {feed.family!r} is not a histogram's buckets, whose name ends with _bucket")
        key = type(feed.key)(name, feed.key.arm, Role.BUCKET)
        found.append(Feed(family=feed.family, where=feed.where, key=key, scale=UNITS[unit]))
    return tuple(found)


def gauge(name: str, *, query: str, every: float, target: Target) -> tuple[GaugeFeed, ...]:
    """The feeds of a gauge: any PromQL with one value; `$arm` stands for the arm's Service.

    A query without `$arm` is asked once, and its value is the canary's: it may name both arms itself, as `$stable` and
    `$canary`. Names of Services and namespaces have no character that PromQL or a regular expression reads otherwise.

    Args:
        name: the metric's name.
        query: PromQL.
        every: seconds between two values.
        target: whose.

    Raises:
        PackError: it names what is not known, or cannot be PromQL.
    """
    template = Template(query)
    if not template.is_valid():
        raise PackError(f"{name}: a $ that names nothing; write $$ for the sign itself")
    names = set(template.get_identifiers())
    if unknown := sorted(names - VARIABLES):
        known = ", ".join(f"${one}" for one in sorted(VARIABLES))
        raise PackError(f"{name}: ${unknown[0]} is not known; there are {known}")
    _refuse_open(name, query)
    arms = tuple(target.services) if "arm" in names else (Arm.CANARY,)
    known_names = {
        "stable": target.services[Arm.STABLE],
        "canary": target.services[Arm.CANARY],
        "namespace": target.namespace,
    }
    return tuple(
        GaugeFeed(
            metric=name,
            arm=arm,
            query=template.substitute(arm=target.services[arm], **known_names),
            raw=_SELECTOR.fullmatch(query) is not None,
            every=every,
        )
        for arm in arms
    )


def tells_arms_apart(query: str) -> bool:
    """Whether a gauge is asked for on each arm."""
    return "arm" in Template(query).get_identifiers()


def _refuse_open(name: str, query: str) -> None:
    """Refuse brackets and quotes that do not close: Prometheus would say so only when the release runs."""
    bare = re.sub(r'"(?:[^"\\\n]|\\.)*"|\'(?:[^\'\\\n]|\\.)*\'|`[^`]*`', "", query)
    waiting: list[str] = []
    for character in bare:
        if character in "\"'`":
            raise PackError(f"{name}: a quote {character} is not closed")
        if character in _PAIRS.values():
            waiting.append(character)
        elif character in _PAIRS and (not waiting or waiting.pop() != _PAIRS[character]):
            raise PackError(f"{name}: a {character} closes nothing")
    if waiting:
        raise PackError(f"{name}: a {waiting[-1]} is not closed")
