"""The report for pipelines: golden files, and what CI systems hold against it."""

from __future__ import annotations

import json
import xml.etree.ElementTree as ET
from collections.abc import Callable
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analysis.model import Arm
from canary.core.outcome import ExitCode
from canary.engine.record import pieces
from canary.report.pipeline import SUMMARY_LIMIT, junit, markdown
from canary.report.released import Released, Told, data, released, schema
from tests.engine.conftest import Play

IMAGE = "registry.test/shop@sha256:" + "a" * 64
GATES = (
    {"kind": "event", "name": "GateDecided", "at": 1.0, "approved": True, "by": "ann", "reason": "looks | good"},
    {"kind": "event", "name": "GateDecided", "at": 2.0, "approved": False, "by": "", "reason": "1h passed"},
)
Golden = Callable[[str, str], None]


@cache
def record(kind: str) -> tuple[bytes, ...]:
    """The record of a release that was played in virtual time."""
    play = Play()
    if kind == "bad":
        play.gateway.errors[Arm.CANARY] = 0.15
    play.to_the_end()
    return tuple(play.records.read())


def rows_of(kind: str) -> list[dict[str, Any]]:
    """The same, kept in a file: what the judge says changes with the judge, and these forms do not."""
    found: list[dict[str, Any]] = json.loads((Path(__file__).parent / f"rows-{kind}.json").read_text())
    return found


def found(kind: str, *more: dict[str, Any]) -> Released:
    rows = rows_of(kind)
    return released([*rows, *more], namespace="shop", route="shop", release="f00d", image=IMAGE)


@pytest.mark.parametrize("kind", ["good", "bad"])
def test_golden(kind: str, golden: Golden) -> None:
    of = found(kind)
    golden(f"pipeline-{kind}.md", markdown(of))
    golden(f"pipeline-{kind}.xml", junit(of))
    golden(f"pipeline-{kind}.json", json.dumps(data(of), indent=1) + "\n")


@pytest.mark.parametrize("kind", ["good", "bad"])
def test_what_an_engine_records_today_is_read_as_what_was_kept(kind: str) -> None:
    rows = [row for piece in pieces(record(kind)) for row in piece.rows]
    of, kept = released(rows, namespace="shop", route="shop", release="f00d"), found(kind)
    assert (of.code, [step.name for step in of.steps]) == (kept.code, [step.name for step in kept.steps])
    assert [{check.metric for check in step.checks} for step in of.steps] == [
        {check.metric for check in step.checks} for step in kept.steps
    ]
    assert all(step.sentence and step.looks and step.checks[0].numbers for step in of.steps)
    assert {one.reason for one in of.told} & {one.reason for one in kept.told} >= {"ShareRaised", "Settled"}


def test_the_json_keeps_to_its_schema_and_the_schema_is_known(golden: Golden) -> None:
    golden("pipeline.schema.json", json.dumps(schema(), indent=1) + "\n")
    for of in (found("good"), found("bad", *GATES), released([], namespace="", route="", release="")):
        text = json.dumps(data(of), allow_nan=False)
        jsonschema.validate(json.loads(text), schema())
        assert json.loads(text)["version"] == 1


def check_junit(text: str) -> ET.Element:
    """As the schema of Jenkins' xunit plugin has it: elements, their attributes, and sums that agree."""
    top = ET.fromstring(text)  # noqa: S314 - it is ours
    assert top.tag == "testsuites"
    for suite in top:
        assert (suite.tag, {"name", "tests", "failures", "errors", "skipped", "time"} <= set(suite.keys())) == (
            "testsuite",
            True,
        )
        cases = suite.findall("testcase")
        assert {each.tag for each in suite} <= {"properties", "testcase"}
        for case in cases:
            assert set(case.keys()) == {"classname", "name", "time"}
            assert len(case) <= 1
            assert all(each.tag in {"failure", "error", "skipped"} and each.get("message") is not None for each in case)
        for attribute, tag in (("failures", "failure"), ("errors", "error"), ("skipped", "skipped")):
            assert int(suite.get(attribute, "-1")) == len(suite.findall(f"testcase/{tag}"))
        assert int(suite.get("tests", "-1")) == len(cases)
    return top


