"""Time that does not behave: clocks that disagree, a machine that slept, a decider that was held up."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest

from analysis.model import Arm
from canary.adapters.kubernetes import budget
from canary.adapters.kubernetes.budget import Pacer
from canary.adapters.memory import MemoryLeases, World
from canary.core import events as on
from canary.core.outcome import ExitCode
from canary.core.release import Phase
from canary.engine.engine import DROPPABLE, LATE, QUEUE, READ_TIMEOUT, Engine
from canary.engine.leasekeeper import FRESH, LeaseKeeper
from canary.engine.surroundings import ReadingTaken
from canary.engine.waking import ASLEEP, Waking
from canary.ports import Unavailable
from canary.report.outbox import Aside
from tests.engine.conftest import Play
from tests.report.test_readers_that_hang import Stuck

TEN_MINUTES = 600.0


# Clocks that disagree ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("ahead", [-TEN_MINUTES, TEN_MINUTES])
@pytest.mark.parametrize(("errors", "code"), [(0.002, ExitCode.PROMOTED), (0.15, ExitCode.JUDGED_BAD)])
def test_a_source_whose_clock_is_ten_minutes_off_changes_no_release(
    new_play: Callable[..., Play], ahead: float, errors: float, code: ExitCode
) -> None:
    play = new_play()
    play.gateway.errors[Arm.CANARY] = errors
    honest = play.gateway.reading

    def skewed(at: float) -> Any:
        read = honest(at)
        return replace(read, samples=tuple(replace(one, time=one.time + ahead) for one in read.samples), skew=ahead)

    play.gateway.reading = skewed  # type: ignore[method-assign]
    assert play.to_the_end() is code
    assert play.clean()


def test_a_source_ahead_of_us_proves_nothing_about_traffic_that_came_before_the_raise(play: Play) -> None:
    """Looks of before the write are not taken for looks after it because their clock is ahead."""
    honest = play.gateway.reading
    play.gateway.reading = lambda at: replace(  # type: ignore[method-assign]
        honest(at), samples=tuple(replace(one, time=one.time + 60) for one in honest(at).samples), skew=60.0
    )
    play.until(lambda: play.decider.release.phase is Phase.SETTLING)
    settling = play.decider.release.settling
    assert settling is not None
    assert settling.looks == ()


def test_the_engines_time_is_the_servers_and_no_step_of_our_wall_clock_moves_it() -> None:
    from canary.adapters.kubernetes.clock import ServerClock

    passed, wall = [0.0], [1_800_000_000.0]
    api: Any = SimpleNamespace(
        pacer=Pacer(monotonic=lambda: passed[0]), date=("Fri, 15 Jan 2027 08:00:00 GMT", 0.0)
    )  # = 1_800_000_000
    for off in (0.0, -TEN_MINUTES, TEN_MINUTES):
        passed[0], wall[0] = 0.0, 1_800_000_000.0 + off
        clock = ServerClock(api, wall=lambda: wall[0])
        assert abs(clock.now() - 1_800_000_000.0) <= 1.1
        for step in (-TEN_MINUTES, 2 * TEN_MINUTES):
            before = clock.now()
            passed[0] += 5.0
            wall[0] += step
            assert clock.now() == before + 5.0


# A machine that slept ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("platform", "clocks", "shown"),
    [
        ("linux", {"CLOCK_BOOTTIME": 4_000.0, "CLOCK_MONOTONIC": 400.0}, 4_000.0),
        ("darwin", {"CLOCK_MONOTONIC": 4_000.0}, 4_000.0),  # there this is the one that goes on
        ("elsewhere", {"CLOCK_MONOTONIC": 400.0}, 40.0),  # `time.monotonic` has to do
    ],
)
def test_our_clock_goes_on_while_the_machine_sleeps(
    monkeypatch: pytest.MonkeyPatch, platform: str, clocks: dict[str, float], shown: float
) -> None:
    """CLOCK_MONOTONIC stands still then on Linux: a lease of an hour ago would look fresh."""
    there = SimpleNamespace(**{name: name for name in clocks}, clock_gettime=clocks.__getitem__, monotonic=lambda: 40.0)
    monkeypatch.setattr(budget, "time", there)
    monkeypatch.setattr(budget, "sys", SimpleNamespace(platform=platform))
    assert Pacer().monotonic() == shown


def slept(play: Play, seconds: float) -> Waking:
    """The machine sleeps; then the decider's first turn begins."""
    waking = Waking(leases=play.leases, routes=play.routes, clock=play.world.clock, holder="i1")
    waking.turn(play.decider)
    play.world.clock.advance(seconds)
    waking.turn(play.decider)
    return waking


def test_whoever_slept_learns_first_that_the_lease_and_the_fence_are_gone(new_play: Callable[..., Play]) -> None:
    play = new_play(deadline=100_000, last_call=200_000)
    play.until(lambda: play.decider.release.step == 1 and play.decider.release.phase is Phase.JUDGING)
    play.leases.seize("another")
    share = play.gateway.share()
    slept(play, 3_600)
    assert play.decider.standing_by
    for _ in range(120):
        play.second()
        assert play.gateway.share() <= share


