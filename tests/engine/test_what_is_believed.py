"""Which share in a route, found after a takeover, somebody else must have written."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import pytest

from canary.core import effects as do
from canary.core import events as on
from canary.core.outcome import ExitCode, Outcome
from canary.core.release import NONE, Phase, Policy, Release, StepPolicy
from canary.engine.reading import disbelief

STEPS = tuple(StepPolicy(share=Decimal(share), hold_min=1, hold_max=2) for share in (5, 30))
POLICY = Policy(
    steps=STEPS, bake_min=1, bake_max=2, settle_window=1, settle_least=1, drain=1, deadline=60, last_call=90
)
HERE = Release(uid="r", incarnation="i", policy=POLICY, phase=Phase.SHIFTING, step=1, share=Decimal(5))
LOST = Outcome(code=ExitCode.ENGINE_LOST, reason="silent", decided=1.0)
RAISE, LOWER = do.RaiseShare(id="1", share=Decimal(30)), do.LowerShare(id="2")
RAISED, LOWERED = on.Direction.RAISED, on.Direction.LOWERED


@pytest.mark.parametrize(
    ("release", "found", "moved"),
    [
        (HERE, 5.0, None),
        (HERE, 30.16, RAISED),
        (HERE, 0.0, LOWERED),
        (replace(HERE, pending=RAISE), 30.16, None),
        (replace(HERE, suspended=RAISE), 30.16, None),
        (replace(HERE, pending=RAISE), 31.0, RAISED),
        (replace(HERE, pending=LOWER), 0.0, None),
        # An engine died between its raise and the answer, and whoever goes back has forgotten what was pending.
        (replace(HERE, share=NONE, outcome=LOST, pending=LOWER), 30.16, None),
        (replace(HERE, share=NONE, outcome=LOST, pending=LOWER), 60.0, RAISED),
        (replace(HERE, share=NONE, outcome=LOST, pending=LOWER, step=-1), 30.16, RAISED),
    ],
)
def test_a_share_that_the_release_may_have_written_itself_is_nobodys(
    release: Release, found: float, moved: on.Direction | None
) -> None:
    told = disbelief([found], release)
    assert (told and told[0]) is moved


def test_a_route_without_our_rules_shows_nothing() -> None:
    assert disbelief([], HERE) is None
