"""Whole simulated releases, for the mutants that the quick tests let through; not collected by `make test`."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "simulation"))

from simulated.oracles import play

SEEDS = 150


def test_histories() -> None:
    for seed in range(SEEDS):
        found = play(seed)
        assert not found.violations, f"seed {seed}: {found.violations[0]}"
