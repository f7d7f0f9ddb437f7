"""Does a test fail for each comparison, guard and table row that is changed? Prints the mutants that survive.

    python tests/mutation/run.py                         # all of them: about an hour of one core
    python tests/mutation/run.py canary/core/machine.py  # one file
    python tests/mutation/run.py --where advance         # one function or table

Each mutant is tried in a process of its own, forked from one that has the heavy libraries loaded; the quick tests come
first, and the first failure ends it. Survivors that are known, with the reason why nothing can tell them from the
original, are in `survivors.yaml`. Ends with 1 when another survives or a known one does not any
more, and with 2 when the tests fail without any mutant.
"""

from __future__ import annotations

import argparse
import ast
import importlib.abc
import importlib.util
import os
import signal
import sys
import time
from collections.abc import Sequence
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import ModuleType

from mutants import Mutant, mutants_of

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
CORE = ("tests/core", "tests/simulation/test_bugs_found.py", "tests/mutation/histories.py")
ROUTE = ("tests/strategies", "tests/simulation/test_bugs_found.py", "tests/mutation/histories.py")
FILES: dict[str, tuple[str, ...]] = {
    **{f"canary/core/{name}.py": CORE for name in ("machine", "forward", "backward", "moves", "settling")},
    **{
        f"strategies/route/{name}.py": ROUTE
        for name in ("aborting", "compare", "lowering", "model", "operations", "original", "raising", "weights")
    },
}
"""What is mutated, and the tests that must notice, quickest first."""

WITHIN = 600
"""Seconds for one mutant's tests; one that takes longer runs for ever, which is a failure as well."""


OPTIONS = ("-x", "-q", "-m", "not soak", "-p", "no:cacheprovider", "-p", "no:xdist", "--timeout", str(WITHIN))
LOADED = ("-W", "ignore::pytest.PytestAssertRewriteWarning")
"""Hypothesis is loaded before pytest could look at it; its assertions are not ours."""


class Replacing(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Loads a mutant in place of its module."""

    def __init__(self, module: str, path: Path, tree: ast.Module) -> None:
        self._module, self._path, self._tree = module, path, tree

    def find_spec(self, name: str, path: Sequence[str] | None, target: ModuleType | None = None) -> ModuleSpec | None:
        """The mutant's own loader, for its module."""
        del path, target
        if name != self._module:
            return None
        return importlib.util.spec_from_file_location(name, self._path, loader=self)

    def create_module(self, spec: ModuleSpec) -> None:
        """As usual."""
        del spec

    def exec_module(self, module: ModuleType) -> None:
        """Run the changed tree."""
        exec(compile(self._tree, str(self._path), "exec"), module.__dict__)  # noqa: S102 - our own source


def preload() -> None:
    """Load what takes long and is not mutated, once for all."""
    import hypothesis
    import jsonpatch
    import kubernetes.client
    import numpy as np
    import pydantic
    import pytest
    import scipy.special

    del jsonpatch, kubernetes, np, pydantic, pytest, scipy
    phases = (hypothesis.Phase.explicit, hypothesis.Phase.generate)  # a failure is enough: shrinking it takes long
    hypothesis.settings.register_profile("mutation", phases=phases, derandomize=True, database=None, deadline=None)
    hypothesis.settings.load_profile("mutation")


def survives(file: str, tree: ast.Module, tests: Sequence[str]) -> bool:
    """Whether every test passes with the mutant in place of the module."""
    child = os.fork()
    if child == 0:
        _end_with(file, tree, tests)
    began = time.monotonic()
    while True:
        ended, status = os.waitpid(child, os.WNOHANG)
        if ended:
            return os.waitstatus_to_exitcode(status) == 0
        if time.monotonic() - began > WITHIN:
            os.killpg(child, signal.SIGKILL)
            os.waitpid(child, 0)
            return False
        time.sleep(0.05)


def _end_with(file: str, tree: ast.Module, tests: Sequence[str]) -> None:
    os.setpgid(0, 0)
    quiet = os.open(os.devnull, os.O_WRONLY)
    os.dup2(quiet, 1)
    os.dup2(quiet, 2)
    code = 1
    try:
        import pytest

        module = file.removesuffix(".py").replace("/", ".")
        sys.meta_path.insert(0, Replacing(module, ROOT / file, tree))
        code = int(pytest.main([*OPTIONS, *LOADED, *tests]))
    finally:
        os._exit(min(code, 1))


def known() -> dict[str, dict[str, str]]:
    """The survivors that are known: file -> name -> reason."""
    from ruamel.yaml import YAML

    return YAML(typ="safe").load(HERE / "survivors.yaml") or {}


def main() -> int:
    """Run as the module's docstring says."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("files", nargs="*", help="files below the repository's root; by default all that are mutated")
    parser.add_argument("--where", default="", help="only in functions and tables whose name holds this")
    parser.add_argument("--survivors", action="store_true", help="only those that are known to survive")
    asked = parser.parse_args()
    os.chdir(ROOT)
    sys.path.insert(0, str(ROOT))
    preload()
    reasons, wrong, tried = known(), 0, 0
    for file in asked.files or FILES:
        expected, source = reasons.get(file, {}), (ROOT / file).read_text(encoding="utf-8")
        if not survives(file, ast.parse(source), FILES[file]):
            print(f"the tests fail on {file} as it is: correct that first", file=sys.stderr)
            return 2
        for mutant in mutants_of(source):
            if asked.where not in mutant.where or (asked.survivors and mutant.name not in expected):
                continue
            tried += 1
            wrong += _tell(file, mutant, survives(file, mutant.tree, FILES[file]), mutant.name in expected)
    print(f"{tried} mutants, {wrong} not as expected")
    return 1 if wrong else 0


def _tell(file: str, mutant: Mutant, survived: bool, expected: bool) -> bool:
    """Whether it is news; then it is printed."""
    if survived == expected:
        return False
    word = "SURVIVED" if survived else "is listed as a survivor and was killed"
    print(f"{word}: {file} | {mutant.name}", flush=True)
    return True


if __name__ == "__main__":
    raise SystemExit(main())
