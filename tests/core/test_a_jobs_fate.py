"""What becomes of a Job, as the API server shows it."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from canary.core.leaving import ENDED, JobFate, fate_of

START, BEGAN = "2026-01-01T00:00:00Z", 1_767_225_600.0


def job(*conditions: tuple[str, str], suspend: bool = False, deleted: bool = False, deadline: int = 600) -> Any:
    return {
        "metadata": {"name": "x", **({"deletionTimestamp": START} if deleted else {})},
        "spec": {"suspend": suspend, "activeDeadlineSeconds": deadline},
        "status": {"startTime": START, "conditions": [{"type": kind, "status": is_so} for kind, is_so in conditions]},
    }


@pytest.mark.parametrize(
    ("shown", "after", "fate"),
    [
        (None, 1.0, JobFate.GONE),
        (job(), 599.0, JobFate.REPLACED),
        (job(), 600.0, JobFate.FAILED),
        (job(("Failed", "False"), ("Suspended", "False")), 1.0, JobFate.REPLACED),
        (job(("Failed", "True")), 1.0, JobFate.FAILED),
        (job(("FailureTarget", "True")), 1.0, JobFate.FAILED),
        (job(("SuccessCriteriaMet", "True")), 1.0, JobFate.COMPLETE),
        (job(("Complete", "True")), 1.0, JobFate.COMPLETE),
        (job(suspend=True), 1.0, JobFate.SUSPENDED),
        (job(deleted=True), 1.0, JobFate.DELETED),
        (job(("Failed", "True"), deleted=True, suspend=True), 1.0, JobFate.DELETED),
        ({}, 1.0, JobFate.REPLACED),
    ],
)
def test_a_jobs_fate(shown: Any, after: float, fate: JobFate) -> None:
    assert fate_of(shown, now=BEGAN + after) is fate


@pytest.mark.parametrize("fate", JobFate)
def test_only_a_job_that_is_known_to_end_is_rolled_back_for(fate: JobFate) -> None:
    assert (fate in ENDED) is (fate not in {JobFate.REPLACED, JobFate.UNKNOWN})


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)


@given(
    st.dictionaries(st.sampled_from(["metadata", "spec", "status"]), VALUES),
    st.dictionaries(st.sampled_from(["conditions", "startTime"]), VALUES),
)
def test_whatever_a_server_shows_is_some_fate(shown: Any, status: Any) -> None:
    assert fate_of(shown, now=0.0) in JobFate
    assert fate_of({**shown, "status": status}, now=0.0) in JobFate


def test_where_no_other_engine_follows() -> None:
    assert set(ENDED) == set(JobFate) - {JobFate.REPLACED, JobFate.UNKNOWN}


@pytest.mark.parametrize("kind", [[], "Suspended", None])
def test_a_condition_of_another_kind_says_nothing(kind: object) -> None:
    job = {"status": {"conditions": [{"type": kind, "status": "True"}]}}
    assert fate_of(job, now=0.0) is JobFate.REPLACED


@pytest.mark.parametrize(
    ("seconds", "began", "now", "fate"),
    [
        (60, "1970-01-01T00:00:00Z", 60.0, JobFate.FAILED),
        (60, "1970-01-01T00:00:00Z", 59.9, JobFate.REPLACED),
        (None, "1970-01-01T00:00:00Z", 60.0, JobFate.REPLACED),
        (60, None, 60.0, JobFate.REPLACED),
        (60, "yesterday", 60.0, JobFate.REPLACED),
    ],
)
def test_a_job_that_ran_past_its_deadline_has_failed(seconds: object, began: object, now: float, fate: JobFate) -> None:
    job = {"spec": {"activeDeadlineSeconds": seconds}, "status": {"startTime": began}}
    assert fate_of(job, now=now) is fate
