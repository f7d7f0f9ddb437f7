"""What happened while no engine lived: one look, from the counters that the journal keeps."""

from __future__ import annotations

from typing import Any

import pytest

from analysis.model import Arm
from canary.core.outcome import ExitCode
from canary.core.release import Phase
from canary.engine.record import lives, pieces

GAP = 20


def died(play: Any, *, errors: float) -> dict[str, Any]:
    """The engine dies while it judges at 25 % and is replaced after the gap: the first look of its second life."""
    play.until(lambda: play.decider.release.step == 2 and play.decider.release.phase is Phase.JUDGING)
    play.second()
    play.second()
    began = play.world.clock.now()
    play.gateway.errors[Arm.CANARY] = errors
    for _ in range(GAP):
        play.world.clock.advance(1.0)
        play.gateway.serve()
    play.start()
    play.second()
    play.second()
    play.decider.flush()
    name, rows = lives(pieces(play.records.read()))[-1]
    assert name == "i2"
    look: dict[str, Any] = next(row for row in rows if row["kind"] == "look" and row["as"] == "judged")
    assert look["start"] <= began
    assert look["end"] >= began + GAP
    return look


def test_it_is_one_look_with_all_of_its_requests(play: Any) -> None:
    look = died(play, errors=0.5)
    total, bad = look["counts"]["errors"]["canary"][:2]
    assert total >= 200 * 0.9 * 0.25 * GAP
    assert bad / total == pytest.approx(0.5, abs=0.1)
    assert look["said"]["verdict"] != "UNHEALTHY"  # no look decides alone


def test_trouble_that_began_in_it_and_goes_on_is_condemned_two_looks_later(play: Any) -> None:
    died(play, errors=0.5)
    play.until(lambda: play.decider.release.outcome is not None, seconds=2)
    assert play.decider.release.outcome.code is ExitCode.JUDGED_BAD


def test_trouble_that_was_over_when_somebody_looked_again_condemns_nobody(play: Any) -> None:
    look = died(play, errors=0.004)
    assert look["counts"]["errors"]["canary"][1] > 0
    assert play.to_the_end() is ExitCode.PROMOTED
