"""What a release would do, offline: the same writes that the engine plans."""

import copy
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import jsonpatch
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analysis.judge import JudgeConfig, MetricConfig
from analysis.planning import Traffic
from canary.report.planned import planned, text
from canary.spec import load
from strategies.route.model import NoSuchRule

EXAMPLES = Path(__file__).parents[2] / "examples" / "releases"


def apply(document: Any, patch: Any) -> Any:
    return jsonpatch.apply_patch(document, [dict(operation) for operation in patch])


def route(stable: int | None = 9) -> dict[str, Any]:
    reference = {"name": "user-service", "port": 8080} | ({} if stable is None else {"weight": stable})
    other = {"name": "other", "port": 80, "weight": 1}
    return {
        "metadata": {"name": "user-service-route", "namespace": "shop", "annotations": {"a/b~c": "kept"}},
        "spec": {"rules": [{"backendRefs": [reference, other]}, {"name": "x", "backendRefs": [dict(reference)]}]},
    }


def test_the_plan_without_a_route_is_steps_and_holds(golden: Callable[[str, str], None]) -> None:
    golden("plan-minimal.txt", text(planned(load(EXAMPLES / "minimal.yaml"))))


def test_the_plan_on_a_route_has_every_weight(golden: Callable[[str, str], None]) -> None:
    golden("plan-route.txt", text(planned(load(EXAMPLES / "minimal.yaml"), route(), apply=apply)))


def see(rate: float, errors: float) -> tuple[JudgeConfig, Traffic]:
    metrics = (
        MetricConfig(name="errors", kind="errors", relative=0.5, absolute=0.002),
        MetricConfig(name="latency", kind="latency", relative=0.2, absolute=0.002),
    )
    return JudgeConfig(metrics=metrics), Traffic(rate=rate, errors=errors, every=10.0)


def test_the_plan_with_traffic_says_what_each_step_sees(golden: Callable[[str, str], None]) -> None:
    golden("plan-sight.txt", text(planned(load(EXAMPLES / "minimal.yaml"), sight=see(50.0, 0.002))))


def test_a_step_that_sees_nothing_is_called_that(golden: Callable[[str, str], None]) -> None:
    golden("plan-blind.txt", text(planned(load(EXAMPLES / "minimal.yaml"), sight=see(0.02, 0.0))))


def test_steps_that_are_compared_with_stable_and_no_others_have_a_sight() -> None:
    plan = planned(load(EXAMPLES / "minimal.yaml"), route(), apply=apply, sight=see(50.0, 0.002))
    assert [write.what.startswith("step") for write in plan.writes] == [write.sees is not None for write in plan.writes]
    assert planned(load(EXAMPLES / "minimal.yaml")).writes[1].sees is None


@settings(deadline=None, derandomize=True)
@given(st.none() | st.integers(min_value=1, max_value=2000))
def test_the_planned_writes_carry_the_route_through_every_share_and_back(stable: int | None) -> None:
    before = route(stable)
    kept = copy.deepcopy(before)
    plan = planned(load(EXAMPLES / "minimal.yaml"), before, apply=apply)
    assert before == kept
    assert plan.restored
    assert [write.share for write in plan.writes] == [Decimal(n) for n in (0, 5, 20, 35, 50, 100, 0, 0)]
    for write in plan.writes:
        assert write.of_rules[1] == pytest.approx(float(write.share), rel=0.01)


def test_a_route_that_does_not_send_to_stable_is_refused() -> None:
    elsewhere = route()
    elsewhere["spec"]["rules"] = [{"backendRefs": [{"name": "other", "port": 80}]}]
    with pytest.raises(NoSuchRule, match="no rule of shop/user-service-route sends to user-service:8080"):
        planned(load(EXAMPLES / "minimal.yaml"), elsewhere, apply=apply)
