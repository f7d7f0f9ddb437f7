"""What is made once is made anew for every other question, by identity and not by likeness."""

from __future__ import annotations

from analysis.judge.once import once


def test_what_was_made_is_given_again_for_the_very_same_objects_only() -> None:
    made: list[tuple[list[int], list[int]]] = []

    @once
    def joined(one: list[int], other: list[int]) -> list[int]:
        made.append((one, other))
        return one + other

    first, second, like_the_first = [1], [2], [1]
    assert joined(first, second) == [1, 2]
    assert joined(first, second) is joined(first, second)
    assert len(made) == 1
    assert joined(like_the_first, second) == [1, 2]
    assert len(made) == 2
    assert joined(second, first) == [2, 1]
    assert joined(first, second) == [1, 2], "two who ask by turns get each their own"
    assert len(made) == 4
