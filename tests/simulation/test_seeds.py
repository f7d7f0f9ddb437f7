"""Seeded histories of whole releases with faults; `python tests/simulation/replay.py SEED` replays one that fails."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from simulated import wider
from simulated.oracles import play

CHUNKS = 16
SEEDS, WIDER, TIMED = 800, 200, 112
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
    firsts = ((0, SEEDS), (wider.SEEDS, WIDER), (wider.TIMED, TIMED))
    check([seed for first, many in firsts for seed in range(first + chunk, first + many, CHUNKS)])


@pytest.mark.soak
@pytest.mark.parametrize("first", [1_000, wider.SEEDS + WIDER, wider.TIMED + TIMED])
@pytest.mark.parametrize("chunk", range(20))
def test_ten_thousand_histories_end_in_one_of_two_states(chunk: int, first: int) -> None:
    check(range(first + chunk, first + SOAKED, 20))
