"""Every row of the threat table names a test that exists."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "SECURITY.md").read_text()
ROWS = [line for line in TEXT.splitlines() if line.startswith("| ") and not line.startswith("| who, with")]


@pytest.mark.parametrize("row", ROWS)
def test_every_row_names_tests_that_exist(row: str) -> None:
    cells = [cell.strip() for cell in row.strip("|").split(" | ")]
    assert len(cells) == 4
    assert all(cells)
    named = re.findall(r"`(tests/[^`:]+)(?:::([a-z_0-9]+))?`", cells[3])
    assert named
    for path, test in named:
        text = (ROOT / path).read_text()
        assert f"def {test or 'test_'}" in text, (path, test)


def test_the_table_is_there_and_linked() -> None:
    assert len(ROWS) > 25
    assert "SECURITY.md" in (ROOT / "README.md").read_text()
