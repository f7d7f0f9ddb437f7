"""The live view: from a value to a renderable. Pure; the same view and time give the same picture."""

from __future__ import annotations

from decimal import Decimal

from rich.console import Group, RenderableType
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from analysis.model import Finding, Judgement, Verdict
from canary.report import words
from canary.report.lines import plain, where
from canary.report.view import View

_STYLES = {
    Verdict.HEALTHY: "green",
    Verdict.UNHEALTHY: "bold red",
    Verdict.UNDECIDED: "yellow",
    Verdict.NO_DATA: "magenta",
}
MOST_ROWS = 6
"""Findings on the screen, the guilty and most telling first: what leaves room for events on 24 lines."""

_BAR = 30
"""Characters of the bar that shows how near the evidence is to its threshold."""


def render(view: View, *, at: float) -> RenderableType:
    """The whole screen.

    Args:
        view: what is known.
        at: now, seconds since the epoch on the server's clock; only the time in the phase depends on it.
    """
    title = f"{plain(view.release)} in {plain(view.namespace)}, route {plain(view.route)}"
    parts: list[RenderableType] = [_standing(view, at)]
    if view.judgement is not None:
        parts += [Text(), _metrics(view.judgement), _together(view.judgement)]
    if view.happenings:
        parts += [Text(), _events(view)]
    return Panel(Group(*parts), title=title, title_align="left")


def _standing(view: View, at: float) -> RenderableType:
    progress = view.progress
    if progress is None:
        return Text("starting", style="dim")
    grid = Table.grid(padding=(0, 2))
    grid.add_column(style="dim")
    grid.add_column(overflow="fold")
    phase = Text(progress.phase, style="bold")
    if progress.stage and progress.stage != "none":
        phase.append(f" ({progress.stage})", style="not bold dim")
    phase.append(f"  for {words.span(max(0.0, at - progress.entered))}", style="not bold")
    if progress.hold_min is not None and progress.hold_max is not None:
        phase.append(f" of {words.span(progress.hold_min)} to {words.span(progress.hold_max)}", style="not bold dim")
    grid.add_row("phase", phase)
    grid.add_row("plan", _plan(view.plan, progress.step, where(progress)))
    traffic = Text(f"wanted {words.share(progress.share_wanted)}, seen {words.seen(progress.share_seen)}")
    stable, canary = words.count(progress.stable_requests), words.count(progress.canary_requests)
    traffic.append(f"   {stable} requests on stable, {canary} on canary", style="dim")
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


def _metrics(judgement: Judgement) -> RenderableType:
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="dim")
    for name in ("metric", "stable", "canary", "difference (95 %)", "evidence", "verdict"):
        table.add_column(name, overflow="fold")
    for finding in judgement.findings[:MOST_ROWS]:
        table.add_row(plain(finding.metric), *_figures(finding), Text(finding.verdict, style=_STYLES[finding.verdict]))
    if (more := len(judgement.findings) - MOST_ROWS) > 0:
        table.add_row(Text(f"and {more} more", style="dim"))
    return table


def _figures(finding: Finding) -> tuple[str, str, str, str]:
    """Both arms, their difference and the evidence, as far as this finding has them."""
    numbers = finding.numbers

    def arm(name: str) -> str:
        if f"{name}_rate" not in numbers:
            return "-"
        text = words.rate(numbers[f"{name}_rate"])
        if {f"{name}_bad", f"{name}_total"} <= set(numbers):
            text += f" ({words.count(numbers[f'{name}_bad'])} of {words.count(numbers[f'{name}_total'])})"
        return text

    difference = "-"
    if {"difference_low", "difference_high"} <= set(numbers):
        low, high = numbers["difference_low"] * 100, numbers["difference_high"] * 100
        difference = f"{low:+.2f} to {high:+.2f} points"
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
    text.append(f"   {words.count(judgement.looks)} looks, {words.count(judgement.requests)} requests\n", style="dim")
    text.append(judgement.verdict, style=_STYLES[judgement.verdict])
    text.append(f"  {plain(judgement.sentence)}")
    return text


def _events(view: View) -> RenderableType:
    grid = Table.grid(padding=(0, 2))
    grid.add_column(style="dim", no_wrap=True)
    grid.add_column(overflow="fold")
    for happening in view.happenings:
        style = "bold red" if happening.alarm else ""
        grid.add_row(words.clock(happening.at), Text(plain(happening.message), style=style))
    return grid
