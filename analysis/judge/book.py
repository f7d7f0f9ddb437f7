"""The book: what one look does to all tests at once. Arrays only; one row per test, and no row knows another.

The order inside a look matters for the guarantee: stable's rate, the dispersion and what is invested come from past
looks only (they are predictable), then the look is judged, then it is remembered.
"""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from analysis.judge import rates
from analysis.judge.accounts import CAP, EFFECTS, FACTORS, HOT, Wealth, heated, picky, warmed
from analysis.judge.asked import Asked, Counted
from analysis.judge.dispersion import WINSOR, WINSOR_WORSE, Dispersion
from analysis.judge.evalue import EDGE, Mask, bound, comparable, log_odds_of, log_ratio, odds_above
from analysis.judge.interval import GRID, Interval
from analysis.judge.sparse import gathered

Array = NDArray[np.float64]

HEALTH_CAP = 0.25
"""A look's factor towards HEALTHY is at most `(1/beta)**HEALTH_CAP`: at least four looks must agree."""

EASED = 0.6
"""Of that cap, what a look of an equal canary is expected to bring at most; where its many requests would bring more,
its factor is taken to a power below 1, which is an e-value too (Jensen). Its scatter shrinks with it: a cap cuts gains
and no losses, and with thousands of requests a look the losses outweighed what was left of the gains."""

WARM = 0.5
"""Of log(1/alpha), what a bet must have won since it was last worth nothing for the ratio of the rates to be learned
anew: what begins in the middle of a release is then told from the ratio before it, and would pass for a burst. Times
the dispersion, as `HOT`: bursts themselves warm no more bets than without it. [by simulation: 0.35 does as well]"""

UNKNOWN = 1.0
"""A baseline that nothing can be worse than: nothing was known of stable before the canary had traffic."""

UPPER_Z = 2.33
"""Standard deviations to the upper end of what a rate may be: the one-sided 99 % of the normal distribution."""

LEAST_KNOWN = 50.0
"""Stable requests that must be remembered for a baseline; with so few its upper end is far above the estimate."""

EXPECTED = 1e9
"""Requests behind what is expected of stable, when its own look is held against it."""

FLAT = 1e-6
"""Evidence that has not grown by more (nats) has not grown: a state that was stored and read again agrees."""

