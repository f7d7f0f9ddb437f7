"""A release's record is judged again to the same verdicts at the same looks, over crashes, bakes and restarts."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields, replace
from typing import Any

import pytest

from analysis import judge
from analysis.model import RETRIES, Arm, Counts, Gauge, Look, Note, Pod
from analysis.replay import Replayed, Unreplayable, look_of, look_row, replay
from canary.core.outcome import ExitCode
from canary.core.release import Phase
from canary.engine.record import lives, pieces
from canary.ports import Unavailable


def again(play: Any) -> Replayed:
    return replay(lives(pieces(play.records.read())))


def heard(play: Any) -> list[str]:
    """The verdicts that people were told of, look by look."""
    return [told.judgement.verdict for told in play.reporters.told if told.judgement is not None]


def check(play: Any) -> Replayed:
    found = again(play)
    assert [look.differences for look in found.differing] == []
    assert found.whole
    assert found.end is not None
    assert found.end["code"] == int(play.decider.code)
    return found


def test_a_promoted_release_is_judged_again_with_its_steps_and_its_bake(play: Any) -> None:
    assert play.to_the_end() is ExitCode.PROMOTED
    found = check(play)
    assert [look.again for look in found.looks] == heard(play)
    assert sorted({look.share for look in found.looks}) == [5.0, 25.0, 50.0, 100.0]
    assert {look.baking for look in found.looks} == {False, True}
    assert found.learned > 0


def test_a_bad_release_is_condemned_again_at_the_same_look(play: Any) -> None:
    play.gateway.errors[Arm.CANARY] = 0.15
    assert play.to_the_end() is ExitCode.JUDGED_BAD
    found = check(play)
    assert found.looks[-1].again == "UNHEALTHY"
    assert [look.again for look in found.looks].count("UNHEALTHY") == heard(play).count("UNHEALTHY")
    assert found.looks[-1].sentence in play.reason()


def test_a_release_whose_failures_clients_never_saw_is_rolled_back_for_its_retries(
    new_play: Callable[..., Any],
) -> None:
    errors = judge.MetricConfig(name="errors", kind="errors", relative=0.5, absolute=0.005)
    metrics = (errors, replace(errors, name=RETRIES, kind="counts"))
    play = new_play(asked=judge.JudgeConfig(metrics=metrics, planned_looks=90))
    play.gateway.counted[RETRIES] = {Arm.STABLE: 0.002, Arm.CANARY: 0.15}
    assert play.to_the_end() is ExitCode.JUDGED_BAD
    assert "of the attempts retried, unseen by clients" in play.reason()
    check(play)


@pytest.mark.parametrize("seconds", [(18,), (30,), (41, 60), (50, 69, 86)])
def test_every_life_of_an_engine_that_was_killed_is_judged_again(
    new_play: Callable[..., Any], seconds: tuple[int, ...]
) -> None:
    play = new_play()
    for second in range(max(seconds) + 1):
        if second in seconds and not play.decider.over:
            play.start()
        if not play.decider.over:
            play.second()
    play.to_the_end()
    found = check(play)
    assert found.lives[-1].name == f"i{play.lives}"
    assert found.lives[-1].resumed
    assert play.decider.code is ExitCode.PROMOTED
    # A raise is preceded by its looks, so that only looks since the last one can be lost with a life.
    assert {5.0, 25.0, 50.0} <= {look.share for look in found.looks}


def test_chunks_that_the_journal_does_not_know_of_are_followed_and_not_fought(play: Any) -> None:
    play.until(lambda: play.decider.release.phase is Phase.JUDGING)
    for _ in range(3):
        play.second()
    play.decider.flush()
    chunks = len(play.records.read())
    play.start()
    assert play.to_the_end() is ExitCode.PROMOTED
    assert len(play.records.read()) > chunks
    assert len(check(play).lives) == 2


def test_no_raise_rests_on_looks_that_are_not_in_the_record(play: Any) -> None:
    play.until(lambda: play.decider.release.step == 2)
    found = again(play)
    assert found.looks[-1].again == "HEALTHY"
    assert found.looks[-1].end >= play.world.clock.now() - 2


def test_a_record_that_cannot_be_stored_for_a_while_is_stored_later(play: Any) -> None:
    play.world.faults.plan("records.append", Unavailable("the API server is away"), times=6)
    assert play.to_the_end() is ExitCode.PROMOTED
    check(play)


def test_another_number_of_errors_is_seen(play: Any) -> None:
    play.to_the_end()
    (name, rows), *_ = lives(pieces(play.records.read()))
    look = next(row for row in rows if row["kind"] == "look" and row["as"] == "judged")
    look["counts"]["errors"]["canary"][1] += 1
    found = replay([(name, rows)])
    assert found.differing
    assert any("evidence" in words for words in found.differing[0].differences)


@pytest.mark.parametrize(
    ("version", "said"),
    [
        (judge.VERSION + 1, "replay it with that canary or a newer one"),
        (judge.VERSION - 1, "replay it with that canary"),
        (None, "does not say which version"),
        ("3", "does not say which version"),
    ],
)
def test_another_version_of_the_judge_is_refused(play: Any, version: object, said: str) -> None:
    play.to_the_end()
    (name, rows), *_ = lives(pieces(play.records.read()))
    next(row for row in rows if row["kind"] == "judge")["version"] = version
    with pytest.raises(Unreplayable, match=said):
        replay([(name, rows)])


@pytest.mark.parametrize("key", ["counts", "as", "start", "end", "said"])
def test_a_damaged_look_is_refused_and_not_judged(play: Any, key: str) -> None:
    play.to_the_end()
    (name, rows), *_ = lives(pieces(play.records.read()))
    del next(row for row in rows if row["kind"] == "look" and row["as"] == "judged")[key]
    with pytest.raises(Unreplayable, match="damaged"):
        replay([(name, rows)])


def test_what_is_lost_is_named_and_the_rest_is_judged() -> None:
    found = replay([("i1", [{"kind": "step", "share": 5, "baking": False}, {"kind": "end", "code": 0}])])
    assert "first chunk is missing" in found.lives[0].lost
    assert not found.whole


def test_a_look_is_read_as_it_was_written() -> None:
    # A new part of a look must be written into the record too, or a record cannot be judged again.
    parts = {"start", "end", "counts", "route", "gauges", "spans_change", "notes", "absent", "pods", "missed"}
    assert {field.name for field in fields(Look)} == parts
    assert {field.name for field in fields(Gauge)} == {"points", "dropped", "code", "sentence"}
    assert {field.name for field in fields(Counts)} == {"total", "bad", "buckets", "started", "pods"}
    buckets = ((0.005, 3), (0.1, 4), (float("inf"), 5))
    look = Look(
        start=1.25,
        end=2.5,
        counts={
            "errors": {
                Arm.STABLE: Counts(total=9, bad=1),
                Arm.CANARY: Counts(total=4, started=6, pods=(Pod("c1", "n1", 3, 0), Pod("c2", "", 1, 0))),
            },
            "latency": {Arm.CANARY: Counts(total=5, buckets=buckets)},
        },
        route=Counts(total=14, bad=2),
        gauges={"queue": {Arm.STABLE: Gauge(points=(0.1, 1e9)), Arm.CANARY: Gauge(dropped=2, code="A", sentence="b")}},
        notes=(Note("resets", 1.5, "one"), Note("pace", 15.0, "", steady=True)),
        absent={"latency": (Arm.STABLE,)},
        pods={Arm.STABLE: 3, Arm.CANARY: 2},
        missed={"UNALIGNED": 2},
    )
    for left_out in (frozenset[str](), frozenset({"latency"})):
        assert look_of(look_row(look, treated="judged", left_out=left_out)) == look
