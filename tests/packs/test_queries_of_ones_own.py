"""Selectors that people write: read as Prometheus reads them, or refused with what to do."""

from __future__ import annotations

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analysis.model import Arm
from analysis.packs import PackError, Target, custom, escape_regex, quote, selector
from analysis.sources import Role

TARGET = Target(namespace="shop", route="r", services={Arm.STABLE: "cart", Arm.CANARY: "cart-canary"}, port=80)
CALM = settings(derandomize=True, deadline=None, max_examples=300)
TEXT = st.text(st.characters(codec="utf-8"), max_size=15)


def where(query: str, target: Target = TARGET) -> dict[Arm | None, list[tuple[str, str]]]:
    feeds = custom("mine", bad=query, total=query, target=target)
    return {feed.key.arm: list(feed.where) for feed in feeds if feed.key.role is Role.TOTAL}


def matches(query: str, labels: dict[str, str], target: Target = TARGET) -> set[Arm | None]:
    return {
        arm
        for arm, pairs in where(query, target).items()
        if all(re.fullmatch(pattern, labels.get(label, ""), re.ASCII) for label, pattern in pairs)
    }


@pytest.mark.parametrize(
    ("query", "labels", "arms"),
    [
        ('t{service="$arm"}', {"service": "cart"}, {Arm.STABLE}),
        ('t{service="$arm",}', {"service": "cart-canary"}, {Arm.CANARY}),
        (' t { service = "${arm}" } ', {"service": "cart"}, {Arm.STABLE}),
        ('t{service=~"$arm-v[0-9]+"}', {"service": "cart-v7"}, {Arm.STABLE}),
        ('t{service=~"$arm-v[0-9]+"}', {"service": "cart-vx"}, set()),
        ('t{service="$arm",ns="$namespace"}', {"service": "cart", "ns": "shop"}, {Arm.STABLE}),
        ('t{service="$arm",ns="$namespace"}', {"service": "cart", "ns": "shop2"}, set()),
        ('t{service="$arm",zone=""}', {"service": "cart"}, {Arm.STABLE}),
        ('t{service="$arm",path="/a,b=\\"c\\"}{"}', {"service": "cart", "path": '/a,b="c"}{'}, {Arm.STABLE}),
        ('t{service="$arm",path="a\\\\b"}', {"service": "cart", "path": "a\\b"}, {Arm.STABLE}),
        ('t{service="$arm",path="a\\\\nb"}', {"service": "cart", "path": "a\\nb"}, {Arm.STABLE}),
        ('t{service="$arm",path="a\\nb"}', {"service": "cart", "path": "a\nb"}, {Arm.STABLE}),
        ('t{service="$arm",path="Zürich"}', {"service": "cart", "path": "Zürich"}, {Arm.STABLE}),
        ('t{service="$arm",cost="5$"}', {"service": "cart", "cost": "5$"}, {Arm.STABLE}),
        ('t{service="$arm",who="$$arm"}', {"service": "cart", "who": "$arm"}, {Arm.STABLE}),
        ('t{service="$arm",code=~"5..|429"}', {"service": "cart", "code": "429"}, {Arm.STABLE}),
        ('t{service="$arm",code=~"5..|429"}', {"service": "cart", "code": "4290"}, set()),
        ('t{service="$arm",code=~"\\\\d+"}', {"service": "cart", "code": "٣"}, set()),
    ],
)
def test_what_is_understood(query: str, labels: dict[str, str], arms: set[Arm | None]) -> None:
    assert matches(query, labels) == arms


@pytest.mark.parametrize(
    ("query", "words"),
    [
        ("rate(t{service='$arm'}[5m])", "not a plain selector"),
        ('sum(t{service="$arm"})', "not a plain selector"),
        ('t{service="$arm"}[5m]', "not a plain selector"),
        ('t{service="$arm"} offset 1m', "not a plain selector"),
        ('{__name__="t",service="$arm"}', "not a plain selector"),
        ('t{__name__="t",service="$arm"}', "before the brace"),
        ('t{service="$arm"', "not a plain selector"),
        ("", "not a plain selector"),
        ("t{service='$arm'}", "double quotes"),
        ("t{service=`$arm`}", "double quotes"),
        ('t{service!="$arm"}', "only = and =~"),
        ('t{service!~"$arm"}', "only = and =~"),
        ('t{service="$arm" code="5"}', "only = and =~"),
        ('t{service="$arm",path="\\x41"}', "is not an escape"),
        ('t{service="$arm",path=~"\\d"}', "written twice"),
        ("t", "put $arm"),
        ('t{service="cart"}', "put $arm"),
        ('t{service="$arms"}', "put $arm"),
        ('t{service="$$arm"}', "put $arm"),
        ('t{service=~"$arm.*"}', "takes 'cart-canary' for 'cart'"),
        ('t{service=~"$arm|.*"}', "takes"),
        ('t{service="$arm",code=~"5(?=0)"}', "write it plainer"),
        ('t{service="$arm",code=~"(5)\\\\1"}', "write it plainer"),
        ('t{service="$arm",code=~"5++"}', "write it plainer"),
        ('t{service="$arm",code=~"[[:digit:]]"}', "write it plainer"),
        ('t{service="$arm",code=~"(?x)5"}', "write it plainer"),
        ('t{service="$arm",code=~"5\\\\Z"}', "write it plainer"),
    ],
)
def test_what_is_refused_and_how(query: str, words: str) -> None:
    with pytest.raises(PackError, match=re.escape(words)):
        where(query)


@given(value=TEXT, other=TEXT)
@CALM
def test_a_name_as_an_expression_matches_itself_alone(value: str, other: str) -> None:
    assert re.fullmatch(escape_regex(value), value)
    assert bool(re.fullmatch(escape_regex(value), other)) == (value == other)


@given(value=TEXT)
@CALM
def test_a_quoted_value_ends_where_it_ends(value: str) -> None:
    """Whatever a name holds, it cannot leave its quotes and add to the query."""
    quoted = quote(value)
    assert quoted.isascii()
    assert quoted.isprintable()
    assert re.fullmatch(r'"(?:[^"\\]|\\[\\"]|\\u[0-9a-f]{4}|\\U[0-9a-f]{8})*"', quoted)


@given(stable=TEXT.filter(bool), canary=TEXT.filter(bool), operator=st.sampled_from(["=", "=~"]))
@CALM
def test_any_two_names_are_told_apart(stable: str, canary: str, operator: str) -> None:
    if stable == canary:
        return
    target = Target(namespace="n", route="r", services={Arm.STABLE: stable, Arm.CANARY: canary}, port=80)
    query = f't{{service{operator}"$arm"}}'
    assert matches(query, {"service": stable}, target) == {Arm.STABLE}
    assert matches(query, {"service": canary}, target) == {Arm.CANARY}


@given(query=st.text(st.sampled_from('t{}=~"\\$arm,()|*+?[]n'), max_size=25))
@CALM
def test_no_text_makes_it_fall(query: str) -> None:
    try:
        where(query)
    except (PackError, re.error) as refusal:
        assert str(refusal)  # noqa: PT017 - either is a refusal, and neither is certain


@pytest.mark.parametrize(
    ("family", "label"), [("a b", "x"), ("a", "x-y"), ("", "x"), ("a", ""), ("a{", "x"), ("1a", "x")]
)
def test_names_that_are_none_are_refused(family: str, label: str) -> None:
    with pytest.raises(PackError, match="is not the name of"):
        selector(family, {label: "v"})


def test_half_a_character_is_refused() -> None:
    with pytest.raises(PackError, match="retype it"):
        quote("a\ud800")
