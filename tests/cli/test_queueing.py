"""Whose turn it is, on journals in memory and in virtual time: who waits, who puts whom down, and who gives up."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest

from canary.adapters.memory import MemoryJournals, World
from canary.cli.boundary import Failure
from canary.cli.case import NotYet
from canary.cli.queueing import Line, Ours, Over
from canary.cli.resuming import resumable
from canary.core.outcome import ExitCode, Outcome
from canary.core.release import Phase, Policy, Release, Stage, StepPolicy
from canary.engine.journal import Journal, encode
from canary.engine.subject import Ended, Subject
from canary.ports import Unavailable

POLICY = Policy(
    steps=(StepPolicy(share=Decimal(50), hold_min=10, hold_max=60),),
    bake_min=10,
    bake_max=30,
    settle_window=2,
    settle_least=60,
    drain=20,
    deadline=600,
    last_call=1200,
)
START = 1_800_000_000.0


class Route:
    """One route's journal, a lease that is free when no release is under way, and a clock that sleeping moves."""

    def __init__(self) -> None:
        self.world = World()
        self.journals = MemoryJournals(self.world)
        self.told: list[str] = []
        self.put_down: list[str] = []
        self.later: list[tuple[float, Callable[[], None]]] = []

    def journal(self, name: str, *, asked: float = START, before: tuple[Ended, ...] = (), **release: Any) -> None:
        subject = Subject(
            name=name, namespace="shop", route="r", stable="s", canary="c", stable_port=1, canary_port=1, asked=asked,
            before=before,
        )  # fmt: skip
        given = {"uid": name, "incarnation": "i", "policy": POLICY, "phase": Phase.JUDGING, "step": 0, **release}
        self.journals.overwrite(encode(Journal(release=Release(**given), identity=name, subject=subject)))

    def after(self, seconds: float, do: Callable[[], None]) -> None:
        self.later.append((self.world.clock.now() + seconds, do))

    def sleep(self, seconds: float) -> None:
        self.world.clock.advance(seconds)
        due = [one for one in self.later if one[0] <= self.world.clock.now()]
        self.later = [one for one in self.later if one not in due]
        for _, do in due:
            do()

    def line(
        self, does: str, *, name: str = "ours", asked: float = START + 5, deadline: float = 600.0, job: str = ""
    ) -> Line:
        ours: Any = Ours(identity=name, name=name, asked=asked, does=does, deadline=deadline, least=20.0, job=job)  # type: ignore[arg-type]
        return Line(
            ours,
            journals=self.journals,
            clock=self.world.clock,
            supersede=lambda: self.put_down.append(name),
            tell=self.told.append,
            sleep=self.sleep,
        )

    def begin(self, line: Line) -> float:
        """When its turn came, seconds after the start."""
        line.take(lambda: (), lambda _: None)
        return self.world.clock.now() - START


def ended(code: ExitCode = ExitCode.HELD_BY_ANOTHER) -> dict[str, Any]:
    return {"phase": Phase.ROLLED_BACK, "outcome": Outcome(code=code, reason="over", decided=START)}


def test_a_free_route_is_taken_at_once_whatever_the_file_says() -> None:
    for does in ("wait", "refuse", "supersede"):
        route = Route()
        assert route.begin(route.line(does)) == 0.0
        route.journal("older", **ended())
        line = route.line(does)
        assert route.begin(line) == 0.0
        assert line.shortened(POLICY) == POLICY


def test_waiting_lasts_until_the_other_has_ended_and_shortens_our_own_deadline() -> None:
    route = Route()
    route.journal("older")
    route.after(100, lambda: route.journal("older", **ended()))
    line = route.line("wait", asked=START)
    assert route.begin(line) == 100.0
    assert route.told == ["release older holds the route: waiting until it ends"]
    assert not route.put_down
    assert line.shortened(POLICY).deadline == 500.0


def test_waiting_is_bounded_by_the_deadline() -> None:
    route = Route()
    route.journal("older")
    with pytest.raises(Failure, match=r"another release still holds the route after 58[0-9] s") as failed:
        route.begin(route.line("wait", asked=START))
    assert failed.value.code is ExitCode.DEADLINE


def test_superseding_is_written_once_and_begins_only_when_the_route_is_clean() -> None:
    route = Route()
    route.journal("older")
    going = {"phase": Phase.ROLLING_BACK, "outcome": Outcome(code=ExitCode.HELD_BY_ANOTHER, reason="", decided=START)}
    route.after(10, lambda: route.journal("older", **going))
    route.after(30, lambda: route.journal("older", **ended()))
    assert route.begin(route.line("supersede")) == 30.0
    assert route.put_down == ["ours"]
    assert [line.split(":")[0] for line in route.told] == [
        "release older is superseded by this one",
        "release older is going back",
    ]


def test_of_two_that_come_at_once_the_later_supersedes_and_the_earlier_gives_up() -> None:
    for mine, theirs in ((START + 1, START + 2), (START + 2, START + 1), (START, START)):
        route = Route()
        route.journal("theirs", asked=theirs)
        route.after(10, lambda route=route: route.journal("theirs", **ended()))  # type: ignore[misc]  # mypy cannot infer it
        line = route.line("supersede", asked=mine)
        if (mine, "ours") < (theirs, "theirs"):
            with pytest.raises(Failure, match="superseded: release theirs was asked for later") as failed:
                route.begin(line)
            assert failed.value.code is ExitCode.HELD_BY_ANOTHER
            assert not route.put_down
        else:
            route.begin(line)
            assert route.put_down == ["ours"]


