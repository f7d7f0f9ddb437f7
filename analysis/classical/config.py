"""What is asked of a metric that is not judged sequentially."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

PART = 0.10
"""A fixed test's part of the one alpha before weights: what JUDGE gives to "others". [judged]"""

CRITICAL = 2.0
"""What `critical` multiplies a metric's part by."""

MOST_POINTS = 60
"""Points of one arm that are kept for a test or a score: the journal has 32 KiB for everything."""

Kind = Literal["mannWhitney", "welch", "kolmogorovSmirnov", "fisher", "proportions"]

OF_COUNTS: frozenset[Kind] = frozenset({"fisher", "proportions"})
"""The tests that compare bad of total; the others compare the values of a gauge."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FixedTest:
    """One classical test, which looks once in a step.

    Attributes:
        kind: which.
        after: seconds of judging in the step, after the metric's delay, at which it looks.
        looks: how often it looks in the release: 1, or once in each of the plan's steps.
        last_only: it looks in the plan's last step only.
        worse: which way is worse, for a gauge; counts of bad things are worse when higher.
        relative, absolute: how much worse than stable may pass: by `|value| * relative + absolute` in the gauge's own
            unit, and for counts as everywhere. Fisher's test knows no tolerance.
        min_samples: points of each arm without which it does not look.
    """

    kind: Kind
    after: float
    looks: int = 1
    last_only: bool = False
    worse: Literal["higher", "lower", "either"] = "higher"
    relative: float = 0.0
    absolute: float = 0.0
    min_samples: int = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class Threshold:
    """A range for a gauge, with a budget of failures and a rule of successes: Flagger's and Argo's.

    Attributes:
        least, most: the range, both ends included; None is no end.
        failures: measurements outside of it that the whole release may have; one more condemns (Argo's failureLimit;
            Flagger's threshold is this plus one).
        successes: measurements within it, one after the other, that each step needs (Argo's consecutiveSuccessLimit).
    """

    least: float | None = None
    most: float | None = None
    failures: int = 0
    successes: int = 1

    def holds(self, value: float) -> bool:
        """Whether a value is in the range."""
        return (self.least is None or value >= self.least) and (self.most is None or value <= self.most)

    @property
    def words(self) -> str:
        """The range as people say it."""
        ends = [f"at least {self.least:g}"] if self.least is not None else []
        ends += [f"at most {self.most:g}"] if self.most is not None else []
        return " and ".join(ends)


@dataclass(frozen=True, slots=True, kw_only=True)
class Grouped:
    """A gauge that Kayenta's judge classifies, as a part of the score.

    Attributes:
        group: whose part.
        direction: which way a change counts.
        allowed_increase, allowed_decrease: ratio of means from which a change counts.
        critical_increase, critical_decrease: ratio of means from which a critical metric makes the score 0.
        nan: leave NaN out, or take it for 0.
        outliers: keep them, or remove what lies outside of the IQR fence.
        outlier_factor: of the fence.
        must_have_data: without data the metric counts as failed.
        min_samples: points of each arm below which there is no data.
    """

    group: str
    direction: Literal["increase", "decrease", "either"] = "either"
    allowed_increase: float = 1.0
    allowed_decrease: float = 1.0
    critical_increase: float = 1.0
    critical_decrease: float = 1.0
    nan: Literal["remove", "replace"] = "remove"
    outliers: Literal["keep", "remove"] = "keep"
    outlier_factor: float = 3.0
    must_have_data: bool = False
    min_samples: int = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class ScoreConfig:
    """Kayenta's score over the grouped metrics.

    Attributes:
        passes: a score from which a step passes.
        marginal: a score at which the release is rolled back.
        after: seconds of judging in a step at which it is computed, and as often again while it is in between.
        weights: percent per group; groups without one share what is left of 100.
    """

    passes: float
    marginal: float
    after: float
    weights: tuple[tuple[str, float], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ClassicalConfig:
    """One metric.

    Attributes:
        name: as in looks and findings.
        how: what is done with it.
        weight: scales its part of alpha, for a fixed test.
        critical: doubles it; in a score, makes the score 0 when this metric fails.
        dry_run: reported, never decides.
        min_requests: canary requests in a step before anything is concluded from it.
        delay: seconds of each step in which it is left out.
        no_data: what a step without data for it does at its longest hold; "" as the release says for all.
        both: whether stable is measured too.
    """

    name: str
    how: FixedTest | Threshold | Grouped
    weight: float = 1.0
    critical: bool = False
    dry_run: bool = False
    min_requests: int = 50
    delay: float = 0.0
    no_data: str = ""
    both: bool = True

    @property
    def part(self) -> float:
        """Its part of alpha before normalising; only a fixed test spends any."""
        if not isinstance(self.how, FixedTest) or self.dry_run:
            return 0.0
        return PART * self.weight * (CRITICAL if self.critical else 1.0)

    @property
    def counts(self) -> bool:
        """Whether it is made of counts rather than of a gauge's values."""
        return isinstance(self.how, FixedTest) and self.how.kind in OF_COUNTS

    @property
    def compares(self) -> bool:
        """Whether it needs a second arm."""
        return not isinstance(self.how, Threshold)
