"""How a release can end: exit codes and the outcome that carries the reason."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum


class ExitCode(IntEnum):
    """The process's exit codes; documented, stable, never reused for another meaning."""

    PROMOTED = 0
    BUG = 1
    USAGE = 2
    JUDGED_BAD = 10
    REJECTED = 11
    GATE_EXPIRED = 12
    HELD_BY_ANOTHER = 13
    ENGINE_LOST = 14
    CHANGED_BY_OTHERS = 15
    NO_EVIDENCE = 16
    INVALID_RELEASE_FILE = 20
    NOT_PERMITTED = 21
    PREFLIGHT_FAILED = 22
    DEADLINE = 23
    ROLLBACK_INCOMPLETE = 30
    HANDED_OVER = 143


MEANING: dict[ExitCode, str] = {
    ExitCode.PROMOTED: "promoted",
    ExitCode.BUG: "our bug",
    ExitCode.USAGE: "wrong usage",
    ExitCode.JUDGED_BAD: "rolled back by the judge",
    ExitCode.REJECTED: "rejected or aborted by a person",
    ExitCode.GATE_EXPIRED: "gate expired",
    ExitCode.HELD_BY_ANOTHER: "another release holds the route, or superseded",
    ExitCode.ENGINE_LOST: "rolled back because the engine was lost",
    ExitCode.CHANGED_BY_OTHERS: "route or workload changed by someone else",
    ExitCode.NO_EVIDENCE: "no data, not settled or undecided, by policy",
    ExitCode.INVALID_RELEASE_FILE: "release file invalid",
    ExitCode.NOT_PERMITTED: "not permitted",
    ExitCode.PREFLIGHT_FAILED: "preflight failed, nothing touched",
    ExitCode.DEADLINE: "deadline",
    ExitCode.ROLLBACK_INCOMPLETE: "rollback incomplete",
    ExitCode.HANDED_OVER: "handed over",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """A decision about how the release ends, with its reason.

    Attributes:
        code: the exit code that the process will end with once the decision is carried out.
        reason: one sentence with the numbers, the place or the person behind the decision.
        decided: when it was decided, seconds since the epoch on the server's clock.
    """

    code: ExitCode
    reason: str
    decided: float
