"""What is said of one run."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from analysis.model import Finding, Judgement, Verdict
from analysis.offline.runs import Run


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """One run's result.

    Attributes:
        run: its name.
        verdict: UNHEALTHY if it was ever reached, else HEALTHY if it holds at the end, else UNDECIDED or NO_DATA.
        t: when the verdict was reached: of UNHEALTHY the first crossing, of HEALTHY since when it has held; else None.
        unhealthy_t, healthy_t: when each was said for the first time; None if never.
        metric: the one that the reason is about; None where nothing could be compared.
        reason: one sentence with its numbers.
        evidence, threshold: logs; UNHEALTHY takes as much evidence as the threshold.
        looks: judged, up to the verdict UNHEALTHY or to the end.
        requests: on the canary in the last judged step.
        steps: per step, in order, its name and when it was first called HEALTHY; empty where the file has no steps.
    """

    run: str
    verdict: Verdict
    t: float | None
    unhealthy_t: float | None
    healthy_t: float | None
    metric: str | None
    reason: str
    evidence: float
    threshold: float
    looks: int
    requests: int
    steps: tuple[tuple[str, float | None], ...]

    def line(self) -> dict[str, Any]:
        """As JSON-able data."""
        found: dict[str, Any] = {
            "run": self.run,
            "verdict": self.verdict.value,
            "t": _number(self.t),
            "unhealthy_t": _number(self.unhealthy_t),
            "healthy_t": _number(self.healthy_t),
            "metric": self.metric,
            "reason": self.reason,
            "evidence": self.evidence,
            "threshold": self.threshold,
            "looks": self.looks,
            "requests": self.requests,
        }
        if self.steps:
            found["steps"] = [{"step": step, "healthy_t": _number(time)} for step, time in self.steps]
        return found


def _number(time: float | None) -> float | int | None:
    """Whole seconds without a point, as they were most likely written."""
    return int(time) if time is not None and time == int(time) else time


def result_of(run: Run, healthy: NDArray[np.bool_], judgement: Judgement) -> Result:
    """The result of a run.

    Args:
        run: which.
        healthy: whether each judged look was HEALTHY; the last one is the run's last or the one that condemned.
        judgement: of the last judged look.
    """
    looks, verdict = len(healthy), judgement.verdict
    unhealthy = float(run.times[looks - 1]) if verdict is Verdict.UNHEALTHY else None
    since = None
    if verdict is Verdict.HEALTHY:
        others = np.flatnonzero(~healthy)
        since = float(run.times[others[-1] + 1 if len(others) else 0])
    telling = _telling(judgement)
    return Result(
        run=run.name,
        verdict=verdict,
        t=since if unhealthy is None else unhealthy,
        unhealthy_t=unhealthy,
        healthy_t=_first(run, healthy, 0, looks),
        metric=telling.metric if telling else None,
        reason=judgement.sentence,
        evidence=judgement.evidence,
        threshold=judgement.threshold,
        looks=looks,
        requests=judgement.requests,
        steps=_steps(run, healthy),
    )


def _steps(run: Run, healthy: NDArray[np.bool_]) -> tuple[tuple[str, float | None], ...]:
    if run.steps is None:
        return ()
    starts = np.flatnonzero(run.begins[: len(healthy)]).tolist()
    ends = [*starts[1:], len(healthy)]
    return tuple((run.steps[i], _first(run, healthy, i, end)) for i, end in zip(starts, ends, strict=True))


def _first(run: Run, healthy: NDArray[np.bool_], start: int, end: int) -> float | None:
    """When it was first HEALTHY among some looks."""
    found = np.flatnonzero(healthy[start:end])
    return float(run.times[start + found[0]]) if len(found) else None


def _telling(judgement: Judgement) -> Finding | None:
    """The finding that the judgement's sentence is about."""
    same = (finding for finding in judgement.findings if finding.verdict is judgement.verdict)
    return next(same, judgement.findings[0] if judgement.findings else None)
