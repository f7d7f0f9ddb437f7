"""Seeded histories of releases beside a fresh baseline: the same faults, and hands on the baseline's weight."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import pytest
from simulated import wider
from simulated.fresh import beside, play_fresh
from simulated.guarded import play_guarded
from simulated.oracles import play_scenario
from simulated.scenario import Happening, scenario

from canary.core.outcome import ExitCode

CHUNKS = 8
SEEDS, WIDER = 240, 80


@pytest.mark.slow
@pytest.mark.parametrize("chunk", range(CHUNKS))
def test_every_history_ends_in_one_of_two_states(chunk: int) -> None:
    seeds = [*range(chunk, SEEDS, CHUNKS), *range(wider.SEEDS + chunk, wider.SEEDS + WIDER, CHUNKS)]
    failed = [f"seed {seed}: {found.violations[0]}" for seed in seeds if (found := play_fresh(seed)).violations]
    hint = "python tests/simulation/replay.py --world baseline SEED"
    assert not failed, f"{len(failed)} of {len(seeds)} histories went wrong; replay one with {hint}\n" + "\n".join(
        failed
    )


@pytest.mark.slow
def test_a_watchdog_knows_it_from_the_journal_and_finishes_likewise() -> None:
    failed = [
        f"seed {seed}: {found.violations[0]}" for seed in range(60) if (found := play_guarded(beside(seed))).violations
    ]
    assert failed == []


def calm() -> int:
    """A seed whose release nothing disturbs, with several steps up to 80 %."""
    return next(
        seed
        for seed in range(10_000)
        if (found := scenario(seed)).quality == "good"
        and not (found.script or found.calls or found.noise or found.reverter or found.real_judge)
        and found.policy.steps[-1].share == Decimal(80)
        and not any(step.gate for step in found.policy.steps)
    )


def test_a_release_that_nobody_disturbs_is_promoted() -> None:
    found = play_scenario(replace(beside(calm()), script=()))
    assert found.violations == []
    assert found.codes == [ExitCode.PROMOTED]


@pytest.mark.parametrize("kind", ["edit:baseline-more", "edit:baseline-to-zero", "edit:drop-baseline"])
def test_a_hand_on_the_baseline_in_a_step_ends_the_release(kind: str) -> None:
    plain = replace(beside(calm()), script=())
    raised = next(float(line.split()[0]) for line in play_scenario(plain).lines if "canary raised to 40 %" in line)
    found = play_scenario(replace(plain, script=(Happening(at=raised + 1.0, kind=kind, value=0.5),)))
    assert found.violations == []
    assert found.codes == [ExitCode.CHANGED_BY_OTHERS]