HEADROOM = 3.0
"""What an account that only holds a step back may have above the threshold (nats): it must be able to recover."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Book:
    """All that is remembered of the tests; never changed in place.

    Attributes:
        harm: wealth against "within the tolerance", since the release began.
        heat: of each of its bets, what it has won since it was last worth nothing or cash followed it, logs.
        health: log evidence for "within", restarted in each step.
        health_before: the same one look earlier: two looks in a row must agree.
        memory: remembered stable (errors, requests, looks, nats that speak for a fall).
        dispersion: of the comparison.
        sway: dispersion of stable alone over time, which a comparison does not feel and a bake does.
        interval: of the difference.
        baseline: stable's rate before the canary had traffic (its 99 % upper end); `UNKNOWN` where unknown.
        worse: wealth against "stable is as it was", restarted in each step.
        frozen: stable's rate (99 % upper end) when the bake began; empty before.
        step: (x_s, n_s, x_c, n_c) of this step.
        quiet: newest looks in a row without a canary request for this test.
        rise: evidence of harm where it was lowest, and of the looks since then their number and (x_s, n_s, x_c, n_c).
        waiting: looks that have nothing to be compared with yet, their number and (x_s, n_s, x_c, n_c).
    """

    harm: Wealth
    heat: Array
    health: Array
    health_before: Array
    memory: Array
    dispersion: Dispersion
    sway: Dispersion
    interval: Interval
    baseline: Array
    worse: Wealth
    frozen: Array
    step: Array
    quiet: Array
    rise: Array
    waiting: Array

    @classmethod
    def fresh(cls, tests: int) -> Book:
        """Before any look."""
        return cls(
            harm=Wealth.fresh(tests),
            heat=np.zeros((tests, len(EFFECTS))),
            health=np.zeros(tests),
            health_before=np.zeros(tests),
            memory=np.zeros((tests, 4)),
            dispersion=Dispersion.fresh(tests),
            sway=Dispersion.fresh(tests),
            interval=Interval.fresh(tests),
            baseline=np.full(tests, UNKNOWN),
            worse=Wealth.fresh(tests),
            frozen=np.zeros(tests),
            step=np.zeros((tests, 4)),
            quiet=np.zeros(tests),
            rise=np.zeros((tests, 6)),
            waiting=np.zeros((tests, 5)),
        )

    def __len__(self) -> int:
        """Tests."""
        return len(self.health)

    def joined(self, other: Book) -> Book:
        """With another's rows appended."""
        return Book(**{one.name: _both(getattr(self, one.name), getattr(other, one.name)) for one in fields(Book)})

    def changed(self, **changes: Any) -> Book:
        """With other parts: `dataclasses.replace`, which takes three times as long."""
        twin = object.__new__(Book)
        for name in Book.__slots__:
            object.__setattr__(twin, name, changes[name] if name in changes else getattr(self, name))
        return twin

    @property
    def agreed(self) -> Array:
        """Log evidence for "within" that the two newest looks agree on."""
        return np.minimum(self.health, self.health_before)

    def rates(self, asked: Asked) -> Array:
        """Stable's current rate, from past looks."""
        return rates.rate(self.memory[:, 0], self.memory[:, 1], prior=asked.prior, worth=asked.worth)

    def upper_rates(self, recorded: Array | None = None) -> Array:
        """The upper end of what stable's rate, as remembered and as it waits, may be; `UNKNOWN` from too little.

        Args:
            recorded: (bad, total) per test of stable's recorded past, which is remembered too.
        """
        x, n = self.memory[:, 0] + self.waiting[:, 1], self.memory[:, 1] + self.waiting[:, 2]
        if recorded is not None:
            x, n = x + recorded[:, 0], n + recorded[:, 1]
        return np.where(n >= LEAST_KNOWN, upper_end(x, np.maximum(n, 1.0), z=UPPER_Z), UNKNOWN)

    def phi(self, asked: Asked) -> Array:
        """Dispersion, from past looks."""
        return self.dispersion.phi(np.full(len(self), asked.phi0))

    def begin_step(self, *, bakes: bool) -> Book:
        """A step begins: evidence from a smaller share is about another load, so health starts anew; harm goes on."""
        k = len(self)
        return replace(
            self,
            health=np.zeros(k),
            health_before=np.zeros(k),
            worse=Wealth.fresh(k),
            step=np.zeros((k, 4)),
            quiet=np.zeros(k),
            waiting=np.zeros((k, 5)),
            frozen=self.upper_rates() if bakes else self.frozen,
        )

    def forgiven(self, rows: NDArray[np.bool_]) -> Book:
        """Without what some rows have won so far, as if the release began now; losses stay."""
        fresh = Wealth.fresh(len(self))
        harm = Wealth(
            np.where(rows, np.minimum(self.harm.cash, fresh.cash), self.harm.cash),
            np.where(rows[:, None], np.minimum(self.harm.accounts, fresh.accounts), self.harm.accounts),
        )
        heat, waiting = np.where(rows[:, None], 0.0, self.heat), np.where(rows[:, None], 0.0, self.waiting)
        return replace(self, harm=harm, heat=heat, health=np.where(rows, 0.0, self.health), waiting=waiting)

    def parted(self) -> Book:
        """Without what waits: what comes next is not to be judged together with it."""
        return self.changed(waiting=np.zeros_like(self.waiting))

    def known(self, recorded: Array | None = None, *, only_unknown: bool = False) -> Book:
        """The canary has traffic from now on: what stable was without it is known now or never.

        Args:
            recorded: (bad, total) per test of stable's recorded past.
            only_unknown: what was known when the canary got traffic stays; the past may be read a little later.
        """
        if not only_unknown:
            return replace(self, baseline=self.upper_rates(recorded))
        # What is remembered by now is no longer stable alone: only the recorded past is.
        alone = replace(self.parted(), memory=np.zeros_like(self.memory)).upper_rates(recorded)
        return replace(self, baseline=np.where(self.baseline < UNKNOWN, self.baseline, alone))

    def compare(
        self,
        look: Counted,
        asked: Asked,
        *,
        part: float | Array,
        interval: bool = True,
        known: tuple[Array, Array] | None = None,
    ) -> Book:
        """Judge a look at both arms, then remember it; what has nothing to be compared with waits.

        Args:
            look: the look.
            asked: the question.
            part: of the cash, to be moved before the look; one for all tests, or one for each.
            interval: also follow the interval, which decides nothing and is three quarters of the arithmetic.
            known: `rates` and `phi` where the caller has asked for them already.
        """
        a, phi = known or (self.rates(asked), self.phi(asked))
        config = asked.config
        counts, waiting = gathered(self.waiting, look)
        apart = self.interval.canary(a)
        factors = self._factors(counts, asked, a, apart, GRID if interval else GRID[:0]) / phi[:, None]
        effects = len(EFFECTS)
        room = comparable(a, asked.relative, asked.absolute)
        gaps = factors[:, effects + 2 :]
        cap, step = CAP * config.threshold, HEALTH_CAP * config.health_threshold
        harm = factors[:, :effects] * room[:, None]
        fine = _eased(factors[:, effects], factors[:, effects + 1], step) * room
        grown, heat = self.harm.look(harm, part=part, log_cap=cap), heated(self.heat, harm, cap)
        hot = heat >= ((HOT * config.threshold + picky(grown.cash)) * phi)[:, None]
        return self._remember(look, counts, a, anew=warmed(self.heat, heat, WARM * config.threshold * phi)).changed(
            harm=grown.following(hot) if hot.any() else grown,
            heat=np.where(hot, 0.0, heat),
            health=self.health + np.minimum(fine, step),
            health_before=self.health if look is counts else np.where(waiting[:, 0], self.health_before, self.health),
            interval=self.interval.look(gaps, a=a, c=apart, counts=(counts.x_s, counts.n_s, counts.x_c, counts.n_c))
            if interval
            else self.interval,
            worse=self._worse(look, asked, part),
            waiting=waiting,
        )

    def _factors(self, counts: Counted, asked: Asked, a: Array, apart: Array, grid: Array) -> Array:
        """Logs of e-values, shape (tests, effects + health, health as expected + interval's grid).

        All in one go, because that is fastest. What health is expected to bring is the same of the counts that are
        expected where the canary is equal; it knows the look's requests, and nothing of how they ended.
        """
        own, width = len(EFFECTS) + 2, len(EFFECTS) + 2 + len(grid)
        # All of one shape: it is the calls that cost, and they take twice as long where columns are stretched.
        whole = np.empty((8, len(a), width))
        x_s, n_s, x_c, n_c, rate, c, relative, absolute = whole
        for into, one in zip(whole, (counts.x_s, counts.n_s, counts.x_c, counts.n_c, a), strict=False):
            into[:] = one[:, None]
        equal = a * asked.ratio
        c[:, : own - 2] = odds_above(bound(a, asked.relative, asked.absolute), EFFECTS)
        c[:, own - 2 : own], c[:, own:] = equal[:, None], apart[:, None]
        relative[:, :own], relative[:, own:] = asked.relative[:, None], 0.0
        absolute[:, :own], absolute[:, own:] = asked.absolute[:, None], grid
        x_s[:, own - 1], x_c[:, own - 1] = a * counts.n_s, equal * counts.n_c
        return log_ratio(x_s=x_s, n_s=n_s, x_c=x_c, n_c=n_c, a=rate, c=c, relative=relative, absolute=absolute)

    def _worse(self, counts: Counted, asked: Asked, part: float | Array) -> Wealth:
        """Stable against what it was before the canary had traffic, with the same tolerance."""
        tolerated = bound(self.baseline, asked.relative, asked.absolute)
        phi = np.maximum(1.0, asked.phi0) * np.ones(len(self))
        grown = _one_arm(self.worse, counts.x_s, counts.n_s, tolerated, part=part, asked=asked, phi=phi)
        return grown.at_most(asked.config.threshold + HEADROOM)

    def bake(self, counts: Counted, asked: Asked, *, part: float) -> Book:
        """Judge a look without a second arm, against stable as it was when the bake began: outside the promise.

        What sways stable over time sways the canary too, and there is nothing left that it would cancel against: log
        e-values are divided by how much stable itself swayed.
        """
        tolerated = bound(self.frozen, asked.relative, asked.absolute)
        phi = np.maximum(self.phi(asked), self.sway.phi(np.full(len(self), asked.phi0)))
        harm = _one_arm(self.harm, counts.x_c, counts.n_c, tolerated, part=part, asked=asked, phi=phi)
        return replace(self._remember(counts, counts, self.rates(asked)), harm=harm)

    def risen(self, counts: Counted, evidence: Array) -> Book:
        """After a judged look: the looks in which the evidence of harm has risen to what it is.

        Args:
            counts: the look.
            evidence: of harm after it, logs.
        """
        lowest = (evidence <= self.rise[:, 0] + FLAT) & (self.waiting[:, 0] == 0)
        since = self.rise.copy()
        since[:, 1] += 1.0
        since[:, 2:] += counts.table
        since *= ~lowest[:, None]
        since[:, 0] = np.minimum(evidence, self.rise[:, 0])
        return self.changed(rise=since)

    def learn(self, counts: Counted, asked: Asked) -> Book:
        """Remember stable from a look that is not judged."""
        a, known = self.rates(asked), self._expected()
        sway = self.sway.look(x_s=a * known, n_s=known, x_c=counts.x_s, n_c=counts.n_s, a=a, worse=WINSOR)
        return replace(self, memory=self._memory(counts), sway=sway, waiting=np.zeros_like(self.waiting))

    def _memory(self, counts: Counted) -> Array:
        memory, seen = np.array(rates.remember(*self.memory.T, x_s=counts.x_s, n_s=counts.n_s)).T, counts.n_s > 0
        return memory if seen.all() else np.where(seen[:, None], memory, self.memory)

    def _expected(self) -> Array:
        """Stable's look is held against what is expected of it, as if that were known from very many requests."""
        return np.where(self.memory[:, 1] >= LEAST_KNOWN, EXPECTED, 0.0)

    def _remember(self, look: Counted, counts: Counted, a: Array, *, anew: Mask | None = None) -> Book:
        """After a look, of which `counts` were judged."""
        known, memory = self._expected(), self._memory(counts)
        fell = rates.fell(self.memory, memory)
        fell = fell if anew is None else fell | anew
        # Both dispersions in one go: it is the calls that cost, not the rows.
        spread = self.dispersion.joined(self.sway).look(
            x_s=np.concatenate((counts.x_s, a * known)),
            n_s=np.concatenate((counts.n_s, known)),
            x_c=np.concatenate((counts.x_c, counts.x_s)),
            n_c=np.concatenate((counts.n_c, counts.n_s)),
            a=np.concatenate((a, a)),
            worse=_winsor(len(self)),
            anew=np.concatenate((fell, np.zeros_like(fell))) if fell.any() else None,
        )
        dispersion, sway = spread.split(len(self))
        return self.changed(
            memory=memory,
            dispersion=dispersion,
            sway=sway,
            step=self.step + look.table,
            quiet=(self.quiet + 1.0) * (look.n_c == 0),
        )


