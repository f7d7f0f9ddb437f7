"""What the engine relies on behind each port, whichever adapter stands there; for workloads see `test_workloads`."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import NamedTuple

import pytest

from canary.adapters.kubernetes import (
    KubernetesJournals,
    KubernetesLeases,
    KubernetesRecords,
    KubernetesRoutes,
    ServerClock,
)
from canary.adapters.kubernetes.fleets import KubernetesFleets
from canary.adapters.memory import (
    MemoryFleets,
    MemoryJournals,
    MemoryLeases,
    MemoryRecords,
    MemoryRoutes,
    World,
)
from canary.ports import (
    Conflict,
    Fleets,
    Journals,
    JsonObject,
    LeaseNews,
    Leases,
    NotFound,
    PortError,
    Records,
    Refused,
    Routes,
)
from tests.cluster.conftest import a_route
from tests.cluster.place import Place, until

KINDS = ["memory", pytest.param("kubernetes", marks=pytest.mark.real)]
WEIGHT = "/spec/rules/0/backendRefs/1/weight"
TEST, RAISE = ({"op": "test", "path": WEIGHT, "value": 1}, {"op": "replace", "path": WEIGHT, "value": 7})


class Ports(NamedTuple):
    """One of each, in one world; and a second way to the lease, for somebody else."""

    routes: Routes
    gone: Routes
    leases: Leases
    fleets: Fleets
    journals: Journals
    records: Records


@pytest.fixture(params=KINDS)
def ports(request: pytest.FixtureRequest) -> Ports:
    return _in_memory() if request.param == "memory" else _on(request.getfixturevalue("place"))


def _in_memory() -> Ports:
    world = World()
    leases, fleets = MemoryLeases(world), MemoryFleets(world)
    fleets.add("shop/canary-shop", leases)
    routes = MemoryRoutes(world, a_route("shop", "help"))
    return Ports(routes, MemoryRoutes(World(), None), leases, fleets, MemoryJournals(world), MemoryRecords(world))


def _on(place: Place) -> Ports:
    place.make(place.path("httproutes"), a_route("shop", "help"))
    api, space = place.api(), place.namespace
    return Ports(
        KubernetesRoutes(api, namespace=space, name="shop"),
        KubernetesRoutes(api, namespace=space, name="nobody"),
        KubernetesLeases(api, namespace=space, name="canary-shop", clock=ServerClock(api), route="HTTPRoute/shop"),
        KubernetesFleets(api, namespace=space),
        KubernetesJournals(api, namespace=space, name="canary-shop-journal"),
        KubernetesRecords(api, namespace=space, name="canary-shop-f00d", labels={"canary-engine.io/release": "f00d"}),
    )


def weight(route: JsonObject) -> int:
    return int(route["spec"]["rules"][0]["backendRefs"][1]["weight"])


# Routes --------------------------------------------------------------------------------------------------------------


def test_a_patch_whose_tests_hold_is_acknowledged_with_what_stands_now(ports: Ports) -> None:
    before = ports.routes.read()
    acknowledged = ports.routes.patch([TEST, RAISE])
    assert weight(acknowledged) == weight(ports.routes.read()) == 7
    assert acknowledged["metadata"]["generation"] == before["metadata"]["generation"] + 1
    assert acknowledged["metadata"]["uid"] == before["metadata"]["uid"]


@pytest.mark.parametrize(
    "test",
    [
        {"op": "test", "path": WEIGHT, "value": 2},
        {"op": "test", "path": "/spec/rules/0/backendRefs/5/weight", "value": 1},
        {"op": "test", "path": "/metadata/annotations/nobody", "value": "x"},
        {"op": "test", "path": "/metadata/resourceVersion", "value": "1"},
        {"op": "remove", "path": "/metadata/annotations/nobody"},
    ],
    ids=["value", "no-such-reference", "no-such-annotation", "version", "remove-what-is-gone"],
)
def test_a_patch_that_does_not_apply_is_a_conflict_and_changes_nothing(ports: Ports, test: JsonObject) -> None:
    before = ports.routes.read()
    with pytest.raises(Conflict):
        ports.routes.patch([test, RAISE])
    assert ports.routes.read() == before


def test_the_version_that_was_read_may_be_tested(ports: Ports) -> None:
    version = ports.routes.read()["metadata"]["resourceVersion"]
    unmoved = {"op": "test", "path": "/metadata/resourceVersion", "value": version}
    ports.routes.patch([unmoved, RAISE])
    with pytest.raises(Conflict):
        ports.routes.patch([unmoved, {**RAISE, "value": 8}])


def test_a_whole_list_of_references_may_be_tested_as_it_was_read(ports: Ports) -> None:
    path = "/spec/rules/0/backendRefs"
    listed = ports.routes.read()["spec"]["rules"][0]["backendRefs"]
    ports.routes.patch([{"op": "test", "path": path, "value": listed}, RAISE])
    with pytest.raises(Conflict):
        ports.routes.patch([{"op": "test", "path": path, "value": listed}, {**RAISE, "value": 8}])


def test_a_dry_run_answers_as_if_and_changes_nothing(ports: Ports) -> None:
    before = ports.routes.read()
    assert weight(ports.routes.patch([TEST, RAISE], dry_run=True)) == 7
    note = {"metadata": {"annotations": {"canary-engine.io/token": "f00d/i1"}}}
    assert ports.routes.merge(note, dry_run=True)["metadata"]["annotations"]["canary-engine.io/token"] == "f00d/i1"
    assert ports.routes.read() == before
    with pytest.raises(Conflict):
        ports.routes.patch([{**TEST, "value": 2}, RAISE], dry_run=True)


def test_a_merge_holds_only_for_the_version_that_it_names(ports: Ports) -> None:
    version = ports.routes.read()["metadata"]["resourceVersion"]
    note = {"metadata": {"annotations": {"canary-engine.io/token": "f00d/i1"}, "resourceVersion": version}}
    made = ports.routes.merge(note)
    assert made["metadata"]["annotations"] == {"team": "payments", "canary-engine.io/token": "f00d/i1"}
    with pytest.raises(Conflict):
        ports.routes.merge(note)
    ports.routes.merge({"metadata": {"annotations": {"canary-engine.io/token": None}}})
    assert ports.routes.read()["metadata"]["annotations"] == {"team": "payments"}


def test_what_is_not_there_is_not_found(ports: Ports) -> None:
    for ask in (ports.gone.read, lambda: ports.gone.patch([RAISE]), lambda: ports.gone.merge({"metadata": {}})):
        with pytest.raises(NotFound):
            ask()


def test_a_watch_of_a_route_shows_it_as_it_is_and_every_change(ports: Ports) -> None:
    seen: list[JsonObject | None] = []
    with following(lambda stop: ports.routes.watch(seen.append, stop)):
        until(lambda: seen)
        assert seen[0] is not None
        assert weight(seen[0]) == 1
        ports.routes.patch([RAISE])
        until(lambda: seen[-1] is not None and weight(seen[-1]) == 7)


# Leases --------------------------------------------------------------------------------------------------------------


def test_of_two_who_want_a_lease_one_gets_it(ports: Ports) -> None:
    first, second = ports.leases.acquire("a/1"), ports.leases.acquire("b/2")
    assert (first.ours, second.ours, second.holder) == (True, False, "a/1")
    assert ports.leases.renew("a/1").ours
    assert not ports.leases.renew("b/2").ours


def test_every_renewal_is_seen(ports: Ports) -> None:
    versions = [ports.leases.acquire("a/1").version, *(ports.leases.renew("a/1").version for _ in range(3))]
    assert len(set(versions)) == 4


def test_a_lease_is_stolen_only_over_what_was_seen(ports: Ports) -> None:
    seen = ports.leases.acquire("a/1").version
    ports.leases.renew("a/1")
    assert not ports.leases.acquire("b/2", steal=seen).ours  # its holder lives
    unmoved = ports.leases.acquire("b/2").version
    stolen = ports.leases.acquire("b/2", steal=unmoved)
    assert (stolen.ours, stolen.holder) == (True, "b/2")
    assert not ports.leases.renew("a/1").ours


def test_what_was_given_back_is_free(ports: Ports) -> None:
    ports.leases.acquire("a/1")
    ports.leases.release("b/2")  # not theirs: nothing
    ports.leases.release("a/1", handover=True)
    (sighting,) = ports.fleets.read()
    assert (sighting.holder, sighting.handover) == ("", True)
    assert ports.leases.acquire("b/2").ours
    (sighting,) = ports.fleets.read()
    assert (sighting.holder, sighting.handover) == ("b/2", False)


def test_a_lease_that_is_not_there_is_not_renewed(ports: Ports) -> None:
    with pytest.raises(NotFound):
        ports.leases.renew("a/1")
    ports.leases.release("a/1")


def test_a_copy_of_the_journal_is_put_over_the_known_one_by_the_holder_alone_and_outlives_every_holder(
    ports: Ports,
) -> None:
    for ask in (ports.leases.copied, lambda: ports.leases.keep("a/1", "one", over="")):
        with pytest.raises(NotFound):
            ask()
    assert ports.leases.acquire("a/1").copy == ""
    first = ports.leases.keep("a/1", "one", over="")
    assert (first.ours, first.copy) == (True, "one")
    assert ports.leases.keep("a/1", "two", over="one").copy == "two"
    late = ports.leases.keep("a/1", "one", over="")  # it lay in a network
    assert (late.ours, late.copy) == (True, "two")
    theirs = ports.leases.keep("b/2", "three", over="two")
    assert (theirs.ours, theirs.holder, theirs.copy) == (False, "a/1", "two")
    assert ports.leases.renew("a/1").copy == ports.leases.copied() == "two"
    ports.leases.release("a/1")
    assert ports.leases.keep("a/1", "three", over="two").copy == "two"
    taken = ports.leases.acquire("b/2")
    assert (taken.ours, taken.copy) == (True, "two")
    assert ports.leases.keep("b/2", "three", over="two").copy == "three"


def test_a_copy_is_a_sign_of_life(ports: Ports) -> None:
    before = ports.leases.acquire("a/1")
    after = ports.leases.keep("a/1", "one", over="")
    assert after.version != before.version
    assert (sighting := ports.fleets.read()[0]).version == after.version
    assert sighting.beat != before.sign


# Fleets --------------------------------------------------------------------------------------------------------------


def test_a_watchdog_sees_every_lease_and_every_renewal(ports: Ports) -> None:
    assert ports.fleets.read() == ()
    ports.fleets.ping()
    ports.leases.acquire("a/1")
    news: list[LeaseNews] = []
    with following(lambda stop: ports.fleets.watch(news.append, stop)):
        until(lambda: news)
        (first,) = news[0] if isinstance(news[0], tuple) else ()
        assert first.holder == "a/1"
        assert (first,) == ports.fleets.read()
        version = ports.leases.renew("a/1").version
        until(lambda: any(getattr(each, "version", "") == version for each in news))


# Journals ------------------------------------------------------------------------------------------------------------


def test_a_journal_is_replaced_only_over_what_was_read(ports: Ports) -> None:
    assert ports.journals.load() is None
    first = ports.journals.save("one", version=None)
    second = ports.journals.save("two", version=first)
    for stale in (first, None):
        with pytest.raises(Conflict):
            ports.journals.save("three", version=stale)
    found = ports.journals.load()
    assert found is not None
    assert (found.text, found.version) == ("two", second)


def test_a_journal_has_a_size(ports: Ports) -> None:
    largest = "ä" * (16 * 1024)
    version = ports.journals.save(largest, version=None)
    found = ports.journals.load()
    assert found is not None
    assert found.text == largest
    with pytest.raises(Refused):
        ports.journals.save(largest + "x", version=version)


# Records -------------------------------------------------------------------------------------------------------------


def test_chunks_are_read_in_order_and_never_changed(ports: Ports) -> None:
    chunks = [bytes([number]) * 10 for number in range(25)]  # more than a page
    for index in (*range(0, 25, 2), *range(1, 25, 2)):
        ports.records.append(index, chunks[index])
    ports.records.append(3, chunks[3])  # the answer was lost
    with pytest.raises(Conflict):
        ports.records.append(3, b"other")
    assert ports.records.read() == chunks


def test_a_chunk_has_a_size(ports: Ports) -> None:
    largest = bytes(range(256)) * 1024
    ports.records.append(0, largest)
    with pytest.raises(PortError):
        ports.records.append(1, largest + b"x")
    assert ports.records.read() == [largest]


# ---------------------------------------------------------------------------------------------------------------------


class following:  # noqa: N801 - reads as what it does
    """Something that blocks until it is told to stop, in a thread, for as long as a block lasts."""

    def __init__(self, follow: Callable[[threading.Event], None]) -> None:
        self._stop = threading.Event()
        self._thread = threading.Thread(target=follow, args=(self._stop,), daemon=True)

    def __enter__(self) -> None:
        self._thread.start()

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join(30)
        assert not self._thread.is_alive()
