"""What a scenario's script lets happen: to everybody, to the world, to one engine or to all that live."""

from __future__ import annotations

from typing import TYPE_CHECKING

from canary.core import events as on
from simulated import people
from simulated.scenario import Happening

if TYPE_CHECKING:
    from simulated.process import Process
    from simulated.simulation import Simulation


def happen(sim: Simulation, one: Happening) -> None:
    """One line of the script."""
    if one.kind.startswith("edit:"):
        people.by_hand(sim, one.kind.removeprefix("edit:"), one.value)
        return
    live = [process for process in sim.processes if not process.ended]
    match one.kind:
        case "second-engine":
            sim.start(0.0, live[-1] if live else None)
        case "outage-all":
            sim.outages.append((sim.now + one.seconds, None))
        case "server-clock":
            sim.leapt += max(0.0, one.value - sim.ahead)
            sim.ahead = one.value
        case "metrics-outage":
            sim.source_down_until = sim.now + one.seconds
        case "no-traffic":
            sim.gateway.rate = 0.0
            sim.at(one.seconds, lambda: setattr(sim.gateway, "rate", sim.scenario.rate))
        case "canary-vanishes" | "baseline-vanishes":
            if sim.workloads.exists:
                sim.workloads.set_endpoints(**{one.kind.removesuffix("-vanishes"): 0})
        case "stable-short":
            sim.workloads.set_endpoints(stable=2)
            sim.at(one.seconds, lambda: sim.workloads.set_endpoints(stable=4))
        case "gateway-refuses":
            sim.gateway.accepts = False
            sim.at(one.seconds, lambda: setattr(sim.gateway, "accepts", True))
        case _ if live:
            _to_processes(sim, one, live)


def _to_processes(sim: Simulation, one: Happening, live: list[Process]) -> None:
    match one.kind:
        case "decide":
            people.decide(live, sim, approved=one.value < 0.7, by="ann" if one.value < 0.35 else "bob")
        case "sleep":
            for process in live:
                _sleep(sim, process, one.seconds)
        case _:
            _to_process(sim, one, live[-1])


def _to_process(sim: Simulation, one: Happening, target: Process) -> None:
    match one.kind:
        case "outage-engine":
            sim.outages.append((sim.now + one.seconds, target))
            if one.seconds > 30.0:
                sim.start(35.0, target)
        case "wall-clock":
            target.no_looks_until = sim.now + 11.0 if one.value < 0 else 0.0
        case "abort":
            target.hear(on.AbortRequested(at=sim.now, by="ann", reason="I do not like it"))
        case "pause":
            target.hear(on.PauseRequested(at=sim.now, by="ann"))
            sim.at(one.seconds, lambda: _resume(sim))
        case "kill" if not target.paused:
            target.die("is killed from outside")
            sim.start(sim.chance.choice([0.0, 3.0, 20.0, 60.0, 120.0]), target)
        case "stop" if not target.paused:
            _sleep(sim, target, one.seconds)
            if one.seconds > 30.0:
                sim.start(5.0, target)
        case "terminate" if not target.paused:
            target.terminating = True
            sim.start(sim.chance.choice([2.0, 20.0]), target)
        case _:
            return


def _sleep(sim: Simulation, target: Process, seconds: float) -> None:
    if not target.paused:
        target.paused = True
        sim.at(seconds, lambda: setattr(target, "paused", False))


def _resume(sim: Simulation) -> None:
    for process in sim.processes:
        if not process.ended:
            process.hear(on.ResumeRequested(at=sim.now, by="ann"))
