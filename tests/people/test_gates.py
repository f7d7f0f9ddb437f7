"""People at a gate: a real engine waits, the API server enforces who may write, and the first word counts."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from canary.core.outcome import ExitCode
from tests.people.conftest import HERE, HOLDING, Stage, may, reset, until
from tests.running.conftest import NAMESPACE, Ran, World

pytestmark = pytest.mark.real

WHERE = ("-n", NAMESPACE)
GATE = f"/api/v1/{HERE}/configmaps/canary-shop-gate"
GATED = {**HOLDING, "deadline: 2m": "deadline: 2m\n  gates: [{before: 50, expires: 1m}]"}


@pytest.fixture
def stage(world: World, file: Callable[..., Path]) -> Iterator[Stage]:
    made = Stage(world, file(**GATED))
    yield made
    made.close()
    reset(world)
    if made.get(GATE):
        world.ask("DELETE", GATE)


def approver(stage: Stage, name: str) -> Path:
    """What the chart's approver role lets one do."""
    return stage.user(
        name,
        may("", "configmaps", "get patch", "canary-shop-gate"),
        may("", "configmaps", "get", "canary-shop-journal"),
        may("gateway.networking.k8s.io", "httproutes", "get", "shop"),
        may("coordination.k8s.io", "leases", "get", "canary-shop"),
    )


def waiting(stage: Stage) -> dict[str, str]:
    engine = stage.start()
    until(lambda: (stage.get(GATE) or {}).get("data", {}).get("state") == "pending", engine.last_words(20))
    data: dict[str, str] = stage.get(GATE)["data"]
    return data


def test_the_first_decision_counts_whoever_may_not_is_told_and_status_says_how(
    stage: Stage, canary: Callable[..., Ran]
) -> None:
    data = waiting(stage)
    assert (data["before"], data["step"]) == ("50 %", "0")
    told = json.loads(canary("status", "shop", *WHERE, "-o", "json").out)
    assert told["decide"].startswith("canary approve shop -n")
    assert told["waitsFor"].startswith("an approver before 50 % until ")
    viewer = stage.user(
        "gates-viewer", may("", "configmaps", "get"), may("gateway.networking.k8s.io", "httproutes", "get")
    )
    refused = canary("approve", "shop", *WHERE, by=viewer)
    assert refused.code == ExitCode.NOT_PERMITTED
    assert "patch on configmaps/canary-shop-gate" in refused.err
    assert "you are gates-viewer" in refused.err
    assert stage.get(GATE)["data"]["state"] == "pending"
    ann, bob = approver(stage, "gates-ann"), approver(stage, "gates-bob")
    wrong = canary("approve", "shop", *WHERE, "--step", "2", by=ann)
    assert wrong.code == ExitCode.PREFLIGHT_FAILED
    assert "not the one before step 2" in wrong.err
    done = canary("approve", "shop", *WHERE, "--reason", "looks fine", "-o", "json", by=ann)
    assert done.code == 0, done.err
    assert json.loads(done.out)["decidedBy"] == "gates-ann"
    late = canary("reject", "shop", *WHERE, by=bob)
    assert late.code == ExitCode.PREFLIGHT_FAILED
    assert "already approved by gates-ann at 20" in late.err
    until(lambda: stage.canary() > 0, "the approval was not taken")


def test_a_rejection_rolls_back_with_11_and_the_name_its_writer_gave(stage: Stage, canary: Callable[..., Ran]) -> None:
    waiting(stage)
    ann = approver(stage, "gates-ann2")
    assert canary("reject", "shop", *WHERE, "--reason", "not today", by=ann).code == 0
    assert stage.ended() == ExitCode.REJECTED
    assert stage.journal()["outcome"]["reason"] == "rejected by gates-ann2 (identity: self-declared): not today"
    assert stage.as_before()
    after = canary("approve", "shop", *WHERE, by=ann)
    assert after.code == ExitCode.PREFLIGHT_FAILED


def test_a_decision_made_while_no_engine_lived_is_taken_by_the_next_one(
    stage: Stage, canary: Callable[..., Ran]
) -> None:
    nonce = waiting(stage)["nonce"]
    stage.kill()
    assert canary("approve", "shop", *WHERE).code == 0
    stage.start()
    until(lambda: stage.canary() > 0, "the approval was not taken")
    assert stage.get(GATE)["data"]["nonce"] == nonce


def test_pause_keeps_an_approved_release_where_it_is_until_it_is_resumed(
    stage: Stage, canary: Callable[..., Ran]
) -> None:
    waiting(stage)
    paused = canary("pause", "shop", *WHERE, "--reason", "incident elsewhere")
    assert paused.code == 0, paused.err
    assert "the engine has heard it" in paused.out
    assert canary("approve", "shop", *WHERE).code == 0
    until(lambda: stage.journal().get("approved") == 0, "the approval was not taken")
    assert stage.canary() == 0
    skipped = canary("skip", "shop", *WHERE)
    assert skipped.code == 0
    assert canary("resume", "shop", *WHERE).code == 0
    until(lambda: stage.canary() > 0, "it was not resumed")


def test_there_is_nothing_to_decide_where_no_release_is_under_way(stage: Stage, canary: Callable[..., Ran]) -> None:
    for words in (("approve",), ("reject",), ("pause",), ("skip",)):
        ran: Any = canary(*words, "shop", *WHERE)
        assert ran.code == ExitCode.PREFLIGHT_FAILED, words
        assert "canary status shop" in ran.err
