"""The oracles that hold at the end: one of two states, nothing of ours left, nothing of others' lost."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from canary.core.outcome import ExitCode
from canary.core.release import FINAL
from canary.engine.journal import decode
from simulated.scenario import Scenario
from simulated.simulation import RETRIED, Simulation
from simulated.wider import drawn
from simulated.world import MADE, OURS, Object, content, shares, weights

Played = TypeVar("Played", bound=Simulation)


def play(seed: int) -> Simulation:
    """The history of a seed (from `wider.SEEDS` on a wider one), with every violation during it and at its end."""
    return play_scenario(drawn(seed))


def play_scenario(given: Scenario) -> Simulation:
    """The same of a scenario made by hand."""
    return played(Simulation(given), check_end)


def played(sim: Played, *checks: Callable[[Played], None]) -> Played:
    """A history to its end, with every violation found during it, and by these checks where there was none."""
    sim.run()
    if not sim.violations:
        for check in checks:
            check(sim)
    return sim


def check_end(sim: Simulation) -> None:
    """What must hold when nobody is left to act."""
    final = [code for code in sim.codes if code not in RETRIED]
    if not final:
        check_incomplete(sim)
        return
    if len(set(final)) > 1:
        sim.complain(f"processes disagree about the end: {final}")
    _check_code(sim, final[0])
    check_route(sim, promoted=final[0] is ExitCode.PROMOTED)
    if not sim.check_workload(promoted=final[0] is ExitCode.PROMOTED):
        _check_workload(sim, promoted=final[0] is ExitCode.PROMOTED)


def _check_code(sim: Simulation, code: ExitCode) -> None:
    if code in {ExitCode.BUG, ExitCode.USAGE}:
        sim.complain(f"it ended {code!r}")
    stored = sim.journals.stored
    journal = decode(stored.text).release if stored else None
    if journal is not None and (
        journal.phase not in FINAL or journal.outcome is None or journal.outcome.code is not code
    ):
        sim.complain(f"it ended {code!r}, but the journal says {journal.phase} {journal.outcome}")
    quality, policy = sim.scenario.quality, sim.scenario.policy
    hopeless = quality in {"bad", "never-ready"} or (quality == "slow" and sim.scenario.onset <= len(policy.steps))
    if hopeless and code is ExitCode.PROMOTED and (quality != "never-ready" or policy.has_workload):
        sim.complain(f"a {quality} canary was promoted")
    if _undisturbed(sim.scenario) and code is not ExitCode.PROMOTED:
        sim.complain(f"nothing was wrong, and it ended {code!r}")


def _undisturbed(given: Scenario) -> bool:
    gated = any(step.gate for step in given.policy.steps) or given.policy.bake_gate is not None
    calm = (
        not given.real_judge
        and not given.calls
        and not given.script
        and not given.noise
        and not given.reverter
        and not gated
    )
    quick = given.looks <= 3 and given.policy.steps[0].share >= 1 and given.rate > 100
    return calm and quick and given.quality == "good"


def check_incomplete(sim: Simulation) -> None:
    """Nobody finished it: that was told, and has its reasons."""
    if ExitCode.ROLLBACK_INCOMPLETE not in sim.codes:
        sim.complain(f"nobody finished it: {sim.codes}")
        return
    if not sim.alarms:
        sim.complain("it ended 30 without an alarm")
    passed = (sim.now - sim.began) * (1.0 + sim.scenario.drift) + sim.leapt
    if not sim.broken and not sim.relaxed and passed < sim.scenario.policy.last_call:
        sim.complain("it ended 30 although every fault ended")
    if max(shares(sim.routes.bare), default=0.0) > 0 and not sim.broken:
        sim.complain("it ended 30 with traffic on the canary")


def check_route(sim: Simulation, *, promoted: bool) -> None:
    """The route is what it was plus what others wrote, or keeps the canary where somebody else promotes."""
    route = sim.routes.bare
    if route is None:
        return
    notes = route["metadata"].get("annotations", {})
    if any(name.startswith(OURS) for name in notes):
        sim.complain(f"annotations of ours are left: {notes}")
    if promoted and not sim.scenario.policy.has_workload:
        _check_kept(sim, route)
        return
    left = [(name, rule) for rule in route["spec"]["rules"] for name in MADE & set(weights(rule))]
    if any(weights(rule)[name] > 0 or not sim.broken for name, rule in left):
        sim.complain("a reference of ours is left")
    if sim.relaxed and not sim.broken:
        _check_relaxed(sim, route)
    elif not sim.broken and content(route) != content(sim.shadow):
        sim.complain(f"the route is not what it was: {content(route)} instead of {content(sim.shadow)}")


def _check_kept(sim: Simulation, route: Object) -> None:
    found = shares(route)
    theirs = sim.relaxed or sim.broken or sim.scenario.reverter
    if not theirs and (not found or min(found) < 1.0):
        sim.complain(f"promoted, but the canary has {found}")


def _check_relaxed(sim: Simulation, route: Object) -> None:
    for rule, wanted in zip(route["spec"]["rules"], sim.shadow["spec"]["rules"], strict=True):
        bare = [{**one, "backendRefs": None} for one in (rule, wanted)]
        if bare[0] != bare[1]:
            sim.complain(f"a rule is not what it was: {rule} instead of {wanted}")
        now, was = weights(rule), weights(wanted)
        if set(now) != set(was):
            sim.complain(f"a rule's references are {now} instead of {was}")
        if "shop" in now and now["shop"] == 0:
            sim.complain(f"stable has no weight: {now}")


def _check_workload(sim: Simulation, *, promoted: bool) -> None:
    if not sim.scenario.policy.has_workload:
        return
    if sim.workloads.exists:
        sim.complain("the canary's workload is left")
    if sim.workloads.endpoints.baseline:
        sim.complain("the baseline's workload is left")
    if sim.workloads.token:
        sim.complain(f"our token is left on stable: {sim.workloads.token}")
    changed = bool(sim.workloads.changed_by)
    if sim.workloads.promoted is not promoted and not changed:
        sim.complain(
            f"promoted is {promoted}, but stable runs the {'new' if sim.workloads.promoted else 'old'} version"
        )
