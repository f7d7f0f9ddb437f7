"""Whole histories in which people decide by the gate's object: a no is never passed over, and a yes is heard."""

from __future__ import annotations

from collections.abc import Iterable

import pytest
from simulated.desked import gated, play_desked

SEEDS, SOAKED = 12, 1_000


def check(seeds: Iterable[int]) -> None:
    failed = [f"seed {seed}: {found[0]}" for seed in seeds if (found := play_desked(gated(seed)).violations)]
    assert not failed, f"{len(failed)} histories went wrong:\n" + "\n".join(failed[:20])


@pytest.mark.slow
def test_no_decision_at_a_gate_is_lost() -> None:
    check(range(SEEDS))


@pytest.mark.soak
@pytest.mark.parametrize("chunk", range(10))
def test_nor_in_a_thousand_histories(chunk: int) -> None:
    check(range(SEEDS + chunk, SEEDS + SOAKED, 10))
