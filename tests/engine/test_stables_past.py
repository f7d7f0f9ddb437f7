"""An engine begins with what a Prometheus has recorded of stable: dispersion, rates, what stable is held against."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from analysis.model import Arm
from analysis.replay import replay
from analysis.sources import Key, Reading, Role, Sample, Trouble
from canary.core.outcome import ExitCode
from canary.core.release import Phase
from canary.engine.record import lives, pieces


class Recorded:
    """A source that keeps a past: stable's counters every 5 s for an hour, errors in bursts."""

    def __init__(self, *, rate: float = 0.002, cv: float = 0.0, looks: int = 720) -> None:
        chance = np.random.default_rng(1)
        total = np.cumsum(chance.poisson(500, looks))
        swing = chance.gamma(1 / cv**2, cv**2, looks) if cv else np.ones(looks)
        bad = np.cumsum(chance.poisson(500 * rate * swing))
        rows = zip(5.0 * np.arange(looks), total.tolist(), bad.tolist(), strict=True)
        self.samples = tuple(
            Sample(Key("errors", Arm.STABLE, role), "svc", float(at), float(value))
            for at, every, failed in rows
            for role, value in ((Role.TOTAL, every), (Role.BAD, failed))
        )
        self.asked: list[tuple[float, float]] = []

    def recent(self, *, seconds: float, timeout: float) -> Reading:
        self.asked.append((seconds, timeout))
        return Reading(at=0.0, samples=self.samples)


class Gone(Recorded):
    """A source that answers nothing."""

    def recent(self, *, seconds: float, timeout: float) -> Reading:
        super().recent(seconds=seconds, timeout=timeout)
        return Reading(at=0.0, trouble=Trouble.DOWN, sentence="Prometheus at http://p cannot be reached")


class Broken(Recorded):
    """A mistake of ours."""

    def recent(self, *, seconds: float, timeout: float) -> Reading:
        return Reading(at=seconds / (timeout - timeout))


def judging(play: Any) -> str:
    """What the first judgements rest on."""
    play.until(lambda: play.decider.release.phase is Phase.JUDGING and play.decider.release.basis)
    return str(play.decider.release.basis)


def test_what_is_recorded_is_known_from_the_first_look_on_and_is_told(new_play: Callable[..., Any]) -> None:
    pasts = Recorded(cv=1.5)
    play = new_play(pasts=pasts)
    assert "from stable's last 58 min, 695 looks)" in judging(play)
    known = play.decider._observer.past.metrics["errors"]
    assert known.total == pytest.approx(695 * 500, rel=0.01)
    assert known.rate == pytest.approx(0.002, rel=0.3)
    assert known.phi0 > 1.3
    ((seconds, timeout),) = pasts.asked
    assert (seconds, timeout) == (3600.0, 20.0)


@pytest.mark.parametrize(
    ("pasts", "why"),
    [
        (None, "dispersion unknown (a direct scrape keeps no past)"),
        (Gone(), "dispersion unknown (Prometheus at http://p cannot be reached)"),
        (Broken(), "dispersion unknown (stable's past could not be measured: ZeroDivisionError)"),
        (Recorded(looks=60), "dispersion unknown (there are 35 looks at stable's past, at least 60 are needed)"),
        (Recorded(rate=0.0), "dispersion unknown (stable's last 58 min, 695 looks: too little of it was bad to tell)"),
    ],
)
def test_a_past_that_is_not_there_is_told_and_stops_nothing(
    new_play: Callable[..., Any], pasts: Any, why: str, capfd: pytest.CaptureFixture[str]
) -> None:
    play = new_play(pasts=pasts)
    assert why in judging(play)
    assert ("ZeroDivisionError" in capfd.readouterr().err) is isinstance(pasts, Broken)


def test_a_file_that_says_what_it_is_goes_before(new_play: Callable[..., Any]) -> None:
    play = new_play(pasts=Recorded(cv=1.5), judged={"phi0": 1.75})
    assert "dispersion 1.8 (from stable's history)" in judging(play)


def test_a_restart_and_a_replay_know_the_same_and_it_is_read_once(new_play: Callable[..., Any]) -> None:
    pasts = Recorded(cv=1.0)
    play = new_play(pasts=pasts)
    before = judging(play)
    known = play.decider._observer.past
    play.start()
    assert play.decider._observer.past == known
    assert play.to_the_end() is ExitCode.PROMOTED
    found = replay(lives(pieces(play.records.read())))
    assert [look.differences for look in found.differing] == []
    assert found.whole
    assert len(pasts.asked) == 1
    assert "last 58 min" in before


def test_killed_before_it_was_read_it_is_read_by_the_next_while_the_canary_has_no_traffic(
    new_play: Callable[..., Any],
) -> None:
    pasts = Recorded(cv=1.0)
    play = new_play(pasts=pasts)
    play.tasks.waiting.clear()
    play.start()
    assert "last 58 min" in judging(play)
    assert len(pasts.asked) == 1


def test_once_the_canary_has_traffic_the_last_hour_is_no_longer_stables_alone(new_play: Callable[..., Any]) -> None:
    play = new_play()
    judging(play)
    pasts = Recorded()
    play.pasts = pasts
    play.start()
    judging(play)
    assert pasts.asked == []
