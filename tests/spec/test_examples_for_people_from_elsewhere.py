"""The examples for people who come from Flagger, Argo Rollouts and Kayenta: loaded, asked for, and planned."""

from __future__ import annotations

from pathlib import Path

import pytest

from analysis.classical import FixedTest, Grouped, Threshold
from analysis.planning import Traffic
from canary.cli.counters import target_of
from canary.cli.question import judge_config
from canary.cli.reads import feeds_of, gauges_of
from canary.report.planned import planned, text
from canary.spec import load

EXAMPLES = Path(__file__).parents[2] / "examples" / "releases"
LATENCY = {0.1: 900, 0.25: 960, 0.5: 992, 1.0: 999, float("inf"): 1000}

# The metrics that are judged at every look, and how the others are.
JUDGED = {
    "counter": (["errors", "checkouts"], []),
    "histogram": (["failed-checkouts", "checkout-time"], []),
    "gauge": (["errors", "latency"], [FixedTest]),
    "threshold": (["errors"], [Threshold, Threshold]),
    "kayenta": (["errors"], [Grouped, Grouped, Grouped]),
}


@pytest.mark.parametrize("name", JUDGED)
def test_each_is_loaded_read_and_planned(name: str) -> None:
    file = load(EXAMPLES / f"{name}.yaml")
    config = judge_config(file, looks=100)
    assert ([metric.name for metric in config.metrics], [type(one.how) for one in config.classical]) == JUDGED[name]
    target = target_of(file)
    read = {feed.key.metric for feed in feeds_of(file, target)} | {feed.metric for feed in gauges_of(file, target)}
    assert {metric.name for metric in file.spec.analysis.metrics} <= read
    traffic = Traffic(rate=50.0, errors=0.002, every=10.0, latency={"checkout-time": LATENCY})
    told = text(planned(file, sight=(config, traffic), config=config))
    assert "Release user-service in shop: 4 steps and a bake" in told
    for one in config.classical:
        assert one.name in told
    if name == "histogram":
        assert "checkout-time slower than 250 ms" in told


def test_what_is_outside_of_the_promise_says_so() -> None:
    for name in ("threshold", "kayenta"):
        file = load(EXAMPLES / f"{name}.yaml")
        assert "outside of falseRollback" in text(planned(file, config=judge_config(file, looks=100)))
