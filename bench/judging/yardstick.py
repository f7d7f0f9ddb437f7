"""The shortest time that any judge could take, and how many requests HEALTHY takes. JUDGE, "Yardstick", "HEALTHY"."""

from __future__ import annotations

import numpy as np
from scipy import optimize
from scipy.special import xlogy


def kl(p: float, q: float) -> float:
    """Kullback-Leibler divergence of one request that fails with chance p from one with chance q, nats."""
    return float(xlogy(p, p / q) + xlogy(1.0 - p, (1.0 - p) / (1.0 - q)))


def nearest(stable: float, canary: float, *, share: float, relative: float, absolute: float) -> float:
    """Nats per request of both arms between these rates and the nearest point of the bound.

    Args:
        stable, canary: their rates.
        share: of the canary, from 0 to 1.
        relative, absolute: the tolerance.
    """

    def distance(s: float) -> float:
        b = min(s * (1.0 + relative) + absolute, 1.0 - 1e-12)
        return (1.0 - share) * kl(stable, s) + share * kl(canary, b)

    crossing = min(max((canary - absolute) / (1.0 + relative), 1e-12), 1.0)
    low, high = sorted((max(stable, 1e-12), crossing))
    if high - low < 1e-15:
        return distance(low)
    found = optimize.minimize_scalar(distance, bounds=(low, high), method="bounded", options={"xatol": 1e-13})
    return float(min(found.fun, distance(low), distance(high)))


def shortest(
    stable: float, canary: float, *, requests: float, share: float, relative: float, absolute: float, alpha: float
) -> float:
    """T*, in looks: evidence `log(1/alpha)` at the rate at which an oracle that knows both rates gains it.

    Args:
        stable, canary: their rates.
        requests: of both arms in one look.
        share: of the canary, percent.
        relative, absolute: the tolerance.
        alpha: chance of a false rollback.
    """
    gain = nearest(stable, canary, share=share / 100.0, relative=relative, absolute=absolute)
    return float(np.log(1.0 / alpha) / (requests * gain))


def confirming(rate: float, *, share: float, relative: float, absolute: float, beta: float) -> float:
    """Canary requests that confirm a canary equal to stable.

    Args:
        rate: of both.
        share: of the canary, percent.
        relative, absolute: the tolerance.
        beta: chance that one at the bound is called HEALTHY.
    """
    exposed = share / 100.0

    def distance(s: float) -> float:
        return (1.0 - exposed) * kl(rate, s) + exposed * kl(rate, min(s * (1.0 + relative) + absolute, 1.0 - 1e-12))

    low = max((rate - absolute) / (1.0 + relative), 1e-12)
    found = optimize.minimize_scalar(distance, bounds=(low, rate), method="bounded", options={"xatol": 1e-13})
    return float(np.log(1.0 / beta) * exposed / min(found.fun, distance(low), distance(rate)))
