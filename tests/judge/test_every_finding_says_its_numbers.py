"""Every finding explains itself: the numbers in its sentence are those that it carries as data."""

from __future__ import annotations

import math

from hypothesis import given, settings
from hypothesis import strategies as st

from analysis.judge import JudgeConfig, MetricConfig, begin_step, learn, observe, start, words
from analysis.model import Arm, Counts, Finding, Look
from analysis.plural import counted

BOUNDS = (0.01, 0.1, 0.5, math.inf)
CONFIG = JudgeConfig(
    metrics=(
        MetricConfig(name="errors", kind="errors", relative=0.5, absolute=0.002, rate_limit=0.3),
        MetricConfig(name="latency", kind="latency", relative=0.2, absolute=0.002, quantile_limits=((0.99, 0.2),)),
        MetricConfig(name="checkout-failures", kind="counts", relative=0.5, absolute=0.01, dry_run=True),
    ),
    planned_looks=30,
)


@st.composite
def counts(draw: st.DrawFn, *, buckets: bool) -> Counts:
    """Of one arm in one look."""
    total = draw(st.integers(0, 3000))
    if not buckets:
        return Counts(total=total, bad=draw(st.integers(0, total)))
    inner = sorted(draw(st.integers(0, total)) for _ in BOUNDS[:-1])
    return Counts(total=total, buckets=tuple(zip(BOUNDS, [*inner, total], strict=True)))


@st.composite
def looks(draw: st.DrawFn, number: int) -> Look:
    """Whatever may have been counted; an arm may be silent, or without one of the metrics."""
    found: dict[str, dict[Arm, Counts]] = {}
    for metric in CONFIG.metrics:
        arms = draw(st.sets(st.sampled_from(list(Arm))))
        found[metric.name] = {arm: draw(counts(buckets=metric.kind == "latency")) for arm in arms}
    return Look(start=float(number), end=number + 1.0, counts=found)


def said(finding: Finding) -> list[str]:
    """What the sentence must say, of the finding's own numbers."""
    numbers = finding.numbers
    found = [words.count(numbers[name]) for name in ("canary_bad", "canary_total") if name in numbers]
    if "idle_looks" in numbers:
        return [words.count(numbers["idle_looks"])]
    if "risen_looks" in numbers:
        found += [words.count(numbers[f"risen_canary_{name}"]) for name in ("bad", "total")]
        found.append(f"in the last {counted(numbers['risen_looks'], 'look')}")
    if finding.code in {"NO_REQUESTS", "LEFT_OUT"}:
        return found[2:]  # of one metric: that none were counted, and what was before
    if finding.code == "SHARE_MISMATCH":
        both = numbers["canary_total"] + numbers["stable_total"]
        return [words.percent(numbers["seen"]), words.count(both), f"{100 * numbers['asked']:g} %"]
    if numbers.get("stable_total") and "before the bake" not in finding.sentence:
        found += [words.count(numbers[name]) for name in ("stable_bad", "stable_total") if name in numbers]
    rates = [name for name in ("canary_rate", "tolerated", "limit", "seen", "baseline") if name in numbers]
    found += [words.percent(numbers[name]) for name in rates]
    if "evidence" in numbers:
        found.append(words.odds(numbers["evidence"]))
    return found


@settings(max_examples=60, derandomize=True, deadline=None)
@given(st.data(), st.booleans())
def test_the_sentence_says_the_numbers_and_the_numbers_are_there(data: st.DataObject, bakes: bool) -> None:
    state = learn(CONFIG, start(CONFIG), data.draw(looks(0)))
    state = begin_step(CONFIG, state, share=20.0, last_share=50.0)
    for number in range(1, data.draw(st.integers(2, 5))):
        if bakes and number == 2:
            state = begin_step(CONFIG, state, share=100.0, last_share=50.0, baking=True)
        state, judgement = observe(CONFIG, state, data.draw(looks(number)))
        assert judgement.sentence
        for finding in judgement.findings:
            assert "nan" not in finding.sentence
            assert "\n" not in finding.sentence
            for part in said(finding):
                assert part in finding.sentence, (finding.code, part, finding.sentence, dict(finding.numbers))
            assert finding.numbers
            assert not any(math.isnan(value) for value in finding.numbers.values())
