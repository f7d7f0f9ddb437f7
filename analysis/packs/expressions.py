"""Which regular expressions of a release file are taken: those that no label value can make slow.

Prometheus matches with RE2, in linear time. Python's matcher tries again and again, and while it does, no other thread
of the process runs: `(a+)+` against forty letters would hold up the lease for hours. So what may repeat is counted,
by the expression's text alone.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

WIDE = 2
"""Repetitions without a small bound; with two the work grows with the square of a value's length."""

NARROW = 4
"""Choices with a small bound (`?`, `{0,3}`, `(a|b)`); each may double the work."""

SMALL = 8
"""Repeating no more often than this is a small bound."""

LONGEST_VALUE = 2048
"""Characters of a label value that are matched; names of Services have 63."""

_TOKEN = re.compile(
    r"(?P<quantifier>[*+?]|\{(?P<least>[0-9]*)(?P<range>,(?P<most>[0-9]*))?\})\??"
    r"|(?P<atom>\\.|\[\^?\]?(?:\\.|[^\]\\])*\])|(?P<other>.)",
    re.DOTALL,
)


@dataclass(slots=True)
class _Group:
    varies: bool = False
    branches: bool = False


def slow(expression: str) -> bool:
    """Whether some label value could make matching it slow."""
    open_groups, wide, narrow = [_Group()], 0, 0
    closed: _Group | None = None
    for token in _TOKEN.finditer(expression):
        group, closed_before = open_groups[-1], closed
        closed = None
        if token["quantifier"]:
            least, most = _bounds(token)
            if closed_before is not None and closed_before.varies and most > 1:
                return True
            if least != most:
                group.varies = True
                wide, narrow = wide + (most > SMALL), narrow + (most <= SMALL)
        elif token["other"] == "(":
            open_groups.append(_Group())
        elif token["other"] == ")" and len(open_groups) > 1:
            closed = open_groups.pop()
            narrow += closed.branches
            open_groups[-1].varies |= closed.varies
        elif token["other"] == "|":
            group.branches, group.varies = True, True
    return wide > WIDE or narrow > NARROW


def _bounds(token: re.Match[str]) -> tuple[float, float]:
    match token["quantifier"]:
        case "*":
            return 0, float("inf")
        case "+":
            return 1, float("inf")
        case "?":
            return 0, 1
    least = float(token["least"] or 0)
    if token["range"] is None:
        return least, least
    return least, float(token["most"]) if token["most"] else float("inf")
