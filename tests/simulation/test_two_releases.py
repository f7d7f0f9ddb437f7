"""Histories of two releases on one route: the older never goes over the newer, and each ends with its own code."""

from __future__ import annotations

from collections.abc import Iterable

import pytest
from simulated.rivals import play_rivals, rivalry

FOUND = {
    "a stale engine that stood by ended as the release after its own did": 13,
    "a release whose first journal was refused ended as the one before it had": 81,
    "an older release, refused while the newer one ran, was begun when that was promoted": 149,
    "a pod that could not read the journal until its deadline ended the Job of a release that was under way": 123,
    "the same, of a Job whose other pod was well": 74,
    "a pod that waited until its deadline ended its Job, which had just been promoted by the other": 1676,
    "a pod that slept before it took the lease began its release once more": 78,
    "a release whose engine died before its Job knew the end was begun once more after another one": 320,
    "a pod that slept past its own deadline was told so, and counted as superseded": 1649,
}
SEEDS, SOAKED = 24, 2_000


def check(seeds: Iterable[int]) -> None:
    failed = [f"seed {seed}: {found[0]}" for seed in seeds if (found := play_rivals(rivalry(seed)).violations)]
    assert not failed, f"{len(failed)} histories went wrong:\n" + "\n".join(failed[:20])


@pytest.mark.parametrize("seed", FOUND.values(), ids=list(FOUND))
def test_found_by_seed(seed: int) -> None:
    assert play_rivals(rivalry(seed)).violations == []


@pytest.mark.slow
def test_two_releases_end_as_they_should() -> None:
    check(range(SEEDS))


@pytest.mark.soak
@pytest.mark.parametrize("chunk", range(20))
def test_two_thousand_histories_of_two_releases(chunk: int) -> None:
    check(range(SEEDS + chunk, SEEDS + SOAKED, 20))
