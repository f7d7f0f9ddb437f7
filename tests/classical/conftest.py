"""A judge with classical metrics, and the looks that it is given."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

import pytest

from analysis.classical import ClassicalConfig, FixedTest, Grouped, ScoreConfig, Threshold
from analysis.judge import JudgeConfig, MetricConfig, begin_step, decode, encode, observe, start
from analysis.model import Arm, Counts, Gauge, Judgement, Look

EVERY = 5.0


class Judged:
    """A release at 20 % with errors that nobody complains of, and one or more classical metrics."""

    def __init__(self, *classical: ClassicalConfig, score: ScoreConfig | None = None, **config: Any) -> None:
        errors = MetricConfig(name="errors", kind="errors", relative=9.0, absolute=0.5)
        given = {
            "metrics": (errors,),
            "classical": classical,
            "score": score,
            "planned_looks": 100,
            "check_share": False,
        }
        self.config = JudgeConfig(**(given | config))
        self.state, self.at = start(self.config), 0.0

    def begins(self, share: float = 20.0, *, last_share: float = 50.0, baking: bool = False) -> Judged:
        self.state = begin_step(self.config, self.state, share=share, last_share=last_share, baking=baking)
        return self

    def look(
        self,
        gauges: Mapping[str, tuple[Sequence[float], Sequence[float]]] | None = None,
        *,
        wrong: Mapping[str, str] | None = None,
        counts: Mapping[str, tuple[int, int, int, int]] | None = None,
        requests: int = 200,
        dropped: int = 0,
    ) -> Judgement:
        """One look; per gauge the values of stable and canary, or why there are none, through the journal's form."""
        self.at += EVERY
        measured = {
            name: {
                Arm.STABLE: Gauge(points=tuple(stable)),
                Arm.CANARY: Gauge(points=tuple(canary), dropped=dropped),
            }
            for name, (stable, canary) in (gauges or {}).items()
        }
        measured |= {
            name: {Arm.STABLE: Gauge(), Arm.CANARY: Gauge(code="SERIES_ABSENT", sentence=why)}
            for name, why in (wrong or {}).items()
        }
        counted = {"errors": (0, requests * 4, 0, requests)} | dict(counts or {})
        look = Look(
            start=self.at - EVERY,
            end=self.at,
            counts={
                name: {Arm.STABLE: Counts(bad=x_s, total=n_s), Arm.CANARY: Counts(bad=x_c, total=n_c)}
                for name, (x_s, n_s, x_c, n_c) in counted.items()
            },
            gauges=measured,
        )
        # From the journal's form each time: whatever is not in it cannot decide anything.
        self.state, judgement = observe(self.config, decode(json.loads(json.dumps(encode(self.state)))), look)
        return judgement


@pytest.fixture
def judged() -> type[Judged]:
    return Judged


def gauge(how: FixedTest | Threshold | Grouped, name: str = "queue", **changes: Any) -> ClassicalConfig:
    return ClassicalConfig(name=name, how=how, **changes)


@pytest.fixture(name="gauge")
def a_gauge() -> Any:
    return gauge
