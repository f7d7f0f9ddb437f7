"""`doctor`'s page: a row for each check, the fix under each finding, and what it means."""

from __future__ import annotations

import json

from hypothesis import given
from hypothesis import strategies as st

from canary.core.outcome import ExitCode
from canary.ports import Problem
from canary.report.checked import NAMES, WIDTH, Check, code_of, data, lines, summary

WARNING = Problem(what="HTTPRoute shop/shop is managed by Argo CD.", fix="Ignore the weights.", code=None)
BROKEN = Problem(what="No gateway accepts HTTPRoute shop/shop: NoMatchingParent.", fix="Check spec.parentRefs.")
DENIED = Problem(what="The engine may not patch.", fix="Add to its Role: patch.", code=ExitCode.NOT_PERMITTED)

TEXTS = st.text(st.characters(codec="utf-8"), min_size=1, max_size=300)
PROBLEMS = st.builds(
    Problem, what=TEXTS, fix=TEXTS, code=st.sampled_from([None, ExitCode.PREFLIGHT_FAILED, ExitCode.NOT_PERMITTED])
)


def test_the_page() -> None:
    checks = [Check(name="permissions"), Check(name="route", found=(WARNING, BROKEN))]
    assert "".join(map(lines, checks)) + summary(checks, running="") == (
        "ok       permissions\n"
        "warning  route             HTTPRoute shop/shop is managed by Argo CD.\n"
        "                           Fix: Ignore the weights.\n"
        "REFUSED                    No gateway accepts HTTPRoute shop/shop: NoMatchingParent.\n"
        "                           Fix: Check spec.parentRefs.\n"
        "No release is on the route.\n"
        "1 finding to fix, 1 warning. A release would end with 22 before it touches anything. Nothing was touched.\n"
    )


def test_warnings_alone_let_a_release_begin() -> None:
    checks = [Check(name="route", found=(WARNING,))]
    assert code_of(checks) is ExitCode.PROMOTED
    assert "no findings to fix, 1 warning. A release may begin." in summary(checks, running="")


def test_the_first_refusal_gives_the_code_and_whose_release_runs_is_told() -> None:
    checks = [Check(name="permissions", found=(DENIED,)), Check(name="route", found=(BROKEN,))]
    told = summary(checks, running="release r1, JUDGING, step 2 of 5; its engine is alive")
    assert code_of(checks) is ExitCode.NOT_PERMITTED
    assert told.startswith("On the route now: release r1, JUDGING, step 2 of 5; its engine is alive\n")
    assert "would end with 21" in told


@given(st.lists(PROBLEMS, max_size=4))
def test_whatever_a_server_says_stays_in_its_block(found: list[Problem]) -> None:
    page = lines(Check(name="route", found=tuple(found)))
    rows = page.removesuffix("\n").split("\n")
    assert len(rows) >= max(1, 2 * len(found))
    assert all(char.isprintable() for row in rows for char in row)
    assert sum(row.startswith(("ok", "warning", "REFUSED")) for row in rows) == max(1, len(found))
    assert all(row[: 9 + NAMES].strip() in {"", "ok", "warning", "REFUSED", *_named()} for row in rows)
    assert all(len(row) <= max(WIDTH, 9 + NAMES + max(map(len, row.split()), default=0) + 5) for row in rows)


def _named() -> set[str]:
    return {f"{word:<9}route" for word in ("ok", "warning", "REFUSED")}


@given(st.lists(PROBLEMS, max_size=4))
def test_machines_read_the_same(found: list[Problem]) -> None:
    told = json.loads(
        json.dumps(data([Check(name="route", found=tuple(found))], release="r", namespace="n", running=""))
    )
    assert [(one["what"], one["fix"], one["code"]) for one in told["checks"][0]["found"]] == [
        (one.what, one.fix, None if one.code is None else int(one.code)) for one in found
    ]
    refused = [one.code for one in found if one.code is not None]
    assert told["code"] == (int(refused[0]) if refused else 0)
    assert told["checks"][0]["verdict"] == ("refused" if refused else "warning" if found else "ok")
