"""The table as pictures: one self-contained page, nothing to install and nothing to load."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from html import escape

from judging.table import OURS, Row

COLOURS = ("#0072b2", "#e69f00", "#d55e00", "#009e73", "#cc79a7")
"""Told apart by people who see colours differently (Okabe and Ito); this judge's is the first."""

LEFT, WIDTH, LINE, TOP = 280, 560, 26, 34
"""Pixels: the names, the field, one scenario, and what is above the first."""

Scale = Callable[[float], float]

HEAD = """<!doctype html><html lang="en"><meta charset="utf-8"><title>The judge and other rules</title>
<style>body{font:14px/1.45 system-ui,sans-serif;max-width:900px;margin:2em auto;padding:0 1em;color:#222}
svg{width:100%;height:auto}text{font:12px system-ui,sans-serif;fill:#222}.grid{stroke:#ddd}.range{stroke-width:2;
opacity:.55}.key{display:inline-block;width:.8em;height:.8em;border-radius:50%;margin:0 .3em 0 1em}</style>"""


def page(rows: Sequence[Row], *, machine: str) -> str:
    """The page.

    Args:
        rows: of the table.
        machine: where it was computed, in one line.
    """
    rules = list(dict.fromkeys(row.rule for row in rows))
    colours = dict(zip(rules, COLOURS, strict=False))
    keys = "".join(f'<span class="key" style="background:{colours[rule]}"></span>{escape(rule)}' for rule in rules)
    good = [row for row in rows if row.scenario.harmful is not True]
    bad = [row for row in rows if row.scenario.harmful is True]
    parts = [
        HEAD,
        "<h1>The judge and the rules of other engines, on the same requests</h1>",
        f"<p>{escape(machine.lstrip('# '))}</p><p>{keys}</p>",
        _chart("Good releases: rolled back, % of runs (95 % interval)", good, colours, _percent()),
        _chart("Bad releases: rolled back within the hour, % of runs", bad, colours, _percent()),
        _chart("Bad releases: median seconds until the rollback", bad, colours, _powers(5.0, 5000.0, _median)),
        _chart("Bad releases: failed requests until then, mean", bad, colours, _powers(1.0, 20_000.0, _hurt)),
    ]
    return "\n".join([*parts, "</html>\n"])


def _median(row: Row) -> tuple[float, float, float]:
    return (row.median,) * 3


def _hurt(row: Row) -> tuple[float, float, float]:
    return (float(row.hurt.mean()),) * 3


Value = Callable[[Row], tuple[float, float, float]]
"""Low end, middle and high end of what is drawn."""


@dataclass(frozen=True, slots=True)
class Axis:
    """What is drawn, where between 0 and 1, and the numbers written above."""

    value: Value
    scale: Scale
    ticks: list[float]


def _percent() -> Axis:
    def value(row: Row) -> tuple[float, float, float]:
        low, high = row.interval
        return 100.0 * low, 100.0 * row.share, 100.0 * high

    return Axis(value, lambda x: x / 100.0, [0, 25, 50, 75, 100])


def _powers(low: float, high: float, value: Value) -> Axis:
    span = math.log(high / low)
    ticks = [10.0**power for power in range(math.ceil(math.log10(low)), math.floor(math.log10(high)) + 1)]
    return Axis(value, lambda x: min(max(math.log(max(x, low) / low) / span, 0.0), 1.0), ticks)


def _chart(title: str, rows: Sequence[Row], colours: dict[str, str], axis: Axis) -> str:
    """Scenarios from top to bottom, one dot per rule; what never happened has none."""
    names = list(dict.fromkeys(row.scenario.name for row in rows))
    height = TOP + LINE * len(names)
    lines = [f'<h2>{escape(title)}</h2><svg viewBox="0 0 {LEFT + WIDTH + 40} {height + 8}" role="img">']
    for tick in axis.ticks:
        x = LEFT + WIDTH * axis.scale(tick)
        lines.append(f'<line class="grid" x1="{x:.1f}" y1="{TOP - 10}" x2="{x:.1f}" y2="{height}"/>')
        lines.append(f'<text x="{x:.1f}" y="{TOP - 16}" text-anchor="middle">{tick:,.0f}</text>')
    for i, name in enumerate(names):
        y = TOP + LINE * (i + 0.5)
        lines.append(f'<text x="{LEFT - 10}" y="{y + 4:.1f}" text-anchor="end">{escape(name)}</text>')
        mine = [row for row in rows if row.scenario.name == name]
        lines += _dots(mine, colours, axis, y)
    return "\n".join([*lines, "</svg>"])


def _dots(rows: Sequence[Row], colours: dict[str, str], axis: Axis, y: float) -> Iterator[str]:
    for i, row in enumerate(sorted(rows, key=lambda row: row.rule == OURS)):
        low, middle, high = axis.value(row)
        if not math.isfinite(middle):
            continue
        at, level = [LEFT + WIDTH * axis.scale(x) for x in (low, middle, high)], y - 6.0 + 3.0 * i
        told = escape(f"{row.rule}: {middle:,.1f}")
        colour = colours[row.rule]
        if at[2] > at[0]:
            yield f'<line class="range" x1="{at[0]:.1f}" x2="{at[2]:.1f}" y1="{level}" y2="{level}" stroke="{colour}"/>'
        yield f'<circle cx="{at[1]:.1f}" cy="{level}" r="4" fill="{colour}"><title>{told}</title></circle>'
