"""What no history whatever may do to a release, by drawn events in any order."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from random import Random
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from analysis.model import Verdict
from canary.core import effects as do
from canary.core import events as on
from canary.core.machine import advance
from canary.core.release import FINAL, Phase, Release
from tests.core.play import Play
from tests.core.rows import judged, policy

WORDS = ("ann", "kubectl")


def _event(release: Release, now: float, chance: Random) -> on.Event:
    """Anything that could happen now, true or not; answers are mostly to what is pending."""
    pending = release.pending.id if release.pending and chance.random() < 0.9 else "r1/999"
    word, yes = chance.choice(WORDS), chance.random() < 0.5
    generation = release.generation + chance.randint(0, 1)
    answers: list[on.Event] = [
        on.PreflightPassed(at=now, effect=pending),
        on.FenceTaken(at=now, effect=pending),
        on.WorkloadReady(at=now, effect=pending),
        on.WorkloadFailed(at=now, effect=pending, reason=word),
        on.CanaryAttached(at=now, effect=pending, generation=generation),
        on.ShareWritten(at=now, effect=pending, share=chance.choice(SHARES), generation=generation),
        on.StableUpdated(at=now, effect=pending),
        on.StableReverted(at=now, effect=pending),
        on.CanaryDetached(at=now, effect=pending, generation=generation),
        on.WorkloadRemoved(at=now, effect=pending),
        on.EffectFailed(at=now, effect=pending, failure=chance.choice(list(on.Failure)), message=word),
    ]
    said = judged(chance.choice(list(Verdict)), may_proceed=yes) if chance.random() < 0.7 else None
    others: list[on.Event] = [
        on.Ticked(at=now),
        on.Started(at=now),
        on.Resumed(at=now, incarnation=chance.choice(["i2", "i3"])),
        on.RouteChanged(at=now, direction=chance.choice(list(on.Direction)), confirmed=yes, by=word, sentence=word),
        on.RouteAccepted(at=now, generation=generation, good=chance.random() < 0.8, reason=word),
        on.StableChanged(at=now, by=word, sentence=word),
        on.CapacityChanged(at=now, stable=chance.randint(0, 3), canary=chance.randint(0, 3)),
        on.LookMissed(at=now, reason=word),
        on.LeaseRenewed(at=now),
        on.FenceLost(at=now, holder=word),
        on.GateDecided(at=now, approved=yes, by=word, reason=word),
        on.GateUnanswered(at=now, gate=chance.choice([None, 0, 1, 2])),
        on.AbortRequested(at=now, by=word, reason=word),
        on.PauseRequested(at=now, by=word),
        on.ResumeRequested(at=now, by=word),
        on.SkipRequested(at=now, by=word),
        on.PromoteRequested(at=now, by=word),
    ]
    looked = on.Looked(
        at=now,
        start=now - 1,
        end=now,
        stable=chance.randint(0, 300),
        canary=chance.randint(0, 300),
        judgement=said,
    )
    kind = chance.random()
    return chance.choice(answers) if kind < 0.5 else looked if kind < 0.75 else chance.choice(others)


SHARES = [Decimal(share) for share in (0, 5, 50, 100)]


def _history(seed: int) -> Iterator[tuple[Release, on.Event, Release, tuple[do.Effect, ...]]]:
    chance = Random(seed)
    undecided: Any = chance.choice(["extend", "pause", "proceed", "rollback"])
    no_traffic: Any = chance.choice(["hold", "rollback", "proceed"])
    given_policy = policy(undecided=undecided, no_traffic=no_traffic, has_workload=chance.random() < 0.7)
    play = Play(given_policy)
    if given_policy.has_workload:
        chance.choice([lambda: None, play.to_judging, play.to_promoting])()
    release, now = play.release, play.now
    for _ in range(chance.randint(1, 60)):
        if release.phase in FINAL:
            return
        now += chance.choice([0.1, 1.0, 15.0, 70.0])
        event = _event(release, now, chance)
        after, effects = advance(release, event)
        yield release, event, after, effects
        release = after


@given(st.integers(0, 2**32))
@settings(max_examples=600, deadline=None, derandomize=True)
def test_whatever_happens_a_decision_stands_and_nothing_is_raised_against_the_rules(seed: int) -> None:
    for before, event, after, effects in _history(seed):
        raises = [effect for effect in effects if isinstance(effect, do.RaiseShare)]
        if before.outcome is not None:
            assert after.outcome is not None
            assert after.outcome.code is before.outcome.code
            assert not raises
        for effect in raises:
            assert after.phase is Phase.SHIFTING
            assert after.fenced
            assert not after.paused
            assert not after.short
            assert event.at - after.renewed <= after.policy.lease_grace
            assert effect.share == after.current.share
        numbers = [int(effect.id.rsplit("/", 1)[1]) for effect in effects]
        assert all(number < after.numbered for number in numbers)
        assert len(set(numbers)) == len(numbers)


@given(st.integers(0, 2**32))
@settings(max_examples=250, deadline=None, derandomize=True)
def test_the_same_history_gives_the_same_release_and_the_same_effects(seed: int) -> None:
    for before, event, after, effects in _history(seed):
        assert advance(before, event) == (after, effects)


@given(st.integers(0, 2**32))
@settings(max_examples=250, deadline=None, derandomize=True)
def test_steps_are_taken_one_at_a_time_and_never_back_unless_a_person_promotes_early(seed: int) -> None:
    for before, event, after, _ in _history(seed):
        jumps = isinstance(event, on.PromoteRequested) and before.verdict is Verdict.HEALTHY
        assert after.step - before.step in ({0, 1, len(before.policy.steps) - before.step} if jumps else {0, 1})
        assert after.step <= len(after.policy.steps)
