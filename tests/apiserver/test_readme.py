"""The README promises nothing without a test."""

from __future__ import annotations

import re
from pathlib import Path

import canary.sandbox.apiserver

README = Path(canary.sandbox.apiserver.__file__).with_name("README.md")
ROW = re.compile(r"^\| (?P<behaviour>[^|]+) \| (?P<where>[^|]+) \| (?P<tests>[^|]+) \|$", re.MULTILINE)


def test_every_row_of_the_readme_names_its_place_and_tests_that_exist() -> None:
    text = README.read_text(encoding="utf-8")
    rows = [row for row in ROW.finditer(text) if row["behaviour"] != "behaviour"]
    lines = [line for line in text.splitlines() if line.startswith("| ") and not line.startswith("| behaviour |")]
    assert len(rows) == len(lines) > 40  # every line of the tables but their heads was read
    there = {
        name
        for path in Path(__file__).parent.glob("test_*.py")
        for name in re.findall(r"^def (test_\w+)", path.read_text(encoding="utf-8"), re.MULTILINE)
    }
    for row in rows:
        named = re.findall(r"`(\w+)`", row["tests"])
        assert named, row["behaviour"]
        assert set(named) <= there, (row["behaviour"], set(named) - there)
        assert row["where"].strip()


def test_the_readme_says_what_it_is_not() -> None:
    assert "## What it is not" in README.read_text(encoding="utf-8")
    assert "not an API server" in (canary.sandbox.apiserver.__doc__ or "")
