"""What people are told of a release at one moment."""

from __future__ import annotations

from typing import Any

from canary.core.gates import waiting
from canary.core.release import Release
from canary.engine.observer import Observer
from canary.ports import Progress


def progress_of(release: Release, observer: Observer, *, at: float, **told: Any) -> Progress:
    """Where the release stands and what was counted, with what is told of it.

    Args:
        release, observer: the release and who counts for it.
        at: seconds since the epoch on the server's clock.
        told: the other fields of `Progress`, as they are.
    """
    step = release.current if release.step >= 0 else None
    totals = observer.totals
    return Progress(
        at=at,
        phase=release.phase,
        stage=release.stage,
        step=release.step,
        steps=len(release.policy.steps),
        share_wanted=release.share,
        share_seen=observer.share_seen,
        entered=release.since,
        hold_min=step.hold_min if step else None,
        hold_max=step.hold_max if step else None,
        stable_requests=totals.stable,
        canary_requests=totals.canary,
        route_bad=totals.route_bad,
        waits=_waits(release),
        **told,
    )


def _waits(release: Release) -> str:
    if release.gate is not None:
        return waiting(release)
    return f"paused: canary resume {release.policy.called}".strip() if release.paused else ""
