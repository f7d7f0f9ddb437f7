"""The same with gates as objects: people write their decisions into the route's gate, whoever lives just then.

Here the desk of each engine reads them, by the calls that fail like all others. A person decides some seconds after a
gate was put up, sometimes two of them at once, sometimes when nobody lives; and people ask to pause and to go on.
"""

from __future__ import annotations

from dataclasses import replace
from random import Random

from canary.adapters.memory import MemoryGates
from canary.core import gates
from canary.core.outcome import ExitCode
from canary.ports import PortError
from simulated.oracles import check_end, played
from simulated.scenario import Scenario, scenario
from simulated.simulation import RETRIED, Simulation

ASKED = (gates.Wish.PAUSE, gates.Wish.RESUME)


class Desked(Simulation):
    """A history in which people decide by the object.

    Attributes:
        decided: what was decided first, by nonce: yes or no, when, and at which place.
    """

    def __init__(self, given: Scenario) -> None:
        self.decided: dict[str, tuple[bool, float, int]] = {}
        self._seen: dict[str, float] = {}
        self._people = Random(f"people/{given.seed}")
        super().__init__(given)
        self.gates = MemoryGates(self.world)

    def second(self) -> None:
        """See Simulation."""
        super().second()
        found = self.gates.current if self.gates is not None else None
        if found is None:
            return
        data = gates.data_of(found)
        nonce = data.get("nonce", "")
        if data.get("state") == gates.State.PENDING:
            since = self._seen.setdefault(nonce, self.now)
            if self.now - since >= self._people.choice([2.0, 8.0, 20.0]):
                self._decide(nonce, int(data["step"]))
        if self._people.random() < 0.01:
            self._ask(self._people.choice(ASKED), data.get("release", ""))

    def _decide(self, nonce: str, place: int) -> None:
        """One person, or two who see the same gate."""
        answers = [self._people.random() < 0.85 for _ in range(self._people.choice([0, 0, 1, 1, 1, 2]))]
        for approved in answers:
            assert self.gates is not None
            found = self.gates.current
            assert found is not None
            person = gates.Person(name=self._people.choice(["ann", "bob"]))
            at = gates.moment(self.now, full=True)
            try:
                patch = gates.decision(found, approved=approved, person=person, at=at, reason="looked at it")
                self.by_people(lambda patch=patch: self.gates.patch(patch))  # type: ignore[misc,union-attr]
            except (gates.NoGate, gates.Decided, PortError):
                continue
            self.log(f"-- {person.name} says {'yes' if approved else 'no'} before {place}")
            self.decided.setdefault(nonce, (approved, self.now, place))
            if approved:
                self.ledger.approved.add(place)

    def _ask(self, wish: gates.Wish, release: str) -> None:
        assert self.gates is not None
        found = self.gates.current
        assert found is not None
        at = gates.moment(self.now, full=True)
        patch = gates.asking(found, wish=wish, release=release, by="ann", reason="", at=at)
        self.log(f"-- ann asks to {wish}")
        self.by_people(lambda: self.gates.patch(patch))  # type: ignore[union-attr]


def gated(seed: int) -> Scenario:
    """The scenario of a seed, with gates nearly everywhere."""
    plain, chance = scenario(seed), Random(f"desked/{seed}")
    lasts = [None, 15.0, 60.0, 60.0]
    steps = tuple(replace(step, gate=chance.choice(lasts)) for step in plain.policy.steps)
    policy = replace(
        plain.policy, steps=steps, bake_gate=chance.choice(lasts), promotion_gate=chance.choice([None, *lasts])
    )
    return replace(plain, policy=policy)


def play_desked(given: Scenario) -> Desked:
    """The history of a scenario with gates as objects, with every violation found during it and at its end."""
    return played(Desked(given), check_end, _check_decisions)


def _check_decisions(sim: Desked) -> None:
    final = [code for code in sim.codes if code not in RETRIED]
    no = [place for approved, _, place in sim.decided.values() if not approved]
    for place in no:
        if place in sim.ledger.raised or (final and final[0] is ExitCode.PROMOTED):
            sim.complain(f"it went past the gate before {place}, although somebody had said no")
    if final and final[0] is ExitCode.REJECTED and not no and not sim.scenario.has("abort"):
        sim.complain("it ended 11, and nobody had said no")
