"""Every row of the threat table names tests that exist."""

from __future__ import annotations

import ast
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
    named = [each.strip() for each in cells[3].split(",")]
    for each in named:
        match = re.fullmatch(r"`(tests/[a-z_/0-9]+\.py)::(test_[a-z_0-9]+)`", each)
        assert match is not None, f"{each} is no test function"
        assert match[2] in functions(match[1]), each


def functions(path: str) -> set[str]:
    """The functions of a file, by their whole names."""
    return {node.name for node in ast.parse((ROOT / path).read_text()).body if isinstance(node, ast.FunctionDef)}


def test_a_part_of_a_name_and_a_file_alone_are_no_tests() -> None:
    known = functions("tests/security/test_the_threat_table.py")
    assert "test_the_table_is_there_and_linked" in known
    assert "test_the_table" not in known


def test_the_table_is_there_and_linked() -> None:
    assert len(ROWS) > 25
    assert "SECURITY.md" in (ROOT / "README.md").read_text()
