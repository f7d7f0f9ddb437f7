"""From a seed to a scenario: the release, the canary's quality, and everything that goes wrong, drawn beforehand."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from random import Random
from typing import Any

from canary.core.release import Policy, StepPolicy

PLANS = (("5", "25", "50"), ("1", "10"), ("50",), ("10", "20", "40", "80"), ("0.5", "5", "50"))

CALL_FAULTS = (
    "kill-before",
    "kill-after",
    "kill-late",
    "pause",
    "slow-answer",
    "conflict",
    "refused",
    "not-found",
    "unavailable",
    "answer-lost",
    "late",
)
"""What can happen to a single call of an engine's."""

EDITS = (
    "hostnames",
    "label",
    "note",
    "timeouts",
    "other-rule",
    "rule-in-front",
    "rename-rule",
    "delete-rule",
    "canary-to-zero",
    "canary-to-all",
    "canary-less",
    "drop-canary",
    "stable-weight",
    "help-weight",
    "drop-stable",
    "drop-token",
    "drop-notes",
    "delete-route",
    "recreate-route",
    "stable-image",
    "delete-journal",
)
"""What a person does by hand."""

OTHERS = (
    "outage-all",
    "outage-engine",
    "metrics-outage",
    "wall-clock",
    "abort",
    "pause",
    "second-engine",
    "kill",
    "stop",
    "terminate",
    "canary-vanishes",
    "stable-short",
    "gateway-refuses",
    "no-traffic",
)

MILD = ("hostnames", "label", "note", "timeouts", "other-rule", "rule-in-front")


@dataclass(frozen=True, slots=True, kw_only=True)
class CallFault:
    """At the engines' call number `number`, `kind` happens; `seconds` where something takes time.

    Calls about the journal's copy are not counted among these; a negative number is one of them, -1 the first.
    """

    number: int
    kind: str
    seconds: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Happening:
    """At `at` seconds, `kind` happens, for `seconds` where it lasts; `value` says how much."""

    at: float
    kind: str
    seconds: float = 0.0
    value: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Scenario:
    """One history's ingredients.

    Attributes:
        policy: the release's.
        real_judge: the real judge reads counters; otherwise its words are scripted.
        quality: good, bad, slow (bad from `onset` on), murky (never decided), fickle, never-ready.
        looks: looks until the scripted judge is sure.
        onset: index of the step at which a slow canary gets bad.
        may_proceed: what the scripted judge says of an undecided step.
        rate: requests per second.
        lag: seconds until the gateway serves new weights.
        noise: chance of each call to fail with Unavailable.
        reverter: seconds after which a GitOps tool puts back what differs from its file; 0 for none.
        rules: chosen rules, 1 or 2; `named` whether they have names; `written` whether their weights are written out.
        calls: faults of single calls.
        script: what else happens, by time.
        baseline: the release is compared with a fresh baseline.
        drift: by how much more the engines' own clocks count than the API server's.
        scraped: readings have the reader's time; else the time of a source whose clock is true.
    """

    seed: int
    policy: Policy
    real_judge: bool
    quality: str
    looks: int
    onset: int
    may_proceed: bool
    rate: float
    lag: float
    noise: float
    reverter: float
    rules: int
    named: bool
    written: bool
    calls: tuple[CallFault, ...]
    script: tuple[Happening, ...]
    baseline: bool = False
    drift: float = 0.0
    scraped: bool = True

    def has(self, *kinds: str) -> bool:
        """Whether any of these happenings is in the script."""
        return any(each.kind in kinds for each in self.script)