@pytest.mark.parametrize("does", ["wait", "supersede"])
def test_whose_release_ended_before_the_one_under_way_waits_for_nothing(does: str) -> None:
    route = Route()
    over = Ended(job="a-job", asked=START + 5, code=ExitCode.REJECTED)
    route.journal("theirs", before=(over,))
    with pytest.raises(Over, match="ended already, with 11") as failed:
        route.begin(route.line(does, job="a-job"))
    assert (failed.value.code, route.told, route.put_down) == (ExitCode.REJECTED, [], [])


PROMOTED = {
    "phase": Phase.SUCCEEDED,
    "outcome": Outcome(code=ExitCode.PROMOTED, reason="over", decided=START),
}


@pytest.mark.parametrize("does", ["wait", "supersede"])
def test_an_older_release_never_goes_over_a_newer_one_that_was_promoted(does: str) -> None:
    """It waited longer, or its Job tries again after a refusal: the older version must not come back by that."""
    route = Route()
    route.journal("newer", asked=START + 60, **PROMOTED)
    with pytest.raises(Over, match="superseded: release newer was asked for later") as failed:
        route.begin(route.line(does, asked=START))
    assert failed.value.code is ExitCode.HELD_BY_ANOTHER
    with pytest.raises(Over):
        resumable(route.journals.load(), "ours", asked=START)
    assert resumable(route.journals.load(), "ours", asked=START + 61)[1] is None
    assert route.begin(route.line(does, asked=START + 61)) == 0.0
    route.journal("newer", asked=START + 60, **ended(ExitCode.JUDGED_BAD))
    assert route.begin(route.line(does, asked=START)) == 0.0


@pytest.mark.parametrize(
    ("phase", "stage"),
    [(Phase.PROMOTING, Stage.RETURNING), (Phase.CLEANING, Stage.DETACHING), (Phase.CLEANING, Stage.REMOVING)],
)
def test_past_its_point_of_no_return_the_first_is_waited_for(phase: Phase, stage: Stage) -> None:
    route = Route()
    route.journal("older", phase=phase, stage=stage)
    done = {"phase": Phase.SUCCEEDED, "outcome": Outcome(code=ExitCode.PROMOTED, reason="", decided=START)}
    route.after(20, lambda: route.journal("older", **done))
    assert route.begin(route.line("supersede")) == 20.0
    assert not route.put_down
    assert route.told == ["release older is past its point of no return: waiting until it ends"]


def test_a_write_that_fails_or_comes_too_early_is_tried_again() -> None:
    route = Route()
    route.journal("older")
    failures: list[Exception] = [NotYet("it has touched nothing"), Unavailable("no answer")]
    line = route.line("supersede")

    def write() -> None:
        if failures:
            raise failures.pop(0)
        route.put_down.append("ours")

    line._supersede = write
    route.after(20, lambda: route.journal("older", **ended()))
    route.begin(line)
    assert route.put_down == ["ours"]


def test_a_lease_that_is_free_for_the_firsts_replacement_is_not_taken() -> None:
    """An engine that was drained hands its lease over: the journal says whose turn it still is."""
    route = Route()
    route.journal("older")
    route.after(40, lambda: route.journal("older", **ended()))
    taken: list[float] = []
    route.line("wait").take(lambda: (taken.append(route.world.clock.now() - START), ("x",))[1], lambda _: None)
    assert taken == [40.0]


def test_whoever_loses_the_race_for_the_lease_waits_again_and_other_failures_are_told() -> None:
    route = Route()
    tries: list[float] = []

    def take() -> tuple[str, ...]:
        tries.append(route.world.clock.now() - START)
        if len(tries) == 1:
            route.journal("third")
            route.after(10, lambda: route.journal("third", **ended()))
            raise Failure("another engine", code=ExitCode.HELD_BY_ANOTHER)
        return ()

    route.line("wait").take(take, lambda _: None)
    assert tries == [0.0, 10.0]
    with pytest.raises(Failure, match="damaged"):
        route.line("wait").take(tuple, lambda _: _damaged())


def test_an_api_server_that_does_not_answer_is_waited_for() -> None:
    route = Route()
    route.world.faults.plan("journals.load", Unavailable("no answer"), times=3)
    assert route.begin(route.line("wait")) == 6.0


def test_whoever_could_not_ask_until_the_deadline_ends_without_a_verdict() -> None:
    """Our own release may be under way: a verdict would end its Job, with the engine that lives or may be started."""
    route = Route()
    route.world.faults.plan("journals.load", Unavailable("no answer"), times=None)
    with pytest.raises(Unavailable):
        route.begin(route.line("supersede"))
    assert 580 <= route.world.clock.now() - START <= 590


def test_whoever_finds_the_lease_held_at_the_deadline_and_no_other_release_ends_without_a_verdict_too() -> None:
    """Another pod of our Job may just be ending our own release."""

    def held() -> tuple[str, ...]:
        raise Failure("another engine", code=ExitCode.HELD_BY_ANOTHER)

    with pytest.raises(Failure) as failed:
        Route().line("supersede").take(held, lambda _: None)
    assert failed.value.code is ExitCode.HELD_BY_ANOTHER


def test_a_release_that_ended_while_its_pod_waited_for_the_lease_is_not_waited_for() -> None:
    def resume(_: tuple[str, ...]) -> None:
        raise Over("this Job's release has ended already", code=ExitCode.HELD_BY_ANOTHER)

    with pytest.raises(Over):
        Route().line("wait").take(tuple, resume)


def _damaged() -> None:
    raise Failure("the journal is damaged", code=ExitCode.INVALID_RELEASE_FILE)
