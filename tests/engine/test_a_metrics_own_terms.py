"""A metric's own delay, pace and policy without data: from the release file to what becomes of the release."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest

from analysis.model import Arm
from analysis.replay import replay
from canary.cli.question import judge_config
from canary.core.outcome import ExitCode
from canary.core.policy import policy_of
from canary.core.release import Phase
from canary.engine.record import lives, pieces
from canary.spec import load

RELEASE = """
apiVersion: canary/v1
kind: Release
metadata: {name: shop, namespace: shop}
spec:
  route: {kind: HTTPRoute, name: shop}
  stable: {service: shop, port: 8080}
  canary: {service: shop-canary}
  strategy: {steps: [{share: 25, hold: {min: 5s, max: 40s}}]}
  settle: {window: 2s, timeout: 20s}
  bake: {min: 4s, max: 8s}
  deadline: 5m
  analysis:
    source: {scrape: {urls: ["http://gateway:8082/metrics"]}}
    gateway: traefik
    warmup: 0s
    metrics:
      - errors: {}
      - query:
          name: checkout
          bad: shop_failed_total{service="$arm"}
          total: shop_checkouts_total{service="$arm"}
          TERMS
"""


@pytest.fixture
def plays(new_play: Callable[..., Any], tmp_path: Path) -> Callable[..., Any]:
    """A release whose file says this of its checkouts, at the beginning of its step."""

    def made(terms: str, **checkout: float) -> Any:
        path = tmp_path / "release.yaml"
        path.write_text(RELEASE.replace("TERMS", terms))
        file = load(path)
        policy = policy_of(file, exact_split=True)
        play = new_play(
            asked=judge_config(file, looks=60), **{one.name: getattr(policy, one.name) for one in fields(policy)}
        )
        play.gateway.counted = {"checkout": {Arm(arm): rate for arm, rate in checkout.items()}}
        play.until(lambda: play.decider.release.phase is Phase.JUDGING)
        return play

    return made


@pytest.mark.parametrize(
    ("terms", "least", "most"),
    [("", 1, 7), ("initialDelay: 9s", 9, 16), ("every: 9s", 26, 30)],
    ids=["as the others", "after a delay", "in longer looks"],
)
def test_failing_checkouts_are_condemned_when_they_are_due(
    plays: Callable[..., Any], terms: str, least: int, most: int
) -> None:
    play = plays(terms, stable=0.01, canary=0.9)
    began = play.decider.release.since
    play.until(lambda: play.decider.release.phase is not Phase.JUDGING)
    assert least <= play.world.clock.now() - began <= most
    assert play.to_the_end() is ExitCode.JUDGED_BAD
    assert " checkout (" in play.reason()
    assert play.clean()
    again = replay(lives(pieces(play.records.read())))
    assert again.differing == ()
    assert again.looks[-1].again == "UNHEALTHY"


@pytest.mark.parametrize(
    ("terms", "code", "least", "most"),
    [
        ("noData: fail", ExitCode.NO_EVIDENCE, 39, 42),
        ("noData: extend", ExitCode.NO_EVIDENCE, 79, 82),
        ("noData: pass", ExitCode.PROMOTED, 19, 42),
    ],
)
def test_a_canary_without_checkouts_fares_as_the_file_says(
    plays: Callable[..., Any], terms: str, code: ExitCode, least: int, most: int
) -> None:
    play = plays(terms, stable=0.01)
    began = play.decider.release.since
    play.until(lambda: play.decider.release.phase is not Phase.JUDGING)
    assert least <= play.world.clock.now() - began <= most
    assert play.to_the_end() is code
    assert ("checkout" in play.reason()) == (code is ExitCode.NO_EVIDENCE)
    assert play.clean() == (code is ExitCode.NO_EVIDENCE), "without a workload of ours, promoted is all on the canary"


def test_whoever_holds_without_data_goes_on_when_there_is_some(plays: Callable[..., Any]) -> None:
    play = plays("noData: hold", stable=0.01)
    for _ in range(60):
        play.second()
    assert play.decider.release.phase is Phase.JUDGING
    play.gateway.counted["checkout"][Arm.CANARY] = 0.01
    assert play.to_the_end() is ExitCode.PROMOTED
