"""A release as a value: its fixed policy, and where it stands. The journal stores exactly this.

A newer field needs a default here, so that yesterday's journal can still be read.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum
from typing import Annotated, Literal

from pydantic import Field

from analysis.model import Verdict
from canary.core.effects import Work
from canary.core.outcome import Outcome
from canary.core.settling import Settling

FULL = Decimal(100)
NONE = Decimal(0)


class Phase(StrEnum):
    """Where a release stands; DESIGN's words, one at a time."""

    PENDING = "PENDING"
    PREFLIGHT = "PREFLIGHT"
    PROVISIONING = "PROVISIONING"
    SHIFTING = "SHIFTING"
    SETTLING = "SETTLING"
    JUDGING = "JUDGING"
    GATED = "GATED"
    BAKING = "BAKING"
    PROMOTING = "PROMOTING"
    CLEANING = "CLEANING"
    SUCCEEDED = "SUCCEEDED"
    ROLLING_BACK = "ROLLING_BACK"
    ROLLED_BACK = "ROLLED_BACK"


FINAL = frozenset({Phase.SUCCEEDED, Phase.ROLLED_BACK})
"""Phases that nothing leaves."""


class Stage(StrEnum):
    """What a phase of several writes is at; NONE where a phase has only one thing to do."""

    NONE = "none"
    FENCING = "fencing"  # PROVISIONING: our token goes onto the route
    BUILDING = (
        "building"  # PROVISIONING, SHIFTING: the workload grows to what the next share needs, or is stable's first
    )
    ATTACHING = "attaching"  # PROVISIONING: the reference with weight 0
    UPDATING = "updating"  # PROMOTING: stable gets the new version at 0 % traffic
    RETURNING = "returning"  # PROMOTING: traffic goes back to stable, which runs the new version
    REVERTING = "reverting"  # PROMOTING: stable did not get ready and is put back
    WRITING = "writing"  # SHIFTING: the weights of the next share; ROLLING_BACK: the canary's to 0
    DRAINING = "draining"  # ROLLING_BACK: until no new canary request is seen
    DETACHING = "detaching"  # CLEANING, ROLLING_BACK: our reference and annotations leave the route
    REMOVING = "removing"  # CLEANING, ROLLING_BACK: Service and workload are deleted


@dataclass(frozen=True, slots=True, kw_only=True)
class StepPolicy:
    """One step of the plan.

    Attributes:
        share: percent of the pool, up to 4 decimals.
        hold_min, hold_max: seconds from settling; a HEALTHY step ends after the first, an UNDECIDED one by policy
            after the second.
        gate: seconds after which a gate before this step expires; None without a gate.
    """

    share: Decimal
    hold_min: float
    hold_max: float
    gate: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Approvers:
    """Who may decide at a gate, beside what RBAC lets them write.

    Attributes:
        before: the gate's place: index of the step it stands before, the number of steps for the bake, one more for
            the promotion.
        users, groups: as the API server knows them; both empty lets anybody who can write the decision.
        separation: whoever asked for the release does not decide.
    """

    before: int
    users: tuple[str, ...] = ()
    groups: tuple[str, ...] = ()
    separation: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """What the release file decided; it never changes during a release. Durations in seconds.

    Attributes:
        steps: the plan, shares ascending.
        bake_min, bake_max: hold at 100 % before promotion.
        bake_gate, promotion_gate: seconds after which a gate before the bake, or before the promotion, expires; None
            without one.
        approvers: who may decide where; a gate without an entry is anybody's who can write the decision.
        called: how commands name the release, such as `user-service-route -n shop`; empty where nobody said.
        settle_window: how long no new canary request must be seen for a lowering to count as done.
        settle_least: the least wait for traffic to follow a raise.
        drain: how long a lowering waits for requests to stop before it reports the rest and goes on.
        undecided: what an UNDECIDED step does at its maximum hold.
        no_traffic: what happens when traffic does not follow a raise in time.
        no_data: what a step does at its maximum hold whose newest samples are old, or that nobody looked at.
        no_series, no_source: the same where no series exist, and where the source does not answer; None as for old
            samples. What is done without requests, or without the series of one arm or metric, the judge says.
        on_gate_expiry: what an unanswered gate does.
        exact_split: the gateway keeps shares exactly.
        has_workload: the engine makes the canary's workload and promotes by updating stable's.
        hook: seconds within which somebody else gives stable the new version; None where the engine does it.
        deadline: seconds from the start after which the release is rolled back.
        last_call: seconds from the start after which an incomplete rollback is reported with exit 30.
        look_every: seconds between looks; after a restart a step is looked at a few times before it may end.
        lease_grace: seconds without a confirmed renewal after which nothing is raised.
    """

    steps: tuple[StepPolicy, ...]
    bake_min: float
    bake_max: float
    settle_window: float
    settle_least: float
    drain: float
    deadline: float
    last_call: float
    bake_gate: float | None = None
    promotion_gate: float | None = None
    approvers: tuple[Approvers, ...] = ()
    called: str = ""
    undecided: Literal["extend", "pause", "proceed", "rollback"] = "proceed"
    no_traffic: Literal["hold", "rollback", "proceed"] = "hold"
    no_data: Literal["hold", "rollback"] = "rollback"
    no_series: Literal["hold", "rollback"] | None = None
    no_source: Literal["hold", "rollback"] | None = None
    on_gate_expiry: Literal["rollback", "hold", "proceed"] = "rollback"
    exact_split: bool = False
    has_workload: bool = True
    hook: float | None = None
    look_every: float = 1.0
    lease_grace: float = 20.0


