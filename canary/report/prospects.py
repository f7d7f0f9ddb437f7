"""What a step will be able to see, told for a person."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from analysis.delays import Reaction, quantile_between
from analysis.planning import Prospect, Sight, Traffic
from analysis.plural import counted
from canary.report import words

HOW = (
    "What each step can see, and how fast it can react, is printed with: --live (reads stable's last hour from the "
    "release's source), or offline with: --rate REQUESTS_PER_SECOND --errors STABLE_RATE"
)

QUANTILES = (0.5, 0.95, 0.99)


def lines(prospect: Prospect, *, hold_min: float, hold_max: float, other: str = "stable") -> Iterator[str]:
    """One step's lines.

    Args:
        prospect: what it sees.
        hold_min, hold_max: its holds, seconds.
        other: what the canary is compared with.
    """
    canary, beside = (_range(*counts) for counts in (prospect.canary, prospect.stable))
    yield f"requests: {canary} on the canary, {beside} on {other}"
    if not prospect.sights:
        return
    if prospect.blind:
        yield "SEES NOTHING: not even a canary that fails always would be told from stable in this step's longest hold"
    # p95 and p99 say it better than the median; the data has all.
    yield from _table([sight for sight in prospect.sights if sight.quantile != 0.5], hold_min, hold_max)
    yield _healthy(prospect, hold_max)


def _healthy(prospect: Prospect, hold_max: float) -> str:
    if prospect.healthy_after is None:
        return "a canary equal to stable is never confirmed HEALTHY here: the step ends undecided"
    after = f"a canary equal to stable is HEALTHY after about {words.span(prospect.healthy_after)}"
    if prospect.healthy_after > hold_max:
        return f"{after}: at the longest hold the step is undecided"
    return after


def _range(least: float, most: float) -> str:
    low, high = (words.count(number) for number in (least, most))
    return low if low == high else f"{low} to {high}"


def _table(sights: Sequence[Sight], hold_min: float, hold_max: float) -> Iterator[str]:
    """A row for each sight: what is tolerated, what is condemned, and the hold that sees what was asked for."""
    in_time = any(sight.shift for sight in sights)
    head = ["sees", "tolerated", f"in {words.span(hold_min)}", f"in {words.span(hold_max)}"]
    rows = [[*head, *(["that is, for certain"] if in_time else []), "what it takes"]]
    for sight in sights:
        found = ["nothing" if rate is None else words.rate(rate) for rate in (sight.soon, sight.late)]
        rows.append([sight.metric, words.rate(sight.tolerated), *found, *([_shift(sight)] if in_time else [])])
        rows[-1].append(_takes(sight, hold_max))
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    for row in rows:
        cells = [row[0].ljust(widths[0]), *(row[i].rjust(widths[i]) for i in (1, 2, 3)), *_left(row[4:], widths[4:])]
        yield "  ".join(cells).rstrip()


def _left(cells: Sequence[str], widths: Sequence[int]) -> list[str]:
    return [cell.ljust(width) for cell, width in zip(cells, widths, strict=True)]


def _shift(sight: Sight) -> str:
    """The shift in time that the longest hold sees, as far as the buckets prove it."""
    if not sight.quantile:
        return "-"
    if sight.shift is None:
        return "no bucket shows it"
    return f"{sight.shift.times:.3g} times as long, or {milliseconds(sight.shift.longer)} longer"


def _takes(sight: Sight, hold_max: float) -> str:
    """The hold that sees what was asked for, or at least the worst; beside the longest that there is."""
    wanted = words.rate(sight.wanted)
    if sight.wanted <= sight.tolerated:
        return f"{wanted} is within what is tolerated"
    if sight.wanted_after is not None:
        return f"a hold of {words.span(sight.wanted_after)} to see {wanted}{_beyond(sight.wanted_after, hold_max)}"
    if sight.anything_after is None:
        return "more than a week to see anything"
    worst = f"a hold of {words.span(sight.anything_after)} to see 100 %"
    return f"more than a week to see {wanted}, {worst}{_beyond(sight.anything_after, hold_max)}"


def _beyond(hold: float, hold_max: float) -> str:
    return f": longer than {words.span(hold_max)}" if hold > hold_max else ""


def milliseconds(seconds: float) -> str:
    """A latency as people say it."""
    return f"{seconds * 1000:.3g} ms" if seconds < 1 else f"{seconds:.3g} s"


def opening(traffic: Traffic) -> Iterator[str]:
    """What the steps' lines rest on."""
    yield (
        f"Stable: {words.number(traffic.rate)} requests/s, of which {words.rate(traffic.errors)} fail"
        f"{f' ({traffic.told})' if traffic.told else ''}"
    )
    for metric, histogram in traffic.latency.items():
        between = [(quantile, quantile_between(histogram, quantile)) for quantile in QUANTILES]
        said = [f"p{100 * quantile:g} {_between(*found)}" for quantile, found in between if found]
        if said:
            yield f"{metric}: {', '.join(said)}, as far as its buckets tell"


def _between(low: float, high: float) -> str:
    if high == float("inf"):
        return f"above {milliseconds(low)}"
    return f"{milliseconds(low)} to {milliseconds(high)}" if low else f"up to {milliseconds(high)}"


def closing(traffic: Traffic, steps: Sequence[Prospect], *, hold_max: float) -> Iterator[str]:
    """How fast the release reacts, and what the lines above mean.

    Args:
        traffic: what was assumed.
        steps: what each step sees.
        hold_max: the first step's longest hold, seconds.
    """
    blind = [str(number) for number, step in enumerate(steps, start=1) if step.blind]
    if blind:
        which = f"Step{'s' if len(blind) > 1 else ''} {', '.join(blind)}"
        yield f"{which} can see nothing: hold longer, give the canary more, or know that only limits guard there."
    yield "What a step sees is condemned within that hold in 9 of 10 releases; bursts of errors make it slower."
    if cold := max((sight.cold for step in steps for sight in step.sights), default=0.0):
        yield f"Of each hold the first {words.span(cold)} say nothing of latency: any step may bring new pods (warmup)."
    if not traffic.latency and any(sight.quantile for step in steps for sight in step.sights):
        yield "The shift in time that these shares amount to is told with --live, or with --latency."
    first = steps[0].reaction
    if first is None:
        yield "In the first step not even a canary that fails every second request is condemned within a week."
        return
    yield ""
    late = ""
    if first.judging > hold_max:
        late = f"not within its longest hold of {words.span(hold_max)}; were it held on, "
    yield (
        f"Reaction, in the first step, to a canary that fails every second request: {late}back on stable after about "
        f"{words.span(first.expected)}, at worst {words.span(first.worst)}"
    )
    yield from (f"  {part}" for part in _parts(first))


def _parts(found: Reaction) -> Iterator[str]:
    scraped = "until it is scraped: the engine reads the proxies itself"
    if found.scrape:
        scraped = f"until it is scraped (every {words.span(found.scrape)})"
    known = found.gateway is not None
    rows = [
        (words.span(found.judging), f"judging: {counted(found.looks, 'look')}, each with a new sample"),
        (words.span(found.scrape / 2), scraped),
        (words.span(found.look / 2), f"until it is read (a look every {words.span(found.look)})"),
        (
            words.span(found.gateway or 0.0) if known else "?",
            f"until the gateway has followed{', usually' if known else '; nobody knows for this one'}",
        ),
    ]
    width = max(len(time) for time, _ in rows)
    for time, what in rows:
        yield f"{time.rjust(width)}  {what}"
