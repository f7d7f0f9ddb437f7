"""Two releases of one service: the later waits, is refused or takes over, and each says so. Real engines."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from canary.core.outcome import ExitCode
from canary.sandbox.processes import Child, module
from tests.people.conftest import Stage, until

pytestmark = pytest.mark.real


@pytest.fixture
def second(stage: Stage, file: Callable[..., Path]) -> Iterator[Callable[[str], Child]]:
    """Starts another release of the same service, with its own `onConcurrent`."""
    begun: list[Child] = []

    def start(does: str) -> Child:
        text = stage.path.read_text().replace("metadata: {name: shop,", "metadata: {name: newer,")
        folder = stage.path.parent / "second"
        folder.mkdir()
        path = folder / "release.yaml"
        path.write_text(f"{text}  onConcurrent: {does}\n")
        words = ("run", str(path), "--kubeconfig", str(stage.kubeconfig("")), "--lines", "-o", "json")
        begun.append(Child(module("canary", *words), log=folder / "log"))
        return begun[-1]

    yield start
    for one in begun:
        one.stop(0.5)


def told(child: Child) -> str:
    return child.last_words(60)


def test_superseding_rolls_the_first_back_with_13_and_the_second_begins_on_a_clean_route(
    stage: Stage, second: Callable[[str], Child]
) -> None:
    stage.holding()
    first = stage.journal()
    newer = second("supersede")
    assert stage.ended() == ExitCode.HELD_BY_ANOTHER
    until(lambda: stage.journal().get("uid") != first["uid"] and stage.canary() > 0, told(newer))
    said = told(newer)
    assert "release shop is superseded by this one: waiting until the route is clean" in said
    assert stage.engine is not None
    assert "superseded by release newer, asked for at 20" in told(stage.engine)


@pytest.mark.soak  # played in virtual time as well (tests/cli/test_queueing.py)
def test_superseding_a_release_whose_engine_is_dead_waits_for_whoever_finishes_it(
    stage: Stage, second: Callable[[str], Child]
) -> None:
    stage.dead()
    first = stage.journal()
    newer = second("supersede")
    until(lambda: stage.canary() == 0, told(newer))
    assert stage.journal()["uid"] == first["uid"], "the second one must not begin before the first has ended"
    stage.start()
    assert stage.ended() == ExitCode.HELD_BY_ANOTHER
    until(lambda: stage.journal().get("uid") != first["uid"], told(newer))


def test_waiting_takes_nothing_until_the_first_has_ended(stage: Stage, second: Callable[[str], Child]) -> None:
    stage.holding()
    first = stage.journal()
    newer = second("wait")
    until(lambda: "release shop holds the route: waiting until it ends" in told(newer), "the second says nothing")
    assert stage.canary() > 0
    stage.kill()
    again = stage.start()  # the replacement gets it, not the one that waits
    until(lambda: stage.journal()["incarnation"] != first["incarnation"], told(again))
    assert stage.journal()["uid"] == first["uid"]


@pytest.mark.soak  # the same
def test_refusing_ends_with_13_and_leaves_the_first_alone(stage: Stage, second: Callable[[str], Child]) -> None:
    stage.holding()
    newer = second("refuse")
    assert newer.process.wait(timeout=60) == ExitCode.HELD_BY_ANOTHER
    assert stage.canary() > 0
