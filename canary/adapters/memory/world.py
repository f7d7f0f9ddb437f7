"""What the in-memory adapters share: a clock that is told the time, faults on demand, and a list of calls."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TypeVar

T = TypeVar("T")


class ManualClock:
    """A clock that moves when it is told to.

    Args:
        start: seconds since the epoch at the beginning.
    """

    def __init__(self, start: float = 1_800_000_000.0) -> None:
        self._start, self._passed = start, 0.0

    def now(self) -> float:
        """Seconds since the epoch."""
        return self._start + self._passed

    def monotonic(self) -> float:
        """Seconds since the clock was made."""
        return self._passed

    def advance(self, seconds: float) -> None:
        """Let time pass.

        Raises:
            ValueError: backwards.
        """
        if seconds < 0:
            raise ValueError("time does not run backwards")
        self._passed += seconds


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """One failure.

    Attributes:
        error: what the caller gets; any exception, so that a crash can be played as well.
        committed: the call takes effect before it fails (the answer is lost), instead of not at all.
        late: is given the call, which may take effect at any later time: a request that lay in a network for a while.
        delay: passes time between the effect and its answer; nothing fails then, and `error` is None.
    """

    error: BaseException | None = None
    committed: bool = False
    late: Callable[[Callable[[], object]], None] | None = None
    delay: Callable[[], None] | None = None


@dataclass(slots=True, kw_only=True)
class _Planned:
    fault: Fault
    skip: int
    times: int | None


class Faults:
    """Which calls fail. Calls are named `port.method`, e.g. `routes.patch`; dry runs `routes.patch.dry`."""

    def __init__(self) -> None:
        self.hook: Callable[[str, int], Fault | None] | None = None
        self._planned: dict[str, list[_Planned]] = {}

    def plan(
        self, call: str, error: BaseException, *, committed: bool = False, skip: int = 0, times: int | None = 1
    ) -> None:
        """Let calls fail.

        Args:
            call: name of the call.
            error: what its caller gets.
            committed: see Fault.
            skip: how many calls go through first.
            times: how many fail then; None for all.
        """
        entry = _Planned(fault=Fault(error=error, committed=committed), skip=skip, times=times)
        self._planned.setdefault(call, []).append(entry)

    def clear(self) -> None:
        """From now on everything goes well."""
        self._planned.clear()
        self.hook = None

    def next(self, call: str, number: int) -> Fault | None:
        """The fault for this call, if any; `number` is how many calls of this name came before."""
        if self.hook is not None:
            return self.hook(call, number)
        queue = self._planned.get(call, [])
        while queue and queue[0].times == 0:
            queue.pop(0)
        if not queue:
            return None
        first = queue[0]
        if first.skip > 0:
            first.skip -= 1
            return None
        if first.times is not None:
            first.times -= 1
        return first.fault


@dataclass(slots=True, kw_only=True)
class World:
    """One small world.

    Attributes:
        clock: its time.
        faults: which calls fail.
        calls: every call made, in order.
    """

    clock: ManualClock = field(default_factory=ManualClock)
    faults: Faults = field(default_factory=Faults)
    calls: list[str] = field(default_factory=list)
    _versions: int = 0
    _counts: Counter[str] = field(default_factory=Counter)

    def perform(self, call: str, action: Callable[[], T]) -> T:
        """Do something under its name, or fail as planned."""
        number = self._counts[call]
        self._counts[call] += 1
        self.calls.append(call)
        fault = self.faults.next(call, number)
        if fault is None:
            return action()
        if fault.late is not None:
            fault.late(action)
        if fault.error is not None and (fault.late is not None or not fault.committed):
            raise fault.error
        result = action()
        if fault.delay is not None:
            fault.delay()
        if fault.error is not None:
            raise fault.error
        return result

    def version(self) -> str:
        """The next resourceVersion; one counter for everything, as in etcd."""
        self._versions += 1
        return str(self._versions)
