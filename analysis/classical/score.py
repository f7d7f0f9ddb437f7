"""Kayenta's score, with what was not seen left open: it is a range instead of a number.

Where every metric has data both ends are Kayenta's score. There, a group without data counts 100 and a metric that
fails to be classified drops out; here what is missing makes the range wide. A step passes by its lower end, and a
release is condemned by its upper one, so that nothing unseen helps or harms.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from analysis.classical.config import ScoreConfig
from analysis.classical.netflix import Classified, Label

UNSEEN = frozenset({Label.NODATA, Label.ERROR})
FAILED = frozenset({Label.HIGH, Label.LOW, Label.NODATA_FAIL})

MISSING = 0.5
"""Part of the metrics without data at which there is no score at all."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Scored:
    """The score.

    Attributes:
        least, most: 0 to 100: with what is missing counted as failed and as passed.
        critical: a critical metric failed, so that it is 0.
        missing: names of the metrics that were not seen.
        groups: per group, its weight and both ends of its own score.
    """

    least: float
    most: float
    critical: str = ""
    missing: tuple[str, ...] = ()
    groups: tuple[tuple[str, float, float, float], ...] = ()

    @property
    def complete(self) -> bool:
        """Whether everything was seen."""
        return not self.missing


def scored(config: ScoreConfig, metrics: Sequence[tuple[str, str, Classified]]) -> Scored:
    """The score of some metrics.

    Args:
        config: thresholds and weights.
        metrics: (name, group, classification) of each; those that are only reported are left out by the caller.
    """
    missing = tuple(name for name, _, found in metrics if found.label in UNSEEN)
    guilty = next(
        (name for name, _, found in metrics if found.critical and found.label not in UNSEEN | {Label.PASS}), ""
    )
    if guilty:
        return Scored(least=0.0, most=0.0, critical=guilty, missing=missing)
    unseen = next((name for name, _, found in metrics if found.critical and found.label in UNSEEN), "")
    weights = weights_of(config, [group for _, group, _ in metrics])
    groups = []
    for group, weight in weights.items():
        labels = [found.label for _, whose, found in metrics if whose == group]
        passed, open_ = labels.count(Label.PASS), sum(label in UNSEEN for label in labels)
        groups.append((group, weight, 100.0 * passed / len(labels), 100.0 * (passed + open_) / len(labels)))
    none = not metrics or len(missing) >= MISSING * len(metrics) or bool(unseen)
    least = 0.0 if none else _total(groups, 2)
    return Scored(least=least, most=_total(groups, 3), missing=missing, groups=tuple(groups))


def _total(groups: Sequence[tuple[str, float, float, float]], end: int) -> float:
    whole = sum(group[1] for group in groups)
    return round(sum(float(group[end]) * group[1] for group in groups) / whole, 2) if whole else 0.0


def weights_of(config: ScoreConfig, groups: Sequence[str]) -> Mapping[str, float]:
    """Percent of each group that has a metric; those without one share equally what is left of 100."""
    given, names = dict(config.weights), list(dict.fromkeys(groups))
    free = [name for name in names if name not in given]
    rest = max(0.0, 100.0 - sum(given.values()))
    return {name: given[name] if name in given else rest / len(free) for name in names}
