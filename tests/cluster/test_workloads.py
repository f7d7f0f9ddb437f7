"""What the engine relies on, whichever adapter stands behind the port."""

from __future__ import annotations

import threading
from decimal import Decimal

import pytest

from canary.adapters.memory import MemoryWorkloads
from canary.adapters.memory.world import World
from canary.ports import Conflict, Endpoints, Mark, WorkloadFailure, Workloads
from tests.cluster.place import until

OURS, NEXT = "f00d/i1", "f00d/i2"
SHARES = [Decimal(text) for text in ("0.5", "5", "50", "75", "100")]


@pytest.fixture(params=["memory", pytest.param("kubernetes", marks=pytest.mark.real)])
def port(request: pytest.FixtureRequest) -> Workloads:
    if request.param == "memory":
        return MemoryWorkloads(World(), replicas=4)
    made: Workloads = request.getfixturevalue("workloads")
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


@pytest.fixture(params=["memory", pytest.param("kubernetes", marks=pytest.mark.real)])
def fresh(request: pytest.FixtureRequest) -> Workloads:
    """The port of a release with a fresh baseline."""
    if request.param == "memory":
        return MemoryWorkloads(World(), replicas=4, fresh=True)
    made: Workloads = request.getfixturevalue("incarnation")(baseline_service="shop-baseline")
    return made


def test_a_baseline_has_what_it_needs_beside_every_share_never_less_and_is_removed(fresh: Workloads) -> None:
    before = 0
    for share in [*SHARES, *reversed(SHARES)]:
        seen = fresh.provision(share=share)
        assert (seen.stable, seen.baseline) == (4, fresh.ready().baseline)
        assert seen.baseline is not None
        assert max(before, 1, 4 * min(share, 100 - share) / 100) <= seen.baseline <= 4
        before = seen.baseline
    fresh.put_mark(OURS, over=fresh.mark())
    fresh.update_stable(token=OURS)
    fresh.remove()
    until(lambda: fresh.ready() == Endpoints(stable=4, canary=0, baseline=0))


def test_without_one_nothing_is_said_of_a_baseline(port: Workloads) -> None:
    assert port.provision(share=Decimal(50)).baseline is None
    assert port.ready().baseline is None


def test_everything_may_be_asked_for_twice(port: Workloads) -> None:
    for _ in range(2):
        port.provision(share=Decimal(100))
    port.put_mark(OURS, over=port.mark())
    for _ in range(2):
        port.update_stable(token=OURS)
    for _ in range(2):
        port.revert_stable()
    for _ in range(2):
        port.remove()


def test_a_stable_that_is_there_is_not_made_once_more(port: Workloads) -> None:
    before = port.mark()
    with pytest.raises(WorkloadFailure, match="not by this release"):
        port.deploy()
    port.remove(keep=True)
    assert port.mark() == before


def test_the_token_stands_until_what_was_made_is_removed(port: Workloads) -> None:
    assert port.mark().token == ""
    port.put_mark(OURS, over=port.mark())
    assert port.mark().token == OURS
    port.put_mark(NEXT, over=port.mark())
    assert port.mark().token == NEXT
    port.remove()
    assert port.mark().token == ""
    port.remove()


def test_a_token_is_put_only_over_what_was_read(port: Workloads) -> None:
    nothing = port.mark()
    port.put_mark(OURS, over=nothing)
    first = port.mark()
    with pytest.raises(Conflict):
        port.put_mark(NEXT, over=nothing)
    port.put_mark(NEXT, over=first)
    with pytest.raises(Conflict):
        port.put_mark(OURS, over=first)
    port.remove()
    with pytest.raises(Conflict):
        port.put_mark(OURS, over=nothing)
    with pytest.raises(Conflict):
        port.put_mark(OURS, over=Mark(token=NEXT, version=first.version))


def test_stable_is_written_only_under_the_token(port: Workloads) -> None:
    port.provision(share=Decimal(100))
    with pytest.raises(Conflict):
        port.update_stable(token=OURS)
    port.put_mark(OURS, over=port.mark())
    port.update_stable(token=OURS)
    port.put_mark(NEXT, over=port.mark())
    port.revert_stable()  # putting back is every incarnation's right, while the release lives
    with pytest.raises(Conflict):
        port.update_stable(token=OURS)
    port.update_stable(token=NEXT)


def test_cancel_with_nothing_to_cancel_is_harmless(port: Workloads) -> None:
    port.cancel()
    assert port.provision(share=Decimal(5)).canary >= 1


def test_the_watch_begins_with_what_is_there_and_follows(port: Workloads) -> None:
    seen: list[Endpoints] = []
    stop = threading.Event()
    watcher = threading.Thread(target=lambda: port.watch(seen.append, stop))
    watcher.start()
    until(lambda: seen)
    assert seen[0] == Endpoints(stable=4, canary=0)
    port.provision(share=Decimal(100))
    until(lambda: seen[-1] == Endpoints(stable=4, canary=4))
    stop.set()
    watcher.join(20)
    assert not watcher.is_alive()
