"""First versions: nothing serves yet, the workload is made directly, no traffic is moved, and everything goes wrong."""

from __future__ import annotations

from dataclasses import replace
from random import Random

from canary.adapters.memory import MemoryWorkloads
from canary.ports import Problem
from simulated.guarded import Guarded, check_guarded
from simulated.oracles import check_end, played
from simulated.scenario import Happening, Scenario, scenario
from simulated.simulation import Simulation
from simulated.world import Object, Workloads

NOTHING_SERVES = Problem(what="There is no stable version.", fix="Nothing.", code=None, first=True)

UNPLAYED = frozenset({"canary-vanishes", "stable-short", "edit:stable-image", "edit:drop-stable"})
"""What needs a stable version, or a canary."""

THEIRS = "somebody-else"


class First(Simulation):
    """One history of a first version.

    Attributes:
        theirs: somebody else made stable's workload, which is none of ours from then on.
    """

    def __init__(self, given: Scenario) -> None:
        super().__init__(given)
        self.preflights.problems = [NOTHING_SERVES]
        self.theirs = False

    def a_workload(self) -> Workloads:
        """See Simulation."""
        return Workloads(self.world, absent=True)

    def check_workload(self, *, promoted: bool) -> bool:
        """See Simulation."""
        stable: MemoryWorkloads = self.workloads
        if stable.exists or stable.promoted:
            self.complain("a canary was made of a first version")
        if stable.deployed:
            self.complain("the first version still carries the release's label")
        if stable.token:
            self.complain(f"our token is left on stable: {stable.token}")
        if stable.absent is (promoted or self.theirs):
            self.complain(f"promoted is {promoted}, and stable's workload is {'gone' if stable.absent else 'there'}")
        if promoted and self.theirs:
            self.complain("what somebody else made was called our first version")
        return True

    def _happen(self, one: Happening) -> None:
        if one.kind != THEIRS:
            super()._happen(one)
        elif self.workloads.absent and not self.theirs:
            self.log("-- somebody else makes stable's workload")
            self.theirs, self.workloads.absent = True, False
            self.workloads.set_endpoints(stable=4)

    def _audit(self, before: Object | None, after: Object, ours: bool) -> None:
        if ours and before is not None and before["spec"] != after["spec"]:
            self.complain("an engine moved traffic of a first version")
        super()._audit(before, after, ours)


def first(seed: int) -> Scenario:
    """The scenario of a seed for a first version, which somebody else makes now and then."""
    plain, chance = scenario(seed), Random(f"first/{seed}")
    script = [one for one in plain.script if one.kind not in UNPLAYED]
    if chance.random() < 0.15:
        script.append(Happening(at=float(chance.randint(0, 40)), kind=THEIRS))
    return replace(
        plain,
        policy=replace(plain.policy, has_workload=True),
        real_judge=False,
        quality="never-ready" if plain.quality in {"never-ready", "bad"} else "good",
        script=tuple(sorted(script, key=lambda each: each.at)),
    )


class GuardedFirst(First, Guarded):
    """The same with two watchdogs, and with a Job that may be gone."""


def play_first(given: Scenario) -> First:
    """The history of a scenario with a first version, with every violation during it and at its end."""
    return played(First(given), check_end)


def play_guarded_first(given: Scenario) -> GuardedFirst:
    """The same with watchdogs."""
    return played(GuardedFirst(given), check_guarded)
