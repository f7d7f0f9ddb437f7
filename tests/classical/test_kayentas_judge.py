"""Kayenta's judge against its documented behaviour, and its holes closed."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import optimize, stats

from analysis.classical.config import Grouped, ScoreConfig
from analysis.classical.netflix import QUANTILE, Classified, Label, classify, shift
from analysis.classical.score import scored

CALM = settings(derandomize=True, deadline=None, max_examples=40)
SCORE = ScoreConfig(passes=95, marginal=75, after=60)


def of(label: Label, *, critical: bool = False) -> Classified:
    return Classified(label=label, critical=critical)


def label_of(stable: list[float], canary: list[float], *, critical: bool = False, **how: object) -> Label:
    return classify(Grouped(group="g", **how), stable, canary, critical=critical).label  # type: ignore[arg-type]


@given(seed=st.integers(0, 10_000), n=st.integers(5, 25), m=st.integers(5, 25))
@CALM
def test_the_interval_is_where_scipys_two_sided_test_is_at_its_confidence(seed: int, n: int, m: int) -> None:
    """The shifts that the test does not refuse at 2 %: scipy's own p-value crosses there."""
    chance = np.random.default_rng(seed)
    stable, canary = chance.normal(10, 2, n), chance.normal(11, 2, m)
    low, high = shift(stable, canary, QUANTILE), shift(stable, canary, -QUANTILE)

    def p(moved: float) -> float:
        found = stats.mannwhitneyu(canary - moved, stable, alternative="two-sided", method="asymptotic")
        return float(found.pvalue)

    edges = (float(canary.min() - stable.max()), float(canary.max() - stable.min()))
    assert p((low + high) / 2) > 0.02
    if low > edges[0]:
        assert p(low - 1e-6) <= 0.02 + 1e-9 < p(low + 1e-6) + 2e-9
    if high < edges[1]:
        assert p(high + 1e-6) <= 0.02 + 1e-9 < p(high - 1e-6) + 2e-9