@pytest.mark.parametrize(("code", "word"), [(None, "error"), *((int(code), "") for code in ExitCode)])
def test_the_last_case_is_the_release_and_fails_with_it(code: int | None, word: str) -> None:
    release = check_junit(junit(replace(found("good"), code=code, reason="because"))).findall(".//testcase")[-1]
    assert release.get("name") == "release"
    tried = {10, 11, 12, 15, 16}
    expected = word or ("" if code == 0 else "failure" if code in tried else "error")
    assert [each.tag for each in release] == ([expected] if expected else [])


def test_a_bad_release_has_a_case_for_each_metric_and_step_and_its_reason() -> None:
    of = found("bad")
    assert of.code == ExitCode.JUDGED_BAD
    names = [(case.get("classname"), case.get("name")) for case in check_junit(junit(of)).findall(".//testcase")]
    assert len(names) == len(set(names)) == sum(len(step.checks) for step in of.steps) + 1
    assert of.steps[-1].checks[0].verdict == "UNHEALTHY"
    assert of.steps[-1].checks[0].numbers["canary_bad"]
    assert markdown(of).startswith("## ❌ Release of shop/shop: rolled back by the judge (10)")


def test_gates_are_cases_and_are_told_by_whom() -> None:
    of = found("good", *GATES)
    cases = check_junit(junit(of)).findall(".//testcase")[-3:-1]
    assert [[each.tag for each in case] for case in cases] == [[], ["failure"]]
    assert "gate approved by ann: looks \\| good" in markdown(of)
    assert "gate expired: 1h passed" in markdown(of)


@settings(max_examples=40)
@given(st.text(max_size=200), st.text(max_size=50))
def test_words_from_outside_are_words_in_every_form(text: str, name: str) -> None:
    of = replace(found("bad"), reason=text, route=name, image=name, damage=text)
    top = check_junit(junit(of))
    assert top[0].get("name") is not None
    lines = markdown(of).splitlines()
    assert lines[0].startswith("## ❌ Release of ")
    assert not any(line.startswith("# ") for line in lines)
    json.dumps(data(of), allow_nan=False)


@settings(max_examples=40)
@given(st.integers(min_value=600, max_value=6000))
def test_a_summary_keeps_to_its_limit_and_its_details_are_closed(limit: int) -> None:
    text = markdown(found("good"), limit=limit)
    assert len(text.encode()) <= limit
    assert text.count("<details>") == text.count("</details>")
    assert text.startswith("## ✅")


def test_a_long_release_fits_into_githubs_summary() -> None:
    told = tuple(Told(at=float(number), reason="Told", message="ü" * 400) for number in range(4000))
    text = markdown(replace(found("good"), told=told))
    assert len(text.encode()) <= SUMMARY_LIMIT < 1024 * 1024
    assert "left out" in text


def test_the_command_writes_each_form_of_a_saved_record(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from canary.cli.main import main
    from canary.engine.recordfile import Stored

    saved = tmp_path / "release.record.json"
    saved.write_text(Stored(release="f00d", chunks=record("good")).text())
    told = {}
    for form in ("markdown", "junit", "json"):
        assert main(["report", str(saved), "-n", "shop", "--route", "shop", "-o", form]) == 0
        told[form] = capsys.readouterr().out
    assert told["markdown"].startswith("## ✅ Release of shop/shop: promoted (0)")
    check_junit(told["junit"])
    jsonschema.validate(json.loads(told["json"]), schema())
    assert main(["schema", "report"]) == 0
    assert json.loads(capsys.readouterr().out) == schema()
