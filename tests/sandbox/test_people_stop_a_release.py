"""A good release under real traffic that a person stops in the middle: nobody but them decides."""

import json
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from canary.core.outcome import ExitCode
from canary.sandbox.load import newest
from canary.sandbox.manifests import NAMESPACE
from canary.sandbox.meddlers import ROUTE
from canary.sandbox.processes import Child, module
from canary.sandbox.scenarios import SCENARIOS
from strategies.route.model import canonical
from tests.planted import sandboxed

pytestmark = pytest.mark.timeout(300)

JOURNAL = f"/api/v1/namespaces/{NAMESPACE}/configmaps/canary-shop-journal"
WITHIN = 90.0


def until(holds: Callable[[], Any], what: Callable[[], str]) -> None:
    end = time.monotonic() + WITHIN
    while not holds():
        assert time.monotonic() < end, what()
        time.sleep(0.05)


def test_abort_puts_traffic_back_and_the_engine_ends_with_11(alone: None) -> None:
    scenario = SCENARIOS["good"]
    with sandboxed(scenario) as sandbox:
        places = sandbox.places
        assert places is not None
        load = sandbox.start_load(rate=scenario.rate)
        before = sandbox.request("GET", ROUTE)[1]["spec"]
        words = ("run", str(sandbox.write_release()), "--kubeconfig", str(places.engine), "--lines", "-o", "json")
        engine = Child(module("canary", *words), log=places.run / "engine.log")
        try:

            def judging() -> bool:
                status, found = sandbox.request("GET", JOURNAL)
                return status == 200 and json.loads(found["data"]["journal"])["release"]["phase"] == "JUDGING"

            until(judging, lambda: engine.last_words(20))
            ran = subprocess.run(
                module(
                    "canary", "abort", "shop", "--kubeconfig", str(places.admin), "--reason", "wrong day", "-o", "json"
                ),
                capture_output=True,
                text=True,
                timeout=WITHIN,
                check=False,
            )
            done = json.loads(ran.stdout)
            assert (ran.returncode, done["code"]) == (ExitCode.REJECTED, ExitCode.REJECTED), ran
            assert engine.process.wait(timeout=WITHIN) == ExitCode.REJECTED, engine.last_words(20)
        finally:
            engine.stop()
        assert canonical(sandbox.request("GET", ROUTE)[1]["spec"]) == canonical(before)
        account = json.loads(engine.log.read_text().partition("\n{\n")[2].join(("{\n", "")))
        assert "aborted by sandbox-admin: wrong day" in account["reason"]
        _judged_again(str(places.admin), places.run / "shop.record.json", account["reason"])
        last = newest(load)["by"]["v2"]["last"]
        until(lambda: newest(load)["at"] > last + 5, lambda: "users still reach the new version")
        assert newest(load)["by"]["v2"]["last"] == last


def _judged_again(kubeconfig: str, file: Path, reason: str) -> None:
    """The record in the cluster, and the file that it is saved to, are judged to what the engine said."""
    from_cluster = module("canary", "replay", "shop", "--kubeconfig", kubeconfig, "--save", str(file), "-o", "json")
    for words in (from_cluster, module("canary", "replay", str(file), "-o", "json")):
        ran = subprocess.run(words, capture_output=True, text=True, timeout=WITHIN, check=False)
        assert ran.returncode == 0, ran
        told = json.loads(ran.stdout)
        assert (told["same"], told["whole"], told["damage"]) == (True, True, None)
        assert len(told["looks"]) > 0
        assert told["end"]["code"] == int(ExitCode.REJECTED)
        assert told["end"]["reason"] == reason
