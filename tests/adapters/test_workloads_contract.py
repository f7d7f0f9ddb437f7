"""What the engine relies on, whichever adapter stands behind the port."""

from __future__ import annotations

import threading
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest

from canary.adapters.memory import MemoryWorkloads
from canary.adapters.memory.world import World
from canary.ports import Endpoints, Workloads

SHARES = [Decimal(text) for text in ("0.5", "5", "50", "75", "100")]


@pytest.fixture(params=["memory", pytest.param("kubernetes", marks=pytest.mark.real)])
def port(request: pytest.FixtureRequest) -> Workloads:
    if request.param == "memory":
        return MemoryWorkloads(World(), replicas=4)
    made: Workloads = request.getfixturevalue("workloads")()
    return made


def test_capacity_is_enough_for_every_share_and_never_goes_down(port: Workloads) -> None:
    before = 0
    for share in [*SHARES, *reversed(SHARES)]:
        seen = port.provision(share=share)
        assert seen.stable == 4
        assert seen.canary >= max(before, 1, 4 * share / 100)
        assert seen.canary <= 4
        before = seen.canary
    assert before == 4


def test_everything_may_be_asked_for_twice(port: Workloads) -> None:
    for _ in range(2):
        port.provision(share=Decimal(100))
    for _ in range(2):
        port.update_stable()
    for _ in range(2):
        port.revert_stable()
    for _ in range(2):
        port.remove()


def test_cancel_with_nothing_to_cancel_is_harmless(port: Workloads) -> None:
    port.cancel()
    assert port.provision(share=Decimal(5)).canary >= 1


def test_the_watch_begins_with_what_is_there_and_follows(port: Workloads, eventually: Callable[..., Any]) -> None:
    seen: list[Endpoints] = []
    stop = threading.Event()
    watcher = threading.Thread(target=lambda: port.watch(seen.append, stop))
    watcher.start()
    eventually(lambda: seen)
    assert seen[0] == Endpoints(stable=4, canary=0)
    port.provision(share=Decimal(100))
    eventually(lambda: seen[-1] == Endpoints(stable=4, canary=4))
    stop.set()
    watcher.join(20)
    assert not watcher.is_alive()
