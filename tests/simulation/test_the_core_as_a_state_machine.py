"""Hypothesis drives the pure machine through the same small world as the exhaustive test, but for long histories."""

from __future__ import annotations

from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule
from simulated import model
from simulated.model import State, begin, moves, policy

from canary.core.release import FINAL, Phase


class Histories(RuleBasedStateMachine):
    """Each rule picks one of the things that can happen; every transition is checked by the model itself."""

    state: State

    @initialize(
        undecided=st.sampled_from(["extend", "pause", "proceed", "rollback"]),
        no_traffic=st.sampled_from(["hold", "rollback", "proceed"]),
        has_workload=st.booleans(),
    )
    def begins(self, undecided: Any, no_traffic: Any, has_workload: bool) -> None:
        self.state = begin(policy(undecided=undecided, no_traffic=no_traffic, has_workload=has_workload))

    def _go(self, pick: int, *, willing: bool) -> None:
        found = [after for name, after in moves(self.state) if not willing or _willing(name)]
        if found:
            self.state = found[pick % len(found)]

    @rule(pick=st.integers(0, 1_000))
    def anything(self, pick: int) -> None:
        self._go(pick, willing=False)

    @rule(pick=st.integers(0, 1_000))
    def something_good(self, pick: int) -> None:
        self._go(pick, willing=True)

    @invariant()
    def a_final_phase_has_an_outcome(self) -> None:
        release = self.state.release
        if release.phase in FINAL:
            assert release.outcome is not None
            assert (release.outcome.code == 0) is (release.phase is Phase.SUCCEEDED)

    def teardown(self) -> None:
        """From wherever it got, a willing world brings it to an end: nothing waits for ever."""
        if not hasattr(self, "state"):
            return
        state = self.state
        for _ in range(60):
            if state.release.phase in FINAL or state.over is not None:
                return
            following = dict(moves(state))
            done = next((name for name in following if name.endswith(" done") or name == "started"), "deadline")
            state = following[done]
        raise AssertionError(f"it never ends: {state.release.phase} {state.release.stage} {state.release.pending}")


def _willing(name: str) -> bool:
    return name in {"look", "look HEALTHY", "accepted True", "tick", "started"} or name.endswith(" done")


TestHistories = Histories.TestCase
TestHistories.settings = settings(max_examples=60, stateful_step_count=40, deadline=None, derandomize=True)
assert model.SHORT < model.LONG < model.DEADLINE < model.LAST
