"""Whole releases on the Kubernetes adapters, each request of which may meet a fault; see `simulated.served`."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

import pytest
from simulated.served import KINDS, Met, Served, meetings, play_served

from canary.core.outcome import ExitCode

SEEDS, SOAKED = 30, 400


def check(seeds: Iterable[int]) -> list[Served]:
    played = [play_served(seed) for seed in seeds]
    wrong = [(one.scenario.seed, one.violations[0]) for one in played if one.violations]
    assert not wrong, f"replay with: python tests/simulation/replay.py --world served {wrong[0][0]}\n{wrong[:20]}"
    return played


@pytest.mark.slow
@pytest.mark.parametrize("chunk", range(3))
def test_every_history_ends_in_one_of_two_states(chunk: int) -> None:
    played = check(range(chunk, SEEDS, 3))
    codes = Counter(code for one in played for code in one.codes)
    assert codes[ExitCode.PROMOTED] > 0
    assert codes[ExitCode.JUDGED_BAD] > 0


@pytest.mark.soak
@pytest.mark.parametrize("chunk", range(8))
def test_hundreds_of_histories_end_in_one_of_two_states(chunk: int) -> None:
    check(range(SEEDS + chunk, SEEDS + SOAKED, 8))


def test_a_seed_is_one_history() -> None:
    first, again = (play_served(4) for _ in range(2))
    assert len(first.lines) > 5
    assert (first.lines, first.requests) == (again.lines, again.requests)


def test_every_kind_of_fault_is_met() -> None:
    met = {one.kind for seed in range(SEEDS) for one in meetings(seed).values()}
    assert met == set(KINDS)


def test_what_goes_wrong_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    """An oracle that sees nothing proves nothing: a canary that is left behind, and a raise under no token."""
    from canary.adapters.kubernetes import workload
    from canary.core import forward

    monkeypatch.setattr(workload, "sweep", lambda *_: None)
    assert any("workload is left" in one for one in play_served(3).violations)
    monkeypatch.undo()
    monkeypatch.setattr(forward, "undecided", forward.next_step)
    assert any("no judgement let" in one for seed in range(12) for one in play_served(seed).violations)


def test_throttled_requests_are_asked_again_when_the_server_says(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every second request from the tenth to the sixtieth, each with the answer that four seconds are to be waited."""
    lasted = []
    for met in ({}, {number: Met(429, 4.0) for number in range(10, 60, 2)}):
        monkeypatch.setattr("simulated.served.meetings", lambda _, met=met: dict(met))
        played = play_served(3)
        assert (played.violations, played.meets, played.codes) == ([], {}, [ExitCode.PROMOTED])
        lasted.append(played.now - played.began)
    assert lasted[1] - lasted[0] >= 25 * 4.0 - 2.0
