"""Every scenario, for real: Traefik, requests, counters, the engine in a process of its own; each ends as promised."""

import json
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import pytest

from canary.core.outcome import ExitCode
from canary.sandbox.scenarios import SCENARIOS

pytestmark = pytest.mark.timeout(300)


@pytest.mark.parametrize("name", [name for name, scenario in SCENARIOS.items() if not scenario.gates])
def test_each_scenario_ends_as_promised_and_leaves_the_route_as_it_was(demo: Callable[..., Any], name: str) -> None:
    scenario = SCENARIOS[name]
    played = demo("--scenario", name)
    account = played.told["account"]
    assert (played.code, account["code"]) == (scenario.ends, scenario.ends), played.lines
    assert scenario.because in account["reason"]
    assert account["route"] == {"as_before": True, "difference": ""}
    _others(name, account)


def test_a_gate_is_rejected_from_a_second_terminal_with_the_command_that_the_demo_prints(alone: None) -> None:
    command = [sys.executable, "-m", "canary"]
    words = [*command, "demo", "--scenario", "gate", "--speed", "2", "-o", "json"]
    with subprocess.Popen(
        words, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as demo:
        assert demo.stderr is not None
        lines: list[str] = []
        for line in demo.stderr:
            lines.append(line)
            if "waits for an approver before the promotion" in line:
                break
        printed = next(line for line in lines if "canary reject shop" in line)
        rejecting = printed.split(" or ")[1].split()[1:-1]
        for _ in range(50):  # the object is written a moment after the line
            decided = subprocess.run([*command, *rejecting, "not today"], capture_output=True, text=True, check=False)
            if decided.returncode == 0:
                break
        out, _ = demo.communicate(timeout=60)
    account = json.loads(out)["account"]
    assert (demo.returncode, account["code"]) == (ExitCode.REJECTED, ExitCode.REJECTED)
    assert "not today" in account["reason"]
    assert account["route"] == {"as_before": True, "difference": ""}


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
        case "baseline" | "baseline-errors":
            told = [moment["message"] for moment in account["moments"] if "fresh baseline" in moment["message"]]
            assert len(told) == 1
            assert (
                any("against the baseline" in reason["sentence"] for reason in account["reasons"]) or max(shares) == 100
            )
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
        "baseline": ExitCode.PROMOTED,
        "baseline-errors": ExitCode.JUDGED_BAD,
        "gate": ExitCode.PROMOTED,
    }
    assert {name: scenario.ends for name, scenario in SCENARIOS.items()} == promised
