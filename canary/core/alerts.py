"""What people are told of a step that is held by something other than the canary's own numbers, once in each step."""

from __future__ import annotations

from analysis.model import Finding, Judgement
from canary.core.moves import Step, tell
from canary.core.release import Release
from canary.core.replacing import replace

ALARMS = {
    "BOTH_WORSE": "BothWorse",
    "HUNG": "Hung",
    "LIMIT_BOTH": "LimitBrokenByBoth",
    "POD_OUTLIER": "PodOutlier",
    "SHARE_MISMATCH": "ShareMismatch",
}
"""Findings that hold a step and that a person should look at: code, and reason for machines."""


def alerts(release: Release, judgement: Judgement) -> Step:
    """Tell each kind of such a finding once in a step."""
    new: dict[str, Finding] = {
        finding.code: finding
        for finding in reversed(judgement.findings)
        if finding.code in ALARMS and finding.code not in release.alerted
    }
    step: Step = (replace(release, alerted=(*release.alerted, *sorted(new))), ()) if new else (release, ())
    for code in sorted(new):
        release, done = step
        message = f"holding: {new[code].sentence}"
        release, more = tell(release, ALARMS[code], message, alarm=True)
        step = release, (*done, *more)
    return step


def ended(release: Release, word: str) -> str:
    """How a step ended: the judge's reason, and what it rests on."""
    return f"{word}: {release.sentence}" + (f" ({release.basis})" if release.basis else "")
