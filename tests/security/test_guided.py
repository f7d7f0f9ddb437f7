"""What atheris is pointed at: each target reads what is right, and says nothing of what is not."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.security import guided
from tests.security.fuzzing import FUZZ

ROOT = Path(__file__).parents[2]
TRAEFIK = ROOT / "tests/packs/captured/traefik-3.7.15.txt"
SEEDS = {
    "release": (ROOT / "examples/releases/full.yaml").read_bytes(),
    "journal": b'{"version": 1, "release": {}}',
    "route": b'{"metadata": {"name": "shop"}, "spec": {"rules": [{"backendRefs": [{"name": "shop", "port": 8080}]}]}}',
    "exposition": TRAEFIK.read_bytes(),
}


@pytest.mark.parametrize("name", guided.TARGETS)
@given(data=st.data())
@settings(FUZZ, max_examples=20)
def test_every_target_stands_what_is_cut_and_changed(name: str, data: st.DataObject) -> None:
    seed = SEEDS[name]
    guided.TARGETS[name](seed)
    start, end = sorted(data.draw(st.integers(0, len(seed))) for _ in range(2))
    guided.TARGETS[name](seed[:start] + data.draw(st.binary(max_size=20)) + seed[end:])
