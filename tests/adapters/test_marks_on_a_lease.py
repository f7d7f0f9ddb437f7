"""A watchdog's note on a lease: a write that proves that writes go through, and no sign of life. On both adapters."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest

from canary.adapters.kubernetes import KubernetesLeases
from canary.adapters.kubernetes.fleets import KubernetesFleets
from canary.adapters.memory import MemoryFleets, MemoryLeases, World
from canary.ports import Conflict, Unavailable


@pytest.fixture(params=["memory", pytest.param("kubernetes", marks=pytest.mark.real)])
def lease(request: pytest.FixtureRequest) -> Any:
    """The port, what a watchdog sees of it, and a way to let time pass."""
    world = World()
    if request.param == "memory":
        fleets = MemoryFleets(world)
        leases = MemoryLeases(world)
        fleets.add("a", leases)
        return SimpleNamespace(port=leases, see=lambda: fleets.read()[0], wait=world.clock.advance)
    cluster = request.getfixturevalue("cluster")
    api = cluster.api()
    real = KubernetesLeases(
        api, namespace=cluster.namespace, name="canary-web", clock=world.clock, route="HTTPRoute/web"
    )
    seen = KubernetesFleets(api, namespace=cluster.namespace)
    return SimpleNamespace(port=real, see=lambda: seen.read()[0], wait=world.clock.advance)


def test_a_mark_moves_the_version_and_is_no_sign_of_life(lease: Any) -> None:
    lease.port.acquire("engine")
    before = lease.see()
    versions = [before.version]
    for _ in range(3):  # each is a change, or it would not be written
        lease.wait(2.0)
        versions.append(lease.port.mark(versions[-1]))
    after = lease.see()
    assert len(set(versions)) == 4
    assert (after.version, after.holder, after.beat) == (versions[-1], "engine", before.beat)
    with pytest.raises(Conflict):
        lease.port.mark(versions[0])


def test_an_engine_that_lives_renews_in_spite_of_it_and_keeps_its_lease(lease: Any) -> None:
    lease.port.acquire("engine")
    marked = lease.port.mark(lease.see().version)
    before = lease.see()
    lease.wait(2.0)
    assert lease.port.renew("engine").ours
    assert lease.see().beat != before.beat
    with pytest.raises(Conflict):
        lease.port.mark(marked)
    assert not lease.port.acquire("dog", steal=marked).ours


def test_the_version_of_the_last_mark_is_what_is_taken(lease: Any) -> None:
    lease.port.acquire("engine")
    marked = lease.port.mark(lease.see().version)
    lease.wait(10.0)
    assert lease.port.acquire("dog", steal=marked).ours
    assert lease.see().holder == "dog"


def test_suspicion_waits_and_asks_again_and_ends_with_whatever_moves() -> None:
    from canary.engine.suspicion import CONFIRM, MARKS, Suspicion

    def play(meddle: Callable[[int, MemoryLeases, World], None]) -> tuple[bool | None, int]:
        world = World()
        leases = MemoryLeases(world)
        leases.acquire("engine")
        suspicion = Suspicion(leases, world.clock, version=leases.version)
        for second in range(30):
            meddle(second, leases, world)
            if (dead := suspicion.turn()) is not None:
                assert dead is (suspicion.version == leases.version)
                return dead, second
            world.clock.advance(1.0)
        return None, 30

    def nobody(_second: int, _leases: MemoryLeases, _world: World) -> None:
        return

    assert play(nobody) == (True, CONFIRM)
    assert play(lambda second, leases, _: leases.renew("engine") if second == 7 else None)[0] is False  # type: ignore[func-returns-value]
    with pytest.raises(Unavailable):
        play(lambda second, _, world: world.faults.plan("leases.mark", Unavailable("no")) if second == 5 else None)
    assert MARKS * 2.0 >= CONFIRM


def test_a_replacement_that_waits_a_dead_holder_out_does_not_take_a_watchdogs_marks_for_its_life() -> None:
    from canary.cli.taking import LEASE_DURATION, take_lease

    world = World()
    leases = MemoryLeases(world)
    leases.acquire("dead")

    def sleep(seconds: float) -> None:
        world.clock.advance(seconds)
        leases.mark(leases.version)

    took = take_lease(
        leases, "new", dead=lambda _: False, say=lambda _: None, monotonic=world.clock.monotonic, sleep=sleep
    )
    assert (took, leases.holder) == (("dead",), "new")
    assert world.clock.monotonic() >= LEASE_DURATION
