"""What follows from what was asked alone is made once, not at every look."""

from __future__ import annotations

from collections.abc import Callable
from functools import update_wrapper
from operator import is_
from typing import Generic, TypeVar, TypeVarTuple

Given = TypeVarTuple("Given")
Made = TypeVar("Made")


class once(Generic[*Given, Made]):  # noqa: N801 - a decorator's name
    """A function that gives what it made last where it is given the very same objects again.

    By identity: to compare them, or to hash them, takes longer than to make what follows from them. They are never
    changed in place, so that whoever looks by turns at two releases gets what is right, only later.
    """

    def __init__(self, make: Callable[[*Given], Made]) -> None:
        """With the function, of whose arguments none may change."""
        self._make = make
        self._last: tuple[tuple[*Given], Made] | None = None
        update_wrapper(self, make)

    def __call__(self, *given: *Given) -> Made:
        """What it made last, or makes now."""
        last = self._last
        if last is not None and all(map(is_, last[0], given)):
            return last[1]
        made = self._make(*given)
        self._last = given, made
        return made