def test_whoever_slept_and_cannot_ask_raises_nothing_until_the_lease_is_confirmed(
    new_play: Callable[..., Play],
) -> None:
    play = new_play(deadline=100_000, last_call=200_000)
    play.until(lambda: play.decider.release.step == 1 and play.decider.release.phase is Phase.JUDGING)
    share = play.gateway.share()
    for call in ("leases.renew", "routes.read"):
        play.world.faults.plan(call, Unavailable("the network is not back yet"), times=None)
    slept(play, 3_600)
    for _ in range(200):
        play.world.clock.advance(0.2)
        play.decider.tick()
        assert play.gateway.share() <= share
    assert not play.decider.standing_by


def test_whoever_slept_and_still_holds_everything_goes_on(new_play: Callable[..., Play]) -> None:
    play = new_play(deadline=100_000, last_call=200_000)
    play.until(lambda: play.decider.release.step == 1 and play.decider.release.phase is Phase.JUDGING)
    slept(play, 3_600)
    assert play.to_the_end() is ExitCode.PROMOTED


def test_a_release_that_slept_past_its_deadline_goes_back(new_play: Callable[..., Play]) -> None:
    play = new_play()
    play.until(lambda: play.decider.release.step == 1 and play.decider.release.phase is Phase.JUDGING)
    slept(play, 3_600)
    play.decider.tick()
    assert play.gateway.share() == 0.0
    assert play.to_the_end() is ExitCode.DEADLINE


def test_a_decider_that_is_merely_busy_asks_nobody(play: Play) -> None:
    calls = len(play.world.calls)
    slept(play, ASLEEP - 0.1)
    assert len(play.world.calls) == calls


# A decider that is held up, and a queue that is full -----------------------------------------------------------------


def test_a_decider_that_hangs_looks_dead() -> None:
    world, beat = World(), [0.0]
    leases = MemoryLeases(world)
    leases.acquire("i1")
    told: list[on.Event] = []
    keeper = LeaseKeeper(leases=leases, holder="i1", clock=world.clock, beat=lambda: beat[0], tell=told.append)
    keeper.once()
    version = leases.version
    for _ in range(10):
        world.clock.advance(FRESH + 0.1)
        keeper.once()
    assert (leases.version, len(told)) == (version, 1)
    beat[0] = world.clock.monotonic()
    keeper.once()
    assert leases.version != version


@pytest.mark.parametrize(("errors", "code"), [(0.002, ExitCode.PROMOTED), (0.15, ExitCode.JUDGED_BAD)])
def test_whoever_is_told_and_hangs_changes_neither_the_release_nor_when_it_goes_back(
    new_play: Callable[..., Play], errors: float, code: ExitCode
) -> None:
    """A notification that hangs from its first word on, through the verdict, to the end."""
    told = []
    for hanging in (False, True):
        stuck = Stuck()
        aside = Aside(stuck, last_word=0.0)
        play = new_play(others=(aside,) if hanging else ())
        play.gateway.errors[Arm.CANARY] = errors
        assert play.to_the_end() is code
        assert play.clean()
        assert stuck.hangs.is_set() is hanging
        assert stuck.told == []
        told.append(play.reporters.told)
        stuck.go.set()
        assert aside.outbox.flush(20)
    assert told[0] == told[1]


def test_a_full_queue_of_readings_leaves_room_for_what_cannot_wait_and_holds_no_thread_up(play: Play) -> None:
    engine = Engine(decider=play.decider, ports=play.ports, every=1.0, holder="i1")
    reading = ReadingTaken(at=0.0, reading=play.gateway.reading(0.0))

    def fill() -> None:
        for number in range(2 * QUEUE):
            engine.put(reading)
            engine.put(on.LeaseRenewed(at=float(number)))
        engine.put(on.AbortRequested(at=0.0, by="ann", reason="bad"))

    filler = threading.Thread(target=fill, daemon=True)
    filler.start()
    filler.join(20)
    assert not filler.is_alive(), "a worker waits for a decider that hangs"
    first, rest = engine._queue.get_nowait()[2], engine._queue.qsize()
    assert isinstance(first, on.AbortRequested)
    assert rest <= DROPPABLE


# A wall clock that is set back --------------------------------------------------------------------------------------


def test_an_overdue_look_is_taken_by_the_monotonic_clock(play: Play) -> None:
    """APScheduler goes by the wall clock: when that is set back, it takes no looks for as long."""
    engine = Engine(decider=play.decider, ports=play.ports, every=2.0, holder="i1")
    play.world.clock.advance(LATE * 2.0 + READ_TIMEOUT)
    engine._look_if_overdue()
    assert "sources.read" not in play.world.calls
    play.world.clock.advance(0.1)
    engine._look_if_overdue()
    heard = [type(engine._queue.get(timeout=10)[2]) for _ in range(2)]
    assert heard == [on.LookMissed, ReadingTaken]
