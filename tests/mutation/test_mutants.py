"""The mutation run itself: what it changes, that a change is felt, and that its list of survivors is up to date."""

from __future__ import annotations

import ast
import sys
from pathlib import Path
from types import ModuleType

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from mutants import mutants_of
from planting import SEEN, noting, plant
from run import FILES, ROOT, survivors

SOURCE = '''
TABLE = {"a": 1, "b": 2}

def late(now, due):
    """Whether it is too late."""
    return now >= due and TABLE["a"] == 1

class Clock:
    @property
    def early(self):
        return not late(1, 2)
'''


@pytest.fixture
def module(tmp_path: Path) -> ModuleType:
    made = ModuleType("planted")
    made.__file__ = str(tmp_path / "planted.py")
    exec(compile(SOURCE, made.__file__, "exec"), made.__dict__)  # noqa: S102 - four lines above
    return made


def test_every_comparison_guard_and_entry_is_changed_once() -> None:
    assert [mutant.name for mutant in mutants_of(SOURCE)] == [
        "TABLE: {'a': 1, 'b': 2} -> without 'a'",
        "TABLE: {'a': 1, 'b': 2} -> without 'b'",
        "late: now >= due and TABLE['a'] == 1 -> now >= due or TABLE['a'] == 1",
        "late: now >= due and TABLE['a'] == 1 -> TABLE['a'] == 1",
        "late: now >= due and TABLE['a'] == 1 -> now >= due",
        "late: now >= due -> now > due",
        "late: now >= due -> now < due",
        "late: TABLE['a'] == 1 -> TABLE['a'] != 1",
        "Clock.early: not late(1, 2) -> late(1, 2)",
    ]


def test_whoever_imported_a_function_gets_the_changed_one(module: ModuleType) -> None:
    late, clock = module.late, module.Clock()
    assert late(2, 2)
    assert clock.early
    changed = {mutant.name: mutant.tree for mutant in mutants_of(SOURCE)}
    plant(module, changed["late: now >= due -> now > due"])
    assert not late(2, 2)
    plant(module, changed["Clock.early: not late(1, 2) -> late(1, 2)"])
    assert not clock.early
    plant(module, changed["TABLE: {'a': 1, 'b': 2} -> without 'a'"], ("TABLE",))
    with pytest.raises(KeyError):
        late(2, 2)


def test_what_ran_is_noted_by_the_names_of_the_mutants(module: ModuleType) -> None:
    seen: set[str] = set()
    module.__dict__[SEEN] = seen
    plant(module, noting(ast.parse(SOURCE)))
    assert module.Clock().early
    assert seen == {"late", "Clock.early"}


@pytest.mark.parametrize("file", FILES)
def test_each_survivor_that_is_listed_is_still_a_mutant_and_has_a_reason(file: str) -> None:
    names = {mutant.name for mutant in mutants_of((ROOT / file).read_text(encoding="utf-8"))}
    for name, reason in survivors().get(file, {}).items():
        assert name in names
        assert len(reason) > 20
