"""How fast a bad canary is seen, in units of T*. JUDGE, "Yardstick" and "Late onset"."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import product

import numpy as np
from bar import Figure

from judging.ours import Known, judged
from judging.streams import Array, Stream, draw
from judging.yardstick import shortest

ALPHA = 0.01
RELATIVE, ABSOLUTE = 0.5, 0.002

PLAN = 600
"""Looks that the plan was expected to take, unless said otherwise: an hour of 6 s."""

RATES = (0.001, 0.01, 0.05)
BEYOND = (1.5, 2.0, 5.0, 20.0)
"""The canary's odds of failing over those at the bound."""

SHARES = (1.0, 5.0, 20.0, 50.0)
TIMES = (5.0, 10.0, 30.0, 100.0)
"""T* in looks: how much traffic there is."""

SPARSE = 2.0
"""Requests on an arm in one look, on average, with fewer of which a trouble is told of once more beside the others."""

PATIENCE = 12.0
"""Times T* after which a run is given up: it counts as that long, and as not detected."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Trouble:
    """A canary that fails too often.

    Attributes:
        rate: of stable.
        beyond: the canary's odds over those at the bound.
        share: of the canary, percent.
        time: T* in looks, reached by as many requests as that takes.
    """

    rate: float
    beyond: float
    share: float
    time: float

    @property
    def canary(self) -> float:
        """Its rate."""
        bound = self.rate * (1.0 + RELATIVE) + ABSOLUTE
        odds = bound / (1.0 - bound) * self.beyond
        return odds / (1.0 + odds)

    @property
    def sparse(self) -> bool:
        """Whether many looks have no request on one arm."""
        return self.requests * min(self.share, 100.0 - self.share) / 100.0 < SPARSE

    @property
    def requests(self) -> float:
        """Of both arms, in one look."""
        one = shortest(
            self.rate,
            self.canary,
            requests=1.0,
            share=self.share,
            relative=RELATIVE,
            absolute=ABSOLUTE,
            alpha=ALPHA,
        )
        return one / self.time

    def stream(self, chance: np.random.Generator, runs: int, *, before: Array) -> Stream:
        """Releases with this trouble.

        Args:
            chance: the only source of it.
            runs: how many.
            before: rates of both arms until it begins, one for each look.
        """
        after = int(np.ceil(PATIENCE * self.time))
        stable = np.concatenate([before, np.full(after, self.rate)])
        canary = np.concatenate([before, np.full(after, self.canary)])
        return draw(
            chance,
            runs,
            rps=self.requests,
            share=self.share,
            stable=stable,
            canary=canary,
            every=1.0,
            looks=len(stable),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """How one trouble was seen.

    Attributes:
        trouble: which.
        mean: looks until the verdict from its onset on, over T*.
        by4, by6: share of runs detected by 4 and 6 T*.
        early: share of runs condemned before its onset.
    """

    trouble: Trouble
    mean: float
    by4: float
    by6: float
    early: float


def everything() -> list[Trouble]:
    """All that is measured."""
    return [Trouble(rate=r, beyond=b, share=s, time=t) for r, b, s, t in product(RATES, BEYOND, SHARES, TIMES)]


def after_an_outage(pause: int) -> Callable[[float], Array]:
    """Both arms fail 60 % for 60 looks, and then as before for a while.

    Args:
        pause: looks between the outage and the trouble.
    """

    def before(rate: float) -> Array:
        rates = np.full(180 + 60 + pause, rate)
        rates[180:240] = 0.6
        return rates

    return before


BEFORE: dict[str, Callable[[float], Array]] = {
    "after 300 looks": lambda rate: np.full(300, rate),
    "after 37 looks": lambda rate: np.full(37, rate),
    "60 looks after a shared outage": after_an_outage(60),
    "300 looks after a shared outage": after_an_outage(300),
}
"""What both arms did before the trouble began."""

LATE = (5.0, 10.0, 30.0)
"""T* of troubles that begin late: an hour is enough for them."""


LONG = {"after 3,000 looks of 3,600 planned": 3_600, "after 3,000 looks where 600 were planned": PLAN}
"""Looks planned where 3,000 went well."""


def after_3000(rate: float) -> Array:
    """Nearly an hour of looks each second in which both arms are alike."""
    return np.full(3_000, rate)


def seen(
    trouble: Trouble,
    *,
    runs: int,
    seed: Sequence[int],
    before: Callable[[float], Array] | None = None,
    plan: int = PLAN,
) -> Seen:
    """Play one trouble, in a service whose error rate is known from its history.

    Args:
        trouble: which.
        runs: how many releases.
        seed: of its chance.
        before: rates of both arms until it begins, from stable's; None where it begins with the first look.
        plan: looks that were planned.
    """
    rates = np.zeros(0) if before is None else before(trouble.rate)
    onset = len(rates)
    stream = trouble.stream(np.random.default_rng(list(seed)), runs, before=rates)
    question = Known(relative=RELATIVE, absolute=ABSOLUTE, false_rollback=ALPHA, looks=plan, prior_rate=trouble.rate)
    condemned = judged(stream, question).condemned
    early = condemned < onset
    took = (condemned[~early] - onset + 1.0) / trouble.time
    return Seen(
        trouble=trouble,
        mean=float(np.minimum(took, PATIENCE).mean()),
        by4=float((took <= 4.0).mean()),
        by6=float((took <= 6.0).mean()),
        early=float(early.mean()),
    )


def figures(name: str, found: Sequence[Seen]) -> Iterator[Figure]:
    """How these were seen: all of them, and at which traffic."""
    means = [one.mean for one in found]
    yield Figure(name=f"detection: {name}, T*, mean over {len(found)}", values=[float(np.mean(means))], bar=1.6)
    yield Figure(name=f"detection: {name}, T*, by trouble", values=means, bar=2.0, worst=True)
    for sparse, of in ((True, "less than two requests a look on an arm"), (False, "more")):
        some = [one.mean for one in found if one.trouble.sparse is sparse]
        yield Figure(name=f"detection: {name}, T*, mean over {len(some)} with {of}", values=[float(np.mean(some))])
        yield Figure(name=f"detection: {name}, T*, by trouble with {of}", values=some)
    for times, part, allowed in ((4, [one.by4 for one in found], 5.0), (6, [one.by6 for one in found], 1.0)):
        late = [100.0 * (1.0 - one) for one in part]
        title = f"detection: {name}, % not detected by {times} T*"
        yield Figure(name=f"{title}, mean", values=[float(np.mean(late))], bar=allowed)
        yield Figure(name=f"{title}, by trouble", values=late)
