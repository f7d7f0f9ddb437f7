"""Did the traffic follow the weights? Settling is decided from counts and the route's status, never assumed.

A gateway's status comes milliseconds after a write while the old weights may be served for seconds more, so only
requests that were counted prove that a change has been taken.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

CONFIDENCE = 0.999
"""Level of the binomial interval of the observed share."""

CONFORMANCE_SLACK = 0.05
"""A conformant gateway may be five points off (Gateway API conformance/utils/weight, tolerance 0.05)."""

EXACT_SLACK = 0.005
"""Half a point even for exact gateways: requests that began before the change end on the other arm after it."""

EXPECTED_REQUESTS = 5
"""The wait for traffic is measured in the expected wait for this many canary requests."""

PATIENCE = 3.0
"""How many times that expected wait is waited."""

KEPT_LOOKS = 30
"""Looks remembered while settling: enough for a slow gateway, bounded for the journal."""


@dataclass(frozen=True, kw_only=True)  # no slots: see `replacing`
class Settling:
    """What was seen since the last acknowledged write of a share.

    Attributes:
        since: when the write was acknowledged, seconds since the epoch.
        accepted: every good parent is good again for the generation written.
        looks: (canary, all) requests per look that began after the write, oldest first.
        last_canary: end of the newest look, of all since the write, that held a canary request; None before one.
        quiet_from: start of the newest unbroken run of looks without a canary request; None while there is none.
        quiet_to: end of that run.
        seen: canary requests in all looks since the write, the one that contains the write included.
        unseen: why the newest look counted nothing of the canary, where the source has no series of it.
    """

    since: float
    accepted: bool = False
    looks: tuple[tuple[int, int], ...] = ()
    last_canary: float | None = None
    quiet_from: float | None = None
    quiet_to: float | None = None
    seen: int = 0
    unseen: str = ""

    def look(self, *, start: float, end: float, stable: int, canary: int, unseen: str = "") -> Settling:
        """The same with one more look; a look that ended before the write says nothing and changes nothing."""
        if end <= self.since:
            return self
        whole = start >= self.since
        quiet_from, quiet_to = self.quiet_from, self.quiet_to
        if canary:
            quiet_from = quiet_to = None
        elif whole:
            quiet_from, quiet_to = (start if quiet_from is None else quiet_from), end
        return Settling(
            since=self.since,
            accepted=self.accepted,
            looks=(*self.looks, (canary, canary + stable))[-KEPT_LOOKS:] if whole else self.looks,
            last_canary=end if canary else self.last_canary,
            quiet_from=quiet_from,
            quiet_to=quiet_to,
            seen=self.seen + canary,
            unseen=unseen,
        )

    @property
    def quiet(self) -> float:
        """Seconds, up to the newest look, in which no new canary request was counted."""
        return 0.0 if self.quiet_from is None or self.quiet_to is None else self.quiet_to - self.quiet_from


def interval(hits: int, total: int, confidence: float = CONFIDENCE) -> tuple[float, float]:
    """The two-sided Clopper-Pearson interval of a proportion.

    Args:
        hits: successes, 0 <= hits <= total.
        total: trials; 0 gives (0, 1).
        confidence: level, e.g. 0.999.

    Returns:
        Lower and upper end. Source: Clopper & Pearson, Biometrika 26 (1934).
    """
    from scipy.special import betaincinv

    if total == 0:
        return 0.0, 1.0
    tail = (1 - confidence) / 2
    low = 0.0 if hits == 0 else float(betaincinv(hits, total - hits + 1, tail))
    high = 1.0 if hits == total else float(betaincinv(hits + 1, total - hits, 1 - tail))
    return low, high


def compatible(*, canary: int, total: int, share: Decimal, exact: bool) -> bool:
    """Whether counted requests agree with the share asked for.

    Args:
        canary, total: requests counted on the canary and in the pool.
        share: percent asked for.
        exact: the gateway keeps shares exactly; otherwise the interval is widened by five points. Either way an
            observed share that is confidently below half the one asked for never agrees.
    """
    want = float(share) / 100
    low, high = interval(canary, total)
    slack = EXACT_SLACK if exact else CONFORMANCE_SLACK
    return low - slack <= want <= high + slack and high >= want / 2


def traffic_followed(settling: Settling, *, share: Decimal, exact: bool) -> bool:
    """Whether a raise counts: the parents accepted it, the canary was seen, and the share agrees.

    The gateway moves at some unknown moment after the write, so any run of looks that reaches to the newest
    one may show agreement: the earlier looks of the window may still hold the old weights.
    """
    if not settling.accepted:
        return False
    canary = total = 0
    for look_canary, look_total in reversed(settling.looks):
        canary, total = canary + look_canary, total + look_total
        if canary and compatible(canary=canary, total=total, share=share, exact=exact):
            return True
    return False


def timeout(settling: Settling, *, now: float, share: Decimal, least: float) -> float:
    """How long to wait for traffic: the larger of `least` and three times the expected wait for 5 requests.

    Args:
        settling: what was seen so far; its request rate is the estimate of the traffic.
        now: seconds since the epoch.
        share: percent asked for.
        least: seconds that are always waited.
    """
    elapsed = now - settling.since
    requests = sum(total for _, total in settling.looks)
    if requests == 0 or elapsed <= 0 or share == 0:
        return least
    return max(least, PATIENCE * EXPECTED_REQUESTS / (requests / elapsed * float(share) / 100))
