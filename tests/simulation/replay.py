"""Replays seeds: with SEED... it tells each history, with `--from A --to B` it plays many and looks for violations.

`--world two`: the histories of two releases on one route; `gates`: those with gates as objects; `watchdogs`: those with
two watchdogs; `first`: those of a first version, alone, and `guarded-first` with watchdogs; `baseline`: those beside
a fresh baseline; `served`: those on the Kubernetes adapters.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

from simulated.desked import gated, play_desked
from simulated.firsts import first, play_first, play_guarded_first
from simulated.fresh import beside, play_fresh
from simulated.guarded import play_guarded
from simulated.oracles import play
from simulated.rivals import play_rivals, rivalry
from simulated.scenario import Scenario, scenario
from simulated.served import play_served, served
from simulated.simulation import Simulation
from simulated.wider import drawn

WORLDS: dict[str, tuple[Callable[[int], Scenario], Callable[[int], Simulation]]] = {
    "one": (drawn, play),
    "two": (rivalry, lambda seed: play_rivals(rivalry(seed))),
    "gates": (gated, lambda seed: play_desked(gated(seed))),
    "first": (first, lambda seed: play_first(first(seed))),
    "guarded-first": (first, lambda seed: play_guarded_first(first(seed))),
    "baseline": (beside, play_fresh),
    "served": (served, play_served),
    "watchdogs": (scenario, lambda seed: play_guarded(scenario(seed))),
}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("seeds", nargs="*", type=int)
    parser.add_argument("--from", dest="first", type=int, default=0)
    parser.add_argument("--to", dest="last", type=int, default=0)
    parser.add_argument("--world", choices=WORLDS, default="one", help="what kind of history; see above")
    given = parser.parse_args()
    drawn_by, play_it = WORLDS[given.world]
    for seed in given.seeds:
        print(drawn_by(seed))
        print("\n".join(play_it(seed).lines))
    bad, codes, began = 0, Counter(), time.perf_counter()
    for seed in range(given.first, given.last):
        found = play_it(seed)
        codes[", ".join(str(int(code)) for code in found.codes)] += 1
        if found.violations:
            bad += 1
            print(f"seed {seed}: {found.violations[0][-400:]}")
    if given.last:
        print(f"{given.last - given.first} seeds, {bad} with violations, {time.perf_counter() - began:.1f} s")
        print("\n".join(f"{number:6} {code}" for code, number in codes.most_common(12)))
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
