"""One look: what is measured, and what is concluded when a test's or a score's time has come. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from analysis.classical import netflix, score, tests
from analysis.classical.config import MOST_POINTS, ClassicalConfig, FixedTest, Grouped, ScoreConfig, Threshold
from analysis.classical.netflix import Classified, Label
from analysis.classical.seen import Beside, Seen
from analysis.model import Arm, Gauge, Look

NOTHING = Gauge()


def begin_step(beside: Beside, *, last: bool) -> Beside:
    """A step begins: values are about another load; budgets and bets go on over the whole release.

    Args:
        beside: before.
        last: it is the plan's last step.
    """
    kept = {
        name: Seen(bets=one.bets, failures=one.failures, code=one.code, trouble=one.trouble)
        for name, one in beside.seen.items()
    }
    return Beside(seen=kept, now=beside.now, condemned=beside.condemned, last=last)


def observe(
    configs: Sequence[ClassicalConfig],
    scoring: ScoreConfig | None,
    beside: Beside,
    look: Look,
    *,
    levels: Mapping[str, float],
    baking: bool,
) -> Beside:
    """After one look.

    Args:
        configs: the metrics.
        scoring: the score over the grouped ones; None without.
        beside: what is remembered; not changed.
        look: the look.
        levels: per fixed test, the share of alpha that one look of it may spend.
        baking: no second arm is left: only rules go on.
    """
    if not configs and scoring is None:
        return beside
    began = look.start if beside.began is None else beside.began
    beside = replace(beside, began=began, now=look.end)
    seen = {}
    for config in configs:
        known = beside.seen.get(config.name, Seen())
        known = replace(known, requests=known.requests + look.requests(Arm.CANARY))
        if look.end > began + config.delay:
            known = _measured(config, known, look, baking=baking)
        if isinstance(config.how, FixedTest) and not baking and (beside.last or not config.how.last_only):
            known = _tested(config, config.how, known, waited=beside.judging, level=levels[config.name])
        seen[config.name] = known
    beside = replace(beside, seen=seen)
    if scoring is not None and not baking:
        beside = _scored(configs, scoring, beside)
    return replace(beside, condemned=beside.condemned or _broken(configs, beside))


def _measured(config: ClassicalConfig, seen: Seen, look: Look, *, baking: bool) -> Seen:
    if config.counts:
        arms = look.counts.get(config.name, {})
        stable, canary = arms.get(Arm.STABLE), arms.get(Arm.CANARY)
        x_s, n_s, x_c, n_c = seen.counts
        if stable is not None:
            x_s, n_s = x_s + stable.bad, n_s + stable.total
        if canary is not None:
            x_c, n_c = x_c + canary.bad, n_c + canary.total
        return replace(seen, counts=(x_s, n_s, x_c, n_c))
    gauges = look.gauges.get(config.name, {})
    stable_gauge, canary_gauge = gauges.get(Arm.STABLE, NOTHING), gauges.get(Arm.CANARY, NOTHING)
    alone = baking or isinstance(config.how, Threshold)
    seen = _troubled(seen, [canary_gauge] if alone else [canary_gauge, stable_gauge])
    if isinstance(config.how, Threshold):
        return _ruled(config.how, seen, stable_gauge, canary_gauge, baking=baking)
    zeros = isinstance(config.how, Grouped) and config.how.nan == "replace"
    return replace(
        seen,
        stable=_kept(seen.stable, stable_gauge, zeros=zeros),
        canary=_kept(seen.canary, canary_gauge, zeros=zeros),
        measured=seen.measured + len(canary_gauge.points),
    )


def _kept(known: tuple[float, ...], gauge: Gauge, *, zeros: bool) -> tuple[float, ...]:
    return (*known, *gauge.points, *((0.0,) * gauge.dropped if zeros else ()))[-MOST_POINTS:]


def _troubled(seen: Seen, gauges: Sequence[Gauge]) -> Seen:
    """The newest trouble stands until an arm that had it is measured again."""
    wrong = next((gauge for gauge in gauges if gauge.code), None)
    dropped = seen.dropped + sum(gauge.dropped for gauge in gauges)
    if wrong is not None:
        return replace(seen, code=wrong.code, trouble=wrong.sentence, dropped=dropped)
    if all(gauge.points for gauge in gauges):
        return replace(seen, code="", trouble="", dropped=dropped)
    return replace(seen, dropped=dropped)


def _ruled(rule: Threshold, seen: Seen, stable: Gauge, canary: Gauge, *, baking: bool) -> Seen:
    """Count measurements. One that stable fails at the same time is not the canary's fault."""
    last = stable.points[-1:] or seen.stable
    beside = not baking and bool(last) and not rule.holds(last[-1])
    for value in canary.points:
        good = rule.holds(value)
        seen = replace(
            seen,
            measured=seen.measured + 1,
            streak=seen.streak + 1 if good else 0,
            shared=seen.shared + (not good and beside),
            failures=seen.failures + (not good and not beside),
        )
    return replace(seen, stable=last, canary=canary.points[-1:] or seen.canary)


