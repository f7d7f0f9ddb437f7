"""`canary validate` and `canary schema`."""

import json
from collections.abc import Callable
from io import BytesIO, TextIOWrapper
from pathlib import Path
from typing import Any

import pytest

from canary.spec import schema

ROOT = Path(__file__).parents[2]
EXAMPLES = ROOT / "examples" / "releases"
GOLDEN = ROOT / "tests" / "spec" / "golden"


def test_valid_files_are_named_and_the_command_succeeds(canary: Callable[..., Any]) -> None:
    path = EXAMPLES / "minimal.yaml"
    assert canary("validate", str(path)) == (0, f"{path}: valid: release user-service in namespace shop\n", "")


def test_an_invalid_file_ends_with_20_and_every_problem(
    canary: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(GOLDEN)
    ran = canary("validate", "many-problems.yaml")
    told = (GOLDEN / "many-problems.txt").read_text().replace("release.yaml:", "many-problems.yaml:")
    count = len(told.splitlines())
    assert ran == (20, f"{told}many-problems.yaml: {count} problems\n", "")


def test_one_invalid_file_among_many_ends_with_20(canary: Callable[..., Any]) -> None:
    ran = canary("validate", str(EXAMPLES / "minimal.yaml"), str(GOLDEN / "impossible.yaml"), "/missing.yaml")
    assert ran.code == 20
    assert "minimal.yaml: valid" in ran.out
    assert "/missing.yaml:1:1: the file cannot be read: no such file or directory; check the path" in ran.out


def test_json_carries_the_same_as_data(canary: Callable[..., Any]) -> None:
    good, bad = str(EXAMPLES / "minimal.yaml"), str(GOLDEN / "impossible.yaml")
    ran = canary("validate", good, bad, "-o", "json")
    first, second = json.loads(ran.out)
    assert ran.code == 20
    assert first["valid"]
    assert first["release"]["spec"]["canary"]["service"] == "user-service-canary"
    assert not second["valid"]
    assert set(second["problems"][0]) == {"file", "line", "column", "key", "message", "value", "hint"}


def test_a_release_is_read_from_standard_input(canary: Callable[..., Any], monkeypatch: pytest.MonkeyPatch) -> None:
    raw = (EXAMPLES / "minimal.yaml").read_bytes()
    monkeypatch.setattr("sys.stdin", TextIOWrapper(BytesIO(raw)))
    assert canary("validate", "-").code == 0
    monkeypatch.setattr("sys.stdin", TextIOWrapper(BytesIO(b"[" * 300_000)))
    assert "larger than 256 KiB" in canary("validate", "-").out


def test_the_image_of_the_command_line_is_checked(canary: Callable[..., Any]) -> None:
    ran = canary("validate", str(EXAMPLES / "minimal.yaml"), "--image", "${IMAGE}")
    assert ran.code == 20
    assert "--image:1:1: this looks like a variable that was not filled in" in ran.out


def test_schema_prints_the_schema(canary: Callable[..., Any]) -> None:
    assert json.loads(canary("schema").out) == schema()
