"""What a Job says of itself, read by whoever follows: each change once, in order, and nothing believed blindly."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from canary.core.outcome import ExitCode
from canary.submitting import Standing
from canary.submitting.changes import CHANGES, CODE, KEPT, STATUS, Change, changes_of, code_of, noted
from canary.submitting.following import HEARTBEAT, Seen, heartbeat, news
from canary.submitting.reading import attempt_of, end_of, verdict

GARBAGE = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)


def change(number: int, *, code: int | None = None) -> Change:
    return Change(number=number, at=1000.0 + number, phase="JUDGING", line=f"line {number}", code=code)


def job(*changes: Change, **status: Any) -> dict[str, Any]:
    notes = noted(changes) if changes else {}
    return {"metadata": {"name": "x", "annotations": notes}, "spec": {}, "status": status}


@given(st.lists(st.integers(1, 100), max_size=30), st.integers(1, 100))
def test_whoever_looks_at_whatever_moments_sees_each_change_once_or_is_told_how_many_are_missing(
    looks: list[int], last: int
) -> None:
    seen, told, missing = Seen(), [], 0
    for upto in [*sorted(min(look, last) for look in looks), last]:
        seen, lines = news(seen, job(*map(change, range(1, upto + 1))), now=float(upto))
        for line in lines:
            if line.startswith("("):
                missing += int(line[1:].split()[0])
            else:
                told.append(int(line.split()[1]))
    assert told == sorted(set(told))
    assert told[-1] == last
    first = told[0] - 1  # whoever comes late is shown the newest, not scolded
    assert first == 0 or told[0] == last - KEPT + 1 or looks
    assert len(told) + missing + first == last


def test_the_end_is_told_with_its_code_and_everything_fits_into_an_object() -> None:
    long = Change(number=9, at=1.0, phase="ROLLED_BACK", line="x" * 5_000, code=10)
    notes = noted((*map(change, range(1, 9)), long))
    assert notes[CODE] == "10"
    assert len(notes[STATUS]) == 400
    assert sum(map(len, notes.values())) < 32 * 1024
    assert code_of({"metadata": {"annotations": notes}}) == 10


@given(GARBAGE)
def test_nonsense_is_nothing(nonsense: Any) -> None:
    for odd in (
        {"metadata": nonsense, "spec": nonsense, "status": nonsense},
        {
            "metadata": {"annotations": {CHANGES: str(nonsense), CODE: str(nonsense)}},
            "status": {"conditions": [nonsense]},
        },
    ):
        assert changes_of(odd) == () or isinstance(changes_of(odd)[0], Change)
        assert attempt_of(odd).standing is Standing.RUNNING
        assert end_of(odd) is None


def test_silence_is_broken_by_a_heartbeat_that_says_what_is_known() -> None:
    seen = Seen(spoke=100.0, asked=100.0)
    assert heartbeat(seen, now=100.0 + HEARTBEAT - 1, moment="12:00:00Z")[1] == ""
    seen, line = heartbeat(seen, now=100.0 + HEARTBEAT, moment="12:00:00Z")
    assert "has not answered" in line
    seen, _ = news(seen, job(change(1)), now=140.0)
    seen, line = heartbeat(seen, now=140.0 + HEARTBEAT + 1, moment="12:00:00Z")
    assert "has not answered" in line
    seen, _ = news(seen, job(change(1)), now=200.0)
    seen, line = heartbeat(seen, now=205.0, moment="12:00:00Z")
    assert line.endswith("still JUDGING")
    assert heartbeat(seen, now=206.0, moment="12:00:00Z")[1] == ""


def ended(kind: str, reason: str = "", *changes: Change) -> dict[str, Any]:
    return job(*changes, conditions=[{"type": kind, "status": "True", "reason": reason, "message": "because"}])


def pod(code: int) -> dict[str, Any]:
    return {"status": {"containerStatuses": [{"state": {"terminated": {"exitCode": code}}}]}}


def test_the_engines_word_counts_before_the_journals_and_both_before_the_pods() -> None:
    said = ended("Failed", "PodFailurePolicy", change(1, code=10))
    assert verdict(said, journal=0, begun=True, pods=[pod(15)]) == (ExitCode.JUDGED_BAD, "")
    silent = ended("Failed", "PodFailurePolicy")
    assert verdict(silent, journal=12, begun=False, pods=[pod(15)]) == (ExitCode.GATE_EXPIRED, "")
    code, why = verdict(silent, journal=None, begun=False, pods=[pod(137), pod(22)])
    assert (code, "PodFailurePolicy" in why) == (ExitCode.PREFLIGHT_FAILED, True)
    assert verdict(ended("Complete"), journal=None, begun=False) == (ExitCode.PROMOTED, "")


def test_a_job_that_was_ended_in_the_middle_of_a_release_is_an_incomplete_rollback() -> None:
    code, why = verdict(ended("Failed", "DeadlineExceeded"), journal=None, begun=True, pods=[pod(13)])
    assert code is ExitCode.ROLLBACK_INCOMPLETE
    assert "DeadlineExceeded because" in why
    assert verdict({}, journal=None, begun=True)[0] is ExitCode.ROLLBACK_INCOMPLETE
    assert verdict(ended("Failed"), journal=None, begun=False, pods=[pod(1), pod(137)])[0] is ExitCode.BUG


def test_a_job_stands_as_its_conditions_say() -> None:
    assert attempt_of(job()).standing is Standing.RUNNING
    assert attempt_of(ended("Complete")).code == 0
    assert attempt_of(ended("Failed")).standing is Standing.ENDED
    assert attempt_of(job() | {"spec": {"suspend": True}}).standing is Standing.LEAVING
    leaving = job()
    leaving["metadata"]["deletionTimestamp"] = "2026-11-23T00:00:00Z"
    assert attempt_of(leaving).standing is Standing.LEAVING
