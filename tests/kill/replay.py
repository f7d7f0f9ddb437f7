"""Plays rounds by hand, on one sandbox: `python tests/kill/replay.py api/1002 bad/1000-1024`.

What went wrong is told round by round, and the next one is played on a new sandbox.
"""

from __future__ import annotations

import argparse
import random
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from tests.kill.kinds import KINDS
from tests.kill.stage import LONG, SHORT, Stage
from tests.planted import sandboxed


def rounds(words: Sequence[str]) -> Iterator[tuple[str, int]]:
    """Kind and number of each round that is asked for."""
    for word in words:
        kind, _, numbers = word.partition("/")
        first, _, last = numbers.partition("-")
        for number in range(int(first), int(last or first) + 1):
            yield kind, number


def play(stage: Stage, kind: str, number: int) -> bool:
    """Whether the round went as it should."""
    try:
        done = KINDS[kind](stage, random.Random(f"{kind}/{number}"))
    except AssertionError as error:
        print(f"{kind}/{number} WENT WRONG: {error}", flush=True)
        return False
    print(f"{kind}/{number}: exit {done.code}, {done.seconds:.1f} s, {done.kills}, {done.notes}", flush=True)
    return True


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("rounds", nargs="+", help="KIND/NUMBER or KIND/FIRST-LAST")
    parser.add_argument("--short", action="store_true", help="the one step of `make test`, not the two of `make soak`")
    parser.add_argument("--prometheus", action="store_true", help="the engine asks a real Prometheus")
    given = parser.parse_args()
    left, wrong = list(rounds(given.rounds)), 0
    while left:
        with sandboxed() as sandbox:
            stage = Stage(sandbox, SHORT if given.short else LONG, prometheus=given.prometheus)
            try:
                while left:
                    if not play(stage, *left.pop(0)):
                        wrong += 1
                        break
            finally:
                stage.close()
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