@given(seed=st.integers(0, 10_000))
@CALM
def test_the_estimate_is_hodges_and_lehmanns_median_of_differences(seed: int) -> None:
    chance = np.random.default_rng(seed)
    stable, canary = chance.normal(10, 2, 15), chance.normal(12, 2, 15)
    differences = np.sort((canary[:, None] - stable[None, :]).ravel())
    found = shift(stable, canary, 0.0)
    assert differences[len(differences) // 2 - 2] <= found <= differences[len(differences) // 2 + 2]
    assert optimize.brentq(lambda d: np.sum(differences > d) - np.sum(differences < d) + 0.0, -50, 50) == pytest.approx(
        found, abs=float(np.diff(differences).max()) + 1e-9
    )


def test_what_is_documented_of_the_classification() -> None:
    chance = np.random.default_rng(1)
    stable = chance.normal(100, 5, 60).tolist()
    higher = (chance.normal(130, 5, 60)).tolist()
    assert label_of(stable, higher) is Label.HIGH
    assert label_of(higher, stable) is Label.LOW
    assert label_of(stable, higher, direction="decrease") is Label.PASS
    assert label_of(higher, stable, direction="increase") is Label.PASS
    assert label_of(stable, higher, allowed_increase=1.5) is Label.PASS
    assert label_of(stable, higher, allowed_increase=1.2) is Label.HIGH
    assert label_of(stable, list(reversed(stable))) is Label.PASS, "the same values in another order"
    assert label_of([3.0] * 9, [3.0] * 7) is Label.PASS, "one distinct value overall"
    assert label_of([3.0] * 9, [4.0] * 9) is Label.HIGH, "constant and different: without random noise"


def test_the_ratio_is_not_asked_when_a_mean_is_zero() -> None:
    stable, canary = [0.0] * 20, [1.0, 2.0, 3.0, 4.0] * 5
    assert label_of(stable, canary, allowed_increase=9.0) is Label.HIGH


def test_outliers_outside_of_the_fence_and_of_the_percentiles_are_removed() -> None:
    chance = np.random.default_rng(2)
    stable = chance.normal(100, 1, 300).tolist()
    canary = [*chance.normal(100, 1, 297).tolist(), 1e6, 1e6]
    removed = classify(Grouped(group="g", outliers="remove"), stable, canary, critical=False)
    assert removed.ratio == pytest.approx(1.0, abs=0.01)
    assert classify(Grouped(group="g"), stable, canary, critical=False).ratio > 10


def test_nan_is_left_out_or_taken_for_nothing() -> None:
    stable, canary = [5.0, 6.0, 7.0] * 10, [math.nan] * 12
    assert label_of(stable, canary) is Label.NODATA
    assert label_of(stable, canary, nan="replace") is Label.LOW


@pytest.mark.parametrize(
    ("must", "critical", "label"),
    [
        (False, False, Label.NODATA),
        (True, False, Label.NODATA_FAIL),
        (True, True, Label.NODATA),
        (False, True, Label.NODATA),
    ],
)
def test_an_empty_side(must: bool, critical: bool, label: Label) -> None:
    found = classify(Grouped(group="g", must_have_data=must), [1.0] * 9, [], critical=critical)
    assert (found.label, found.critical) == (label, critical)


@pytest.mark.parametrize("replace", ["remove", "replace"])
def test_an_empty_side_never_passes(replace: str) -> None:
    assert label_of([1.0] * 9, [], nan=replace) is Label.NODATA


def test_what_throws_is_a_label_and_no_silence() -> None:
    found = classify(Grouped(group="g"), [1.0, 2.0] * 5, [math.inf] * 10, critical=True)
    assert (found.label, found.critical, found.why) == (Label.ERROR, True, "a value is infinite")


# The score ----------------------------------------------------------------------------------------------------------


def test_groups_are_weighted_and_those_without_a_weight_share_the_rest() -> None:
    config = ScoreConfig(passes=95, marginal=75, after=60, weights=(("errors", 50.0),))
    metrics = [
        ("a", "errors", of(Label.PASS)),
        ("b", "errors", of(Label.HIGH)),
        ("c", "cpu", of(Label.PASS)),
        ("d", "heap", of(Label.LOW)),
    ]
    found = scored(config, metrics)
    assert (found.least, found.most) == (50.0, 50.0)
    assert [group[:2] for group in found.groups] == [("errors", 50.0), ("cpu", 25.0), ("heap", 25.0)]


SEEN = st.sampled_from([Label.PASS, Label.HIGH, Label.LOW, Label.NODATA_FAIL])


@given(labels=st.lists(SEEN, min_size=1, max_size=12))
@CALM
def test_with_all_data_it_is_kayentas_number(labels: list[Label]) -> None:
    metrics = [(f"m{i}", f"g{i % 3}", of(label)) for i, label in enumerate(labels)]
    groups: dict[str, list[Label]] = {}
    for _, group, found in metrics:
        groups.setdefault(group, []).append(found.label)
    share = 100.0 / len(groups)
    expected = round(sum(share * one.count(Label.PASS) / len(one) for one in groups.values()), 2)
    found = scored(SCORE, metrics)
    assert found.least == found.most == pytest.approx(expected, abs=0.01)


def test_a_critical_metric_that_fails_makes_it_nothing() -> None:
    metrics = [("a", "g", of(Label.PASS)), ("b", "g", of(Label.HIGH, critical=True))]
    found = scored(SCORE, metrics)
    assert (found.least, found.most, found.critical) == (0.0, 0.0, "b")


@pytest.mark.parametrize("label", [Label.NODATA, Label.ERROR])
def test_what_was_not_seen_neither_passes_nor_condemns(label: Label) -> None:
    metrics = [("a", "g", of(Label.PASS)), ("b", "g", of(Label.PASS)), ("c", "h", of(label))]
    found = scored(SCORE, metrics)
    assert found.least < SCORE.passes, "no data is never 100"
    assert found.most == 100.0
    assert found.missing == ("c",)
    alone = scored(SCORE, [("c", "h", of(label))])
    assert (alone.least, alone.most) == (0.0, 100.0)
    bad = scored(SCORE, [("a", "g", of(Label.HIGH)), ("b", "g", of(Label.LOW)), ("c", "h", of(label))])
    assert bad.most == 50.0, "condemned whatever the missing one would say"


def test_half_without_data_is_no_score() -> None:
    found = scored(SCORE, [("a", "g", of(Label.PASS)), ("b", "g", of(Label.NODATA))])
    assert (found.least, found.most) == (0.0, 100.0)


def test_a_critical_metric_without_data_lets_nothing_pass() -> None:
    metrics = [(f"m{i}", "g", of(Label.PASS)) for i in range(40)]
    found = scored(SCORE, [*metrics, ("c", "g", of(Label.NODATA, critical=True))])
    assert (found.least, found.most) == (0.0, 100.0)
