"""What is said of a combination that cannot work."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import NamedTuple

Path = tuple[str | int, ...]


class Objection(NamedTuple):
    """One combination that cannot work.

    Attributes:
        path: keys and indices from the top of the file to the value to change.
        message: what is wrong.
        hint: what would be right.
    """

    path: Path
    message: str
    hint: str


def exactly_one(path: Path, kinds: Mapping[str, object]) -> Iterator[Objection]:
    """None or several where one is wanted; those not given are None."""
    given = [name for name, value in kinds.items() if value is not None]
    names = ", ".join(kinds)
    if not given:
        yield Objection(path, "this names no kind", f"write one of {names}")
    for name in given[1:]:
        yield Objection((*path, name), f"{given[0]} is already given here", f"keep one of {', '.join(given)}")
