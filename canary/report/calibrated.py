"""What the judge would have made of stable's past: for a person, as data, and as one page to look at."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import asdict
from html import escape
from typing import Any

from analysis.calibration import Calibration, Caught
from canary.report import words
from canary.report.lines import plain
from canary.report.svg import Level, Line, chart

STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; max-width: 900px; margin: 2em auto; padding: 0 1em; color: #222 }
svg { width: 100%; height: auto } svg text { font: 12px system-ui, sans-serif; fill: #555 }
.grid { stroke: #ddd } figure { margin: 1.5em 0 } figcaption { font-weight: 600 }
.key { margin-right: 1.2em; font-size: 13px } .verdict { font-size: 19px; line-height: 1.4 }
.good { border-left: 5px solid #2a7d3c; padding-left: .8em } .bad { border-left: 5px solid #b00020; padding-left: .8em }
table { border-collapse: collapse } td, th { padding: .2em .9em .2em 0; text-align: left }
"""

COLOURS = ("#1a6fb5", "#c2571a", "#2a7d3c", "#7a3fa0", "#6b6b1f")


def data(found: Calibration) -> dict[str, Any]:
    """As JSON-able data."""
    told = asdict(found)
    told["smallest"] = {
        metric: None if (one := found.smallest(metric)) is None else asdict(one) for metric in _metrics(found)
    }
    told["course"] = {
        metric: [(time, rate if math.isfinite(rate) else None) for time, rate in points]
        for metric, points in found.course.items()
    }
    told["part"] = found.false / max(len(found.releases), 1)
    return told


def text(name: str, found: Calibration) -> str:
    """For a person.

    Args:
        name: whose past it is.
        found: what was found.
    """
    lines = [f"{plain(name)}: {_sentences(found)}", "", *_said(found)]
    lines += ["", "What would have been caught"]
    lines += [f"  {line}" for line in _caught(found)]
    return "\n".join(lines) + "\n"


def _headline(found: Calibration) -> Iterator[str]:
    """What a person wants to know first: does it cry wolf, and what does it catch?"""
    promised, number = math.exp(-found.threshold), len(found.releases)
    if found.false == 0:
        yield f"no false alarm in {number} releases that never happened (promised: at most {words.rate(promised)})"
    elif found.interval[0] <= promised:
        yield f"{found.false} false alarm{'s' if found.false > 1 else ''} in {number}, within what {number} can tell"
    else:
        yield (
            f"{found.false} false alarms in {number}, more than the promised {words.rate(promised)}: something in "
            "stable's past looks like a bad release; the red lines below say when"
        )
    caught = [(metric, found.smallest(metric)) for metric in _metrics(found)]
    seen = [f"{plain(metric)} {_effect(one)}" for metric, one in caught if one]
    if seen:
        yield f"in nine of ten it catches {', '.join(seen)}"
    missed = [plain(metric) for metric, one in caught if one is None]
    if missed:
        yield f"nothing that was tried of {', '.join(missed)} is caught in nine of ten"


def _sentences(found: Calibration) -> str:
    return " ".join(f"{line[:1].upper()}{line[1:]}." for line in _headline(found))


def _said(found: Calibration) -> Iterator[str]:
    yield (
        f"{words.count(found.looks)} looks at stable over {words.span(found.span)}, {words.count(found.requests)} "
        f"requests; {'; '.join(_rates(found))}"
    )
    low, high = found.interval
    number, releases = len(found.releases), "releases that never happened"
    cut = "" if found.whole else " (the past is shorter than a release: each was judged as far as it goes)"
    part = found.false / max(number, 1)
    yield (
        f"Rolled back: {found.false} of {number} {releases}, {words.rate(part)} "
        f"(between {words.rate(low)} and {words.rate(high)} with 95 % confidence){cut}; {found.unaware} of them "
        "if nothing had been known of how stable scatters"
    )
    for metric, phi in found.scatter.items():
        meaning = "as requests that fail independently would" if phi < 1.2 else "bursts: evidence is divided by it"
        yield f"Dispersion of {plain(metric)} (phi0): {phi:.2f}, {meaning}"
    how = "stable some looks later" if found.split == "time" else f"pods {plain(found.split)}"
    yield f"The canary of these releases was {how}, at the shares {', '.join(_shares(found))}."


def _rates(found: Calibration) -> Iterator[str]:
    for metric, rate in found.rates.items():
        yield f"{plain(metric)} {words.rate(rate)}"


def _shares(found: Calibration) -> list[str]:
    return list(dict.fromkeys(f"{stage.share:g} %" for stage in found.stages))


def _metrics(found: Calibration) -> list[str]:
    return list(dict.fromkeys(one.metric for one in found.caught))


