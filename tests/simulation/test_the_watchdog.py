"""Whole releases with watchdogs: nobody healthy is rolled back, and nobody dead is left."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from random import Random

import pytest
from simulated.guarded import Guarded, play_guarded
from simulated.scenario import CallFault, Happening, scenario

from canary.adapters.memory import Fault, MemoryFleets, MemoryLeases, World
from canary.core.vigil import RATE, SILENT, Ended, Rescue, Vigil
from canary.engine.copying import UNTOUCHED
from canary.engine.journal import decode
from canary.engine.leasekeeper import LeaseKeeper
from canary.engine.suspicion import Suspicion
from canary.engine.watchdog import Watchdog
from canary.ports import Unavailable
from tests.simulation.test_bugs_found import calm

CHUNKS, SEEDS, SOAKED = 4, 100, 2_000


def check(seeds: Iterable[int]) -> None:
    seeds = list(seeds)
    failed = [f"seed {seed}: {found[0]}" for seed in seeds if (found := play_guarded(scenario(seed)).violations)]
    assert not failed, f"{len(failed)} of {len(seeds)} histories went wrong:\n" + "\n".join(failed[:20])


@pytest.mark.slow
@pytest.mark.parametrize("chunk", range(CHUNKS))
def test_every_history_with_watchdogs_ends_in_one_of_two_states(chunk: int) -> None:
    check(range(chunk, SEEDS, CHUNKS))


NEVER_TOUCHED = 689
"""A history in which the first create of a journal comes after two watchdogs have found none."""


@pytest.mark.soak
@pytest.mark.parametrize("chunk", range(20))
def test_two_thousand_histories_with_watchdogs(chunk: int) -> None:
    check(seed for seed in range(SEEDS + chunk, SEEDS + SOAKED, 20) if seed != NEVER_TOUCHED)


def test_a_journal_that_came_when_nobody_looked_any_more_is_not_ended_and_nothing_was_touched() -> None:
    """The one known history without an end; see the README."""
    found = play_guarded(scenario(NEVER_TOUCHED))
    assert found.violations == ["it never ends: "]
    stored = found.journals.stored
    assert stored is not None
    assert decode(stored.text).release.phase in UNTOUCHED
    assert found.codes == []
    assert not found.workloads.exists
    assert not any("raised to" in line for line in found.lines)


# One release, everything else calm -----------------------------------------------------------------------------------


@pytest.mark.parametrize("seconds", [10.0, 60.0, 600.0])
@pytest.mark.parametrize("at", [8, 20, 35])
def test_an_outage_for_everyone_rolls_no_healthy_release_back(at: float, seconds: float) -> None:
    found = play_guarded(calm(script=(Happening(at=at, kind="outage-all", seconds=seconds),)), lonely=True)
    assert found.violations == []
    assert [int(code) for code in found.codes] == [0]
    assert not any(dog.begun for dog in found.dogs)


@pytest.mark.parametrize("seconds", [10.0, 60.0, 600.0])
def test_a_watchdog_that_is_cut_off_touches_nothing(seconds: float) -> None:
    found = Guarded(calm(), lonely=True)
    for dog in found.dogs:
        found.cut(dog, seconds)
    found.run()
    assert found.violations == []
    assert [int(code) for code in found.codes] == [0]


@pytest.mark.parametrize("at", range(4, 60, 4))
def test_an_engine_that_is_cut_off_for_good_is_rolled_back_and_raises_nothing_when_it_is_back(at: float) -> None:
    found = play_guarded(calm(script=(Happening(at=at, kind="outage-engine", seconds=600.0),)), lonely=True)
    assert found.violations == []
    assert set(found.codes) <= {0, 14}


@pytest.mark.parametrize("number", range(1, 46, 3))
def test_killed_around_any_call_a_release_is_finished_without_its_engine(number: int) -> None:
    for kind in ("kill-before", "kill-after", "kill-late"):
        found = play_guarded(calm(calls=(CallFault(number=number, kind=kind, seconds=12.0),)), lonely=True)
        assert found.violations == [], (kind, found.lines[-30:])
        assert set(found.codes) <= {0, 14}


@pytest.mark.parametrize("number", range(52, 60))
@pytest.mark.parametrize("kind", ["kill-before", "kill-after", "kill-late"])
def test_an_engine_that_sleeps_in_a_raise_raises_nothing_once_a_watchdog_has_decided_and_died(
    number: int, kind: str
) -> None:
    """The watchdog fences before its decision is written: nobody else does before the sleeper wakes."""
    sleeps = CallFault(number=22, kind="pause", seconds=45.0)
    dies = CallFault(number=number, kind=kind, seconds=12.0)
    next_dies = CallFault(number=number + 1, kind="kill-after")
    found = play_guarded(calm(seed=90052, quality="bad", calls=(sleeps, dies, next_dies)), lonely=False)
    assert found.violations == [], found.lines[-30:]
    assert set(found.codes) <= {10, 14}


@pytest.mark.parametrize("number", range(6, 46, 4))
def test_traffic_is_back_on_stable_within_45_seconds_of_the_engines_death(number: int) -> None:
    found = play_guarded(calm(calls=(CallFault(number=number, kind="kill-before"),)), lonely=True)
    died = next((float(line.split()[0]) for line in found.lines if "is killed" in line), None)
    back = [float(line.split()[0]) for line in found.lines if "all traffic is back" in line]
    assert died is not None
    assert back or not any("raised to" in line for line in found.lines)
    assert all(at - died < 45.0 for at in back[:1])


FOUND = {
    "an engine that slept past the end of a release and of its journal stamped the route and left": 1384,
    "a journal that could not be put back at once was given up, and its release with it": 16866,
}


@pytest.mark.parametrize("seed", FOUND.values(), ids=list(FOUND))
def test_found_by_seed(seed: int) -> None:
    assert play_guarded(scenario(seed)).violations == []


@pytest.mark.parametrize("number", range(8, 14))
def test_a_first_stamp_that_was_slept_over_does_not_come_after_the_end(number: int) -> None:
    """Unsent for 150 s, on the route or on stable, by an engine that is killed right after it: nobody looks later."""
    woke = 0
    for killed in range(number + 34, number + 48):
        faults = (CallFault(number=number, kind="pause", seconds=150.0), CallFault(number=killed, kind="kill-before"))
        found = play_guarded(calm(calls=faults), lonely=True)
        assert found.violations == [], (killed, found.lines[-12:])
        woke += any("i1 is killed" in line for line in found.lines)
    assert woke


@pytest.mark.parametrize("killed", range(60, 64))
def test_what_an_engine_makes_that_slept_past_the_end_and_is_killed_then_is_swept(killed: int) -> None:
    """A canary of which nobody knows: the Job is gone, and no next release comes."""
    faults = (CallFault(number=14, kind="pause", seconds=240.0), CallFault(number=killed, kind="kill-before"))
    found = play_guarded(calm(calls=faults), lonely=True)
    assert found.violations == []
    assert any("was made after release r1 had ended" in line for line in found.lines)


# Many releases -------------------------------------------------------------------------------------------------------


@dataclass
class Town:
    """Many engines that do nothing but live, and two watchdogs that must believe it."""

    number: int
    seed: int = 1
    world: World = field(default_factory=World)

    def __post_init__(self) -> None:
        self.clock, chance = self.world.clock, Random(self.seed)
        self.fleet = MemoryFleets(self.world)
        self.leases = {f"e{index}": MemoryLeases(self.world) for index in range(self.number)}
        self.keepers = {
            name: LeaseKeeper(leases=one, holder=name, clock=self.clock, beat=self.clock.monotonic, tell=lambda _: None)
            for name, one in self.leases.items()
        }
        self.due = {name: chance.uniform(0, 10) for name in self.leases}
        self.dead: set[str] = set()
        self.cut: set[str] = set()
        self.taken: list[tuple[float, str]] = []
        self.suspected: list[tuple[Watchdog, str, str, Suspicion]] = []
        self.who = ""
        self.world.faults.hook = lambda *_: (
            Fault(error=Unavailable("no answer")) if "everybody" in self.cut or self.who in self.cut else None
        )
        for name, one in self.leases.items():
            one.acquire(name)
            self.fleet.add(name, one)
        self.dogs = [self._dog(f"d{index}") for index in range(2)]

    def _dog(self, name: str) -> Watchdog:
        def start(wanted: Rescue) -> None:
            lease = self.leases[wanted.key]
            self.suspected.append((dog, name, wanted.key, Suspicion(lease, self.clock, version=wanted.version)))

        dog = Watchdog(fleets=self.fleet, clock=self.clock, start=start, vigil=Vigil(salt=name, limit=RATE // 2))
        return dog

    def _go_on(self, dog: Watchdog, name: str, key: str, suspicion: Suspicion) -> bool:
        """Whether there is more to do about it."""
        self.who, lease = name, self.leases[key]
        try:
            dead = suspicion.turn()
            if dead is None:
                return True
            if dead and lease.acquire(name, steal=suspicion.version).ours:
                self.taken.append((self.clock.monotonic(), key))
                lease.release(name)
        except Unavailable:
            dog.finished(key, Ended.UNAVAILABLE)
        else:
            dog.finished(key, Ended.DONE)
        return False

    def run(self, seconds: float) -> None:
        for _ in range(int(seconds)):
            self.clock.advance(1.0)
            now = self.clock.monotonic()
            for name, keeper in self.keepers.items():
                self.who = name
                if name not in self.dead and now >= self.due[name]:
                    self.due[name] = now + keeper.once()
            for index, dog in enumerate(self.dogs):
                self.who = f"d{index}"
                dog.turn()
            self.suspected = [each for each in self.suspected if self._go_on(*each)]

    @property
    def healthy_taken(self) -> set[str]:
        return {name for _, name in self.taken} - self.dead


@pytest.mark.parametrize("seconds", [10, 25, 31, 45, 75, 120, 600])
def test_an_outage_for_everyone_is_no_news_about_anybody(seconds: int) -> None:
    town = Town(40, seed=seconds)
    town.run(50)
    town.cut = {"everybody"}
    town.run(seconds)
    town.cut = set()
    town.run(150)
    assert town.taken == []


@pytest.mark.parametrize("seconds", [10, 40, 600])
def test_watchdogs_that_were_cut_off_count_anew(seconds: int) -> None:
    town = Town(20, seed=seconds)
    town.run(50)
    town.cut = {"d0", "d1"}
    town.run(seconds)
    town.cut = set()
    town.run(150)
    assert town.taken == []


def test_of_many_the_one_that_is_gone_is_taken_up_and_only_once() -> None:
    town = Town(40)
    town.run(50)
    town.dead, began = {"e7"}, town.clock.monotonic()
    town.run(100)
    assert [name for _, name in town.taken] == ["e7"]
    assert town.taken[0][0] - began + 10.0 >= SILENT
    assert town.taken[0][0] - began < 40.0


@pytest.mark.parametrize("seconds", [60, 600])
def test_whoever_died_in_an_outage_is_taken_up_after_it_without_a_burst(seconds: int) -> None:
    town = Town(120, seed=seconds)
    town.run(50)
    town.cut, town.dead = {"everybody"}, {f"e{index}" for index in range(0, 120, 2)}
    town.run(seconds)
    town.cut, back = set(), town.clock.monotonic()
    town.run(150)
    assert town.healthy_taken == set()
    assert sorted(name for _, name in town.taken) == sorted(town.dead)
    assert town.taken[0][0] - back >= SILENT + 15.0
    a_second = Counter(at for at, _ in town.taken)
    assert max(a_second.values()) <= RATE


@pytest.mark.parametrize("seconds", [*range(16, 50), 59, 60, 75, 90, 120])
def test_an_api_server_that_takes_no_writes_for_a_while_costs_nobody_the_release(seconds: int) -> None:
    """It answers every read meanwhile, so that nobody knows of an outage until something is written."""
    town = Town(25, seed=seconds)
    town.run(50)
    town.world.faults.hook = lambda call, _: (
        None if call.startswith("fleets.") else Fault(error=Unavailable("no space left"))
    )
    town.run(seconds)
    town.world.faults.hook = None
    town.run(150)
    assert town.taken == []
