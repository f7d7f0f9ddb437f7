"""How long a bad version is seen, by chance alone: the judge on drawn requests, without a sandbox and its machine.

What `errors` measures in real time holds the luck of a dozen draws. Here are as many draws as wanted of the same story:
a gateway that keeps shares exactly, looks as the engine takes them after a raise, errors by independent chances. Beside
the judge stands an oracle that knows both rates and condemns at the same false alarm: what chance alone takes.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np
from bar import Figure
from numpy.typing import NDArray

from analysis.judge import JudgeConfig, MetricConfig, begin_step, learn, observe
from analysis.judge import start as started
from analysis.model import Arm, Counts, Look, Verdict
from canary.engine.engine import CLOSER, FASTEST, FOR, SOON

RATE, BAD, USUAL, EVERY = 200.0, 0.15, 0.001, 1.0
"""Requests a second; the canary's errors, and stable's; seconds between looks as the file asks."""

FOLLOWS, WRITES = 0.12, 0.1
"""Seconds from a write to the first request that follows it, as seen in the sandbox: after the raise, the lowering."""

LONGEST = 60.0

BAR = 6.0

CONFIG = JudgeConfig(
    metrics=(
        MetricConfig(name="errors", kind="errors", relative=0.5, absolute=0.005),
        MetricConfig(name="latency", kind="latency", relative=0.5, absolute=0.02),
    ),
    planned_looks=54,
)

Array = NDArray[np.float64]


def draws(repeat: int) -> Iterator[Figure]:
    """100 draws for each run asked for."""
    number = 100 * repeat
    for share in (5.0, 1.0):
        told = [_seen(seed, share) for seed in range(number)]
        first = [_oracle(seed, share) for seed in range(number)]
        where = f"draws of errors, first step {share:g} %:"
        yield Figure(name=f"{where} first to last canary request, s", values=told)
        yield Figure(name=f"{where} of {number}, within {BAR:g} s, %", values=[_within(told)])
        yield Figure(name=f"{where} the same of an oracle that knows both rates, %", values=[_within(first)])


def _within(seconds: list[float]) -> float:
    return 100.0 * sum(one <= BAR for one in seconds) / len(seconds)


def _drawn(seed: int, share: float) -> tuple[Array, NDArray[np.bool_], Array]:
    """When the canary's requests come and which fail, and when stable's fail; seconds from the write."""
    chance = np.random.default_rng(seed)
    apart = 100.0 / share / RATE
    at = np.asarray(FOLLOWS + apart * (chance.random() + np.arange(int(LONGEST / apart))), dtype=np.float64)
    failed = chance.random(len(at)) < BAD
    stable = np.sort(chance.random(chance.binomial(int(RATE * LONGEST), USUAL)) * (LONGEST + 4) - 4)
    return at, failed, stable


def _seen(seed: int, share: float) -> float:
    at, failed, stable = _drawn(seed, share)

    def look(start: float, end: float) -> Look:
        inside = (at >= start) & (at < end)
        n = int(inside.sum())
        counts = {
            Arm.STABLE: Counts(
                total=round(RATE * (end - start)) - n, bad=int(((stable >= start) & (stable < end)).sum())
            ),
            Arm.CANARY: Counts(total=n, bad=int((inside & failed).sum())),
        }
        return Look(start=start, end=end, counts={"errors": counts})

    state = started(CONFIG)
    for second in range(-4, 0):
        state = learn(CONFIG, state, look(second, second + 1))
    state, now = begin_step(CONFIG, state, share=share, last_share=50.0), SOON
    while now < LONGEST:
        end = now + (max(FASTEST, EVERY / CLOSER) if now < SOON + FOR * EVERY else EVERY)
        state, judgement = observe(CONFIG, state, look(now, end))
        now = end
        if judgement.verdict is Verdict.UNHEALTHY:
            break
    return now + WRITES - float(at[0])


def _oracle(seed: int, share: float) -> float:
    """Wald's test of both known rates, after each request: log(1/alpha) is what certainty takes."""
    at, failed, _ = _drawn(seed, share)
    bound = USUAL * 1.5 + 0.005
    grown = np.where(failed, math.log(BAD / bound), math.log((1 - BAD) / (1 - bound))).cumsum()
    reached = grown >= CONFIG.threshold
    return float(at[int(reached.argmax())] if reached.any() else LONGEST) + WRITES - float(at[0])
