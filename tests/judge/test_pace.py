"""Metrics with a pace of their own: nothing is lost or counted twice, and when they are due depends on time."""

from __future__ import annotations

import json
import subprocess
import sys

from hypothesis import given, settings
from hypothesis import strategies as st

from analysis.judge import JudgeConfig, MetricConfig
from analysis.judge.pace import Held, decode, encode, paced
from analysis.model import Arm, Counts, Look

CALM = settings(derandomize=True, deadline=None, max_examples=60)
LOOKS = st.lists(st.tuples(st.integers(1, 7), st.integers(0, 50), st.integers(0, 50)), min_size=1, max_size=40)


def asked(**metric: float) -> JudgeConfig:
    rare = MetricConfig(name="rare", kind="counts", relative=0.5, absolute=0.01, **metric)  # type: ignore[arg-type]
    return JudgeConfig(metrics=(rare, MetricConfig(name="errors", kind="errors", relative=0.5, absolute=0.01)))


def looks(drawn: list[tuple[int, int, int]]) -> list[Look]:
    found, at = [], 0.0
    for seconds, stable, canary in drawn:
        totals = {Arm.STABLE: stable, Arm.CANARY: canary}
        buckets = {arm: ((1.0, number // 2), (float("inf"), number)) for arm, number in totals.items()}
        counts = {arm: Counts(total=number, buckets=buckets[arm]) for arm, number in totals.items()}
        found.append(Look(start=at, end=at + seconds, counts={"rare": counts, "errors": counts}))
        at += seconds
    return found


@given(drawn=LOOKS, every=st.integers(1, 30))
@CALM
def test_everything_is_judged_once_and_in_time(drawn: list[tuple[int, int, int]], every: int) -> None:
    config, held = asked(every=float(every)), dict[str, Held]()
    seen, last = {arm: Counts(total=0) for arm in Arm}, 0.0
    for look in looks(drawn):
        due, waiting, left = paced(config, held, look, began=0.0)
        held = decode(json.loads(json.dumps(encode(waiting))))
        assert due.counts["errors"] == look.counts["errors"], "others go on"
        assert ("rare" in due.counts) == ("rare" not in left) == (look.end - last >= every)
        if "rare" in due.counts:
            last = look.end
            for arm, counts in due.counts["rare"].items():
                assert counts.buckets[-1][1] == counts.total
                seen[arm] = Counts(total=seen[arm].total + counts.total)
    waits = held["rare"].counts
    for index, arm in ((1, Arm.STABLE), (2, Arm.CANARY)):
        rest = waits[arm].total if arm in waits else 0
        assert seen[arm].total + rest == sum(one[index] for one in drawn)


@given(drawn=LOOKS, delay=st.integers(1, 60))
@CALM
def test_a_delay_leaves_out_the_looks_that_began_in_it(drawn: list[tuple[int, int, int]], delay: int) -> None:
    for look in looks(drawn):
        due, _, left = paced(asked(delay=float(delay)), {}, look, began=0.0)
        assert ("rare" in due.counts) == (look.start >= delay)
        assert left == (frozenset() if look.start >= delay else {"rare"})


def test_without_a_pace_a_look_is_what_it_is() -> None:
    look = looks([(5, 3, 4)])[0]
    assert paced(asked(), {}, look, began=0.0) == (look, {}, frozenset())


def test_what_judges_gauges_does_not_load_scipy_stats_until_a_test_looks() -> None:
    code = "import sys, analysis.judge, analysis.classical.observe, canary.cli.assemble, canary.engine.observer; "
    code += "sys.exit('scipy.stats' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False, timeout=60).returncode == 0
