"""An abort at every moment of a whole release in virtual time, the engine alive or killed just before."""

from typing import Any

import pytest

import strategies as cut
from canary.adapters.kubernetes.people import LeaseSeen
from canary.cli.aborting import Done, World, abort
from canary.core.outcome import ExitCode
from canary.core.release import Phase, Stage
from canary.ports import Unavailable
from tests.engine.conftest import POOL, Play

MOMENTS = (*range(0, 30, 3), *range(30, 80, 7), *range(80, 87))
"""Seconds after the start: the play's good release shifts at 27, 50 and 71, bakes from 73 and promotes from 81."""


class Watched(Play):
    """A play that remembers the canary's share at every write, and can be without an engine."""

    def __init__(self, **policy: Any) -> None:
        self.alive = True
        self.shares: list[float] = []
        super().__init__(**policy)
        self.routes.watch(lambda _: self.shares.append(self.gateway.share()), Never())

    def kill(self) -> None:
        self.alive = False
        self.leases.holder = "killed"
        self.lapse(31)

    def lapse(self, seconds: float) -> None:
        self.world.clock.advance(seconds)
        self.gateway.answer_in_status()

    def sleep(self, seconds: float) -> None:
        if self.alive:
            self.second()
        else:
            self.lapse(seconds)

    def lease(self) -> LeaseSeen | None:
        if not self.alive:
            return LeaseSeen(holder=self.leases.holder, renewed=self.leases.renewed)
        return LeaseSeen(holder="" if self.decider.over else self.leases.holder, renewed=self.world.clock.now())

    def abort(self, *, pool: cut.Pool | None = None, timeout: float = 30) -> Done:
        world = World(
            routes=self.routes,
            journals=self.journals,
            clock=self.world.clock,
            lease=self.lease,
            dead=lambda _: False,
            pool=pool,
            sleep=self.sleep,
            say=lambda _: None,
        )
        return abort(world, by="ops", reason="enough", timeout=timeout)


class Never:
    def is_set(self) -> bool:
        return False


@pytest.mark.parametrize("moment", MOMENTS)
def test_a_live_engine_ends_with_11_or_was_promoted_before(moment: int) -> None:
    play = Watched()
    for _ in range(moment):
        play.second()
    phase, stage, over = play.decider.release.phase, play.decider.release.stage, play.decider.over
    before = len(play.shares)
    done = play.abort()
    if done.code == ExitCode.PREFLIGHT_FAILED:
        assert over or phase in {Phase.PROMOTING, Phase.CLEANING}, (phase, done)
        assert play.to_the_end() is ExitCode.PROMOTED
        return
    assert done.code == ExitCode.REJECTED, done
    assert (phase, stage) != (Phase.PROMOTING, Stage.RETURNING)
    assert play.gateway.share() == 0
    assert play.to_the_end() is ExitCode.REJECTED
    assert play.reason() == "aborted by ops: enough"
    assert play.clean()
    assert play.workloads.exists is False
    if not (phase is Phase.PROMOTING or phase in {Phase.PENDING, Phase.PREFLIGHT}):
        assert play.shares[before:] == sorted(play.shares[before:], reverse=True)
        assert play.shares[before] == 0


@pytest.mark.parametrize("moment", MOMENTS)
def test_with_a_dead_engine_traffic_is_back_and_its_successor_finishes(moment: int) -> None:
    play = Watched()
    for _ in range(moment):
        play.second()
    if play.decider.over:
        return
    phase, stage = play.decider.release.phase, play.decider.release.stage
    play.kill()
    done = play.abort()
    if (phase, stage) == (Phase.PROMOTING, Stage.UPDATING):
        assert done.code == ExitCode.ROLLBACK_INCOMPLETE
    elif done.code == ExitCode.PREFLIGHT_FAILED:
        assert phase in {Phase.PENDING, Phase.PREFLIGHT, Phase.PROMOTING, Phase.CLEANING}, done
        return
    else:
        assert (done.code, done.engine) == (ExitCode.REJECTED, "gone"), done
        assert play.gateway.share() == 0
    before = len(play.shares)
    play.alive = True
    play.start()
    assert play.to_the_end() is ExitCode.REJECTED
    assert play.clean()
    assert play.shares[before:] == sorted(play.shares[before:], reverse=True)


def held(**policy: Any) -> Watched:
    play = Watched(**policy)
    play.until(lambda: play.decider.release.phase is Phase.JUDGING)
    return play


def test_what_somebody_raises_while_it_waits_is_lowered_again() -> None:
    play = held()
    play.kill()
    play.gateway.accepts = False
    slept = []

    def sleep(seconds: float) -> None:
        slept.append(seconds)
        play.lapse(seconds)
        if len(slept) == 2:
            play.routes.edit(raise_it, manager="argocd-controller")
        play.gateway.accepts = len(slept) > 4
        play.gateway.answer_in_status()

    play.sleep = sleep  # type: ignore[method-assign] - the one thing that differs
    done = play.abort()
    assert done.code == ExitCode.REJECTED, done
    assert max(play.shares[-6:]) > 0.5
    assert play.gateway.share() == 0


def raise_it(route: dict[str, Any]) -> None:
    for ref in route["spec"]["rules"][0]["backendRefs"]:
        ref["weight"] = 900 if ref["name"] == "shop-canary" else ref["weight"]


def test_a_gateway_that_says_no_is_told_with_its_reason() -> None:
    play = held()
    play.kill()
    play.gateway.accepts = False
    done = play.abort()
    assert done.code == ExitCode.ROLLBACK_INCOMPLETE
    assert "the gateway does not accept the route: Accepted" in done.sentence
    assert play.gateway.share() == 0


@pytest.mark.parametrize("damage", ["journal", "lease", "both"])
def test_neither_journal_nor_lease_is_needed(damage: str) -> None:
    play = held()
    if damage in {"journal", "both"}:
        play.journals.overwrite("torn")
    if damage in {"lease", "both"}:

        def broken() -> LeaseSeen | None:
            raise Unavailable("no lease today")

        play.lease = broken  # type: ignore[method-assign] - the one thing that differs
    done = play.abort()
    assert done.code == ExitCode.REJECTED, done
    assert play.gateway.share() == 0
    assert done.engine in ({"stopping", "ended"} if damage == "lease" else {"told"})


def test_a_release_that_was_rolled_back_already_keeps_its_own_reason() -> None:
    from analysis.model import Arm

    play = held()
    play.gateway.errors[Arm.CANARY] = 0.3
    play.until(lambda: play.decider.release.outcome is not None)
    done = play.abort()
    assert (done.code, done.ends) == (ExitCode.REJECTED, ExitCode.JUDGED_BAD)
    assert play.to_the_end() is ExitCode.JUDGED_BAD
    assert play.clean()


def test_a_note_without_the_pool_takes_it_from_the_release_file() -> None:
    play = held()
    play.kill()
    play.journals.delete()
    play.routes.edit(lambda route: route["metadata"]["annotations"].update({cut.ORIGINAL: '{"rules":[]}'}), manager="x")
    assert play.abort().code == ExitCode.ROLLBACK_INCOMPLETE
    assert play.gateway.share() > 0
    assert play.abort(pool=POOL).code == ExitCode.REJECTED
    assert play.gateway.share() == 0


def test_the_first_word_is_heard_once_and_told_once() -> None:
    play = held()
    play.abort()
    play.to_the_end()
    assert sum("aborted by ops" in progress.message for progress in play.reporters.told if not progress.code) == 1