def _caught(found: Calibration) -> Iterator[str]:
    for metric in _metrics(found):
        one = found.smallest(metric)
        if one is None:
            yield f"{plain(metric)}: nothing that was tried is caught in nine of ten releases"
        elif one.slowest is not None and one.after is not None:
            yield (
                f"{plain(metric)}: {_effect(one)} in nine of ten releases, half of them within "
                f"{words.span(one.after)} of the canary's first traffic, nine tenths within {words.span(one.slowest)}"
            )
    for name, rate in found.rates.items():
        if not rate:
            yield f"{plain(name)}: stable had none, so that no multiple of them can be tried; see `canary plan`"


def _effect(one: Caught) -> str:
    if one.kind == "latency":
        return f"requests that take {one.factor:g} times as long"
    return f"{one.factor:g} times as many" + ("" if one.rate is None else f" ({words.rate(one.rate)})")


def page(name: str, found: Calibration) -> str:
    """One page that a browser shows without anything from elsewhere.

    Args:
        name: whose past it is.
        found: what was found.
    """
    parts = [f"<h1>{escape(name)}: the judge on stable's past</h1>"]
    good = found.false == 0 or found.interval[0] <= math.exp(-found.threshold)
    verdict = _sentences(found)
    parts.append(f'<p class="verdict {"good" if good else "bad"}">{escape(verdict)}</p>')
    parts += [f"<p>{escape(line)}.</p>".replace("..", ".") for line in _said(found)]
    parts += [_course(found), _evidence(found), _detection(found), _table(found)]
    body = "\n".join(parts)
    return (
        f'<!doctype html>\n<html lang="en"><meta charset="utf-8"><title>{escape(name)}: calibration</title>'
        f"<style>{STYLE}</style>\n<body>{body}</body></html>\n"
    )


def _figure(drawn: str, words: str) -> str:
    return f"<figure>{drawn}<p>{escape(words)}</p></figure>"


def _course(found: Calibration) -> str:
    drawn = [
        Line(points=points, colour=COLOURS[i % len(COLOURS)], name=metric, key=metric)
        for i, (metric, points) in enumerate(found.course.items())
    ]
    if not drawn:
        return ""
    shown = chart(
        drawn,
        x="time (UTC)",
        y="Stable's rate of bad requests",
        show_x=words.clock,
        show_y=lambda value: f"{value:.2%}",
    )
    return _figure(
        shown, "What the pseudo-releases are cut from. The line is broken where there were no requests, or no samples."
    )


def _evidence(found: Calibration) -> str:
    drawn = [
        Line(
            points=release.evidence,
            colour="#b00020" if release.unhealthy_after is not None else "#1a6fb555",
            name=f"began {words.clock(release.began)}: {release.reason}",
        )
        for release in found.releases
    ]
    level = Level(value=found.threshold, words=f"rolled back from here on (1 in {math.exp(found.threshold):,.0f})")
    shown = chart(
        drawn,
        x="since the canary's first traffic",
        y="Evidence that the canary is worse, of releases that never happened (natural logarithm)",
        levels=[level],
        show_x=words.span,
        show_y=lambda value: f"{value:.1f}",
    )
    return _figure(shown, "One line for each release; every line that reaches the dashes is a false alarm.")


def _detection(found: Calibration) -> str:
    drawn = [
        Line(
            points=[(one.factor, one.caught / one.releases) for one in reversed(found.caught) if one.metric == metric],
            colour=COLOURS[i % len(COLOURS)],
            name=metric,
            dots=True,
            key=metric,
        )
        for i, metric in enumerate(_metrics(found))
    ]
    shown = chart(
        drawn,
        x="times as many errors, or times as slow",
        y="Caught, part of the releases",
        levels=[Level(value=0.9, words="nine of ten", colour="#666")],
        show_x=lambda value: f"{value:.3g}",
        show_y=lambda value: f"{value:.0%}",
        log_x=True,
    )
    names = ", ".join(f"{metric}" for metric in _metrics(found))
    return _figure(shown, f"What a worse canary would have met: {names}.")


def _table(found: Calibration) -> str:
    rows = ["<tr><th>made worse</th><th>caught</th><th>half within</th><th>nine tenths within</th></tr>"]
    for one in found.caught:
        after, slowest = ("-" if time is None else words.span(time) for time in (one.after, one.slowest))
        effect = escape(f"{one.metric}: {_effect(one)}")
        rows.append(
            f"<tr><td>{effect}</td><td>{one.caught} of {one.releases}</td><td>{after}</td><td>{slowest}</td></tr>"
        )
    return f"<table>{''.join(rows)}</table>"
