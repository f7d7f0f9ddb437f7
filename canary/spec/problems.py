"""What is wrong with a release file: where, what, and what would be right."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

LONGEST_SHOWN = 60
"""Characters of an offending value that are shown; the rest is at the place that is named."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """One thing that is wrong.

    Attributes:
        file: the file's name as the user gave it.
        line, column: where, counting from 1.
        key: dotted keys to the value, e.g. `spec.strategy.linear.to`; empty where no key is to blame.
        message: what is wrong, in one sentence without a full stop.
        value: the offending value as written, shortened; empty where there is none or it may be a secret.
        hint: what would be right.
    """

    file: str
    line: int
    column: int
    key: str
    message: str
    value: str
    hint: str

    def __str__(self) -> str:
        """One line, in the form that editors and CI systems recognise and make clickable."""
        subject = f"{self.key}: " if self.key else ""
        value = f" (found {self.value})" if self.value else ""
        hint = f"; {self.hint}" if self.hint else ""
        return f"{self.file}:{self.line}:{self.column}: {subject}{self.message}{value}{hint}"


class ReleaseFileError(Exception):
    """A release file that cannot be used.

    Attributes:
        problems: everything that was found, in the order of each file; never empty.
    """

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = tuple(sorted(set(problems), key=lambda p: (p.file, p.line, p.column, p.key, p.message)))
        super().__init__("\n".join(str(problem) for problem in self.problems))


def shown(value: object) -> str:
    """A value as it may be shown to a person: one line, short, nothing that moves a terminal's cursor."""
    match value:
        case bool():
            text = str(value).lower()
        case str():
            text = f'"{value}"'
        case dict():
            text = "a mapping" if value else "{}"
        case tuple() | list():
            text = "a list" if value else "[]"
        case _:
            text = str(value)
    clean = "".join(c if c.isprintable() else ascii(c)[1:-1] for c in text[: LONGEST_SHOWN + 1])
    return clean if len(clean) <= LONGEST_SHOWN else clean[: LONGEST_SHOWN - 1] + "…"
