"""How metrics are judged that are not judged at every look, told before the release starts."""

from __future__ import annotations

from collections.abc import Iterator

from analysis.classical import ClassicalConfig, FixedTest, Grouped, Threshold
from analysis.classical.findings import NAMES
from analysis.judge import JudgeConfig, levels
from canary.report import words


def rules(config: JudgeConfig) -> Iterator[str]:
    """One sentence for each such metric, for the score, and for each metric with a pace of its own."""
    shares = levels(config)
    for metric in config.classical:
        match metric.how:
            case FixedTest() as how:
                said = _test(how, shares[metric.name], config.false_rollback)
            case Threshold() as rule:
                said = _threshold(rule)
            case Grouped() as part:
                said = f"a part of the score's group {part.group}, {part.direction} counts"
        yield f"{metric.name}: {said}{_own(metric)}"
    if config.score is not None:
        score = config.score
        yield (
            f"score: as Kayenta's judge computes it, {words.span(score.after)} into each step; passes from "
            f"{score.passes:g}, rolls back from {score.marginal:g} down; outside of falseRollback"
        )
    for one in config.metrics:
        paced = [f"left out for the first {words.span(one.delay)} of a step"] if one.delay else []
        paced += [f"judged every {words.span(one.every)}"] if one.every else []
        paced += [f"without data: {one.no_data}"] if one.no_data else []
        if paced:
            yield f"{one.name}: {', '.join(paced)}"


def _test(how: FixedTest, level: float, alpha: float) -> str:
    where = "in the last step" if how.last_only else "in each step"
    spends = level * how.looks / alpha
    return (
        f"{NAMES[how.kind]}, looks once {where}, {words.span(how.after)} into it; "
        f"spends {spends:.0%} of falseRollback: alone it rolls back from p = {level / 2:.2g} down"
    )


def _threshold(rule: Threshold) -> str:
    streak = f"; each step needs {rule.successes} in a row" if rule.successes > 1 else ""
    return (
        f"{rule.words}; more than {rule.failures} failures in the release roll back{streak}; outside of falseRollback"
    )


def _own(metric: ClassicalConfig) -> str:
    said = " (dryRun: decides nothing)" if metric.dry_run else ""
    said += f"; from {words.span(metric.delay)} on" if metric.delay else ""
    return said + (f"; without data: {metric.no_data}" if metric.no_data else "")
