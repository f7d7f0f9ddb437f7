"""What one look counted and what is asked of it, as arrays: one entry per test."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from analysis.judge import rates
from analysis.judge.config import JudgeConfig

Array = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Counted:
    """One look as arrays, one entry per test."""

    x_s: Array
    n_s: Array
    x_c: Array
    n_c: Array

    @classmethod
    def of(cls, table: Array) -> Counted:
        """From rows of (x_s, n_s, x_c, n_c)."""
        return cls(*np.ascontiguousarray(table.T))

    @property
    def table(self) -> Array:
        """Rows of (x_s, n_s, x_c, n_c)."""
        return np.array((self.x_s, self.n_s, self.x_c, self.n_c)).T


@dataclass(frozen=True, slots=True)
class Asked:
    """What is asked of each test.

    Attributes:
        relative, absolute: the tolerance.
        prior, worth: stable's rate before anything was seen, and the requests that it counts for; one for all tests,
            or one for each.
        phi0: dispersion from stable's own history, one for all tests or one for each.
        config: the promises.
        ratio: a canary equal to stable, as a part of stable's rate; 1 where both are counted alike.
    """

    relative: Array
    absolute: Array
    prior: float | Array
    worth: float | Array
    phi0: float | Array
    config: JudgeConfig
    ratio: Array | float = 1.0

    @classmethod
    def of(
        cls,
        config: JudgeConfig,
        *,
        relative: Array,
        absolute: Array,
        phi0: Array | None = None,
        ratio: Array | float = 1.0,
        priors: Sequence[float | None] = (),
    ) -> Asked:
        """With the priors that the config knows, else those of stable's recorded past, one for each test."""
        told = config.prior_rate
        prior: float | Array = rates.DEFAULT_PRIOR if told is None else told
        worth: float | Array = rates.DEFAULT_WORTH if told is None else rates.PRIOR_REQUESTS
        if told is None and any(one is not None for one in priors):
            prior = np.array([rates.DEFAULT_PRIOR if one is None else one for one in priors])
            worth = np.array([rates.DEFAULT_WORTH if one is None else rates.PRIOR_REQUESTS for one in priors])
        return cls(
            relative=relative,
            absolute=absolute,
            prior=prior,
            worth=worth,
            phi0=(config.phi0 or 1.0) if phi0 is None else phi0,
            config=config,
            ratio=ratio,
        )