@dataclass(frozen=True, kw_only=True)  # no slots: see `replacing`
class Release:
    """Where a release stands.

    Attributes:
        uid: random, names the release in the token, the journal and the labels of what it makes.
        incarnation: random, names this life of the engine.
        lives: how many incarnations there were without progress since; the third may only roll back.
        phase, stage: where it stands.
        step: index of the step it is at; -1 before the first, `len(policy.steps)` for the bake.
        started: when the release began, seconds since the epoch on the server's clock; 0 before.
        resumed: when the newest incarnation took over; 0 in the first one.
        since: when the phase was entered.
        share: the share last acknowledged by the API server, percent.
        generation: the route's generation after our last acknowledged write; 0 before.
        fenced: our token stands on the route.
        settling: what was seen since the last acknowledged write.
        pending: the effect that was asked for and is not answered yet.
        suspended: what was pending when a new incarnation took over; asked for again once the fence is taken.
        numbered: how many effects were asked for; the next id.
        retry_at: when a failed effect is asked for again; None when none failed.
        failures: consecutive failures of the pending effect.
        outcome: how it will end, once decided; a decision to roll back is never taken back.
        paused: nobody steps forward until resumed.
        renewed: when the lease was last confirmed.
        stable_ready: stable's ready endpoints at the start; 0 before known.
        short: stable has fewer ready endpoints than at the start: no raise.
        stable_gone: stable has none at all, and the canary has some: no lowering either, until one of that changes.
        suspect: the sentence of an outside change that waits for its confirming read.
        verdict, may_proceed, sentence: the judge's newest word in this step, and its reason.
        absent, absence: what a step that ends without some metric's data does, and which metric.
        approved: place of the newest gate that was opened, as `Approvers.before` counts; -1 for none.
        held: seconds for which the step was held when the gate after it was reached; the wait there does not count.
        heard: number of the newest request by a person that was answered; 0 for none.
        basis: what that word rests on.
        alerted: what people were told in this step of what holds it.
        told: the last reason for waiting that people were told, so that it is told once.
        unsure: when a create of ours, or a stamp, may last have been left unanswered in a network; 0 for never, and
            once the sweep was asked for that comes after all of them.
        first: there was no stable version: it is made, and no traffic is moved.
        leftovers: what a finished rollback could not put right or had to leave, one sentence each.
    """

    uid: str
    incarnation: str
    policy: Policy
    lives: int = 1
    phase: Phase = Phase.PENDING
    stage: Stage = Stage.NONE
    step: int = -1
    started: float = 0.0
    resumed: float = 0.0
    since: float = 0.0
    share: Decimal = NONE
    generation: int = 0
    fenced: bool = False
    settling: Settling | None = None
    pending: Annotated[Work, Field(discriminator="kind")] | None = None
    suspended: Annotated[Work, Field(discriminator="kind")] | None = None
    numbered: int = 0
    retry_at: float | None = None
    failures: int = 0
    outcome: Outcome | None = None
    paused: bool = False
    renewed: float = 0.0
    stable_ready: int = 0
    short: bool = False
    stable_gone: bool = False
    suspect: str = ""
    verdict: Verdict = Verdict.NO_DATA
    may_proceed: bool = False
    sentence: str = ""
    absent: str = ""
    absence: str = ""
    basis: str = ""
    alerted: tuple[str, ...] = ()
    approved: int = -1
    held: float = 0.0
    heard: int = 0
    told: str = ""
    unsure: float = 0.0
    first: bool = False
    leftovers: tuple[str, ...] = ()

    @property
    def token(self) -> str:
        """What stands on the route while this incarnation may raise."""
        return f"{self.uid}/{self.incarnation}"

    @property
    def baking(self) -> bool:
        """Whether the step it is at is the bake at 100 %."""
        return self.step >= len(self.policy.steps)

    @property
    def current(self) -> StepPolicy:
        """The step it is at; the bake is a step at 100 %.

        Raises:
            IndexError: no step has begun.
        """
        if self.step < 0:
            raise IndexError("no step has begun")
        return self.at(self.step)

    def at(self, index: int) -> StepPolicy:
        """The step with this index, 0 for the first; the bake follows the last."""
        policy = self.policy
        if index < len(policy.steps):
            return policy.steps[index]
        return StepPolicy(share=FULL, hold_min=policy.bake_min, hold_max=policy.bake_max, gate=policy.bake_gate)

    def gate_before(self, place: int) -> float | None:
        """Seconds after which the gate at a place expires (as `Approvers.before` counts); None without a gate."""
        policy = self.policy
        if place < len(policy.steps):
            return policy.steps[place].gate
        return policy.bake_gate if place == len(policy.steps) else policy.promotion_gate

    @property
    def gate(self) -> int | None:
        """Place of the gate that waits for a decision; None when none does."""
        following = self.step + 1
        return following if self.phase is Phase.GATED and self.approved < following else None

    @property
    def expires(self) -> float | None:
        """When the gate it stands at expires, seconds since the epoch; None where it stands at none."""
        lasts = self.gate_before(self.step + 1)
        return self.since + lasts if self.phase is Phase.GATED and lasts is not None else None
