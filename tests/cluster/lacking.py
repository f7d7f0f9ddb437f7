"""What an API server may lack that some tests here need, by name: one list for everybody who has to know.

A test says what it needs by the fixture of that name. In the emulator's run those that need what it lacks are left out
before anything runs; on a real cluster they are skipped, with the reason. Either way it is said at the end how many.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

LACKS = {
    "uncontrolled": "controllers run in this cluster, and the test plays them",
    "pods": "no pods run here: there is no controller, or no ready node",
    "gateway_class": "no gateway controller runs here: no GatewayClass is accepted",
    "rbac": "this API server allows everybody everything: its authorization is not RBAC",
    "pod_security": "pod security admission is switched off in this API server",
    "admission_policies": "this API server evaluates no admission policies",
}
"""Why a test does not run, by what it needs."""

EMULATOR = frozenset({"pods", "gateway_class", "pod_security", "admission_policies"})
"""What the emulator lacks, known without asking; `test_the_place` asks."""

HERE = Path(__file__).parent
LEFT_OUT = pytest.StashKey[Counter[str]]()


def demand(place: Any, need: str) -> None:
    """Skip a test that needs what is not here; on the emulator none may come as far as this."""
    if not place.lacks(need):
        return
    if not place.real:
        pytest.fail(f"the emulator lacks {need}: name it in lacking.EMULATOR, and among the test's own arguments")
    pytest.skip(LACKS[need])


def needs(item: Any) -> set[str]:
    """What a test needs that an API server may lack."""
    return LACKS.keys() & set(getattr(item, "fixturenames", ()))


def left_out(items: Sequence[Any], *, real: bool) -> list[Any]:
    """The tests of this folder that are not for here: on a real cluster all are, until it was asked."""
    return [] if real else [item for item in items if item.path.parent == HERE and needs(item) & EMULATOR]


def lines(counts: Counter[str]) -> list[str]:
    """What is said at the end."""
    return [f"{need} ({count}): {LACKS[need]}" for need, count in sorted(counts.items())]


# Registered as a plugin by tests/conftest.py: with xdist the process that reports never reads this folder's own.


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    left = left_out(items, real=config.getoption("--cluster") is not None)
    if left:
        items[:] = [item for item in items if item not in left]
        config.hook.pytest_deselected(items=left)
    config.stash[LEFT_OUT] = Counter(need for item in left for need in needs(item) & EMULATOR)


def pytest_sessionfinish(session: pytest.Session) -> None:
    if hasattr(session.config, "workeroutput"):
        session.config.workeroutput["left out"] = dict(session.config.stash.get(LEFT_OUT, Counter()))


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:
    # Every worker has collected everything, and left the same out.
    node.config.stash[LEFT_OUT] = Counter(getattr(node, "workeroutput", {}).get("left out"))


def pytest_terminal_summary(terminalreporter: Any, config: pytest.Config) -> None:
    counts = Counter(config.stash.get(LEFT_OUT, Counter[str]()))
    for report in terminalreporter.stats.get("skipped", ()):
        reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else ""
        counts.update(need for need, why in LACKS.items() if reason == f"Skipped: {why}")
    if counts:
        terminalreporter.write_sep("-", f"tests/cluster: {counts.total()} not run")
        for line in lines(counts):
            terminalreporter.write_line(line)
