"""What has no world behind it: preflight findings, readings and reports, as a test writes and reads them."""

from __future__ import annotations

from collections.abc import Callable

from analysis.sources import Reading
from canary.adapters.memory.world import World
from canary.ports import Problem, Progress


class MemoryPreflights:
    """See `canary.ports.Preflights`.

    Attributes:
        problems: what is found.
    """

    def __init__(self, world: World, *problems: Problem) -> None:
        self.problems = list(problems)
        self._world = world

    def check(self) -> list[Problem]:
        """See Preflights."""
        return self._world.perform("preflights.check", lambda: list(self.problems))


class ScriptedSources:
    """See `canary.ports.Sources`.

    Args:
        world: the world it stands in.
        script: makes the reading of a moment, given in seconds since the epoch.
    """

    def __init__(self, world: World, script: Callable[[float], Reading]) -> None:
        self.script = script
        self._world = world

    def read(self, *, timeout: float) -> Reading:  # noqa: ARG002 - the port's signature; nothing here takes time
        """See Sources."""
        return self._world.perform("sources.read", lambda: self.script(self._world.clock.now()))


class MemoryReporters:
    """See `canary.ports.Reporters`.

    Attributes:
        told: everything, in order.
    """

    def __init__(self) -> None:
        self.told: list[Progress] = []

    def tell(self, progress: Progress) -> None:
        """See Reporters."""
        self.told.append(progress)
