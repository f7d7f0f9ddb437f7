"""When something is hit, drawn by chance, and what is hit."""

import random
import time
from collections.abc import Callable
from pathlib import Path

from canary.sandbox.processes import Child
from tests.kill.stage import BACKWARD, FORWARD, Moment, Round, Stage


def moments(chance: random.Random, *, bad: bool, count: int, twice: bool = True) -> list[Moment]:
    """Moments of a round: phases in order, each with a delay of up to seven tenths of a second.

    Args:
        chance: draws them.
        bad: the version that fails is released.
        count: how many.
        twice: a phase may be drawn more than once.
    """
    phases = BACKWARD if bad else FORWARD
    places = range(len(phases))
    chosen = sorted(chance.choices(places, k=count) if twice else chance.sample(places, count))
    return [Moment(phase=phases[index], delay=chance.uniform(0.0, 0.7)) for index in chosen]


def kill_engine(stage: Stage) -> Callable[[Child, Round], Child]:
    """SIGKILL to the engine, and a replacement at once."""

    def hit(engine: Child, _: Round) -> Child:
        engine.process.kill()
        engine.process.wait()
        return stage.again(engine)

    return hit


def kill_part(stage: Stage, part: str, *, down: float) -> Callable[[Child, Round], Child]:
    """SIGKILL to a part of the sandbox, which comes back after a while; the engine lives on."""

    def hit(engine: Child, done: Round) -> Child:
        began = time.monotonic()
        stage.sandbox.kill(part)
        time.sleep(down)
        stage.sandbox.start_again(part)
        done.outage += time.monotonic() - began if part == "traefik" else 0.0
        return engine

    return hit


def hide_metrics(stage: Stage, *, seconds: float) -> Callable[[Child, Round], Child]:
    """The source of metrics is gone for a while; users notice nothing."""

    def hit(engine: Child, _: Round) -> Child:
        stage.metrics.kill()
        time.sleep(seconds)
        stage.metrics.start()
        return engine

    return hit


def stopped(pid: int) -> bool:
    """Whether a process is paused."""
    return Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()[0] == "T"
