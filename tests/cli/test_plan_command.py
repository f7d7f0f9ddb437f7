"""`canary plan`."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
RELEASE = str(ROOT / "examples" / "releases" / "full.yaml")
ROUTE = ROOT / "examples" / "routes" / "user-service-route.yaml"


def test_a_plan_with_the_example_route_has_weights_and_ends_where_it_began(canary: Callable[..., Any]) -> None:
    ran = canary("plan", RELEASE, "--route", str(ROUTE))
    assert (ran.code, ran.err) == (0, "")
    assert "rule 0: user-service=171 user-service-legacy=20 user-service-canary=9  (4.5 % of this rule)" in ran.out
    assert "after the last write equals the one before the first" in ran.out


def test_json_carries_every_patch(canary: Callable[..., Any]) -> None:
    plan = json.loads(canary("plan", RELEASE, "--route", str(ROUTE), "-o", "json").out)
    assert [write["share"] for write in plan["writes"]] == ["0", "5", "20", "35", "50", "100", "0", "0"]
    assert all(write["patch"][0]["op"] == "test" for write in plan["writes"])
    assert plan["restored"] is True


def test_a_plan_without_a_route_is_printed(canary: Callable[..., Any]) -> None:
    ran = canary("plan", RELEASE)
    assert ran.code == 0
    assert "step 1 of 4  hold 1m to 10m" in ran.out


def test_without_the_rate_it_is_said_how_to_learn_what_each_step_sees(canary: Callable[..., Any]) -> None:
    ran = canary("plan", RELEASE)
    assert "--rate REQUESTS_PER_SECOND --errors STABLE_RATE" in ran.out
    assert "sees" not in ran.out


def test_with_the_rate_each_step_says_what_it_sees(canary: Callable[..., Any]) -> None:
    ran = canary("plan", RELEASE, "--rate", "50", "--errors", "0.2%", "--route", str(ROUTE))
    assert (ran.code, ran.err) == (0, "")
    assert ran.out.count("errors: sees ") == 4
    assert "Assumed: 50 requests/s, of which 0.20 % fail on stable." in ran.out
    assert "--rate" not in ran.out
    assert canary("plan", RELEASE, "--rate", "50", "--errors", "0.002", "--route", str(ROUTE)).out == ran.out


def test_what_each_step_sees_is_data_too(canary: Callable[..., Any]) -> None:
    plan = json.loads(canary("plan", RELEASE, "--rate", "0.02", "-o", "json").out, parse_constant=pytest.fail)
    first = plan["writes"][1]["sees"]
    assert first["canary"] == pytest.approx([0.06, 0.6])
    assert first["sights"][0]["metric"] == "errors"
    assert first["sights"][0]["late"] is None


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        (("--rate", "0"), "--rate must be more than 0"),
        (("--rate", "nan"), "--rate must be more than 0"),
        (("--rate", "1e12"), "at most 1,000,000,000"),
        (("--rate", "5", "--errors", "2"), "write 0.1% or 0.001"),
        (("--rate", "5", "--errors", "few"), "write 0.1% or 0.001"),
        (("--rate", "5", "--errors", "-1%"), "write 0.1% or 0.001"),
    ],
)
def test_traffic_that_cannot_be_is_wrong_usage(canary: Callable[..., Any], flags: tuple[str, ...], said: str) -> None:
    ran = canary("plan", RELEASE, *flags)
    assert (ran.code, ran.out) == (2, "")
    assert said in ran.err


def test_an_invalid_release_ends_with_20(canary: Callable[..., Any], tmp_path: Path) -> None:
    (tmp_path / "r.yaml").write_text("a: 1")
    assert canary("plan", str(tmp_path / "r.yaml")).code == 20


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "the file is empty"),
        ("kind: Service", "does not hold the HTTPRoute shop/user-service-route"),
        ("[1]", "does not hold"),
        ("{kind: HTTPRoute, metadata: 5}", "does not hold"),
        ("{kind: HTTPRoute, metadata: {name: other}}", "does not hold"),
        ("{kind: HTTPRoute, metadata: {name: user-service-route, namespace: other}}", "does not hold"),
    ],
)
def test_a_file_that_is_not_the_route_is_wrong_usage(
    canary: Callable[..., Any], tmp_path: Path, text: str, said: str
) -> None:
    (tmp_path / "route.yaml").write_text(text)
    ran = canary("plan", RELEASE, "--route", str(tmp_path / "route.yaml"))
    assert ran.code == 2
    assert said in ran.err
    assert "kubectl get httproute" in ran.err


def test_a_missing_route_file_is_wrong_usage(canary: Callable[..., Any]) -> None:
    assert "cannot be read: No such file" in canary("plan", RELEASE, "--route", "/nope").err


def test_a_route_that_preflight_would_refuse_ends_with_22(canary: Callable[..., Any], tmp_path: Path) -> None:
    (tmp_path / "route.yaml").write_text(ROUTE.read_text().replace("name: checkout", "name: other"))
    ran = canary("plan", RELEASE, "--route", str(tmp_path / "route.yaml"))
    assert ran.code == 22
    assert 'has no rule named "checkout"' in ran.err


def test_a_route_as_kubectl_prints_it_with_nulls_is_read(canary: Callable[..., Any], tmp_path: Path) -> None:
    text = ROUTE.read_text().replace("namespace: shop}", "namespace: shop, creationTimestamp: null}")
    (tmp_path / "route.yaml").write_text(text)
    assert canary("plan", RELEASE, "--route", str(tmp_path / "route.yaml")).code == 0
