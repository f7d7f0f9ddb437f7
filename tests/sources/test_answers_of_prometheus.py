"""What Prometheus answers, whole or not: samples, or a sentence that says what to do."""

from __future__ import annotations

import json
import math
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
import responses
from hypothesis import given, settings
from hypothesis import strategies as st

from analysis.model import Arm
from analysis.packs.base import Target, custom
from analysis.sources import Role, Trouble
from analysis.sources.prometheus import PrometheusSource
from tests.sources.answering import QUERY, SECRET, URL, matrix, troubled


def test_samples_come_with_their_own_times(mocked: responses.RequestsMock, source: PrometheusSource) -> None:
    good = {"service": "shop", "code": "200", "pod": "a"}
    bad = {"service": "shop-canary", "code": "503", "pod": "a"}
    mocked.get(QUERY, json=matrix((good, [(100.5, "7"), (115.5, "9")]), (bad, [(100.5, "1")])))
    reading = source.read(timeout=2)
    assert reading.trouble is None
    found = {(one.key.arm, one.key.role, one.time, one.value) for one in reading.samples}
    assert found == {
        (Arm.STABLE, Role.TOTAL, 100.5, 7.0),
        (Arm.STABLE, Role.TOTAL, 115.5, 9.0),
        (Arm.CANARY, Role.TOTAL, 100.5, 1.0),
        (Arm.CANARY, Role.BAD, 100.5, 1.0),
    }
    asked = mocked.calls[0].request
    assert asked.headers["Authorization"] == f"Bearer {SECRET}"
    assert asked.headers["X-Scope-OrgID"] == "tenant-one"
    assert (
        parse_qs(urlsplit(str(asked.url)).query)["query"][0]
        == 'requests_total{service=~"(?:shop)|(?:shop\\\\-canary)"}[120s]'
    )


def test_an_empty_answer_is_an_answer(mocked: responses.RequestsMock, source: PrometheusSource) -> None:
    """That no series exists is for the window to say, which knows what there was before."""
    mocked.get(QUERY, json=matrix())
    reading = source.read(timeout=2)
    assert (reading.trouble, reading.samples) == (None, ())


@pytest.mark.parametrize("value", ["NaN", "+Inf", "-Inf", "-1", "1e300"])
def test_values_that_no_counter_has_are_left_out(
    mocked: responses.RequestsMock, source: PrometheusSource, value: str
) -> None:
    mocked.get(QUERY, json=matrix(({"service": "shop", "code": "200"}, [(100, value), (101, "5")])))
    reading = source.read(timeout=2)
    assert reading.trouble is None
    assert [one.value for one in reading.samples] == [5.0]


@pytest.mark.parametrize(
    "case",
    [
        (400, Trouble.NONSENSE, "selectors"),
        (401, Trouble.DOWN, "bearerTokenFile"),
        (403, Trouble.DOWN, "bearerTokenFile"),
        (404, Trouble.NONSENSE, "is the url right"),
        (418, Trouble.NONSENSE, "is the url right"),
        (422, Trouble.NONSENSE, "selectors"),
        (429, Trouble.DOWN, "overloaded"),
        (500, Trouble.DOWN, "overloaded"),
        (503, Trouble.DOWN, "overloaded"),
    ],
)
@pytest.mark.parametrize(
    "body", ["", f"<html>{SECRET}</html>", json.dumps({"status": "error", "error": SECRET + " why"})]
)
def test_each_refusal_says_what_to_do(
    mocked: responses.RequestsMock, source: PrometheusSource, case: tuple[int, Trouble, str], body: str
) -> None:
    """Also when the server repeats the token that it was given."""
    status, trouble, words = case
    mocked.get(QUERY, body=body, status=status)
    sentence = troubled(source.read(timeout=2), trouble, words, str(status), "prometheus.test:9090")
    assert ("why" in sentence) == (body.startswith("{"))
    assert "<html>" not in sentence