def scenario(seed: int) -> Scenario:
    """The scenario of a seed."""
    chance = Random(seed)
    quality = chance.choice(["good"] * 5 + ["bad", "bad", "slow", "murky", "fickle", "never-ready"])
    return Scenario(
        seed=seed,
        policy=_policy(chance),
        real_judge=chance.random() < 0.12,
        quality=quality,
        looks=chance.randint(1, 5),
        onset=chance.randint(1, 3),
        may_proceed=chance.random() < 0.6,
        rate=chance.choice([400.0, 400.0, 50.0]),
        lag=chance.choice([0.0, 0.0, 1.0, 4.0]),
        noise=chance.choice([0.0, 0.0, 0.0, 0.02, 0.2]),
        reverter=chance.choice([0.0] * 11 + [2.0, 30.0]),
        rules=chance.choice([1, 1, 2]),
        named=chance.random() < 0.7,
        written=chance.random() < 0.8,
        calls=_with_copies(_calls(chance), Random(f"copies/{seed}")),
        script=_script(chance),
    )


def _policy(chance: Random) -> Policy:
    gates = chance.random() < 0.15
    steps = tuple(
        StepPolicy(
            share=Decimal(share),
            hold_min=chance.choice([2.0, 4.0, 8.0]),
            hold_max=chance.choice([9.0, 20.0]),
            gate=chance.choice([None, 25.0]) if gates else None,
        )
        for share in chance.choice(PLANS)
    )
    wishes: dict[str, Any] = {
        "undecided": chance.choice(["proceed", "proceed", "rollback", "extend", "pause"]),
        "no_traffic": chance.choice(["hold", "rollback", "proceed"]),
        "no_data": chance.choice(["rollback", "hold"]),
        "on_gate_expiry": chance.choice(["rollback", "hold", "proceed"]),
    }
    deadline = chance.choice([150.0, 400.0, 900.0])
    return Policy(
        steps=steps,
        bake_min=3.0,
        bake_max=10.0,
        settle_window=2.0,
        settle_least=chance.choice([12.0, 25.0]),
        drain=chance.choice([4.0, 12.0]),
        deadline=deadline,
        last_call=deadline + 1000.0,
        exact_split=True,
        has_workload=chance.random() < 0.85,
        **wishes,
    )


def _calls(chance: Random) -> tuple[CallFault, ...]:
    many = chance.choice([0, 1, 1, 2, 3, 6, 10])
    numbers = sorted({int(chance.triangular(2, 80, 15)) for _ in range(many)})
    return tuple(
        CallFault(number=number, kind=chance.choice(CALL_FAULTS), seconds=chance.choice([2.0, 12.0, 45.0, 150.0]))
        for number in numbers
    )


def _with_copies(calls: tuple[CallFault, ...], chance: Random) -> tuple[CallFault, ...]:
    """Beside these, faults of the calls about the journal's copy, by a chance of their own: these stay as they were."""
    if not calls or chance.random() < 0.6:
        return calls
    numbers = sorted({chance.randint(1, 8) for _ in range(chance.choice([1, 1, 2, 4]))})
    return calls + tuple(
        CallFault(number=-number, kind=chance.choice(CALL_FAULTS), seconds=chance.choice([2.0, 12.0, 45.0, 150.0]))
        for number in numbers
    )


def _script(chance: Random) -> tuple[Happening, ...]:
    found: list[Happening] = []
    for _ in range(chance.choice([0, 0, 1, 1, 2, 3, 5])):
        kind = chance.choice(OTHERS)
        seconds = chance.choice([3.0, 15.0, 40.0, 120.0])
        if kind.startswith("outage"):
            seconds = chance.choice([10.0, 25.0, 60.0, 200.0, 600.0])
        value = chance.choice([-600.0, 600.0]) if kind == "wall-clock" else chance.random()
        found.append(Happening(at=_moment(chance), kind=kind, seconds=seconds, value=value))
    for _ in range(chance.choice([0, 0, 0, 1, 1, 2, 3])):
        kind = chance.choice(MILD) if chance.random() < 0.4 else chance.choice(EDITS)
        found.append(Happening(at=_moment(chance), kind="edit:" + kind, value=chance.random()))
    return tuple(sorted(found, key=lambda each: each.at))


def _moment(chance: Random) -> float:
    return float(chance.choice([chance.randint(0, 20), chance.randint(0, 60), chance.randint(0, 150)]))
