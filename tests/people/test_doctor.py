"""`canary doctor`: what a release would find, told before there is one, and nothing touched."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from canary.core.outcome import ExitCode
from tests.people.conftest import Stage, may
from tests.running.conftest import ROUTE

pytestmark = [pytest.mark.timeout(120), pytest.mark.real]

Canary = Callable[..., Any]
CHECKS = ["permissions", "route", "workload", "lease and journal", "metrics"]


def rows(out: str) -> dict[str, str]:
    """The verdict of each check, by its name."""
    found = {}
    for line in out.splitlines():
        word, _, rest = line.partition(" ")
        name = next((one for one in CHECKS if rest.strip().startswith(one)), None)
        if word in {"ok", "warning", "REFUSED"} and name:
            found[name] = word
    return found


def test_a_release_may_begin_and_nothing_is_touched(stage: Stage, canary: Canary) -> None:
    before = stage.world.ask("GET", ROUTE)
    ran = canary("doctor", str(stage.path))
    assert ran.code == 0, ran
    assert rows(ran.out) == dict.fromkeys(CHECKS, "ok")
    assert "No release is on the route." in ran.out
    assert stage.world.ask("GET", ROUTE) == before
    assert stage.get("/apis/coordination.k8s.io/v1/namespaces/shop/leases/canary-shop") is None


def test_what_is_missing_is_told_with_its_fix(stage: Stage, canary: Canary) -> None:
    poor = stage.user("nobody-much", may("gateway.networking.k8s.io", "httproutes", "get", "shop"))
    ran = canary("doctor", str(stage.path), by=poor)
    assert ran.code == ExitCode.NOT_PERMITTED
    assert rows(ran.out)["permissions"] == "REFUSED"
    assert "Fix: Add to its Role:" in ran.out
    ran = canary("doctor", str(stage.path), "-o", "json")
    told = json.loads(ran.out)
    assert [check["name"] for check in told["checks"]] == CHECKS
    assert told["code"] == ran.code == 0


def test_a_running_release_is_named(stage: Stage, canary: Canary) -> None:
    stage.holding()
    ran = canary("doctor", str(stage.path))
    assert ran.code == ExitCode.HELD_BY_ANOTHER, ran
    assert rows(ran.out)["route"] == "REFUSED"
    uid = stage.journal()["uid"]
    assert f"On the route now: release {uid}, SETTLING, step 1 of 1; its engine is alive" in ran.out


def test_without_an_api_server_it_says_so(stage: Stage, canary: Canary, tmp_path: Path) -> None:
    away = tmp_path / "kubeconfig"
    away.write_text(stage.kubeconfig("x").read_text().replace(stage.world.url, "http://127.0.0.1:9"))
    ran = canary("doctor", str(stage.path), by=away)
    assert ran.code == ExitCode.PREFLIGHT_FAILED
    assert "check the kubeconfig" in ran.err