def _tested(config: ClassicalConfig, how: FixedTest, seen: Seen, *, waited: float, level: float) -> Seen:
    """Look once, when the time has come and there is enough: neither depends on the values, so it is still one look."""
    if seen.p is not None or seen.why or len(seen.bets) >= how.looks or waited < config.delay + how.after:
        return seen
    if not enough(config, how, seen):
        return seen
    try:
        p = tests.of_counts(how, seen.counts) if config.counts else tests.of_values(how, seen.stable, seen.canary)
    except (ValueError, ArithmeticError) as error:
        return replace(seen, why=str(error), bets=(*seen.bets, 0.0))
    if not 0.0 <= p <= 1.0:
        return replace(seen, why="the test gave no p-value", bets=(*seen.bets, 0.0))
    return replace(seen, p=p, bets=(*seen.bets, tests.log_evalue(p, level=level)))


def enough(config: ClassicalConfig, how: FixedTest, seen: Seen) -> bool:
    """Whether a test may look: enough requests, and enough points of both arms."""
    if seen.requests < config.min_requests:
        return False
    if config.counts:
        return min(seen.counts[1], seen.counts[3]) >= max(1, how.min_samples)
    return min(len(seen.stable), len(seen.canary)) >= max(2, how.min_samples)


def _scored(configs: Sequence[ClassicalConfig], scoring: ScoreConfig, beside: Beside) -> Beside:
    """Classify and score, at first after `after`, then as often again while the score is in between."""
    grouped = [(config, config.how) for config in configs if isinstance(config.how, Grouped)]
    delay = max((config.delay for config, _ in grouped), default=0.0)
    last = (beside.began or 0.0) + delay if beside.scored is None else beside.scored
    done = beside.scored is not None and beside.score[0] >= scoring.passes
    if done or beside.now - last < scoring.after:
        return beside
    seen, told = dict(beside.seen), []
    for config, how in grouped:
        known = seen[config.name]
        found = _classified(config, how, known)
        seen[config.name] = replace(
            known,
            label=found.label.value,
            critical=found.critical,
            why=found.why,
            numbers=(found.lower, found.estimate, found.upper, found.ratio),
        )
        left_out = found.label is Label.NODATA and config.no_data == "pass"
        if not config.dry_run and not left_out:
            told.append((config.name, how.group, found))
    result = score.scored(scoring, told)
    return replace(
        beside,
        seen=seen,
        scored=beside.now,
        score=(result.least, result.most),
        critical=result.critical,
        missing=result.missing,
    )


def _classified(config: ClassicalConfig, how: Grouped, seen: Seen) -> Classified:
    if seen.requests < config.min_requests:
        return Classified(label=Label.NODATA, critical=config.critical)
    return netflix.classify(how, seen.stable, seen.canary, critical=config.critical)


def _broken(configs: Sequence[ClassicalConfig], beside: Beside) -> str:
    """The rule whose budget is spent; the score is asked where it is told. "" while none is."""
    rules = [(one, one.how, beside.seen[one.name]) for one in configs if isinstance(one.how, Threshold)]
    spent = (
        config.name
        for config, rule, seen in rules
        if seen.failures > rule.failures and seen.requests >= config.min_requests and not config.dry_run
    )
    return next(spent, "")
