"""The quick copy is `dataclasses.replace`, for what the core copies."""

from __future__ import annotations

import dataclasses

import pytest

from canary.core.release import Phase, Release
from canary.core.replacing import replace
from canary.core.settling import Settling
from tests.core.test_gates import release


def test_it_gives_what_the_slow_one_gives_and_changes_nothing_in_place() -> None:
    before = release()
    kept = dataclasses.replace(before)
    changed = replace(before, phase=Phase.JUDGING, step=3, settling=Settling(since=4.0))
    assert changed == dataclasses.replace(before, phase=Phase.JUDGING, step=3, settling=Settling(since=4.0))
    assert before == kept != changed
    assert isinstance(changed, Release)


def test_a_field_that_is_none_is_refused() -> None:
    with pytest.raises(TypeError, match=r"Release has no \['phrase'\]"):
        replace(release(), phrase="x")  # type: ignore[call-arg]


@pytest.mark.parametrize("kind", [Release, Settling])
def test_nothing_is_derived_or_checked_where_it_is_used(kind: type) -> None:
    assert not hasattr(kind, "__post_init__")
    assert all(field.init for field in dataclasses.fields(kind))
