"""Whole simulated releases and every short history, for what the tests of one room let through; not in `make test`."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "simulation"))

from simulated.oracles import play
from test_the_core_exhaustively import WAYS, along, explore


@pytest.mark.parametrize("way", WAYS)
def test_short_histories(way: str) -> None:
    starts = along(way)
    assert explore(starts, 1) > 10 * len(starts)  # much can follow each of them


@pytest.mark.parametrize("seed", range(60))
def test_histories(seed: int) -> None:
    assert play(seed).violations == []
