"""What `doctor` prints: each check with its verdict, each finding with its fix, and what it all means for a release."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from textwrap import fill
from typing import Any

from canary.core.outcome import ExitCode
from canary.ports import Problem
from canary.report.lines import plain

NAMES = 18
"""Columns of a check's name."""

WIDTH = 110
"""Columns of the page."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """One check.

    Attributes:
        name: what was checked.
        found: what was found; empty when all is well.
    """

    name: str
    found: tuple[Problem, ...] = ()

    @property
    def verdict(self) -> str:
        """`ok`, `warning` or `refused`."""
        if any(problem.code is not None for problem in self.found):
            return "refused"
        return "warning" if self.found else "ok"


def code_of(checks: Iterable[Check]) -> ExitCode:
    """What a release would end with before anything is touched; PROMOTED when it would begin."""
    codes = [problem.code for check in checks for problem in check.found if problem.code is not None]
    return codes[0] if codes else ExitCode.PROMOTED


def lines(check: Check) -> str:
    """One check as a row, with a block below for each finding."""
    if not check.found:
        return f"{_SIGN['ok']:<9}{check.name}\n"
    told = []
    for number, problem in enumerate(check.found):
        sign = _SIGN["warning" if problem.code is None else "refused"]
        told.append(_block(f"{sign:<9}{'' if number else check.name:<{NAMES}}", problem.what))
        told.append(_block(" " * (9 + NAMES), f"Fix: {problem.fix}"))
    return "\n".join(told) + "\n"


def summary(checks: Sequence[Check], *, running: str) -> str:
    """What it means.

    Args:
        checks: all of them.
        running: the release that is on the route, in a few words; empty when none is.
    """
    refused = sum(problem.code is not None for check in checks for problem in check.found)
    warned = sum(problem.code is None for check in checks for problem in check.found)
    held = f"On the route now: {plain(running)}\n" if running else "No release is on the route.\n"
    counted = f"{_number(refused, 'finding')} to fix, {_number(warned, 'warning')}."
    if not refused:
        return f"{held}{counted} A release may begin. Nothing was touched.\n"
    code = code_of(checks)
    return f"{held}{counted} A release would end with {int(code)} before it touches anything. Nothing was touched.\n"


def data(checks: Sequence[Check], *, release: str, namespace: str, running: str) -> dict[str, Any]:
    """The same, for machines."""
    return {
        "release": release,
        "namespace": namespace,
        "code": int(code_of(checks)),
        "running": running,
        "checks": [
            {
                "name": check.name,
                "verdict": check.verdict,
                "found": [
                    {"what": one.what, "fix": one.fix, "code": None if one.code is None else int(one.code)}
                    for one in check.found
                ],
            }
            for check in checks
        ],
    }


def _block(lead: str, text: str) -> str:
    return fill(
        plain(text).strip() or "-",
        WIDTH,
        initial_indent=lead,
        subsequent_indent=" " * len(lead),
        break_on_hyphens=False,
    )


def _number(count: int, noun: str) -> str:
    return f"{count or 'no'} {noun}{'' if count == 1 else 's'}"


_SIGN = {"ok": "ok", "warning": "warning", "refused": "REFUSED"}
