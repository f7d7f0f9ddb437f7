"""From the release file to the machine's policy: what is fixed for the whole release."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal

from canary.core.release import FULL, Approvers, Policy, StepPolicy
from canary.spec import Release as ReleaseFile
from canary.spec.plan import steps_of
from canary.spec.quantities import PROMOTION

LAST_CALL = 600.0
"""Seconds after the deadline in which a rollback that does not succeed is retried before it is reported."""


def policy_of(file: ReleaseFile, *, exact_split: bool) -> Policy:
    """What the release file decides.

    Args:
        file: a valid release file.
        exact_split: whether the gateway keeps shares exactly (its metric pack knows).
    """
    spec = file.spec
    gates: dict[Decimal | str, float] = {gate.before: gate.expires for gate in spec.gates}
    steps = tuple(
        StepPolicy(share=step.share, hold_min=step.hold_min, hold_max=step.hold_max, gate=gates.get(step.share))
        for step in steps_of(spec.strategy)
    )
    return Policy(
        steps=steps,
        bake_min=spec.bake.min,
        bake_max=spec.bake.max,
        bake_gate=gates.get(FULL),
        promotion_gate=gates.get(PROMOTION),
        approvers=tuple(_approvers(file, steps)),
        called=f"{spec.route.name} -n {file.metadata.namespace}",
        settle_window=spec.settle.window,
        settle_least=spec.settle.timeout,
        drain=spec.drain,
        deadline=spec.deadline,
        last_call=spec.deadline + LAST_CALL,
        undecided=spec.analysis.undecided,
        no_traffic=spec.settle.no_traffic,
        no_data=spec.analysis.no_data.stale,
        no_series=spec.analysis.no_data.absent,
        no_source=spec.analysis.no_data.source_down,
        on_gate_expiry=spec.gates[0].on_expiry if spec.gates else "rollback",
        look_every=spec.analysis.interval,
        exact_split=exact_split,
        has_workload=spec.workload is not None,
        hook=spec.promote.expires if spec.promote.by == "hook" else None,
    )


def _approvers(file: ReleaseFile, steps: tuple[StepPolicy, ...]) -> Iterator[Approvers]:
    """Who may decide where, for the gates that say so."""
    places: dict[Decimal | str, int] = {FULL: len(steps)}
    places |= {step.share: place for place, step in enumerate(steps)}
    for gate in file.spec.gates:
        place = len(steps) + 1 if gate.before == PROMOTION else places[gate.before]
        listed = gate.approvers
        if listed.users or listed.groups or gate.separation_of_duties:
            yield Approvers(
                before=place, users=listed.users, groups=listed.groups, separation=gate.separation_of_duties
            )
