"""Asking a Prometheus for gauges, and what its answers mean. A query that fails is that metric's trouble alone."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from itertools import pairwise
from typing import Any

from analysis.packs.own import GaugeFeed
from analysis.sources.model import Measured, Trouble

RANGE = 120.0
"""Seconds of raw samples asked for at least."""

DUE = 0.9
"""Part of a gauge's interval after which it is asked for again."""

LEAST = 0.05
"""Seconds that must be left of a reading for another query."""

MOST_POINTS = 10_000
"""Samples of one gauge in one answer; more is not what was asked for."""

NAMED = 3
"""Labels by which several series are shown to differ."""

Ask = Callable[[str, float], Any]
"""A query and the seconds that it may take, to the answer's result."""


class Measuring:
    """Asks for each gauge at its own pace.

    Args:
        feeds: what is wanted.
    """

    def __init__(self, feeds: tuple[GaugeFeed, ...]) -> None:
        self._feeds = feeds
        self._asked: dict[GaugeFeed, float] = {}

    def measure(self, ask: Ask, *, at: float, end: float, skew: float = 0.0) -> tuple[Measured, ...]:
        """Everything that is due.

        Args:
            ask: queries Prometheus.
            at: now, on the reader's clock.
            end: on the monotonic clock, when the reading must have ended.
            skew: seconds by which Prometheus' clock is ahead of the reader's.
        """
        found = []
        for feed in self._feeds:
            if at - self._asked.get(feed, -math.inf) < feed.every * DUE:
                continue
            left = end - time.monotonic()
            if left < LEAST:
                said = "there was no time left to ask for it: is Prometheus overloaded, or are there too many queries?"
                found.append(_troubled(feed, Trouble.SLOW, said))
                continue
            self._asked[feed] = at
            measured = self._measured(feed, ask, at, left)
            # A raw sample has Prometheus' time, an expression's value has ours.
            found.append(replace(measured, skew=skew) if feed.raw else measured)
        return tuple(found)

    def _measured(self, feed: GaugeFeed, ask: Ask, at: float, left: float) -> Measured:
        import requests
        from prometheus_api_client.exceptions import PrometheusApiClientException

        from analysis.sources.exchange import refused

        query = f"{feed.query.strip()}[{math.ceil(max(RANGE, 3 * feed.every))}s]" if feed.raw else feed.query
        try:
            return understood(feed, ask(query, left), at=at)
        except requests.RequestException as error:
            trouble, sentence = refused(error, timeout=left)
            code = "QUERY_REFUSED" if "refuses the query" in sentence else trouble
            return _troubled(feed, code, f"Prometheus {sentence}")
        except (PrometheusApiClientException, LookupError, TypeError, AttributeError, ValueError, ArithmeticError):
            return _troubled(feed, Trouble.NONSENSE, "the answer is no number: is it a query with one value?")
        except RecursionError:
            return _troubled(feed, Trouble.NONSENSE, "the answer is nested too deeply")


def _troubled(feed: GaugeFeed, code: str, sentence: str) -> Measured:
    return Measured(metric=feed.metric, arm=feed.arm, every=feed.every, code=code, sentence=sentence)


def understood(feed: GaugeFeed, result: Any, *, at: float) -> Measured:
    """What an answer's result means.

    Args:
        feed: what was asked.
        result: a vector, a matrix or a scalar, as Prometheus' query API gives it.
        at: when it was asked, for a value that has no time of its own.

    Raises:
        TypeError, ValueError, LookupError: it is something else.
    """
    if not isinstance(result, list):
        raise TypeError("not a list")
    if len(result) == 2 and isinstance(result[1], str):
        return _of(feed, ((at, float(result[1])),))
    if not result:
        said = f"no series on the {feed.arm} arm: is {feed.query[:80]} right, and is it scraped?"
        return _troubled(feed, Trouble.ABSENT, said)
    if feed.raw and (joined := _joined(result)) is not None:
        return _of(feed, joined)
    if len(result) > 1:
        said = f"{len(result)} series on the {feed.arm} arm ({_apart(result)}): aggregate them, as with sum() or avg()"
        return _troubled(feed, "SEVERAL_SERIES", said)
    _, value = result[0]["value"]
    # An expression's value is of the moment at which it was asked for, by our clock as everything else.
    return _of(feed, ((at, float(value)),))


def _joined(result: list[Mapping[str, Any]]) -> tuple[tuple[float, float], ...] | None:
    """The samples of one series, or of several that followed each other: a pod that was replaced.

    None where two are there at once.
    """
    if sum(len(series["values"]) for series in result) > MOST_POINTS:
        raise ValueError("too many samples")
    every = sorted(sorted((float(moment), float(value)) for moment, value in series["values"]) for series in result)
    if any(one[-1][0] >= other[0][0] for one, other in pairwise(every)):
        return None
    return tuple(point for series in every for point in series)


def _of(feed: GaugeFeed, points: tuple[tuple[float, float], ...]) -> Measured:
    if any(not math.isfinite(moment) for moment, _ in points):
        raise ValueError("a time that is none")
    return Measured(metric=feed.metric, arm=feed.arm, points=points, every=feed.every)


def _apart(result: list[Mapping[str, Any]]) -> str:
    """By which labels the first two series differ."""
    from analysis.sources.exchange import clean

    one, other = (dict(series["metric"]) for series in result[:2])
    labels = sorted(label for label in {*one, *other} if one.get(label) != other.get(label))[:NAMED]
    shown = (f"{label}={one.get(label, '')}, {other.get(label, '')}" for label in labels)
    return clean("; ".join(shown)) or "with the same labels"
