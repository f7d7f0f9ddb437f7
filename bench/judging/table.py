"""The table: every scenario, judged by every rule on the same requests."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

import numpy as np
from scipy import stats

from analysis.offline import Question
from analysis.offline.question import COUNTS
from judging.ours import judged
from judging.peers import RULES
from judging.scenarios import RATE, SCENARIOS, SHARE, Scenario
from judging.streams import CANARY, Array, Stream
from judging.yardstick import shortest

OURS = "this judge"


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One rule in one scenario.

    Attributes:
        scenario: which.
        rule: whose.
        stopped: seconds until each run's rollback, infinite where there was none.
        hurt: failed requests on the canary until then, or in all.
        best: T* in seconds, where it is known and within what was played; at least a look, since nobody sees anything
            sooner.
    """

    scenario: Scenario
    rule: str
    stopped: Array
    hurt: Array
    best: float | None

    @property
    def share(self) -> float:
        """Of the runs that were rolled back."""
        return float(np.isfinite(self.stopped).mean())

    @property
    def interval(self) -> tuple[float, float]:
        """Of `share`: 95 %, exact (Clopper and Pearson)."""
        size = len(self.stopped)
        found = stats.binomtest(int(np.isfinite(self.stopped).sum()), size).proportion_ci(method="exact")
        return float(found.low), float(found.high)

    @property
    def median(self) -> float:
        """Seconds until the rollback, of the runs that were rolled back."""
        found = self.stopped[np.isfinite(self.stopped)]
        return float(np.median(found)) if len(found) else np.inf


def ours(stream: Stream) -> Array:
    """Seconds until this judge rolls each run back, with the tolerances of a release file that says nothing."""
    return (judged(stream, Question()).condemned + 1.0) * stream.every


def rules() -> dict[str, Callable[[Stream], Array]]:
    """All that are compared."""
    return {OURS: ours, **RULES}


def rows(scenarios: Iterable[Scenario] = SCENARIOS, *, runs: int, seed: int = 1) -> Iterator[Row]:
    """Play the scenarios.

    Args:
        scenarios: which.
        runs: of each.
        seed: of all of them.
    """
    for scenario in scenarios:
        chance = np.random.default_rng([seed, *scenario.name.encode()])
        stream = scenario.made(chance, runs)
        for name, rule in rules().items():
            stopped = rule(stream)
            yield Row(
                scenario=scenario, rule=name, stopped=stopped, hurt=hurt(stream, stopped), best=_best(scenario, stream)
            )


def hurt(stream: Stream, stopped: Array) -> Array:
    """Failed requests on the canary until each run's rollback, shape (runs,)."""
    failed = np.cumsum(stream.bad(CANARY), axis=1)
    last = np.minimum(np.ceil(stopped / stream.every), stream.looks).astype(np.int64) - 1
    return np.where(last >= 0, failed[np.arange(stream.runs), np.maximum(last, 0)], 0.0)


def _best(scenario: Scenario, stream: Stream) -> float | None:
    relative, absolute = COUNTS
    if scenario.canary is None or scenario.canary <= RATE * (1.0 + relative) + absolute:
        return None
    looks = shortest(
        RATE,
        min(scenario.canary, 1.0 - 1e-9),
        requests=scenario.rps * stream.every,
        share=SHARE,
        relative=relative,
        absolute=absolute,
        alpha=Question().false_rollback,
    )
    # What takes longer than was played is no yardstick for what was.
    return max(looks, 1.0) * stream.every if looks <= stream.looks else None


def markdown(found: Iterable[Row]) -> Iterator[str]:
    """The table, line by line."""
    yield "| scenario | rule | rolled back | 95 % interval | median time, s | times T* | failed requests |"
    yield "|---|---|---:|---|---:|---:|---:|"
    for row in found:
        low, high = row.interval
        wrong = row.scenario.harmful is False and row.share > 0
        ratio = f"{row.median / row.best:.1f}" if row.best and np.isfinite(row.median) else ""
        cells = (
            row.scenario.name,
            row.rule,
            f"{100 * row.share:.1f} %{' (false)' if wrong else ''}",
            f"{100 * low:.1f} to {100 * high:.1f} %",
            f"{row.median:.0f}" if np.isfinite(row.median) else "never",
            ratio,
            f"{row.hurt.mean():,.0f}",
        )
        yield f"| {' | '.join(cells)} |"
