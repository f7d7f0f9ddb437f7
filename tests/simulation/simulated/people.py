"""Everybody else, once a second: hands on the route, a GitOps tool, an approver, and how good the canary really is."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from analysis.model import Arm
from canary.core import events as on
from canary.core.release import Phase
from simulated.world import BREAKING, CLEAN, PAYING, Object, edit

if TYPE_CHECKING:
    from simulated.process import Process
    from simulated.simulation import Simulation


def by_hand(sim: Simulation, kind: str, value: float) -> None:
    if kind == "stable-image":
        sim.workloads.change_stable(by="kubectl-set")
        return
    if kind == "delete-journal":
        sim.journals.delete()
        return
    if sim.routes.bare is None:
        return
    sim.broken |= kind in BREAKING
    sim.relaxed |= kind in PAYING
    if kind in {"delete-route", "recreate-route"}:
        sim.routes.delete()
        if kind == "recreate-route":
            sim.routes.put(sim.shadow, manager="helm")
        return
    change = edit(kind, value)
    sim.routes.edit(change, manager="kubectl-edit")
    if kind in CLEAN:
        change(sim.shadow)


def revert(sim: Simulation) -> None:
    if not sim.scenario.reverter or sim.routes.bare is None:
        return
    if sim.routes.bare["spec"] == sim.shadow["spec"]:
        sim.differs_since = None
        return
    if sim.differs_since is None:
        sim.differs_since = sim.now
    if sim.now - sim.differs_since >= sim.scenario.reverter:
        sim.differs_since = None
        spec: Object = sim.shadow["spec"]
        sim.routes.edit(lambda route: route.update(spec=spec), manager="argocd-controller")


def approve(sim: Simulation) -> None:
    if sim.answer == "none" or sim.gates is not None:
        return
    for process in sim.processes:
        release = process.release
        if process.ended or process.paused or release is None or release.phase is not Phase.GATED:
            continue
        following = release.step + 1
        if process.clock.now() - release.since >= 8.0 and release.approved < following:
            sim.ledger_of(process).approved.add(following)
            approved = sim.answer == "approve"
            process.hear(on.GateDecided(at=sim.now, approved=approved, by="bob", reason="looked at it"))


def decide(live: Sequence[Process], sim: Simulation, *, approved: bool, by: str) -> None:
    """A word at any moment, to every engine that lives: it counts only for the gate that waits just then."""
    for process in live:
        release = process.release
        if release is None:
            continue
        if release.phase is Phase.GATED and approved:
            sim.ledger_of(process).approved.add(release.step + 1)
        process.hear(on.GateDecided(at=sim.now, approved=approved, by=by, reason="any time"))


def quality(sim: Simulation) -> None:
    bad = sim.scenario.quality == "bad"
    if sim.scenario.quality == "slow":
        bad = sim.scenario.onset in sim.ledger.raised
    sim.gateway.errors[Arm.CANARY] = 0.2 if bad else 0.004
