"""Sentences and numbers are made when they are read, and are the same whenever that is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import pytest

from analysis.judge import JudgeConfig, MetricConfig, begin_step, observe, start, told
from analysis.model import Arm, Counts, Finding, Look, Verdict
from analysis.replay.form import said_row

CONFIG = JudgeConfig(
    metrics=(
        MetricConfig(name="errors", kind="errors", relative=0.5, absolute=0.002),
        MetricConfig(name="checkout", kind="counts", relative=0.5, absolute=0.002),
    )
)


def look(number: int, *, bad: int) -> Look:
    """100 requests on the canary, some of them bad."""
    arms = {Arm.STABLE: Counts(total=900, bad=5), Arm.CANARY: Counts(total=100, bad=bad)}
    return Look(start=float(number), end=number + 1.0, counts={"errors": arms, "checkout": arms})


def test_what_is_read_late_is_what_was_read_at_once() -> None:
    state = begin_step(CONFIG, start(CONFIG), share=10.0, last_share=50.0)
    at_once, late = [], []
    for number in range(30):
        seen = look(number, bad=number % 3)
        _, read = observe(CONFIG, state, seen)
        at_once.append([(one.sentence, dict(one.numbers)) for one in read.findings])
        state, kept = observe(CONFIG, state, seen)
        late.append(kept)
    assert [[(one.sentence, dict(one.numbers)) for one in kept.findings] for kept in late] == at_once
    for numbers in (numbers for looks in at_once for _, numbers in looks):
        assert {"evidence", "canary_bad", "difference_low", "dispersion", "spent"} <= numbers.keys()


def test_the_record_of_an_ordinary_look_makes_neither_sentences_nor_numbers(monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[str] = []
    sentence_of, data = told.sentence_of, told.Rows.data
    monkeypatch.setattr(told, "sentence_of", lambda *given: made.append("sentence") or sentence_of(*given))

    def counted(self: told.Rows, *given: object) -> Mapping[str, float]:
        made.append("numbers")
        return data(self, *given)  # type: ignore[arg-type]  # handed on as it came

    monkeypatch.setattr(told.Rows, "data", counted)
    state = begin_step(CONFIG, start(CONFIG), share=10.0, last_share=50.0)
    for number in range(25):
        state, judgement = observe(CONFIG, state, look(number, bad=0))
        said_row(judgement, whole=False)
    assert made == ["sentence"] * 25  # the judgement's own reason, of one finding
    said_row(judgement, whole=True)
    assert made.count("numbers") == 2


def test_it_is_a_finding_like_any_other() -> None:
    state = begin_step(CONFIG, start(CONFIG), share=10.0, last_share=50.0)
    _, judgement = observe(CONFIG, state, look(0, bad=1))
    one = judgement.findings[0]
    plain = Finding(metric=one.metric, verdict=one.verdict, sentence=one.sentence, code=one.code, numbers=one.numbers)
    assert isinstance(one, Finding)
    assert one.verdict is Verdict.UNDECIDED
    assert repr(plain).split("(", 1)[1] == repr(one).split("(", 1)[1]
    assert replace(judgement, findings=(plain,)).findings == (plain,)
    with pytest.raises(AttributeError, match="colour"):
        _ = one.colour  # type: ignore[attr-defined]  # there is none
    with pytest.raises(KeyError):
        _ = one.numbers["colour"]
    assert len(one.numbers) == len(list(one.numbers))