@pytest.mark.parametrize(
    "body",
    [
        "<html><body>Sign in</body></html>",
        "",
        "null",
        "[]",
        "7",
        '"text"',
        "{}",
        '{"data": null}',
        '{"data": {"result": {}}}',
        '{"data": {"result": null}}',
        '{"data": {"result": [1]}}',
        '{"data": {"result": [{}]}}',
        '{"data": {"result": [{"metric": [], "values": []}]}}',
        '{"data": {"result": [{"metric": {}, "value": [1, "2"]}]}}',
        '{"data": {"result": [{"metric": {}, "values": {"a": 1}}]}}',
        '{"data": {"result": [{"metric": {}, "values": [1]}]}}',
        '{"data": {"result": [{"metric": {}, "values": [["x", "y"]]}]}}',
        '{"data": {"result": [{"metric": {}, "values": [[1, null]]}]}}',
        '{"data": {"result": [{"metric": {}, "values": [[1, 1' + "0" * 400 + "]]}]}}",
        '{"data": {"result": ' + "[" * 100_000,
        '{"data": {"result": [{"metric": {}, "histograms": []}]}}',
        '{"warnings": [[[[]]]], "data": {"result": [1]}}',
        "\xff\xfe",
    ],
)
def test_an_answer_of_another_shape_is_nonsense(
    mocked: responses.RequestsMock, source: PrometheusSource, body: str
) -> None:
    mocked.get(QUERY, body=body.encode("latin-1"))
    reading = source.read(timeout=2)
    assert reading.trouble in {Trouble.NONSENSE, Trouble.PARTIAL}
    troubled(reading, reading.trouble, "Prometheus at http://prometheus.test:9090")


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=True) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=8,
)
SHAPED = st.fixed_dictionaries(
    {
        "data": st.fixed_dictionaries(
            {
                "result": st.lists(
                    st.fixed_dictionaries(
                        {
                            "metric": JSON | st.dictionaries(st.sampled_from(["service", "code", "le"]), JSON),
                            "values": JSON | st.lists(st.tuples(JSON, JSON), max_size=3),
                        }
                    ),
                    max_size=3,
                )
            }
        )
    },
    optional={"warnings": JSON},
)


@given(body=JSON | SHAPED)
@settings(derandomize=True, deadline=None, max_examples=200)
def test_no_json_makes_it_fall(body: Any) -> None:
    services = {Arm.STABLE: "shop", Arm.CANARY: "shop-canary"}
    target = Target(namespace="n", route="r", services=services, port=1)
    feeds = custom("m", bad='t{service="$arm",code="5"}', total='t{service=~"$arm|0"}', target=target)
    with responses.RequestsMock() as mock:
        mock.get(QUERY, body=json.dumps(body))
        reading = PrometheusSource(url=URL, feeds=feeds).read(timeout=5)
    assert reading.trouble in {None, Trouble.NONSENSE, Trouble.PARTIAL}
    assert (reading.trouble is None) == (reading.sentence == "")
    assert all(math.isfinite(one.time) and one.value >= 0 for one in reading.samples)


@pytest.mark.parametrize("warnings", [["one store is down"], "one store is down", ["a", "one store is down"]])
def test_an_answer_that_is_not_whole_is_not_read(
    mocked: responses.RequestsMock, source: PrometheusSource, warnings: Any
) -> None:
    """Series that are missing from half an answer would look like an arm without requests."""
    whole = matrix(({"service": "shop", "code": "200"}, [(100, "5")]), warnings=warnings)
    mocked.get(QUERY, json=whole)
    troubled(source.read(timeout=2), Trouble.PARTIAL, "not whole", "one store is down")


@pytest.mark.parametrize("warnings", [[], None])
def test_no_warnings_are_no_warnings(mocked: responses.RequestsMock, source: PrometheusSource, warnings: Any) -> None:
    mocked.get(QUERY, json=matrix(({"service": "shop", "code": "200"}, [(100, "5")]), warnings=warnings))
    assert source.read(timeout=2).trouble is None


def test_a_series_of_both_arms_is_refused(mocked: responses.RequestsMock) -> None:
    target = Target(namespace="n", route="r", services={Arm.STABLE: "a", Arm.CANARY: "b"}, port=1)
    feeds = custom("mine", bad='t{s=~"$arm|c",x="1"}', total='t{s=~"$arm|c"}', target=target)
    mocked.get(QUERY, json=matrix(({"s": "c"}, [(1, "5")])))
    reading = PrometheusSource(url=URL, feeds=feeds).read(timeout=2)
    troubled(reading, Trouble.NONSENSE, "both arms", "mine", "tell the arms apart")
