"""The real thing, killed at random moments: it ends in one of the two allowed states, and users hardly notice.

A failing round names its seed and everything that the engines said; `python tests/kill/replay.py KIND/SEED` plays it
again with the same moments. A dozen hits are here, three in one release; more than a hundred rounds are in `make soak`.
"""

import random
from collections.abc import Iterable

import pytest

from tests.kill.kinds import KINDS
from tests.kill.stage import LONG, SHORT, Round, Stage
from tests.planted import sandboxed

pytestmark = [pytest.mark.real, pytest.mark.timeout(600)]

ROUNDS = [("several", number) for number in (8, 16, 25, 32)]
"""Kind and seed; chosen to hit every part and different phases."""

SOAK = {"good": 25, "bad": 25, "often": 20, "api": 14, "traefik": 10, "metrics": 6, "paused": 6, "reaction": 6}
PROMETHEUS = {"metrics": 6, "several": 20}
"""The same on a stage where the engine asks a real Prometheus."""

AT_ONCE = 5
"""Rounds on one sandbox; then others get their turn on the machine."""


def _play(rounds: Iterable[tuple[str, int]], *, shares: tuple[int, ...], prometheus: bool = False) -> list[Round]:
    played = []
    with sandboxed() as sandbox:
        stage = Stage(sandbox, shares, prometheus=prometheus)
        try:
            for kind, number in rounds:
                try:
                    done = KINDS[kind](stage, random.Random(f"{kind}/{number}"))
                except BaseException as error:
                    error.add_note(f"in round {kind}/{number}")
                    raise
                played.append(done)
                print(f"{kind}/{number}: exit {done.code}, {done.seconds:.1f} s, {done.kills}, {done.notes}")
        finally:
            stage.close()
    return played


def test_whatever_is_killed_a_release_ends_as_it_should(alone: None) -> None:
    played = _play(ROUNDS, shares=SHORT, prometheus=True)
    assert sum(len(done.kills) for done in played) >= 12


def _chunks(rounds: dict[str, int]) -> list[tuple[str, int, int]]:
    return [
        (kind, first, min(first + AT_ONCE, 1000 + many))
        for kind, many in rounds.items()
        for first in range(1000, 1000 + many, AT_ONCE)
    ]


@pytest.mark.soak
@pytest.mark.parametrize(("kind", "first", "last"), _chunks(SOAK))
def test_a_hundred_rounds(alone: None, kind: str, first: int, last: int) -> None:
    _play([(kind, number) for number in range(first, last)], shares=LONG)


@pytest.mark.soak
@pytest.mark.parametrize(("kind", "first", "last"), _chunks(PROMETHEUS))
def test_rounds_with_a_real_prometheus(alone: None, kind: str, first: int, last: int) -> None:
    _play([(kind, number) for number in range(first, last)], shares=LONG, prometheus=True)
