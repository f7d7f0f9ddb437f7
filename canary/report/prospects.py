"""What a step will be able to see, told for a person."""

from __future__ import annotations

from collections.abc import Iterator

from analysis.planning import Prospect, Sight, Traffic
from canary.report import words

HOW = "What each step can see, and the hold it takes, are printed with: --rate REQUESTS_PER_SECOND --errors STABLE_RATE"


def lines(prospect: Prospect, *, hold_max: float) -> Iterator[str]:
    """One step's lines.

    Args:
        prospect: what it sees.
        hold_max: its longest hold, seconds.
    """
    canary, stable = (_range(*counts) for counts in (prospect.canary, prospect.stable))
    yield f"requests: {canary} on the canary, {stable} on stable"
    if not prospect.sights:
        return
    if prospect.blind:
        yield "SEES NOTHING: not even a canary that fails always would be told from stable in this step's longest hold"
    for sight in prospect.sights:
        if sight.metric != "slower than p50":  # p95 and p99 say it better; the data has all
            yield _sight(sight)
    if prospect.healthy_after is None:
        yield "a canary equal to stable is never confirmed HEALTHY here: the step ends undecided"
    elif prospect.healthy_after > hold_max:
        after = words.span(prospect.healthy_after)
        yield f"a canary equal to stable is HEALTHY after about {after}: at the longest hold the step is undecided"
    else:
        yield f"a canary equal to stable is HEALTHY after about {words.span(prospect.healthy_after)}"


def _range(least: float, most: float) -> str:
    low, high = (words.count(number) for number in (least, most))
    return low if low == high else f"{low} to {high}"


def _sight(sight: Sight) -> str:
    tolerated = f"tolerated {words.rate(sight.tolerated)}"
    if sight.late is None:
        after = sight.anything_after
        takes = (
            "however long it holds" if after is None else f"even a canary of 100 % takes a hold of {words.span(after)}"
        )
        return f"{sight.metric}: sees nothing, {takes}; {tolerated}"
    soon = "nothing" if sight.soon is None else words.rate(sight.soon)
    takes = "is never seen" if sight.twice_after is None else f"takes a hold of {words.span(sight.twice_after)}"
    return (
        f"{sight.metric}: sees {words.rate(sight.late)} ({soon} in the shortest hold); {tolerated}, twice that {takes}"
    )


def closing(traffic: Traffic, first: Prospect) -> Iterator[str]:
    """What the lines above rest on, and how fast the judge can be at best.

    Args:
        traffic: what was assumed.
        first: the first step's.
    """
    yield (
        f"What is seen is condemned within the longest hold in 9 of 10 releases; bursts of errors make it slower. "
        f"Assumed: {traffic.rate:g} requests/s, of which {words.rate(traffic.errors)} fail on stable."
    )
    if first.reaction is not None:
        yield (
            f"Fastest reaction: in the first step, a canary that fails every second request is condemned after "
            f"{words.span(first.reaction)} (a look every {words.span(traffic.every)}; the source's scrapes on top)."
        )
