"""A sentence that no release says itself, for those who are told what releases say."""

from __future__ import annotations

from canary.core.outcome import ExitCode
from canary.core.release import NONE, Phase, Stage
from canary.ports import Progress


def sentence(
    message: str, *, at: float, phase: Phase, reason: str, alarm: bool = False, code: ExitCode | None = None
) -> Progress:
    """As the reporters take it.

    Args:
        message: what is said.
        at: when, seconds since the epoch.
        phase: the one that the release is in, as far as this process knows.
        reason: why, in one word.
        alarm: a person must act.
        code: how it ended.
    """
    return Progress(
        at=at,
        phase=phase,
        stage=Stage.NONE,
        step=-1,
        steps=0,
        share_wanted=NONE,
        share_seen=None,
        entered=at,
        message=message,
        reason=reason,
        alarm=alarm,
        code=code,
    )
