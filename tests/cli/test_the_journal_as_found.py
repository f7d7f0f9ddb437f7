"""The journal as it may be found: torn, missing, foreign, older, newer; and what each means for whoever begins."""

from __future__ import annotations

import json
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from canary.adapters.memory import MemoryJournals, MemoryLeases, World
from canary.cli.boundary import Failure
from canary.cli.queueing import Over
from canary.cli.resuming import ENDED_KEPT, ended_before, readable, resumable
from canary.cli.taking import given_back, same_release
from canary.core.outcome import ExitCode, Outcome
from canary.core.release import Phase, Policy, Release, StepPolicy
from canary.engine.journal import VERSION, Journal, JournalError, JournalTooNew, decode, encode
from canary.engine.subject import Subject
from canary.ports import Stored

POLICY = Policy(
    steps=(StepPolicy(share=Decimal(50), hold_min=1, hold_max=2),),
    bake_min=1,
    bake_max=2,
    settle_window=2,
    settle_least=20,
    drain=10,
    deadline=600,
    last_call=900,
)


def a_journal(*, ended: bool = False, incarnation: str = "i1", identity: str = "mine") -> Journal:
    outcome = Outcome(code=ExitCode.JUDGED_BAD, reason="bad", decided=9.0) if ended else None
    phase = Phase.ROLLED_BACK if ended else Phase.JUDGING
    release = Release(uid="r1", incarnation=incarnation, policy=POLICY, phase=phase, step=0, outcome=outcome)
    return Journal(release=release, identity=identity)


def stored(text: str) -> Stored:
    return Stored(text=text, version="7")


WHOLE = encode(a_journal())


def test_a_whole_one_is_read_back() -> None:
    assert decode(WHOLE) == a_journal()


@given(st.integers(1, len(WHOLE) - 1))
def test_one_that_is_torn_anywhere_is_said_to_be(at: int) -> None:
    with pytest.raises(JournalError, match="journal"):
        decode(WHOLE[:at])


@pytest.mark.parametrize("text", ["{}", "[]", "null", '{"hello": "world"}', '{"version": "one"}', "7", '"text"', ""])
def test_a_foreign_one_is_said_not_to_be_ours(text: str) -> None:
    with pytest.raises(JournalError, match=r"not written by this engine|edited by hand"):
        decode(text)


def test_a_newer_one_asks_for_the_newer_engine() -> None:
    newer = json.dumps({**json.loads(WHOLE), "version": VERSION + 1, "novelty": True})
    with pytest.raises(JournalTooNew, match="use the newer engine"):
        decode(newer)


def test_an_older_one_that_lacks_what_was_added_since_is_read() -> None:
    older = json.loads(WHOLE)
    for added in ("unsure", "resumed", "suspended", "leftovers", "approved"):
        older["release"].pop(added, None)
    for added in ("subject", "totals", "record", "surgery"):
        older.pop(added, None)
    assert decode(json.dumps(older)).release == a_journal().release


@pytest.mark.parametrize("text", [WHOLE[:100], "{}", json.dumps({"version": VERSION + 1})])
def test_one_that_cannot_be_read_ends_before_the_lease_is_touched_and_says_so(text: str) -> None:
    with pytest.raises(Failure) as raised:
        readable(stored(text))
    assert raised.value.code is ExitCode.INVALID_RELEASE_FILE


def test_a_missing_one_is_a_new_release() -> None:
    assert resumable(None, "mine", asked=1.0) == (None, None)


def test_the_end_is_told_to_whoever_waited_for_it_and_to_nobody_else() -> None:
    ended = stored(encode(a_journal(ended=True)))
    assert resumable(ended, "mine", asked=1.0, seen=("i1",))[1] is not None
    assert resumable(ended, "mine", asked=1.0, seen=("i0", "i1", "i7"))[1] is not None
    assert resumable(ended, "mine", asked=1.0, seen=("i7",))[1] is None
    assert resumable(ended, "mine", asked=1.0)[1] is None
    assert resumable(ended, "another", asked=1.0, seen=("i1",))[1] is None


def of_a_job(name: str, *, ended: bool, before: Stored | None = None) -> Stored:
    """The journal of a Job's release that was asked for at 5, begun over another one's."""
    subject = Subject(
        name=name, namespace="shop", route="r", stable="s", canary="c", stable_port=1, canary_port=1, job=name,
        asked=5.0, before=ended_before(before),
    )  # fmt: skip
    return stored(encode(a_journal(ended=ended, identity=name).model_copy(update={"subject": subject})))


@pytest.mark.parametrize("later", [True, False], ids=["under way", "ended"])
def test_a_job_that_does_not_know_its_releases_end_learns_it_also_when_another_came_since(later: bool) -> None:
    first = of_a_job("one", ended=True)
    second = of_a_job("two", ended=not later, before=first)
    with pytest.raises(Over, match="this Job's release has ended already, with 10: rolled back by the judge") as raised:
        resumable(second, "one", asked=5.0, job="one")
    assert raised.value.code is ExitCode.JUDGED_BAD
    third = of_a_job("three", ended=True, before=of_a_job("two", ended=True, before=first))
    for job in ("one", "two"):
        with pytest.raises(Over):
            resumable(third, job, asked=5.0, job=job)
    for asked, job in ((6.0, "one"), (5.0, "four"), (5.0, "")):
        assert resumable(third, "one", asked=asked, job=job) == (third, None), "made anew, or nobody's"


def test_as_many_ends_are_kept_as_past_releases_and_only_of_jobs() -> None:
    found: Stored | None = None
    for number in range(ENDED_KEPT + 3):
        found = of_a_job(f"job-{number}", ended=True, before=found)
    assert [one.job for one in ended_before(found)] == [f"job-{number}" for number in range(3, ENDED_KEPT + 3)]
    by_hand = of_a_job("", ended=True, before=of_a_job("one", ended=True))
    assert [one.job for one in ended_before(by_hand)] == ["one"]
    assert ended_before(of_a_job("one", ended=False)) == ()
    assert ended_before(None) == ended_before(stored(encode(a_journal(ended=True)))) == ()


def test_another_release_under_way_is_left_alone_and_the_lease_given_back() -> None:
    leases = MemoryLeases(World())
    leases.acquire("me")
    with pytest.raises(Failure) as raised, given_back(leases, "me"):
        resumable(stored(WHOLE), "another", asked=1.0, seen=("i1",))
    assert raised.value.code is ExitCode.HELD_BY_ANOTHER
    assert (leases.holder, leases.handover) == ("", True), "its engine is dead: a watchdog must go on with it"


def test_the_lease_of_an_end_that_is_known_is_nobodys_business() -> None:
    leases = MemoryLeases(World())
    leases.acquire("me")
    with pytest.raises(Over), given_back(leases, "me"):
        resumable(of_a_job("two", ended=True, before=of_a_job("one", ended=True)), "one", asked=5.0, job="one")
    assert (leases.holder, leases.handover) == ("", False)


@pytest.mark.parametrize(
    ("text", "same"),
    [
        (None, True),  # it has just begun
        (WHOLE, True),
        (encode(a_journal(identity="another")), False),
        (encode(a_journal(identity="another", ended=True)), True),  # the one before; what begins now is not known yet
        ("torn", False),
    ],
)
def test_who_is_stood_by_for(text: str | None, same: bool) -> None:
    journals = MemoryJournals(World())
    if text is not None:
        journals.overwrite(text)
    assert same_release(journals, "mine") is same
