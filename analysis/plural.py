"""A number of things, in words that fit one of them and many."""

from __future__ import annotations


def counted(number: float, one: str, many: str = "") -> str:
    """A number with what is counted, such as "1 look" and "1,200 looks".

    Args:
        number: how many; whole.
        one: what one of them is called.
        many: what several are called, where that is not `one` with an s.
    """
    return f"{number:,.0f} {one if number == 1 else many or one + 's'}"
