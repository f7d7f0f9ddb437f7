"""Charts as SVG text, for a page that needs nothing from elsewhere."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from html import escape

WIDTH, HEIGHT = 860, 260
LEFT, RIGHT, TOP, BOTTOM = 64, 16, 12, 40
TICKS = 5

Points = Sequence[tuple[float, float]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One line of a chart.

    Attributes:
        points: (x, y), ascending in x.
        colour: as CSS has it.
        name: shown when the mouse is over it.
        dots: points are marked.
        key: what the line is, beside its colour below the chart; empty for none.
    """

    points: Points
    colour: str
    name: str = ""
    dots: bool = False
    key: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Level:
    """A horizontal line at a value, with its words."""

    value: float
    words: str
    colour: str = "#b00020"


def chart(
    lines: Sequence[Line],
    *,
    x: str,
    y: str,
    levels: Sequence[Level] = (),
    show_x: Callable[[float], str] = lambda value: f"{value:g}",
    show_y: Callable[[float], str] = lambda value: f"{value:g}",
    log_x: bool = False,
) -> str:
    """A chart.

    Args:
        lines: what is drawn; a line is broken at a point that is not finite, where nothing is known.
        x, y: what the axes are.
        levels: horizontal lines.
        show_x, show_y: a value as words.
        log_x: the horizontal axis is logarithmic, with its ticks at the points; every x must be above 0.
    """
    every = [point for line in lines for point in line.points if all(map(math.isfinite, point))]
    if not every:
        return "<p>nothing to draw</p>"
    scaled = math.log if log_x else float
    xs = [scaled(point[0]) for point in every]
    ys = [point[1] for point in every] + [level.value for level in levels]
    low_x, high_x = _range(min(xs), max(xs))
    low_y, high_y = _range(min(0.0, *ys), 1.05 * max(ys))

    def place(point: tuple[float, float]) -> tuple[float, float]:
        across = (scaled(point[0]) - low_x) / (high_x - low_x)
        up = (point[1] - low_y) / (high_y - low_y)
        return LEFT + across * (WIDTH - LEFT - RIGHT), HEIGHT - BOTTOM - up * (HEIGHT - TOP - BOTTOM)

    parts = [f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{escape(y)} by {escape(x)}">']
    for number in range(TICKS):
        value = low_y + (high_y - low_y) * number / (TICKS - 1)
        _, height = place((every[0][0], value))
        parts.append(f'<line class="grid" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{height:.1f}" y2="{height:.1f}"/>')
        parts.append(f'<text x="{LEFT - 6}" y="{height + 4:.1f}" text-anchor="end">{escape(show_y(value))}</text>')
    evenly = [low_x + (high_x - low_x) * number / (TICKS - 1) for number in range(TICKS)]
    for value in sorted({point[0] for point in every}) if log_x else evenly:
        across, _ = place((value, low_y))
        words = escape(show_x(value))
        parts.append(f'<text x="{across:.1f}" y="{HEIGHT - BOTTOM + 16}" text-anchor="middle">{words}</text>')
    parts += [_line(line, place) for line in lines]
    for level in levels:
        _, height = place((every[0][0], level.value))
        parts.append(
            f'<line stroke="{level.colour}" stroke-dasharray="5 4" x1="{LEFT}" x2="{WIDTH - RIGHT}" '
            f'y1="{height:.1f}" y2="{height:.1f}"/>'
            f'<text fill="{level.colour}" x="{WIDTH - RIGHT}" y="{height - 5:.1f}" text-anchor="end">'
            f"{escape(level.words)}</text>"
        )
    parts.append(f'<text x="{WIDTH / 2:.0f}" y="{HEIGHT - 6}" text-anchor="middle">{escape(x)}</text></svg>')
    return f"<figcaption>{escape(y)}</figcaption>{_keys(lines)}" + "\n".join(parts)


def _keys(lines: Sequence[Line]) -> str:
    """What the colours are."""
    named = dict.fromkeys((line.colour, line.key) for line in lines if line.key)
    return "".join(f'<span class="key" style="color:{colour}">&#9632; {escape(key)}</span>' for colour, key in named)


def _range(low: float, high: float) -> tuple[float, float]:
    return (low, high) if high > low else (low, low + 1.0)


def _line(line: Line, place: Callable[[tuple[float, float]], tuple[float, float]]) -> str:
    title, drawn = (f"<title>{escape(line.name)}</title>" if line.name else ""), ""
    for known, group in itertools.groupby(line.points, key=lambda point: all(map(math.isfinite, point))):
        if not known:
            continue
        placed = [place(point) for point in group]
        text = " ".join(f"{across:.1f},{height:.1f}" for across, height in placed)
        drawn += f'<polyline fill="none" stroke="{line.colour}" stroke-width="1.4" points="{text}">{title}</polyline>'
        if line.dots or len(placed) == 1:
            drawn += "".join(
                f'<circle cx="{across:.1f}" cy="{height:.1f}" r="3.5" fill="{line.colour}">{title}</circle>'
                for across, height in placed
            )
    return drawn
