"""The live view: from a value to a renderable. Pure; the same view, time and terminal give the same picture.

It is made to fit: on a low terminal the least telling findings go first, then the oldest events, and on a narrow one
the counts behind the rates. What happened last is never cut off.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from rich.console import Console, ConsoleOptions, Group, RenderableType, RenderResult
from rich.measure import Measurement
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from analysis.model import Finding, Judgement, Verdict
from analysis.plural import counted
from canary.report import words
from canary.report.lines import plain, where
from canary.report.view import Happening, View

_STYLES = {
    Verdict.HEALTHY: "green",
    Verdict.UNHEALTHY: "bold red",
    Verdict.UNDECIDED: "yellow",
    Verdict.NO_DATA: "magenta",
}
MOST_ROWS, LEAST_ROWS = 6, 2
"""Findings on the screen, the guilty and most telling first: at most, and on a low terminal."""

LEAST_EVENTS = 3
"""Events for which findings make room."""

_HELD = frozenset({"JUDGING", "GATED", "BAKING"})
"""Phases in which the step's hold runs."""

_FRAME = 4
"""Columns of the panel's frame."""

_ANY = 1_000
"""Columns in which everything fits."""

_BAR = 20
"""Characters of the bar that shows how near the evidence is to its threshold."""


def render(view: View, *, at: float, hint: str = "") -> RenderableType:
    """The whole screen, as large as the terminal that it is printed on.

    Args:
        view: what is known.
        at: now, seconds since the epoch on the server's clock; only the times that have passed depend on it.
        hint: what the reader can do, for the frame's lower edge.
    """
    return _Screen(view, at, hint)


@dataclass(frozen=True, slots=True)
class _Screen:
    view: View
    at: float
    hint: str

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        view = self.view
        title = f"{plain(view.release)} in {plain(view.namespace)}, route {plain(view.route)}"
        if view.started is not None:
            title += f", {words.span(max(0.0, self.at - view.started))}"
        inner = options.update(width=max(1, options.max_width - _FRAME), height=None)
        # Without the frame, the line above the events, and one for the cursor.
        height = (options.height or options.max_height) - 4
        newest = _events(view.happenings[-1:])
        needed = min(LEAST_EVENTS, len(view.happenings)) + _lines(console, inner, newest) - 1
        for rows in range(MOST_ROWS, LEAST_ROWS - 1, -1):
            top = self._top(console, inner, rows)
            free = height - _lines(console, inner, top)
            if free >= needed:
                break
        older = max(0, free - _lines(console, inner, newest))
        if view.happenings:
            top += [Text(), *_events(view.happenings[:-1][-older:] if older else (), one_line=True), *newest]
        hint = Text(self.hint, style="dim") if self.hint else None
        yield Panel(Group(*top), title=Text(title), title_align="left", subtitle=hint, subtitle_align="right")

    def _top(self, console: Console, inner: ConsoleOptions, rows: int) -> list[RenderableType]:
        parts: list[RenderableType] = [_standing(self.view, self.at)]
        if self.view.judgement is not None:
            table = _metrics(self.view.judgement, rows, counts=True)
            if Measurement.get(console, inner.update(width=_ANY), table).maximum > inner.max_width:
                table = _metrics(self.view.judgement, rows, counts=False)
            parts += [Text(), table, _together(self.view.judgement)]
        return parts


def _lines(console: Console, inner: ConsoleOptions, parts: list[RenderableType]) -> int:
    return len(console.render_lines(Group(*parts), inner, pad=False)) if parts else 0


def _standing(view: View, at: float) -> RenderableType:
    progress = view.progress
    if progress is None:
        return Text("starting: reaching the API server, taking the lease, reading the journal", style="dim")
    grid = Table.grid(padding=(0, 2))
    grid.add_column(style="dim")
    grid.add_column(overflow="fold")
    phase = Text(progress.phase, style="bold")
    if progress.stage and progress.stage != "none":
        phase.append(f" ({progress.stage})", style="not bold dim")
    phase.append(f"  for {words.span(max(0.0, at - progress.entered))}", style="not bold")
    if progress.phase in _HELD and progress.hold_min is not None and progress.hold_max is not None:
        hold = f", to be held {words.span(progress.hold_min)} to {words.span(progress.hold_max)}"
        phase.append(hold, style="not bold dim")
    grid.add_row("phase", phase)
    if progress.waits:
        grid.add_row("people", Text(plain(progress.waits), style="bold yellow"))
    grid.add_row("plan", _plan(view.plan, progress.step, where(progress)))
    traffic = Text(f"wanted {words.share(progress.share_wanted)}, seen {words.seen(progress.share_seen)}")
    stable, canary = counted(progress.stable_requests, "request"), words.count(progress.canary_requests)
    traffic.append(f"   {stable} on stable, {canary} on canary", style="dim")
    grid.add_row("share", traffic)
    for weight in progress.weights:
        grid.add_row("weights", Text(plain(weight), style="dim"))
    return grid


