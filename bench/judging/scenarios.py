"""What happens to a release: the situations that the table compares, each drawn from its own fixed seed.

One service of 50 requests/s of which 0.5 % fail, 10 % of its requests on the canary for an hour, looked at every 5 s,
unless a scenario says otherwise. What is bad begins with the first request on the canary, unless it says otherwise.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy.special import ndtr

from judging.streams import BOUNDS, Array, Stream, draw, gamma_bursts, skewed

LOOKS = 720
RPS = 50.0
SHARE = 10.0
RATE = 0.005

MEDIAN = 0.08
"""Seconds; with `SPREAD`, a p99 of 0.25 s."""

SPREAD = 0.5
"""Standard deviation of the logarithm of a request's time."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Scenario:
    """One situation.

    Attributes:
        name: as in the table.
        harmful: whether the canary should be rolled back; None where nobody can tell.
        made: draws some runs.
        canary: its rate of bad requests, for T*; None where errors do not tell, or the rates change.
        rps: requests a second of both arms.
    """

    name: str
    harmful: bool | None
    made: Callable[[np.random.Generator, int], Stream]
    canary: float | None = None
    rps: float = RPS


def times(median: float = MEDIAN, *, tail: float = 0.0) -> Array:
    """Chance that a request takes at most each of `BOUNDS`, a part of them ten times as long."""
    logs = np.log(np.array(BOUNDS))
    found: Array = (1.0 - tail) * ndtr((logs - np.log(median)) / SPREAD) + tail * ndtr(
        (logs - np.log(10.0 * median)) / SPREAD
    )
    return found


def failing(name: str, canary: float, *, harmful: bool = True, rps: float = RPS) -> Scenario:
    """A canary that fails with one rate."""
    return Scenario(name=name, harmful=harmful, canary=canary, rps=rps, made=_made(canary=canary, rps=rps))


def slow(name: str, **changed: float) -> Scenario:
    """A canary that takes longer."""
    return Scenario(name=name, harmful=True, made=_made(slow=(times(), times(**changed))))


def _made(**changes: object) -> Callable[[np.random.Generator, int], Stream]:
    usual: dict[str, object] = {"rps": RPS, "share": SHARE, "stable": RATE, "canary": RATE, "looks": LOOKS}
    usual["slow"] = (times(), times())
    return lambda chance, runs: draw(chance, runs, **(usual | changes))  # type: ignore[arg-type]


def _leaking(chance: np.random.Generator, runs: int) -> Stream:
    """Errors that grow from nothing to 5 % in the hour."""
    return _made(canary=RATE + np.linspace(0.0, 0.045, LOOKS))(chance, runs)


def _cold(chance: np.random.Generator, runs: int) -> Stream:
    """Twelve looks of requests five times as slow, then as fast as stable."""
    looks = np.arange(LOOKS)[:, None]
    canary = np.where(looks < 12, times(5.0 * MEDIAN), times())
    return _made(slow=(np.broadcast_to(times(), canary.shape), canary))(chance, runs)


def _outage(chance: np.random.Generator, runs: int) -> Stream:
    """Both arms fail 60 % of their requests for five minutes; the canary is scraped up to a look later or earlier."""
    stable = np.full(LOOKS, RATE)
    stable[300:360] = 0.6
    canary = np.array([skewed(stable.copy(), part) for part in chance.uniform(-1.0, 1.0, runs)])
    return _made(stable=stable, canary=canary)(chance, runs)


def _bursts(chance: np.random.Generator, runs: int) -> Stream:
    """Each arm's errors come in bursts of its own."""
    stable, canary = (np.minimum(0.9, RATE * gamma_bursts(chance, runs, LOOKS, cv=0.7)) for _ in range(2))
    return _made(stable=stable, canary=canary)(chance, runs)


SCENARIOS = (
    failing("good", RATE, harmful=False),
    Scenario(name="shared outage, skewed scrapes", harmful=False, made=_outage),
    Scenario(name="bursts of each arm's own", harmful=False, made=_bursts),
    Scenario(name="night: 0.2 requests/s, good", harmful=False, made=_made(rps=0.2), rps=0.2),
    Scenario(name="no traffic", harmful=False, made=_made(rps=0.0), rps=0.0),
    Scenario(name="cold start of a minute", harmful=None, made=_cold),
    failing("errors x2", 2 * RATE),
    failing("errors x5", 5 * RATE),
    failing("errors x50", 50 * RATE),
    failing("errors 50 %", 0.5),
    failing("all failing", 1.0),
    slow("slow: median doubled", median=2 * MEDIAN),
    slow("slow: 2 % take ten times as long", tail=0.02),
    Scenario(name="leak: errors grow to 5 %", harmful=True, made=_leaking),
    failing("one bad pod of four: 20 % of its requests", 0.75 * RATE + 0.25 * 0.2),
    failing("night: 0.2 requests/s, errors 50 %", 0.5, rps=0.2),
)
