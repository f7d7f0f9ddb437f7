"""Which attempt of a release this is: each is judged anew, with a falseRollback of its own, and people should know."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from canary.engine.journal import Journal


def attempt_of(stored: Any, journal: Journal | None, *, identity: str) -> int:
    """From 1.

    Args:
        stored: the journal of the last release of this route, its text and version; None when there is none.
        journal: the journal that is gone on with; None when the release begins.
        identity: of the release file.
    """
    from canary.engine.journal import JournalError, decode

    if journal is not None:
        return journal.attempt
    try:
        before = decode(stored.text) if stored is not None else None
    except JournalError:
        return 1
    return before.attempt + 1 if before is not None and before.identity == identity else 1