def _plan(plan: tuple[Decimal, ...], step: int, place: str) -> Text:
    """The steps in a row, the present one marked."""
    text = Text()
    for index, label in enumerate([*(words.share(share) for share in plan), "bake"]):
        if index:
            text.append(" > ", style="dim")
        text.append(f"[{label}]" if index == step else label, style="bold" if index == step else "dim")
    if place:
        text.append(f"   {place}", style="dim")
    return text


def _metrics(judgement: Judgement, rows: int, *, counts: bool) -> Table:
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="dim")
    for name in ("metric", "stable", "canary", "points apart (95 %)", "evidence", "verdict"):
        table.add_column(name, overflow="fold")
    for finding in judgement.findings[:rows]:
        figures = _figures(finding, counts=counts)
        table.add_row(plain(finding.metric), *figures, Text(finding.verdict, style=_STYLES[finding.verdict]))
    if (more := len(judgement.findings) - rows) > 0:
        table.add_row(Text(f"and {more} more", style="dim"))
    return table


def _figures(finding: Finding, *, counts: bool) -> tuple[str, str, str, str]:
    """Both arms, the 95 % interval of their difference and the evidence, as far as this finding has them."""
    numbers = finding.numbers

    def arm(name: str) -> str:
        if f"{name}_rate" not in numbers:
            return "-"
        text = words.rate(numbers[f"{name}_rate"])
        if counts and {f"{name}_bad", f"{name}_total"} <= set(numbers):
            text += f" ({words.count(numbers[f'{name}_bad'])} of {words.count(numbers[f'{name}_total'])})"
        return text

    difference = "-"
    if {"difference_low", "difference_high"} <= set(numbers):
        low, high = numbers["difference_low"] * 100, numbers["difference_high"] * 100
        difference = f"{low:+.2f} to {high:+.2f}"
    evidence = words.chance(numbers["evidence"]) if "evidence" in numbers else "-"
    return arm("stable"), arm("canary"), difference, evidence


def _together(judgement: Judgement) -> RenderableType:
    """The evidence over all metrics against the threshold, as a bar and in words, and the reason."""
    reached = 0.0 if judgement.threshold <= 0 else max(0.0, min(1.0, judgement.evidence / judgement.threshold))
    filled = round(reached * _BAR)
    text = Text("evidence of harm ")
    text.append("█" * filled, style=_STYLES[judgement.verdict])
    text.append("░" * (_BAR - filled), style="dim")
    text.append(f" {words.chance(judgement.evidence)}; condemned at {words.chance(judgement.threshold)}")
    looks, requests = counted(judgement.looks, "look"), counted(judgement.requests, "request")
    text.append(f"   {looks}, {requests}\n", style="dim")
    text.append(judgement.verdict, style=_STYLES[judgement.verdict])
    text.append(f"  {plain(judgement.sentence)}")
    return text


def _events(happenings: tuple[Happening, ...], *, one_line: bool = False) -> list[RenderableType]:
    """What happened, one line each or whole."""
    if one_line:
        lines = [Text.assemble((f"{words.clock(one.at)}  ", "dim"), _said(one)) for one in happenings]
        for line in lines:
            line.no_wrap, line.overflow = True, "ellipsis"
        return [*lines]
    grid = Table.grid(padding=(0, 2))
    grid.add_column(style="dim", no_wrap=True)
    grid.add_column(overflow="fold")
    for one in happenings:
        grid.add_row(words.clock(one.at), _said(one))
    return [grid] if happenings else []


def _said(happening: Happening) -> Text:
    return Text(plain(happening.message), style="bold red" if happening.alarm else "")
