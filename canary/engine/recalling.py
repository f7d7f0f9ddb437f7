"""Stable's recorded past, read once before the canary has traffic, on a worker: nothing waits for it.

What cannot be read is no error: the judge then says that the dispersion is unknown, and why.
"""

from __future__ import annotations

import sys
import traceback
from collections.abc import Sequence

from analysis.judge import JudgeConfig, Past
from canary.core.release import Phase, Release
from canary.engine.observer import Observer
from canary.engine.surroundings import Background, PastRead, Ports
from canary.ports import Clock, Pasts

__all__ = ["PastRead", "begin", "recall"]

SECONDS = 3600.0
"""Of the past. Longer ago there was another load, and perhaps another version."""

PATIENCE = 20.0
"""Seconds for all of it: most releases take longer than that to build the canary."""

BEFORE = frozenset({Phase.PENDING, Phase.PREFLIGHT, Phase.PROVISIONING})
"""Phases in which the canary has no traffic yet: later the last hour is no longer stable alone."""

NO_PAST = "a direct scrape keeps no past"
"""Why nothing is known where there is no Prometheus."""


def begin(ports: Ports, observer: Observer, release: Release, background: Background) -> None:
    """Have the past read, unless it was, or is no longer of stable alone."""
    if observer.past.told or release.phase not in BEFORE:
        return
    pasts, clock = ports.pasts, ports.clock
    if pasts is None:
        observer.recall(Past(told=NO_PAST), at=clock.now())
        return
    config, every = observer.config, release.policy.look_every
    shares = [float(step.share) for step in release.policy.steps]
    background.submit("past", lambda: recall(pasts, config, every=every, shares=shares, clock=clock))


def recall(pasts: Pasts, config: JudgeConfig, *, every: float, shares: Sequence[float], clock: Clock) -> PastRead:
    """Read it; blocks for `PATIENCE` seconds at most, and a little to make two arms of stable.

    Args:
        pasts: the port.
        config: what the judge is asked.
        every: seconds between looks.
        shares: percent of the release's steps.
        clock: the clock.
    """
    try:
        from analysis.calibration import Scarce, recorded

        reading = pasts.recent(seconds=SECONDS, timeout=PATIENCE)
        if reading.trouble is not None:
            return PastRead(at=clock.now(), past=Past(told=reading.sentence))
        try:
            past = recorded(config, reading.samples, every=every, shares=shares)
        except Scarce as error:
            past = Past(told=str(error))
    except Exception as error:  # noqa: BLE001 - a mistake of ours here must cost a release nothing but this knowledge
        traceback.print_exception(error, file=sys.stderr)
        past = Past(told=f"stable's past could not be measured: {type(error).__name__}")
    return PastRead(at=clock.now(), past=past)
