"""A release without its engine: what a watchdog does with a journal, with half of one, and without."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from canary.core.outcome import ExitCode
from canary.core.release import Phase
from canary.core.vigil import Ended
from canary.core.vigil import Rescue as Wanted
from canary.engine.journal import Journal, decode
from canary.engine.rescue import Rescue, Scene
from canary.engine.surroundings import Ports
from canary.ports import Stored, Unavailable


class Rescued:
    """One attempt on the world of a play whose engine is never heard of again.

    Args:
        play: the play.
        furnish: what a journal that is believed leads to; None where none may be.
    """

    def __init__(self, play: Any, *, furnish: Callable[[Journal], Ports] | None = None) -> None:
        self.play, self.said, self.furnished = play, [], 0
        lease = play.leases
        wanted = Wanted(key="shop/shop", version=lease.version, holder=lease.holder, silent=30.0)
        scene = Scene(
            clock=play.world.clock,
            routes=play.routes,
            leases=play.leases,
            journals=play.journals,
            manager="canary-engine",
            furnish=furnish or (lambda _: pytest.fail("the journal was believed")),
            tell=lambda sentence, alarm: self.said.append((sentence, alarm)),
        )
        self.attempt = Rescue(wanted, scene, holder="dog", background=play.tasks, confirm=0.0)

    @property
    def canary(self) -> int:
        refs = self.play.routes.current["spec"]["rules"][0]["backendRefs"]
        return sum(ref["weight"] for ref in refs if ref["name"] == "shop-canary")


@pytest.fixture
def orphan(play: Any) -> Rescued:
    play.until(lambda: play.decider.release.phase is Phase.JUDGING)
    play.journals.overwrite(with_subject(play.journals.stored.text))
    return Rescued(play)


def with_subject(text: str) -> str:
    names = {"name": "shop", "namespace": "shop", "route": "shop", "stable": "shop", "canary": "shop-canary"}
    return json.dumps({**json.loads(text), "subject": {**names, "stable_port": 8080, "canary_port": 8080}})


BROKEN: dict[str, Callable[[str], str | None]] = {
    "gone": lambda _: None,
    "torn": lambda text: text[: len(text) // 2],
    "newer": lambda text: json.dumps({**json.loads(text), "version": 99}),
    "foreign": lambda _: '{"hello": "world"}',
    "older": lambda text: json.dumps({**json.loads(text), "subject": None}),
}


@pytest.mark.parametrize("how", BROKEN)
def test_without_a_readable_journal_the_canary_gets_nothing_and_nothing_is_deleted(orphan: Rescued, how: str) -> None:
    play = orphan.play
    assert orphan.canary > 0
    text = BROKEN[how](play.journals.stored.text)
    play.journals.delete()
    if text is not None:
        play.journals.overwrite(text)
    assert orphan.attempt.turn() is Ended.SETTLED
    assert orphan.canary == 0
    assert play.workloads.exists, "the canary was deleted"
    assert play.leases.holder == "i1", "the lease was not left alone"
    ((sentence, alarm),) = orphan.said
    assert alarm
    assert orphan.attempt.alarmed
    assert "nothing was deleted" in sentence
    assert "canary abort --finish" in sentence
    assert (play.journals.stored.text if play.journals.stored else None) == text
    # Again, by the other watchdog: nothing is written, and it is said once more.
    again = Rescued(play)
    before = play.routes.current
    assert again.attempt.turn() is Ended.SETTLED
    assert play.routes.current == before


def test_without_journal_and_note_nothing_is_touched_and_a_person_is_asked(orphan: Rescued) -> None:
    play = orphan.play
    play.journals.delete()
    play.routes.edit(lambda route: route["metadata"]["annotations"].pop("canary-engine.io/original"), manager="ann")
    before = play.routes.current
    assert orphan.attempt.turn() is Ended.SETTLED
    assert play.routes.current == before
    assert "put the weights back by hand" in orphan.said[0][0]
    assert orphan.said[0][1]


def test_a_route_that_carries_no_release_is_nobodys_alarm(play: Any) -> None:
    lost = Rescued(play)
    play.journals.delete()
    assert lost.attempt.turn() is Ended.SETTLED
    assert [alarm for _, alarm in lost.said] == [False]
    assert play.clean()


def test_a_release_that_has_ended_is_left_as_it_is(play: Any) -> None:
    assert play.to_the_end() is ExitCode.PROMOTED
    lost = Rescued(play)
    assert lost.attempt.turn() is Ended.SETTLED
    assert play.leases.holder == "i1"
    assert lost.said == []


def test_a_holder_that_renewed_in_between_keeps_its_release(orphan: Rescued) -> None:
    play = orphan.play
    play.leases.renew("i1")
    before = play.journals.stored
    assert orphan.attempt.turn() is Ended.DONE
    assert play.leases.holder == "i1"
    assert play.journals.stored == before
    assert orphan.canary > 0


@pytest.mark.parametrize("call", ["journals.load", "leases.acquire"])
def test_an_api_server_that_does_not_answer_is_an_outage_and_nothing_is_done(orphan: Rescued, call: str) -> None:
    orphan.play.world.faults.plan(call, Unavailable("no answer"))
    assert orphan.attempt.turn() is Ended.UNAVAILABLE
    assert orphan.play.leases.holder == "i1"
    assert orphan.canary > 0
    assert not orphan.attempt.alarmed


def test_whoever_asked_for_the_lease_while_somebody_else_finished_gives_it_back(play: Any) -> None:
    play.until(lambda: play.decider.release.phase is Phase.JUDGING)
    half = Stored(text=with_subject(play.journals.stored.text), version="1")
    assert play.to_the_end() is ExitCode.PROMOTED
    ended = play.journals.stored
    play.leases.release("i1")
    lost = Rescued(play)
    loads = iter([half, ended])
    play.journals.load = lambda: next(loads)  # it read the journal, slept, and asked for a lease that was free by then
    assert lost.attempt.turn() is Ended.DONE
    assert play.leases.holder == ""
    assert decode(ended.text).release.phase is Phase.SUCCEEDED
