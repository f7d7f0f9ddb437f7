"""What a gateway retried: failures that clients did not see are found beside those that they saw, at one alpha."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from analysis.judge import JudgeConfig, MetricConfig, begin_step, observe, start
from analysis.judge.tests import normaliser
from analysis.model import RETRIES, Arm, Counts, Judgement, Look, Verdict

ERRORS = MetricConfig(name="errors", kind="errors", relative=0.5, absolute=0.002)
AGAIN = MetricConfig(name=RETRIES, kind="counts", relative=0.5, absolute=0.002)
CONFIG = JudgeConfig(metrics=(ERRORS, AGAIN), planned_looks=100)

REQUESTS = {Arm.STABLE: 900, Arm.CANARY: 100}


def a_look(at: float, *, errors: Sequence[int] = (0, 0), again: Sequence[int] = (0, 0), hangs: int = 0) -> Look:
    """900 requests of stable and 100 of the canary, of which each arm had some errors, and some attempts again."""
    counts: dict[str, dict[Arm, Counts]] = {"errors": {}, RETRIES: {}}
    for arm, bad, more in zip(Arm, errors, again, strict=True):
        attempts = REQUESTS[arm] + more
        begun = attempts + (hangs if arm is Arm.CANARY else 0)
        counts["errors"][arm] = Counts(total=REQUESTS[arm], bad=bad)
        counts[RETRIES][arm] = Counts(total=attempts, bad=more, started=begun)
    return Look(start=at, end=at + 5.0, counts=counts)


def judged(looks: int, *, config: JudgeConfig = CONFIG, **each: Sequence[int] | int) -> Judgement:
    state = begin_step(config, start(config), share=10.0, last_share=50.0)
    for number in range(looks):
        state, judgement = observe(config, state, a_look(5.0 * number, **each))  # type: ignore[arg-type]
    return judgement


def by_metric(judgement: Judgement) -> dict[str, Verdict]:
    return {one.metric: one.verdict for one in judgement.findings}


def test_a_canary_whose_failures_are_all_retried_away_is_found_and_nobody_is_said_to_have_seen_them() -> None:
    judgement = judged(12, again=(1, 12))
    assert judgement.verdict is Verdict.UNHEALTHY
    assert by_metric(judgement)[RETRIES] is Verdict.UNHEALTHY
    assert by_metric(judgement)["errors"] is not Verdict.UNHEALTHY
    assert "canary 10.7 % of the attempts retried, unseen by clients (144 of 1,344)" in judgement.sentence
    assert "against stable 0.11 % (12 of 10,812)" in judgement.sentence


def test_errors_that_clients_see_are_found_by_errors() -> None:
    judgement = judged(12, errors=(1, 12))
    assert judgement.verdict is Verdict.UNHEALTHY
    assert by_metric(judgement) == {"errors": Verdict.UNHEALTHY, RETRIES: Verdict.UNDECIDED}
    assert judgement.sentence.startswith("canary 12.0 % errors (144 of 1,200)")


def test_what_both_arms_retry_alike_is_nobodys_fault() -> None:
    assert judged(60, errors=(2, 0), again=(270, 30)).verdict is Verdict.HEALTHY


def test_attempts_are_no_requests() -> None:
    """Twice as many attempts on the canary are neither a greater share nor more requests."""
    judgement = judged(30, config=JudgeConfig(metrics=(ERRORS,), planned_looks=100), again=(0, 100))
    assert judgement.verdict is not Verdict.UNHEALTHY
    both = judged(30, again=(0, 100))
    assert "SHARE_MISMATCH" not in {one.code for one in both.findings}
    assert both.requests == judgement.requests == 3_000
    assert "share 10 % asked, 10 % seen" in both.basis


@pytest.mark.parametrize("hangs", [0, 30])
def test_what_was_retried_has_ended_and_what_hangs_has_not(hangs: int) -> None:
    judgement = judged(5, again=(0, 2), hangs=hangs)
    assert ("HUNG" in {one.code for one in judgement.findings}) is bool(hangs)


def test_retries_have_a_fifth_of_the_weight_of_errors_in_the_one_alpha() -> None:
    assert ERRORS.part == pytest.approx(5 * AGAIN.part)
    assert (ERRORS.part + AGAIN.part) / normaliser(CONFIG) == pytest.approx(1.0)
