"""What a person is told about a request that is written already."""

from __future__ import annotations

from canary.adapters.memory import MemoryGates, MemoryJournals, World
from canary.cli.decisions import Desk, heard
from canary.core.gates import Person, Request, Wish
from canary.ports import Unavailable

PAUSE = Request(number=1, wish=Wish.PAUSE, release="r1", by="ann", reason="", at="")


def test_an_api_server_that_is_gone_after_the_write_leaves_no_doubt_that_it_was_written() -> None:
    world = World()
    world.faults.plan("journals.load", Unavailable("no answer"), times=100)
    desk = Desk(
        gates=MemoryGates(world),
        journals=MemoryJournals(world),
        clock=world.clock,
        who=Person(name="ann"),
        alive=lambda: True,
        status="canary status r",
        sleep=world.clock.advance,
    )
    assert heard(desk, PAUSE) == "the engine takes it within seconds: canary status r"
