"""Pods: how much they differ, what that does to the promise, and the one that carries the excess. JUDGE, "Pods".

One canary pod is one draw from how much pods differ. With a spread sigma of stable's pods (of the logarithm of their
rates), m canary pods against M stable ones differ by chance with `sqrt(log(1 + CV^2/m) + log(1 + CV^2/M))`,
`CV^2 = exp(sigma^2) - 1` (Fenton's approximation of a mean of lognormals, 1960).
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from analysis.judge.accounts import EFFECT_WEIGHTS, EFFECTS
from analysis.judge.evalue import bound, log_ratio, odds_above
from analysis.model import Arm, Look, Pod

Array = NDArray[np.float64]

MOST = 64
"""Pods of an arm that are remembered, those seen last: a journal has 32 KiB."""

CONFIDENCE = 2.33
"""Normal quantile of the 99 % by which `pods: widen` widens."""

WITHOUT = 5.0
"""The e-value that the other pods must stay below for one of them to carry the excess."""

APART = 20.0
"""The e-value that the pod itself must reach against the others: else there are too few of theirs to tell."""

GONE = 3
"""Looks in a row without a request of the pod, while others have some, after which it was replaced."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """One pod of one arm since the release began.

    Attributes:
        node: where it runs; empty where that is not known.
        total, bad: its requests.
        quiet: newest looks in a row without one, while others had some.
    """

    node: str
    total: int
    bad: int
    quiet: int = 0


Table = Mapping[str, Mapping[Arm, Mapping[str, Seen]]]
"""Per metric and arm, its pods by name."""


def add(table: Table, look: Look) -> Table:
    """The table after one more look; the same object where the look knows no pods."""
    named = {metric: arms for metric, arms in look.counts.items() if any(counts.pods for counts in arms.values())}
    if not named:
        return table
    found = dict(table)
    for metric, arms in named.items():
        mine = dict(found.get(metric, {}))
        for arm, counts in arms.items():
            mine[arm] = _added(mine.get(arm, {}), counts.pods)
        found[metric] = MappingProxyType(mine)
    return MappingProxyType(found)


def _added(known: Mapping[str, Seen], pods: Iterable[Pod]) -> Mapping[str, Seen]:
    served = {pod.name: pod for pod in pods if pod.total}
    if not served:
        return known
    found = {name: replace(seen, quiet=seen.quiet + 1) for name, seen in known.items() if name not in served}
    for name, pod in served.items():
        before = known.get(name, Seen(node="", total=0, bad=0))
        found[name] = Seen(node=pod.node or before.node, total=before.total + pod.total, bad=before.bad + pod.bad)
    return dict(list(found.items())[-MOST:])


def spread(pods: Iterable[Seen]) -> float | None:
    """Sigma: the standard deviation of the logarithm of pods' rates, beyond what chance explains; None of too few.

    Moments: the weighted variance of the rates minus what binomial counts would scatter.
    """
    some = [pod for pod in pods if pod.total]
    n, x = (np.array([getattr(pod, name) for pod in some], dtype=float) for name in ("total", "bad"))
    if len(some) < 2 or not x.sum():
        return None
    rate = x.sum() / n.sum()
    scatter = float((n * (x / n - rate) ** 2).sum())
    effective = n.sum() - (n**2).sum() / n.sum()
    between = max(0.0, (scatter - (len(some) - 1) * rate * (1.0 - rate)) / effective)
    return math.sqrt(math.log1p(between / rate**2))


def together(sigma: float, *, canary: int, stable: int) -> float:
    """The standard deviation of the logarithm of the arms' ratio that pods alone cause."""
    square = math.expm1(sigma * sigma)
    return math.sqrt(math.log1p(square / max(canary, 1)) + math.log1p(square / max(stable, 1)))


def false_rollback(sigma: float, *, rate: float, relative: float, absolute: float, canary: int, stable: int) -> float:
    """The chance that so many good canary pods are worse than tolerated, only because pods differ.

    Args:
        sigma: stable's spread.
        rate: stable's rate of bad requests.
        relative, absolute: the tolerance.
        canary, stable: pods of either arm.
    """
    s = together(sigma, canary=canary, stable=stable)
    if s <= 0 or rate <= 0:
        return 0.0
    room = math.log((rate * (1.0 + relative) + absolute) / rate)
    return 0.5 * math.erfc((room + 0.5 * s * s) / s / math.sqrt(2.0))


def widened(relative: float, sigma: float, *, canary: int, stable: int) -> float:
    """The relative tolerance of `pods: widen`: `(1 + r) exp(2.33 sigma sqrt(1/m + 1/M)) - 1`."""
    spread_of_both = sigma * math.sqrt(1.0 / max(canary, 1) + 1.0 / max(stable, 1))
    return (1.0 + relative) * math.exp(CONFIDENCE * spread_of_both) - 1.0


def outlier(
    arms: Mapping[Arm, Mapping[str, Seen]], *, rate: float, relative: float, absolute: float, phi: float
) -> str | None:
    """The one canary pod of several that carries the excess; None where there is none.

    Args:
        arms: the pods of a metric.
        rate: stable's rate before they were seen.
        relative, absolute: the tolerance.
        phi: dispersion.
    """
    canary, stable = dict(arms.get(Arm.CANARY, {})), _sum(arms.get(Arm.STABLE, {}).values())
    if len([pod for pod in canary.values() if pod.total]) < 2 or not stable[1]:
        return None
    for name, pod in sorted(canary.items(), key=lambda item: item[1].bad, reverse=True)[:1]:
        others = _sum(seen for other, seen in canary.items() if other != name)
        without = _evalue(stable, others, rate=rate, relative=relative, absolute=absolute, phi=phi)
        alone = (others[0] + rate) / (others[1] + 1.0)
        apart = _evalue(others, (pod.bad, pod.total), rate=alone, relative=relative, absolute=absolute, phi=phi)
        if without < math.log(WITHOUT) and apart >= math.log(APART):
            return name
    return None


def _sum(pods: Iterable[Seen]) -> tuple[int, int]:
    some = list(pods)
    return sum(pod.bad for pod in some), sum(pod.total for pod in some)


def _evalue(
    one: tuple[int, int], other: tuple[int, int], *, rate: float, relative: float, absolute: float, phi: float
) -> float:
    """Log of one e-value from all that was counted: the mean over the effects, against "other is within the bound"."""
    a, r, d = (np.array([[value]]) for value in (min(max(rate, 1e-9), 1 - 1e-9), relative, absolute))
    c = odds_above(np.minimum(bound(a, r, d), 1.0)[:, 0], EFFECTS)
    (x_s, n_s), (x_c, n_c) = ((np.array([[float(x)]]), np.array([[float(n)]])) for x, n in (one, other))
    logs = log_ratio(x_s=x_s, n_s=n_s, x_c=x_c, n_c=n_c, a=a, c=c, relative=r, absolute=d)[0] / phi
    top = float(logs.max())
    return top + math.log(float((EFFECT_WEIGHTS * np.exp(logs - top)).sum()))
