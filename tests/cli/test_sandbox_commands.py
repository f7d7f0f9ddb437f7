"""`canary sandbox` and `canary demo`: what they do before anything is started, and whom they never end."""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from canary.cli import demo as command
from canary.core.outcome import ExitCode
from canary.sandbox.processes import born
from canary.sandbox.scenarios import SCENARIOS


@pytest.fixture
def state(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    path = tmp_path / "state.json"
    monkeypatch.setattr("canary.sandbox.cluster.state_file", lambda: path)
    return path


@pytest.fixture
def stranger() -> Iterator[subprocess.Popen[bytes]]:
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as process:
        yield process
        process.communicate(b"\n")


def test_down_without_a_sandbox_is_done_already(canary: Callable[..., Any], state: Path) -> None:
    assert canary("sandbox", "down") == (0, "", "no sandbox is up\n")


@pytest.mark.parametrize(
    "note", ["", "[]", "5", '{"pid": 1}', '{"pid": "x", "born": "1"}', '{"pid": 999999999, "born": ""}']
)
def test_a_damaged_note_is_no_sandbox(canary: Callable[..., Any], state: Path, note: str) -> None:
    state.write_text(note)
    assert canary("sandbox", "down").code == 0
    assert not state.exists()


def test_a_process_that_only_has_the_same_number_is_not_ended(
    canary: Callable[..., Any], state: Path, stranger: subprocess.Popen[bytes]
) -> None:
    state.write_text(json.dumps({"pid": stranger.pid, "born": "1", "places": {}}))
    assert canary("sandbox", "down").err == "no sandbox is up\n"
    assert stranger.poll() is None


def test_a_process_is_known_by_when_it_began(stranger: subprocess.Popen[bytes]) -> None:
    assert born(stranger.pid)
    assert born(stranger.pid) != born(os.getpid())
    assert born(999999999) == ""


def test_a_second_sandbox_is_refused(canary: Callable[..., Any], state: Path) -> None:
    state.write_text(json.dumps({"pid": os.getpid(), "born": born(os.getpid()), "places": {}}))
    ran = canary("sandbox", "up")
    assert ran.code == ExitCode.USAGE
    assert "canary sandbox down" in ran.err


@pytest.mark.parametrize("words", [("demo",), ("sandbox", "up")])
def test_an_unknown_scenario_is_wrong_usage_and_names_the_known_ones(
    canary: Callable[..., Any], state: Path, words: tuple[str, ...]
) -> None:
    ran = canary(*words, "--scenario", "goood")
    assert ran.code == ExitCode.USAGE
    assert all(name in ran.err for name in SCENARIOS)


def test_the_scenarios_are_listed_with_their_stories(canary: Callable[..., Any]) -> None:
    told = canary("demo", "--list").out
    assert all(name in told and scenario.story in told for name, scenario in SCENARIOS.items())


def test_speed_divides_every_hold_and_leaves_the_shares() -> None:
    fast = command._adjusted(SCENARIOS["errors"], rate=7, speed=2)
    assert fast.rate == 7
    assert fast.steps == tuple((share, "1s500ms", "7s") for share, _, _ in SCENARIOS["errors"].steps)
    assert command._adjusted(SCENARIOS["errors"], rate=None, speed=1).rate == SCENARIOS["errors"].rate


def test_a_route_that_is_not_as_before_is_shown() -> None:
    assert command._check({"a": 1, "b": [2]}, {"b": [2], "a": 1}).as_before
    changed = command._check({"a": 1}, {"a": 2})
    assert not changed.as_before
    assert '{"a":2}' in changed.difference
