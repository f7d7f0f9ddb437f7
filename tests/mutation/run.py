"""Does a test fail for each comparison, guard and table row that is changed? Prints the mutants that survive.

    python tests/mutation/run.py                         # all of them
    python tests/mutation/run.py canary/core/machine.py  # one file
    python tests/mutation/run.py --where advance         # one function or table

The tests are collected once, and each is asked once which functions it runs. A mutant is then planted into a fork, and
the tests that run its function are tried there, those that killed its neighbours first, then the quickest; the first
failure ends it. Survivors that are known, with the reason why nothing can tell them from the original, are in
`survivors.yaml`. Ends with 1 when another survives or a known one does not any more, and with 2 when the tests fail
without any mutant.
"""

from __future__ import annotations

import argparse
import ast
import gc
import importlib
import json
import os
import resource
import signal
import sys
import time
import traceback
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TextIO

import pytest
from mutants import Mutant, mutants_of
from planting import SEEN, noting, plant

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
HISTORIES = ("tests/simulation/test_bugs_found.py::test_found_by_seed", "tests/mutation/histories.py")
CORE = ("tests/core", *HISTORIES)
ROUTE = ("tests/strategies", *HISTORIES)
FATE = tuple(
    f"tests/charts/test_the_job.py::test_{name}"
    for name in (
        "the_table_knows_every_code_that_a_process_can_end_with",
        "codes_after_which_another_pod_can_still_help_never_fail_the_job",
        "every_verdict_ends_the_job",
        "the_charts_table_is_the_engines",
    )
)
FILES: dict[str, tuple[str, ...]] = {
    **{
        f"canary/core/{name}.py": CORE
        for name in (
            "machine", "forward", "backward", "ending", "moves", "settling", "vigil", "policy", "absence", "alerts",
            "leaving", "release", "gates", "gating", "outcome",
        )
    },
    "canary/core/aftermath.py": FATE,
    **{
        f"strategies/route/{name}.py": ROUTE
        for name in ("aborting", "compare", "lowering", "model", "operations", "original", "raising", "weights")
    },
}  # fmt: skip
"""What is mutated, and the tests that must notice."""

OPTIONS = ("-q", "-s", "-m", "not soak", "-p", "no:cacheprovider", "-p", "no:xdist", "--timeout", "0")
LOADED = ("-W", "ignore::pytest.PytestAssertRewriteWarning")
"""Hypothesis is loaded before pytest could look at it; its assertions are not ours."""

MADE_OF = {"TABLE": ("_ROWS",), "_row": ("TABLE", "_ROWS"), "_index": ("_ROWS",)}
"""Tables that are made by others when the module is loaded."""

MEMORY = 6 << 30
"""Bytes of addresses that a mutant may have: one that grows without end is killed."""


@dataclass(slots=True)
class Known:
    """What the run without a mutant showed of a test: CPU seconds, and the functions that it ran, by file."""

    seconds: float
    ran: dict[str, set[str]]


