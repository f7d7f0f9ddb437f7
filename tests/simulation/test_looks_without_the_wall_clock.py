"""APScheduler goes by the wall clock. When that is set back, looks would stop for as long; the engine sees to it."""

from __future__ import annotations

import threading
from types import SimpleNamespace
from typing import Any

from analysis.sources import Reading
from canary.adapters.memory import MemoryLeases, World
from canary.engine.engine import LATE, READ_TIMEOUT, Engine


def test_an_overdue_look_is_taken_by_the_monotonic_clock() -> None:
    world, looked = World(), threading.Event()

    def read(*, timeout: float) -> Reading:
        looked.set()
        return Reading(at=world.clock.now(), samples=())

    ports: Any = SimpleNamespace(
        clock=world.clock, leases=MemoryLeases(world), routes=None, sources=SimpleNamespace(read=read)
    )
    release = SimpleNamespace(policy=SimpleNamespace(steps=(), deadline=60.0), settling=None, since=world.clock.now())
    decider: Any = SimpleNamespace(standing_by=False, code=None, release=release)
    engine = Engine(decider=decider, ports=ports, every=2.0, holder="i1")
    world.clock.advance(LATE * 2.0 + READ_TIMEOUT)
    engine._look_if_overdue()
    assert not looked.is_set()
    world.clock.advance(0.1)
    engine._look_if_overdue()
    assert looked.wait(10)
