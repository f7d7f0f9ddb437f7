"""What the desk and the commands rely on, whichever adapter stands behind the port."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import pytest

from canary.adapters.kubernetes import KubernetesGates
from canary.adapters.memory import MemoryGates
from canary.adapters.memory.world import World
from canary.core import gates as at_gates
from canary.ports import Conflict, Gates, NotFound

ANN = at_gates.Person(name="ann")
RECORD = {"state": "pending", "nonce": "n1", "release": "r1", "step": "1", "image": "", "approvers": "{}"}


@pytest.fixture(params=["memory", pytest.param("kubernetes", marks=pytest.mark.real)])
def port(request: pytest.FixtureRequest) -> Gates:
    if request.param == "memory":
        return MemoryGates(World())
    cluster = request.getfixturevalue("cluster")
    return KubernetesGates(cluster.api(), namespace=cluster.namespace, route="shop")


def decide(found: Any, *, approved: bool, person: at_gates.Person = ANN) -> at_gates.Operations:
    return at_gates.decision(found, approved=approved, person=person, at="2027-01-15T08:10:00Z", reason="")


def test_there_is_nothing_until_it_is_made_once(port: Gates) -> None:
    assert port.read() is None
    with pytest.raises(NotFound):
        port.patch([{"op": "add", "path": "/data/state", "value": "pending"}])
    port.create({"about": "people decide here"})
    with pytest.raises(Conflict):
        port.create({})
    found = port.read()
    assert found is not None
    assert found["data"] == {"about": "people decide here"}


def test_of_two_decisions_on_the_same_reading_the_first_stands(port: Gates) -> None:
    port.create({"about": "x"})
    found = port.read()
    assert found is not None
    pending = port.patch(at_gates.opening(found, RECORD))
    port.patch(decide(pending, approved=True))
    with pytest.raises(Conflict):
        port.patch(decide(pending, approved=False, person=at_gates.Person(name="bob")))
    found = port.read()
    assert found is not None
    assert (found["data"]["state"], found["data"]["decidedBy"]) == ("approved", "ann")


def test_the_engine_writes_only_over_what_it_read_and_into_an_object_without_data(port: Gates) -> None:
    found = port.create({})
    first = at_gates.opening(found, RECORD)
    port.patch(first)
    with pytest.raises(Conflict):
        port.patch(first)


def test_a_rehearsed_lie_about_who_decided_changes_nothing(port: Gates) -> None:
    port.create(dict(RECORD))
    before = port.read()
    assert port.pinned() is False
    assert port.read() == before


@pytest.mark.real
@pytest.mark.parametrize(
    ("said", "pinned"),
    [
        ("ValidatingAdmissionPolicy 'x' denied request: decidedBy must be the name of whoever writes it", True),
        ('admission webhook "freeze.example" denied the request: no changes on Friday', False),
    ],
)
def test_only_a_refusal_because_of_the_name_proves_names(cluster: Any, said: str, pinned: bool) -> None:
    gates = KubernetesGates(cluster.api(), namespace=cluster.namespace, route="shop")
    gates.create(dict(RECORD))
    cluster.fault({"status": 403, "reason": "Forbidden", "message": said}, verb="patch", dryRun="All")
    assert gates.pinned() is pinned


def test_a_watch_tells_of_the_beginning_and_of_every_change(port: Gates, eventually: Callable[..., Any]) -> None:
    seen, stop = [0], threading.Event()

    def count() -> None:
        seen[0] += 1

    watching = threading.Thread(target=port.watch, args=(count, stop), daemon=True)
    watching.start()
    try:
        eventually(lambda: seen[0] >= 1)
        port.create(dict(RECORD))
        eventually(lambda: seen[0] >= 2)
        found = port.read()
        assert found is not None
        port.patch(decide(found, approved=True))
        eventually(lambda: seen[0] >= 3)
    finally:
        stop.set()
        watching.join()
