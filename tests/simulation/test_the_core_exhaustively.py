"""The pure machine in a small world, every history up to a stated length; the model is in `simulated.model`.

From each state of the plain way to the end, forward and back, every sequence of `DEPTH` things that can happen is
played: answers, lost answers, refusals, crashes before and after each effect, every tick, every verdict, every
person's word. `model.step` checks the invariants of each transition.
"""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest
from simulated import model
from simulated.model import State, begin, key, moves, policy

from canary.core.release import StepPolicy

DEPTH, SOAKED = 3, 5
"""Moves from every state of the plain ways, in all some 160,000 states to depth 3; `make soak` goes two further."""

FORWARD = (
    "started", "run-preflight done", "take-fence done", "provision-workload done", "attach-canary done",
    "accepted True", "provision-workload done", "raise-share done", "accepted True", "look", "look HEALTHY",
    "provision-workload done", "raise-share done", "accepted True", "look", "look HEALTHY", "update-stable done",
    "lower-share done", "wait", "detach-canary done", "remove-workload done",
)  # fmt: skip
BACK = ("abort", "lower-share done", "wait", "detach-canary done", "remove-workload done")
GATES = tuple(
    name
    for place, step in enumerate(FORWARD)
    for name in (("gate True", step) if place in {6, 11} else (step,))  # before the only step, and before the bake
)
FIRST = (*FORWARD[:4], "detach-canary done", "remove-workload done")
KEPT = (*(name for name in FORWARD[:16] if name != "provision-workload done"), "detach-canary done")

GATED = StepPolicy(share=Decimal(50), hold_min=0.5, hold_max=60.0, gate=30.0)

WAYS: dict[str, tuple[dict[str, Any], tuple[str, ...]]] = {
    "promoted": ({}, FORWARD),
    "rolled back": ({}, (*FORWARD[:10], *BACK)),
    "rolled back while stable is updated": ({}, (*FORWARD[:16], "abort", "revert-stable done", *BACK[1:])),
    "undecided steps roll back": ({"undecided": "rollback", "no_data": "hold", "no_traffic": "proceed"}, FORWARD),
    "a first version": ({"first": True}, FIRST),
    "a first version that fails": ({"first": True}, (*FORWARD[:3], "provision-workload hopeless", *BACK[1:])),
    "without a workload": ({"has_workload": False}, KEPT),
    "gates before the step and the bake": ({"bake_gate": 30.0, "steps": (GATED,)}, GATES),
    "gates that open by themselves": (
        {"bake_gate": 30.0, "steps": (GATED,), "on_gate_expiry": "proceed"},
        tuple(name for step in GATES for name in (("wait", "gate unanswered") if step == "gate True" else (step,))),
    ),
    "paused and resumed": ({"undecided": "pause"}, (*FORWARD[:10], "pause", "look HEALTHY", "resume", *FORWARD[10:])),
}


def along(way: str) -> list[State]:
    """Every state of a plain way."""
    changes, names = WAYS[way]
    first = bool(changes.get("first"))
    states = [begin(policy(**{key: value for key, value in changes.items() if key != "first"}), first=first)]
    for name in names:
        states.append(next(after for said, after in moves(states[-1]) if said == name))
    return states


def explore(starts: list[State], depth: int) -> int:
    """Play everything; returns how many different states were seen."""
    level = {key(state): state for state in starts}
    seen = set(level)
    for _ in range(depth):
        following: dict[Any, State] = {}
        for state in level.values():
            for _, after in moves(state):
                known = key(after)
                if known not in seen:
                    seen.add(known)
                    following[known] = after
        level = following
    return len(seen)


SHORTER = {"promoted", "undecided steps roll back", "gates that open by themselves", "paused and resumed"}
"""Ways that share most of their states with one of the others: one move less in `make test`."""


@pytest.mark.slow
@pytest.mark.parametrize("way", WAYS)
def test_no_history_of_this_length_breaks_an_invariant(way: str) -> None:
    assert explore(along(way), DEPTH - (way in SHORTER)) > 2_000


@pytest.mark.soak
@pytest.mark.parametrize("way", WAYS)
def test_no_longer_history_does_either(way: str) -> None:
    assert explore(along(way), SOAKED) > 30_000


@pytest.mark.parametrize("way", WAYS)
def test_each_plain_way_ends(way: str) -> None:
    assert along(way)[-1].over is not None


def test_the_model_sees_a_raise_without_evidence() -> None:
    """The oracle has teeth: a world in which nothing was said must not be raised further."""
    judged = along("promoted")[10]
    lied = replace(judged, release=replace(judged.release, verdict=model.Verdict.HEALTHY), passed=False)
    ticked = next(after for name, after in moves(lied) if name == "tick")
    with pytest.raises(model.Violation, match="nothing let the step pass"):
        model.step(
            ticked,
            model.on.WorkloadReady(at=ticked.now, effect=ticked.release.pending.id if ticked.release.pending else ""),
        )
