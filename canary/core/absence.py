"""A step at its longest hold in which something was not seen: nothing at all, or a metric with its own policy."""

from __future__ import annotations

from typing import Literal

from canary.core.moves import Step, roll_back, tell_once
from canary.core.outcome import ExitCode
from canary.core.release import Policy, Release


def unseen(policy: Policy, cause: Literal["absent", "stale", "down"]) -> str:
    """What a step that ends without a look does, by why there is none, in the words of a metric's own policy."""
    wished = {"absent": policy.no_series, "stale": policy.no_data, "down": policy.no_source}[cause]
    return "hold" if (wished or policy.no_data) == "hold" else "fail"


def no_data(release: Release, at: float) -> Step:
    """What was not seen by the end of the hold is never taken for good."""
    said = release.absence if release.absent else release.sentence
    match release.absent or release.policy.no_data:
        case "hold":
            return tell_once(release, "NoData", f"holding without data: {said}")
        case "extend" if at - release.since < 2 * release.current.hold_max:
            return tell_once(release, "NoData", f"holding as long again for data: {said}")
        case _:
            return roll_back(release, at, ExitCode.NO_EVIDENCE, f"no data by the end of the hold: {said}")
