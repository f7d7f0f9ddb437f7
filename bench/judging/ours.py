"""This judge on streams, by the same code as `canary judge`, with the latencies that an engine would give it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from analysis.judge import JudgeConfig
from analysis.judge.dispersion import Dispersion
from analysis.model import Look
from analysis.offline import Question, Run, judge
from canary.engine.warming import Warming
from canary.spec.analysis import Analysis
from judging.streams import BOUNDS, CANARY, Array, Stream

WARMUP = Analysis.model_fields["warmup"].default
"""Seconds; of a release file that says nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdicts:
    """What was said of each run.

    Attributes:
        condemned: the look of the verdict UNHEALTHY, from 0; infinite where there was none.
        healthy: the look at which each step was first called HEALTHY, shape (runs, steps); infinite where never.
    """

    condemned: Array
    healthy: Array


@dataclass(frozen=True, slots=True, kw_only=True)
class Known(Question):
    """A question of a service with a history.

    Attributes:
        phi0: its dispersion, of each run by its number; 1 of all where there is none.
        prior_rate: stable's error rate; None where unknown.
    """

    phi0: Sequence[float] = ()
    prior_rate: float | None = None

    def config(self, run: Run) -> JudgeConfig:
        """With what history knows."""
        # By name: a dataclass with slots is another class than the one that `super` would mean.
        phi0 = self.phi0[int(run.name)] if self.phi0 else 1.0
        return replace(Question.config(self, run), phi0=phi0, prior_rate=self.prior_rate)


def judged(stream: Stream, question: Question) -> Verdicts:
    """What this judge says of each run."""
    results = list(judge((_run(stream, i) for i in range(stream.runs)), question))
    condemned = [_look(result.unhealthy_t, stream) for result in results]
    healthy = np.full((stream.runs, len(stream.steps)), np.inf)
    for i, result in enumerate(results):
        found = [_look(time, stream) for _, time in result.steps]
        healthy[i, : len(found)] = found
    return Verdicts(condemned=np.array(condemned), healthy=healthy)


def _look(time: float | None, stream: Stream) -> float:
    return np.inf if time is None else round(time / stream.every)


def _run(stream: Stream, i: int) -> Run:
    looks = np.arange(stream.looks)
    named = [str(step) for step in (np.searchsorted(stream.steps, looks, side="right") - 1).tolist()]
    buckets = {} if stream.buckets is None else {"latency": (np.array(BOUNDS), _warm(stream.buckets[i], stream.every))}
    return Run(
        name=str(i),
        times=looks * stream.every,
        steps=tuple(named),
        counts={"errors": stream.counts[i]},
        buckets=buckets,
    )


def _warm(buckets: Array, every: float) -> Array:
    """Without the canary's latencies in the looks that an engine leaves them out of: its pods begin with the stream."""
    warming = Warming(warmup=WARMUP, latency=["latency"])
    each = (Look(start=i * every, end=(i + 1) * every, counts={}) for i in range(len(buckets)))
    cold = [bool(warming.left_out(look, 0.0)) for look in each]
    left = buckets.copy()
    left[cold, CANARY] = 0
    return left


def dispersion(history: Stream) -> Array:
    """phi0 of each run: what the comparison of two arms that are both stable scattered in its past."""
    seen = Dispersion.fresh(history.runs)
    rates = history.counts[:, :, 0, 1].sum(axis=1) / np.maximum(history.counts[:, :, 0, 0].sum(axis=1), 1.0)
    for look in range(history.looks):
        (n_s, x_s), (n_c, x_c) = np.moveaxis(history.counts[:, look], 0, -1)
        seen = seen.look(x_s=x_s, n_s=n_s, x_c=x_c, n_c=n_c, a=rates)
    return seen.observed()
