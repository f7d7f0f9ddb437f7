"""Seeded histories of whole releases with faults; `python tests/simulation/replay.py SEED` replays one that fails."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from simulated import wider
from simulated.oracles import play

CHUNKS = 16
SEEDS, WIDER = 800, 200
SOAKED = 10_000


def check(seeds: Sequence[int]) -> None:
    failed = []
    for seed in seeds:
        found = play(seed)
        if found.violations:
            failed.append(f"seed {seed}: {found.violations[0]}")
    assert not failed, (
        f"{len(failed)} of {len(seeds)} histories went wrong; replay one with\n"
        f"    python tests/simulation/replay.py {failed[0].split(':')[0].removeprefix('seed ')}\n"
        + "\n".join(failed[:20])
    )


@pytest.mark.slow
@pytest.mark.parametrize("chunk", range(CHUNKS))
def test_every_history_ends_in_one_of_two_states(chunk: int) -> None:
    check([*range(chunk, SEEDS, CHUNKS), *range(wider.SEEDS + chunk, wider.SEEDS + WIDER, CHUNKS)])


@pytest.mark.soak
@pytest.mark.parametrize("first", [1_000, wider.SEEDS + WIDER])
@pytest.mark.parametrize("chunk", range(20))
def test_ten_thousand_histories_end_in_one_of_two_states(chunk: int, first: int) -> None:
    check(range(first + chunk, first + SOAKED, 20))
