"""Measures what the README promises, and prints it with the machine it was measured on.

    make bench                      everything but the long run
    make bench ARGS="memory"        3,600 looks of a real release, about a quarter of an hour
    make bench ARGS="reaction -n 9"
    make bench ARGS="draws -n 20"   the errors scenario's luck: 2,000 draws beside an oracle, some minutes
    make bench ARGS="table"         the judge and other engines' rules on the same requests: build/bench/judging.html
    make bench ARGS="judging"       the table, and every promise of the judge at full size, about half an hour

Each figure is printed as minimum, median and maximum beside its bar. A bar that is missed makes the exit code 1;
nothing in the tests asserts a time, because machines differ and are shared.
"""

from __future__ import annotations

import argparse
import sys

from bar import Figure, machine, show
from draws import draws
from judging import bars
from parts import PARTS as PLAYED

from canary.cli.children import end_like_interrupted, listen_to_ctrl_c

PARTS = PLAYED | {"draws": draws, "table": bars.table, "judging": bars.judging}

LONG = {"memory", "setup", "judging", "table", "draws"}
"""Left out unless named."""


def main(words: list[str] | None = None) -> int:
    """Measure the parts named, or all that are not long."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("parts", nargs="*", metavar="PART", help=f"one of {', '.join(PARTS)}")
    parser.add_argument("-n", "--repeat", type=int, default=5, help="runs of each (5)")
    given = parser.parse_args(words)
    unknown = [part for part in given.parts if part not in PARTS]
    # A shell that starts it with & has SIGINT ignored, here and in all that is started from here.
    listen_to_ctrl_c()
    end_like_interrupted()
    if unknown:
        parser.error(f"there is no part {', '.join(unknown)}; known: {', '.join(PARTS)}")
    print(machine(), flush=True)
    figures: list[Figure] = []
    for part in given.parts or [part for part in PARTS if part not in LONG]:
        for figure in PARTS[part](given.repeat):
            figures.append(figure)
            print(show(figure), flush=True)
    return 1 if any(figure.missed for figure in figures) else 0


if __name__ == "__main__":
    sys.exit(main())