@lru_cache(maxsize=16)
def _winsor(tests: int) -> Array:
    """Of the comparison and of stable alone: only there can both arms burst."""
    return np.repeat((WINSOR_WORSE, WINSOR), tests)[:, None]


def _eased(fine: Array, expected: Array, cap: float) -> Array:
    """A look's log e-values towards HEALTHY, to a power that is known before its bad requests are: `EASED`."""
    power: Array = np.minimum(1.0, EASED * cap / np.maximum(expected, EDGE))
    return power * fine


def _both(mine: Any, theirs: Any) -> Any:
    """Rows of an array, or of whatever else has rows, with another's appended."""
    return np.concatenate([mine, theirs]) if isinstance(mine, np.ndarray) else mine.joined(theirs)


def _one_arm(
    wealth: Wealth,
    x: Array,
    n: Array,
    limit: Array,
    *,
    part: float | Array,
    asked: Asked,
    phi: Array,
) -> Wealth:
    """Wealth against "at most the limit" after a look at one arm; unchanged where the limit cannot be broken."""
    bad, good = log_odds_at(limit.tobytes())
    factors = x[:, None] * bad + (n - x)[:, None] * good
    return wealth.look(factors / phi[:, None], part=part, log_cap=CAP * asked.config.threshold)


@lru_cache(maxsize=16)
def log_odds_at(limits: bytes) -> tuple[Array, Array]:
    """`log_odds_of` limits that stay from look to look, and 0 of those that cannot be broken."""
    limit = np.frombuffer(limits)
    room = comparable(limit, np.zeros(1), np.zeros(1))[:, None]
    bad, good = log_odds_of(tuple(np.minimum(limit, 1.0).tolist()), FACTORS)
    return np.where(room, bad, 0.0), np.where(room, good, 0.0)


def upper_end(x: Array, n: Array, *, z: float) -> Array:
    """Upper end of Wilson's interval of a proportion (Wilson, JASA 22, 1927).

    Args:
        x, n: how many of how many; n > 0.
        z: normal quantile of the confidence wanted on this side.
    """
    p = x / n
    middle = p + z * z / (2 * n)
    spread = z * np.sqrt(p * (1 - p) / n + z * z / (4 * n * n))
    end: Array = (middle + spread) / (1 + z * z / n)
    return end
