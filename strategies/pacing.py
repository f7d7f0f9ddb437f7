"""How often to look: as often as asked while a step is young, less often the longer it lasts.

Most of what goes wrong shows soon after a share was raised. A release keeps what each of its looks saw, so their number
is bounded, whatever the file asks for: a step that lasts `t` seconds is looked at every `max(every, t / k)` seconds.
After the first `k` looks the interval grows with the step's age, so that a step of length T costs `k (1 + ln(T / (k
every)))` looks; `k` is the largest for which no way of spending the release's time exceeds the bound. Trouble that
begins at age t is looked at within t / k: with the least k in use a step of an hour is looked at twice a minute.
"""

from __future__ import annotations

from math import inf, log

MOST_LOOKS = 4_000
"""Looks of a release at most (its record keeps what each of them saw): an hour of a look a second, and some."""

ROUNDS = 60
"""Halvings of the bracket in which k is searched: to the last bit."""


def young(*, every: float, lasts: float, steps: int, most: int = MOST_LOOKS) -> float:
    """Looks of each step that are taken as often as asked; `inf` where the whole release may be.

    Args:
        every: seconds between looks, as asked; > 0.
        lasts: seconds that the release may last.
        steps: steps in it, the bake included; >= 1.
        most: looks of the release.
    """
    if lasts / every <= most:
        return inf
    low, high = 0.0, most / steps
    for _ in range(ROUNDS):
        middle = (low + high) / 2
        # The sum of logarithms is largest when all steps last equally long.
        looks = steps * middle * (1 + max(0.0, log(lasts / steps / (middle * every)))) if middle else 0.0
        low, high = (middle, high) if looks <= most else (low, middle)
    return low


def interval(age: float, *, every: float, k: float) -> float:
    """Seconds from a look to the next one.

    Args:
        age: seconds since the step began.
        every: as asked.
        k: from `young`.
    """
    return every if k == inf else max(every, age / max(k, 1.0))
