"""Draws the machine's table as a Mermaid diagram, so that the documentation cannot disagree with the code.

`python -m canary.core.diagram` prints it; `canary/README.md` holds it, and a test compares the two.
What the diagram cannot show: stages inside a phase, and rows that stay where they are.
"""

from __future__ import annotations

from canary.core.machine import LIVE, TABLE
from canary.core.release import FINAL, Phase


def edges() -> dict[tuple[Phase, Phase], list[str]]:
    """Every way from one phase to another, with the events that lead along it, in the table's order."""
    found: dict[tuple[Phase, Phase], list[str]] = {}
    for row in TABLE:
        if row.phases == LIVE:
            continue
        for source in Phase:
            if source not in row.phases:
                continue
            for target in Phase:
                if target in row.to and target is not source:
                    names = found.setdefault((source, target), [])
                    if row.event.__name__ not in names:
                        names.append(row.event.__name__)
    return found


def diagram() -> str:
    """The diagram's text, ending with a newline."""
    lines = ["stateDiagram-v2", f"    [*] --> {Phase.PENDING}"]
    for (source, target), names in edges().items():
        lines.append(f"    {source} --> {target}: {', '.join(names)}")
    lines += [f"    {phase} --> [*]" for phase in Phase if phase in FINAL]
    anywhere = ", ".join(row.event.__name__ for row in TABLE if row.phases == LIVE)
    lines.append(f"    note right of {Phase.PENDING}: in every phase that is not final - {anywhere}")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    import sys

    sys.stdout.write(diagram())
