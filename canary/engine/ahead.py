"""What is needed first when traffic follows, imported while nothing waits for it.

The interval by which settling is judged needs scipy.special: half a second of CPU to import, several seconds on a busy
node. Imported at its first use it would stop the decider right after the first raise, with the canary's first users on
it; imported at the start it would delay the first call.
"""

from __future__ import annotations

from canary.core.settling import interval


def import_ahead() -> None:
    """Import it, by using it once; for a worker's thread."""
    interval(1, 2)
