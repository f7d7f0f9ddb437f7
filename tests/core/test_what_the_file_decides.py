"""From a release file to the policy that the machine goes by for the whole release."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import pytest

from canary.cli.question import counted_alone, judge_config
from canary.core.policy import LAST_CALL, policy_of
from canary.core.release import Approvers, Policy, StepPolicy
from canary.spec import parse

FILE = """\
apiVersion: canary/v1
kind: Release
metadata: {name: shop, namespace: web}
spec:
  route: {name: shop-route}
  stable: {service: shop, port: 8080}
  canary: {service: shop-canary}
  analysis:
    source: {scrape: {urls: ["http://127.0.0.1:1/metrics"]}}
    gateway: traefik
"""
WORKLOAD = "workload: {name: shop}"
TWO_STEPS = "strategy: {steps: [{share: 5, hold: {min: 2m, max: 5m}}, {share: 0.5e2, hold: {min: 3m, max: 9m}}]}"


def policy(*lines: str) -> Policy:
    return policy_of(parse(FILE + "".join(f"  {line}\n" for line in lines)), exact_split=False)


def approvers(*gates: str) -> tuple[Approvers, ...]:
    return policy(WORKLOAD, TWO_STEPS, f"gates: [{', '.join(gates)}]").approvers


OWN = """{query: {name: carts, bad: 'carts_total{s="$arm",r="bad"}', total: 'carts_total{s="$arm"}'}}"""


@pytest.mark.parametrize(("gateway", "alone"), [("traefik", {"carts"}), ("pods", {"carts", "errors", "latency"})])
def test_an_arm_without_series_is_unknown_where_nobody_counts_both(gateway: str, alone: set[str]) -> None:
    """A gateway that counts both arms had no request of it; the pods themselves may merely not be scraped."""
    metrics = f"    metrics: [{{errors: {{}}}}, {{latency: {{}}}}, {OWN}]\n"
    text = FILE.replace("traefik", gateway).replace('{scrape: {urls: ["', '{prometheus: {url: "').replace('"]}}', '"}}')
    file = parse(text + metrics + f"  {WORKLOAD}\n")
    assert counted_alone(file) == alone


@pytest.mark.parametrize(
    ("written", "ends"),
    [
        ("", ("rollback",) * 4),
        ("noData: hold", ("hold",) * 4),
        ("noData: {absent: hold}", ("hold", "rollback", "rollback", "rollback")),
        ("noData: {noRequests: hold}", ("rollback", "hold", "rollback", "rollback")),
        ("noData: {stale: hold, sourceDown: hold}", ("rollback", "rollback", "hold", "hold")),
    ],
)
def test_each_reason_to_have_no_data_has_its_end(written: str, ends: tuple[str, ...]) -> None:
    file = parse(FILE + f"    {written}\n  {WORKLOAD}\n")
    policy, config = policy_of(file, exact_split=True), judge_config(file, looks=1)
    judged = {"fail": "rollback", "hold": "hold"}
    found = (policy.no_series, judged[config.no_data], policy.no_data, policy.no_source)
    assert found == ends
    assert judged[config.no_series] == policy.no_series


def test_a_gate_stands_before_the_step_the_bake_or_the_promotion_that_it_names_and_nowhere_else() -> None:
    places = ["{before: 50, expires: 10m}", "{before: 100, expires: 20m}", "{before: promotion, expires: 30m}"]
    decided = policy(WORKLOAD, TWO_STEPS, f"gates: [{', '.join(places)}]")
    assert decided.steps == (
        StepPolicy(share=Decimal(5), hold_min=120, hold_max=300),
        StepPolicy(share=Decimal(50), hold_min=180, hold_max=540, gate=600),
    )
    assert (decided.bake_gate, decided.promotion_gate) == (1200, 1800)
    open_road = policy(WORKLOAD, TWO_STEPS)
    assert [step.gate for step in open_road.steps] == [None, None]
    assert (open_road.bake_gate, open_road.promotion_gate) == (None, None)


def test_who_may_decide_is_kept_for_the_place_that_it_was_written_for() -> None:
    assert approvers(
        "{before: 5, approvers: {users: [ann]}}",
        "{before: 50, approvers: {groups: [oncall]}}",
        "{before: 100, separationOfDuties: true}",
        "{before: promotion, approvers: {users: [bob], groups: [leads]}, separationOfDuties: true}",
    ) == (
        Approvers(before=0, users=("ann",)),
        Approvers(before=1, groups=("oncall",)),
        Approvers(before=2, separation=True),
        Approvers(before=3, users=("bob",), groups=("leads",), separation=True),
    )


def test_a_gate_without_a_word_about_who_is_anybodys_who_can_write_the_decision() -> None:
    assert approvers("{before: 5}", "{before: promotion}") == ()


@pytest.mark.parametrize("expiry", ["rollback", "hold", "proceed"])
def test_what_an_unanswered_gate_does_is_what_its_line_says(expiry: str) -> None:
    assert policy(WORKLOAD, f"gates: [{{before: 5, onExpiry: {expiry}}}]").on_gate_expiry == expiry


def test_without_a_gate_nothing_waits_for_a_person_and_what_never_expires_would_roll_back() -> None:
    assert policy(WORKLOAD).on_gate_expiry == "rollback"


def test_stable_is_updated_by_us_only_where_a_workload_is_named_and_no_hook_is() -> None:
    ours, theirs, nobodys = policy(WORKLOAD), policy(WORKLOAD, "promote: {by: hook, expires: 90m}"), policy()
    assert (ours.has_workload, ours.hook) == (True, None)
    assert (theirs.has_workload, theirs.hook) == (True, 5400)
    assert (nobodys.has_workload, nobodys.hook) == (False, None)


def test_an_incomplete_rollback_has_ten_minutes_more_than_the_release_had() -> None:
    decided = policy(WORKLOAD, "deadline: 3h")
    assert (decided.deadline, decided.last_call) == (10_800, 10_800 + LAST_CALL)


def test_everything_else_is_taken_as_it_stands_in_the_file() -> None:
    decided = policy(
        WORKLOAD,
        "bake: {min: 11s, max: 92s}",
        "settle: {window: 3s, timeout: 70s, noTraffic: rollback}",
        "drain: 33s",
    )
    assert replace(decided, steps=(), approvers=(), deadline=0, last_call=0) == Policy(
        steps=(),
        bake_min=11,
        bake_max=92,
        settle_window=3,
        settle_least=70,
        no_traffic="rollback",
        drain=33,
        deadline=0,
        last_call=0,
        called="shop-route -n web",
        undecided="proceed",
        no_data="rollback",
        no_series="rollback",
        no_source="rollback",
        look_every=decided.look_every,
    )
