"""Numbers as people read them in a finding's sentence."""

from __future__ import annotations

import math
from functools import lru_cache

from analysis.model import Arm, Look


def percent(rate: float) -> str:
    """A rate as percent, with the digits that small ones need."""
    percent = rate * 100
    return f"{percent:.2f} %" if percent < 1 else f"{percent:.1f} %"


def count(value: float) -> str:
    """A count with thousands apart."""
    return f"{value:,.0f}"


@lru_cache(maxsize=256)
def time(seconds: float) -> str:
    """A latency bound in the unit that people use for it."""
    return f"{seconds * 1000:g} ms" if seconds < 1 else f"{seconds:g} s"


def log(value: float) -> float:
    """Logarithm of a weight; minus infinity of none."""
    return math.log(value) if value > 0 else float("-inf")


def odds(evidence: float) -> str:
    """Evidence as "1 in N": how rare it would be, at most, if the canary were within what is tolerated."""
    if evidence <= 0:
        return "none"
    return f"1 in {math.exp(min(evidence, 60.0)):,.0f}" if evidence > math.log(2) else "next to none"


def absence(look: Look, arm: Arm, who: str) -> str:
    """That there is no series of an arm at all, with what that may mean; empty where there is one.

    Args:
        look: as it came.
        arm: which.
        who: what it is called.
    """
    return f"no series of {who} {absent(counted=look.counted(arm))}" if look.lacks(arm) else ""


def absent(*, counted: bool) -> str:
    """Why series may not exist, after "no series of X".

    Args:
        counted: the same proxies count both arms, so that an arm without series had no request.
    """
    if counted:
        return "exist beside the other arm's: no request of it has ended there, or they are named otherwise"
    return "exist: it is not scraped, they are named otherwise, or nothing was counted yet; see canary doctor"


def the(other: str) -> str:
    """The arm beside the canary in a sentence: stable, which is a name, or the baseline."""
    return other if other == "stable" else f"the {other}"
