"""The real thing, killed at random moments: it ends in one of the two allowed states, and users hardly notice.

A failing round names its seed and everything that the engines said; the same seed chooses the same moments. The
few rounds that fit in two minutes are here, a hundred in `make soak`.
"""

import random
from collections.abc import Iterable

import pytest

from canary.sandbox.cluster import Sandbox
from tests.kill.kinds import KINDS
from tests.kill.stage import LONG, SHORT, Stage

pytestmark = [pytest.mark.real, pytest.mark.timeout(600)]

ROUNDS = {
    "the engine": [("good", 4), ("bad", 7), ("often", 10)],
    "what it stands on": [("api", 14), ("traefik", 3), ("metrics", 12)],
}
"""Kind and seed; chosen to hit different phases, and bad versions more than good ones: they end sooner."""

SOAK = {"good": 25, "bad": 25, "often": 20, "api": 14, "traefik": 10, "metrics": 6, "paused": 6, "reaction": 6}
AT_ONCE = 5
"""Rounds on one sandbox; then others get their turn on the machine."""


def _play(rounds: Iterable[tuple[str, int]], *, shares: tuple[int, ...]) -> None:
    with Sandbox() as sandbox:
        stage = Stage(sandbox, shares)
        try:
            for kind, number in rounds:
                try:
                    done = KINDS[kind](stage, random.Random(f"{kind}/{number}"))
                except BaseException as error:
                    error.add_note(f"in round {kind}/{number}")
                    raise
                print(f"{kind}/{number}: exit {done.code}, {done.seconds:.1f} s, {done.kills}, {done.notes}")
        finally:
            stage.close()


@pytest.mark.parametrize("what", ROUNDS)
def test_whatever_is_killed_a_release_ends_as_it_should(alone: None, what: str) -> None:
    _play(ROUNDS[what], shares=SHORT)


@pytest.mark.soak
@pytest.mark.parametrize(
    ("kind", "first"), [(kind, first) for kind, rounds in SOAK.items() for first in range(1000, 1000 + rounds, AT_ONCE)]
)
def test_a_hundred_rounds(alone: None, kind: str, first: int) -> None:
    last = min(first + AT_ONCE, 1000 + SOAK[kind])
    _play([(kind, number) for number in range(first, last)], shares=LONG)
