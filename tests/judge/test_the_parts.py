"""The table of parts in `analysis/README.md`: what it names exists."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.security.test_the_threat_table import functions

ROOT = Path(__file__).parents[2]
ROWS = re.findall(
    r"^\| (.+) \| (`.+`) \| `(.+)::(.+)` \|$", (ROOT / "analysis" / "README.md").read_text(), re.MULTILINE
)


def test_the_table_is_there() -> None:
    assert len(ROWS) > 20


@pytest.mark.parametrize(("part", "where", "path", "test"), ROWS)
def test_each_part_is_where_it_says_and_held_by_a_test(part: str, where: str, path: str, test: str) -> None:
    assert all((ROOT / each.strip("`")).exists() for each in where.split(", ")), part
    assert test in functions(path), part
