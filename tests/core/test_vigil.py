"""The watchdog's decisions: whatever is seen, in whatever order, nobody who may be alive is touched."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from canary.core import vigil as core
from canary.core.vigil import GAP, MORE, RATE, SILENT, Ended, Sighting
from canary.core.vigil import Vigil as AnyVigil


def Vigil(**given: Any) -> AnyVigil:  # noqa: N802 - as the class, with a count of 30 s
    return AnyVigil(**{"silent": SILENT, **given})


KEYS = ("a", "b", "c", "d")


def at(version: int, key: str = "a", holder: str = "engine") -> Sighting:
    return Sighting(key=key, version=str(version), holder=holder)


def reads(vigil: AnyVigil, sightings: list[Sighting], start: float, end: float, every: float = 4.0) -> AnyVigil:
    now = start
    while now <= end:
        vigil = core.listed(vigil, sightings, now)
        now += every
    return vigil


@dataclass
class Truth:
    """What really was, by which decisions are judged."""

    vigil: AnyVigil = field(default_factory=Vigil)
    now: float = 100.0
    read_at: float | None = None
    """When a read last succeeded."""
    unbroken: float | None = None
    """Since when reads have succeeded, none failed and none further apart than GAP."""
    leases: dict[str, Sighting] = field(default_factory=dict)
    changed: dict[str, float] = field(default_factory=lambda: defaultdict(lambda: 0.0))
    begun: list[float] = field(default_factory=list)
    busy: set[str] = field(default_factory=set)
    settled: dict[str, str] = field(default_factory=dict)
    versions: int = 0

    def read(self, whole: bool) -> None:
        if self.read_at is None or self.unbroken is None or self.now - self.read_at > GAP:
            self.unbroken = self.now
        self.read_at = self.now
        everything = list(self.leases.values())
        self.vigil = core.listed(self.vigil, everything, self.now) if whole else core.confirmed(self.vigil, self.now)

    def fail(self) -> None:
        self.unbroken = None
        self.vigil = core.missed(self.vigil)

    def write(self, key: str, holder: str, handover: bool, shown: bool) -> None:
        self.versions += 1
        self.leases[key] = Sighting(key=key, version=str(self.versions), holder=holder, handover=handover)
        self.changed[key] = self.now
        if shown:
            self.vigil = core.seen(self.vigil, self.leases[key], self.now)

    def decide(self) -> None:
        self.vigil, rescues = core.decide(self.vigil, self.now)
        for rescue in rescues:
            key = rescue.key
            assert key not in self.busy, "begun twice"
            assert self.unbroken is not None, "begun while reads fail"
            assert self.read_at is not None
            assert self.now - self.read_at <= GAP, "begun on old news"
            assert self.read_at - self.unbroken >= SILENT, "begun before reads had succeeded for long enough"
            if rescue.version == self.leases[key].version:  # otherwise the compare-and-swap fails
                assert self.now - self.changed[key] >= SILENT, "begun on a lease that had changed"
                assert self.leases[key].matters, "begun on a lease that was given back"
                assert self.settled.get(key) != rescue.version, "begun on a version that was settled"
            self.busy.add(key)
            self.begun.append(self.now)
        assert sum(self.now - one < 1.0 for one in self.begun) <= RATE

    def end(self, key: str, how: Ended) -> None:
        if key in self.busy:
            self.busy.discard(key)
            if how is Ended.UNAVAILABLE:
                self.unbroken = None
            if how is Ended.SETTLED:
                self.settled[key] = self.vigil.leases[key].version if key in self.vigil.leases else ""
            self.vigil = core.ended(self.vigil, key, how, self.now)


MOVES = st.one_of(
    st.tuples(st.just("read"), st.booleans()),
    st.tuples(st.just("read"), st.just(True)),
    st.tuples(st.just("fail")),
    st.tuples(st.just("wait"), st.sampled_from([0.2, 1.0, 4.0, 9.0, 11.0, 35.0])),
    st.tuples(st.just("steady"), st.integers(1, 16)),
    st.tuples(
        st.just("write"), st.sampled_from(KEYS), st.sampled_from(["engine", "other", ""]), st.booleans(), st.booleans()
    ),
    st.tuples(st.just("end"), st.sampled_from(KEYS), st.sampled_from(Ended)),
)


@settings(max_examples=200, deadline=None)
@given(st.lists(MOVES, max_size=60))
def test_nobody_is_touched_who_may_be_alive(moves: list[tuple[object, ...]]) -> None:
    truth = Truth()
    for key in KEYS:
        truth.write(key, "engine", False, False)
    for move in moves:
        match move:
            case ("read", bool(whole)):
                truth.read(whole)
            case ("fail",):
                truth.fail()
            case ("wait", float(seconds)):
                truth.now += seconds
            case ("steady", int(times)):
                for _ in range(times):
                    truth.now += 4.0
                    truth.read(True)
                    truth.decide()
            case ("write", str(key), str(holder), bool(handover), bool(shown)):
                truth.write(key, holder, handover, shown)
            case ("end", str(key), Ended() as how):
                truth.end(key, how)
        truth.decide()


@given(st.floats(0, 3), st.integers(1, 60))
def test_a_silent_lease_is_taken_up_as_soon_as_it_was_read_for_its_time(offset: float, number: int) -> None:
    leases = [at(1, key=f"k{index}") for index in range(number)]
    vigil = reads(Vigil(), leases, 0.0, 28.0)
    assert core.decide(vigil, 29.9)[1] == ()
    vigil = core.listed(vigil, leases, SILENT + offset)
    vigil, rescues = core.decide(vigil, SILENT + offset)
    assert len(rescues) == min(number, RATE)
    assert all(one.silent >= SILENT for one in rescues)


def test_a_lease_that_is_renewed_is_never_taken_up() -> None:
    vigil, now = Vigil(), 0.0
    for second in range(0, 600, 2):
        now = float(second)
        vigil = core.listed(vigil, [at(second // 10)], now)
        vigil, rescues = core.decide(vigil, now)
        assert rescues == ()


def test_a_mark_is_no_sign_of_life_and_what_is_settled_stays_so() -> None:
    def marked(version: int) -> list[Sighting]:
        return [Sighting(key="a", version=str(version), holder="engine", beat="same")]

    vigil = reads(reads(Vigil(), marked(1), 0.0, 16.0), marked(2), 20.0, 32.0)
    vigil, (rescue,) = core.decide(vigil, 32.0)
    assert (rescue.version, rescue.silent) == ("2", 32.0)
    vigil = core.ended(vigil, "a", Ended.SETTLED, 33.0)
    assert core.decide(reads(vigil, marked(3), 34.0, 100.0), 100.0)[1] == ()
    moved = [Sighting(key="a", version="4", holder="engine", beat="another")]
    assert core.decide(reads(vigil, moved, 34.0, 100.0), 100.0)[1] != ()


def test_given_back_in_good_order_is_nobodys_business_but_a_handover_is() -> None:
    leases = [
        Sighting(key="ended", version="1", holder=""),
        Sighting(key="handed", version="1", holder="", handover=True),
    ]
    vigil = reads(Vigil(), leases, 0.0, SILENT + 4)
    _, rescues = core.decide(vigil, SILENT + 5)
    assert [one.key for one in rescues] == ["handed"]


def test_one_failed_read_begins_the_count_anew_and_no_more() -> None:
    vigil = core.missed(reads(Vigil(), [at(1)], 0.0, 28.0))
    assert core.decide(vigil, 31.0)[1] == ()
    vigil = core.listed(vigil, [at(1)], 32.0)
    assert core.decide(vigil, 33.0)[1] == ()
    vigil = reads(vigil, [at(1)], 34.0, 62.0)
    assert core.decide(vigil, 62.0)[1] != ()


def test_after_an_outage_the_engines_get_longer_and_each_its_own_time() -> None:
    leases = [at(1, key=f"k{index}") for index in range(200)]
    vigil = core.missed(reads(Vigil(salt="s"), leases, 0.0, 8.0))
    back = 60.0
    vigil = core.listed(vigil, leases, back)
    waits = sorted(lease.more for lease in vigil.leases.values())
    assert waits[0] >= MORE
    assert waits[-1] <= 2 * MORE
    assert waits[-1] - waits[0] > 0.9 * MORE
    renewed = core.seen(vigil, at(2, key="k0"), back + 2)
    assert renewed.leases["k0"].more == 0, "an engine that renewed since is counted as ever"


def test_after_an_outage_rollbacks_begin_at_five_a_second_at_most() -> None:
    leases = [at(1, key=f"k{index}") for index in range(100)]
    vigil = core.listed(core.missed(core.listed(Vigil(), leases, 0.0)), leases, 100.0)
    now, begun = 100.0, []
    while now < 200.0:
        now += 0.25
        vigil = core.listed(vigil, leases, now)
        vigil, rescues = core.decide(vigil, now)
        begun += [now] * len(rescues)
    assert len(begun) == len(leases)
    assert all(sum(one <= other < one + 1.0 for other in begun) <= RATE for one in begun)
    assert begun[0] >= 100.0 + SILENT + MORE


def test_a_watchdog_that_slept_believes_nothing_that_it_saw_before() -> None:
    vigil = reads(Vigil(), [at(1)], 0.0, 8.0)
    assert core.decide(vigil, 700.0)[1] == ()
    vigil = core.listed(vigil, [at(1)], 701.0)
    assert core.decide(vigil, 701.0)[1] == ()


def test_an_api_server_that_takes_no_writes_is_an_outage_too() -> None:
    leases = [at(1, key=f"k{index}") for index in range(20)]
    vigil, rescues = core.decide(reads(Vigil(), leases, 0.0, 32.0), 32.0)
    for rescue in rescues:
        vigil = core.ended(vigil, rescue.key, Ended.UNAVAILABLE, 33.0)
    assert core.decide(vigil, 33.0)[1] == ()
    vigil = reads(vigil, leases, 34.0, 62.0)
    assert core.decide(vigil, 62.0)[1] == ()


def test_one_release_that_is_refused_keeps_nobody_else_waiting() -> None:
    leases = [at(1, key="refused"), at(1, key="z")]
    vigil = Vigil(limit=1)
    vigil, first = core.decide(reads(vigil, leases, 0.0, 32.0), 32.0)
    assert [one.key for one in first] == ["refused"]
    vigil = core.ended(vigil, "refused", Ended.REFUSED, 32.5)
    vigil, then = core.decide(core.listed(vigil, leases, 34.0), 34.0)
    assert [one.key for one in then] == ["z"]


def test_a_thousand_leases_that_are_looked_over_again_cost_little_to_keep() -> None:
    leases = [at(1, key=f"k{index}") for index in range(1_000)]
    vigil = reads(Vigil(), leases, 0.0, 100.0)
    vigil = core.gone(vigil, "k0")
    assert len(vigil.leases) == 999
    assert not core.suspicious(core.listed(Vigil(), leases, 0.0), 14.0)
    assert core.suspicious(vigil, 100.0)
    assert core.pressing(vigil, 100.0)


def test_what_was_written_just_before_an_outage_and_read_after_it_gets_the_engines_time_too() -> None:
    vigil = core.listed(Vigil(salt="d0"), [Sighting(key="a", version="1", holder="i1")], 0.0)
    vigil = core.missed(vigil)
    vigil = core.listed(vigil, [Sighting(key="a", version="2", holder="i1")], 60.0)
    for at in range(61, 105):
        vigil = core.confirmed(vigil, float(at))
        vigil, rescues = core.decide(vigil, float(at))
        assert rescues == ()