@dataclass(eq=False)
class Mutating:
    """Takes the place of pytest's own loop over the tests."""

    asked: argparse.Namespace
    out: TextIO
    wrong: int = 0
    tried: int = 0
    broken: bool = False
    failed: bool = False
    killers: dict[tuple[str, str], Counter[str]] = field(default_factory=dict)

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Hear of a failure in any part of a test."""
        self.failed = self.failed or report.failed

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtestloop(self, session: pytest.Session) -> bool:
        """Try every mutant."""
        files = self.asked.files or list(FILES)
        if self.asked.quick:
            session.items[:] = [item for item in session.items if _quick(item)]
        known = self._ask(session.items, files)
        if known is None:
            self.broken = True
            return True
        reasons = survivors()
        gc.freeze()  # what is there stays: no fork's collector writes to all of it
        for file in files:
            expected, began, before = reasons.get(file, {}), time.monotonic(), self.tried
            for mutant in mutants_of((ROOT / file).read_text(encoding="utf-8")):
                if self.asked.where not in mutant.where or (self.asked.survivors and mutant.name not in expected):
                    continue
                self.tried += 1
                self._tell(file, mutant, self._killer(file, mutant, session.items, known), mutant.name in expected)
            print(f"{file}: {self.tried - before} mutants, {time.monotonic() - began:.0f} s", file=self.out, flush=True)
        return True

    def _ask(self, items: Sequence[pytest.Item], files: Sequence[str]) -> dict[str, Known] | None:
        """Run every test once, in a fork; None when one of them fails."""
        reading, writing = os.pipe()
        child = os.fork()
        if child == 0:
            os.close(reading)
            try:
                with os.fdopen(writing, "w") as pipe:
                    self._note(items, files, pipe)
            except BaseException:  # noqa: BLE001 - it is told, and the fork ends
                traceback.print_exc(file=self.out)
                self.out.flush()
            finally:
                os._exit(0)
        os.close(writing)
        known: dict[str, Known] = {}
        with os.fdopen(reading) as pipe:
            for line in pipe:
                name, seconds, failed, ran = json.loads(line)
                if failed:
                    print(f"{name} fails without any mutant: correct that first", file=self.out, flush=True)
                    os.kill(child, signal.SIGKILL)
                    break
                known[name] = Known(seconds, {file: set(places) for file, places in ran.items()})
        os.waitpid(child, 0)
        return known if len(known) == len(items) else None

    def _note(self, items: Sequence[pytest.Item], files: Sequence[str], pipe: TextIO) -> None:
        seen: dict[str, set[str]] = {file: set() for file in files}
        for file in files:
            module = importlib.import_module(dotted(file))
            module.__dict__[SEEN] = seen[file]
            plant(module, noting(ast.parse((ROOT / file).read_text(encoding="utf-8"))))
        for index, item in enumerate(items):
            for places in seen.values():
                places.clear()
            began = time.process_time()
            run(item, items[index + 1] if index + 1 < len(items) else None)
            ran = {file: sorted(places) for file, places in seen.items() if places}
            json.dump([item.nodeid, time.process_time() - began, self.failed, ran], pipe)
            pipe.write("\n")
            pipe.flush()

    def _killer(self, file: str, mutant: Mutant, items: Sequence[pytest.Item], known: dict[str, Known]) -> str | None:
        """The test that fails for a mutant; None when it survives."""
        killers = self.killers.setdefault((file, mutant.where), Counter())
        rooms = {item.path for item in items if known[item.nodeid].ran.get(file)}
        chosen = [
            item
            for item in items
            if mutant.where in known[item.nodeid].ran.get(file, set())
            or (_shared(mutant.where) and (item.path in rooms or not rooms))  # nothing is run in a module of tables
        ]
        chosen.sort(key=lambda item: (-killers[item.nodeid], known[item.nodeid].seconds))
        reading, writing = os.pipe()
        child = os.fork()
        if child == 0:
            os.close(reading)
            try:
                self._try(file, mutant, chosen, known, writing)
            finally:
                os._exit(2)
        os.close(writing)
        with os.fdopen(reading) as pipe:
            last = pipe.read().splitlines()
        _, status = os.waitpid(child, 0)
        if os.waitstatus_to_exitcode(status) == 0:
            return None
        killer = last[-1] if last else "it cannot be planted"
        killers[killer] += 1
        return killer

    def _try(
        self, file: str, mutant: Mutant, chosen: Sequence[pytest.Item], known: dict[str, Known], pipe: int
    ) -> None:
        gc.disable()
        resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
        plant(importlib.import_module(dotted(file)), mutant.tree, (mutant.where, *MADE_OF.get(mutant.where, ())))
        for index, item in enumerate(chosen):
            os.write(pipe, f"{item.nodeid}\n".encode())
            # One that takes much longer than it did runs for ever, which is a failure as well: the signal ends it.
            signal.setitimer(signal.ITIMER_VIRTUAL, 10 * known[item.nodeid].seconds + 2)
            run(item, chosen[index + 1] if index + 1 < len(chosen) else None)
            if self.failed:
                os._exit(1)
        os._exit(0)

    def _tell(self, file: str, mutant: Mutant, killer: str | None, expected: bool) -> None:
        if self.asked.verbose:
            print(f"{file} | {mutant.name} | {killer or 'SURVIVED'}", file=self.out, flush=True)
        if (killer is None) is expected:
            return
        self.wrong += 1
        word = "SURVIVED" if killer is None else f"is listed as a survivor and was killed by {killer}"
        print(f"{word}: {file} | {mutant.name}", file=self.out, flush=True)


def dotted(file: str) -> str:
    """The module's name."""
    return file.removesuffix(".py").replace("/", ".")


def run(item: pytest.Item, following: pytest.Item | None) -> None:
    """One test with its fixtures, as pytest's own loop runs it."""
    item.config.hook.pytest_runtest_protocol(item=item, nextitem=following)


def _quick(item: pytest.Item) -> bool:
    """Whether it is no whole history, and no property of the core, which has an example for each row."""
    of_the_core = item.nodeid.startswith("tests/core/") and item.get_closest_marker("hypothesis") is not None
    return not of_the_core and not item.nodeid.startswith(HISTORIES)


def _shared(where: str) -> bool:
    """Whether no test is seen to run it: a table, or what makes one when the module is loaded."""
    return where.isupper() or where in MADE_OF


def survivors() -> dict[str, dict[str, str]]:
    """The survivors that are known: file -> name -> reason."""
    from ruamel.yaml import YAML

    return YAML(typ="safe").load(HERE / "survivors.yaml") or {}


def preload() -> None:
    """A failure is enough: shrinking it takes long."""
    import hypothesis

    phases = (hypothesis.Phase.explicit, hypothesis.Phase.generate)
    hypothesis.settings.register_profile("mutation", phases=phases, derandomize=True, database=None, deadline=None)
    hypothesis.settings.load_profile("mutation")


def main() -> int:
    """Run as the module's docstring says."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("files", nargs="*", help="files below the repository's root; by default all that are mutated")
    parser.add_argument("--where", default="", help="only in functions and tables whose name holds this")
    parser.add_argument("--survivors", action="store_true", help="only those that are known to survive")
    parser.add_argument("--quick", action="store_true", help="without whole histories and properties of the core")
    parser.add_argument("--verbose", action="store_true", help="every mutant, and the test that killed it")
    asked = parser.parse_args()
    os.chdir(ROOT)
    sys.path.insert(0, str(ROOT))
    out = os.fdopen(os.dup(1), "w")
    quiet = os.open(os.devnull, os.O_WRONLY)
    os.dup2(quiet, 1)
    os.dup2(quiet, 2)
    preload()
    loop = Mutating(asked=asked, out=out)
    tests = dict.fromkeys(test for file in asked.files or FILES for test in FILES[file])
    pytest.main([*OPTIONS, *LOADED, *tests], plugins=[loop])
    print(f"{loop.tried} mutants, {loop.wrong} not as expected", file=out, flush=True)
    return 2 if loop.broken or not loop.tried else 1 if loop.wrong else 0


if __name__ == "__main__":
    raise SystemExit(main())
