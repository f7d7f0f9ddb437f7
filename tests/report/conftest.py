"""A release in mid-course, told as the engine tells it."""

import math
import os
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from analysis.model import Finding, Judgement, Verdict
from canary.core.outcome import ExitCode
from canary.ports import Progress

GOLDEN = Path(__file__).parent / "golden"
START = 1_800_000_000.0


def _progress(after: float, **values: Any) -> Progress:
    usual = {
        "phase": "JUDGING",
        "stage": "none",
        "step": 1,
        "steps": 4,
        "share_wanted": Decimal(20),
        "share_seen": Decimal("19.74"),
        "entered": START + 30,
        "hold_min": 60.0,
        "hold_max": 600.0,
        "stable_requests": 76220,
        "canary_requests": 4012,
        "weights": ("rule 0: user-service=80 user-service-canary=20",),
    }
    return Progress(at=START + after, **{**usual, **values})


JUDGEMENT = Judgement(
    verdict=Verdict.UNDECIDED,
    findings=(
        Finding(
            metric="errors",
            verdict=Verdict.UNDECIDED,
            sentence="canary 2.1 % errors (84 of 4,012) against stable 0.39 % (301 of 76,220); tolerated up to 0.79 %",
            code="WITHIN",
            numbers={
                "stable_rate": 301 / 76220,
                "stable_bad": 301,
                "stable_total": 76220,
                "canary_rate": 84 / 4012,
                "canary_bad": 84,
                "canary_total": 4012,
                "difference_low": 0.012,
                "difference_high": 0.022,
                "evidence": 3.2,
            },
        ),
        Finding(metric="latency", verdict=Verdict.NO_DATA, sentence="no samples since 31 s", code="STALE"),
    ),
    evidence=2.5,
    threshold=math.log(100),
    looks=41,
    requests=4012,
    may_proceed=False,
    sentence="canary 2.1 % errors (84 of 4,012) against stable 0.39 % (301 of 76,220); tolerated up to 0.79 %",
)

TOLD = (
    _progress(0, phase="PREFLIGHT", step=-1, share_wanted=Decimal(0), share_seen=None, stable_requests=0,
              canary_requests=0, weights=(), hold_min=None, hold_max=None, entered=START, message="checking"),
    _progress(12.3, phase="SETTLING", share_wanted=Decimal(5), step=0, share_seen=None, message="share raised to 5 %",
              reason="Raised"),
    _progress(30, message="traffic follows 20 %", reason="Settled"),
    _progress(71, judgement=JUDGEMENT),
    _progress(80, phase="ROLLING_BACK", stage="writing", message="rolled back by the judge: \x1b[31mworse", alarm=True),
    _progress(82, phase="ROLLED_BACK", share_wanted=Decimal(0), message="errors: worse than tolerated",
              reason="Finished", code=ExitCode.JUDGED_BAD),
)  # fmt: skip


@pytest.fixture
def told() -> tuple[Progress, ...]:
    return TOLD


@pytest.fixture
def golden() -> Callable[[str, str], None]:
    """Compare text with a golden file; with UPDATE_GOLDEN=1 in the environment, write it instead."""

    def compare(name: str, text: str) -> None:
        path = GOLDEN / name
        if os.environ.get("UPDATE_GOLDEN"):
            path.write_text(text)
        assert text == path.read_text(), f"{path} differs; if it should, run again with UPDATE_GOLDEN=1"

    return compare
