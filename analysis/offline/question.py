"""What is asked of runs: the tolerance and the two promises, the same for all."""

from __future__ import annotations

from dataclasses import dataclass

from analysis.judge import JudgeConfig, MetricConfig
from analysis.offline.runs import Run

COUNTS = (0.5, 0.002)
"""Relative and absolute tolerance of counts, as in a release file that says nothing."""

LATENCY = (0.2, 0.002)
"""The same of latency: it varies less than errors do, because every request counts towards it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """What is asked.

    Attributes:
        relative, absolute: the canary may be as bad as `stable * (1 + relative) + absolute`; None for what a release
            file that says nothing means.
        false_rollback: chance that a run within the tolerance is ever called UNHEALTHY.
        false_healthy: per step, chance that one at or beyond the bound is called HEALTHY.
        looks: that the plan was expected to take; None for as many as the run has.
    """

    relative: float | None = None
    absolute: float | None = None
    false_rollback: float = 0.01
    false_healthy: float = 0.05
    looks: int | None = None

    def __post_init__(self) -> None:
        """Refuse what cannot be asked.

        Raises:
            ValueError: a number is out of range; the message says what would be right.
        """
        for name, chance in (("false rollback", self.false_rollback), ("false healthy", self.false_healthy)):
            if not 0 < chance < 1:
                raise ValueError(f"{name} is a chance, more than 0 and less than 1, got {chance:g}")
        if self.relative is not None and not 0 <= self.relative <= 100:
            raise ValueError(f"the relative tolerance is between 0 and 100, such as 0.5, got {self.relative:g}")
        if self.absolute is not None and not 0 <= self.absolute < 1:
            raise ValueError(
                f"the absolute tolerance is a share from 0 to below 1, such as 0.002, got {self.absolute:g}"
            )
        if self.looks is not None and self.looks < 1:
            raise ValueError(f"a plan takes at least one look, got {self.looks}")

    def config(self, run: Run) -> JudgeConfig:
        """The judge's config for one run: its metrics, each with the same tolerance.

        Shares are not in the file, so they are not checked.
        """
        metrics = [self._metric(name, latency=False) for name in run.counts]
        metrics += [self._metric(name, latency=True) for name in run.buckets]
        return JudgeConfig(
            metrics=tuple(metrics),
            false_rollback=self.false_rollback,
            false_healthy=self.false_healthy,
            planned_looks=len(run.times) if self.looks is None else self.looks,
            check_share=False,
        )

    def _metric(self, name: str, *, latency: bool) -> MetricConfig:
        relative, absolute = LATENCY if latency else COUNTS
        return MetricConfig(
            name=name,
            kind="latency" if latency else "errors" if name == "errors" else "counts",
            relative=relative if self.relative is None else self.relative,
            absolute=absolute if self.absolute is None else self.absolute,
        )
