"""Every scenario, for real: Traefik, requests, counters, the engine in a process of its own; each ends as promised."""

from collections.abc import Callable
from typing import Any

import pytest

from canary.core.outcome import ExitCode
from canary.sandbox.scenarios import SCENARIOS

pytestmark = pytest.mark.timeout(300)


@pytest.mark.parametrize("name", SCENARIOS)
def test_each_scenario_ends_as_promised_and_leaves_the_route_as_it_was(demo: Callable[..., Any], name: str) -> None:
    scenario = SCENARIOS[name]
    played = demo("--scenario", name)
    account = played.told["account"]
    assert (played.code, account["code"]) == (scenario.ends, scenario.ends), played.lines
    assert scenario.because in account["reason"]
    assert account["route"] == {"as_before": True, "difference": ""}
    _others(name, account)


def _others(name: str, account: dict[str, Any]) -> None:
    """What else a scenario promises to those who read its account."""
    users, shares = account["users"], [moment["share"] for moment in account["moments"]]
    match name:
        case "good":
            assert max(shares) == 100
            assert users["failed"] < users["sent"] * 0.01
        case "errors":
            assert 0 < users["failed_on_canary"] < 40  # the bar is 15; a busy machine is given some
            assert max(shares) == 5
        case "crash" | "no-traffic":
            assert users["first_on_canary"] is None
        case "streaming":
            told = " ".join(moment["message"] for moment in account["moments"]) + account["reason"]
            assert "all traffic is back on stable" in told
        case "outage":
            assert users["failed"] > 100
        case _:
            assert users["sent"] > 0


def test_the_codes_that_scenarios_end_with_are_those_of_the_design() -> None:
    promised = {
        "good": ExitCode.PROMOTED,
        "errors": ExitCode.JUDGED_BAD,
        "few-errors": ExitCode.JUDGED_BAD,
        "slow": ExitCode.JUDGED_BAD,
        "slow-tail": ExitCode.JUDGED_BAD,
        "leak": ExitCode.JUDGED_BAD,
        "crash": ExitCode.JUDGED_BAD,
        "vanish": ExitCode.JUDGED_BAD,
        "no-traffic": ExitCode.NO_EVIDENCE,
        "outage": ExitCode.PROMOTED,
        "reverter": ExitCode.CHANGED_BY_OTHERS,
        "streaming": ExitCode.JUDGED_BAD,
    }
    assert {name: scenario.ends for name, scenario in SCENARIOS.items()} == promised
