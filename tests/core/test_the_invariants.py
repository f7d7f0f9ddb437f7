"""The table of invariants in `canary/README.md`: all eleven stand there, and every test that it names exists."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
ROWS = dict(re.findall(r"^\| (\d+) \| [^|]+ \| (.+) \|$", (ROOT / "canary" / "README.md").read_text(), re.MULTILINE))


def test_all_eleven_stand_there_in_their_order() -> None:
    assert list(ROWS) == [str(number) for number in range(1, 12)]


@pytest.mark.parametrize("number", ROWS)
def test_each_is_proved_by_tests_that_exist(number: str) -> None:
    named = ROWS[number].split()
    assert named
    for one in named:
        found = re.fullmatch(r"`(tests/\w[\w/]*\.py)::(test_\w+)`", one)
        assert found, one
        tree = ast.parse((ROOT / found[1]).read_text())
        assert found[2] in {each.name for each in tree.body if isinstance(each, ast.FunctionDef)}, one
