"""An engine that is killed between its journal's last word and the lease's return: its replacement ends as it did."""

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from canary.adapters.kubernetes.leases import ORIGIN
from canary.core.outcome import ExitCode
from tests.kill.stage import JOURNAL, LEASE
from tests.running.conftest import bare, file, run, source, world

__all__ = ["file", "run", "source", "world"]

pytestmark = [pytest.mark.real, pytest.mark.timeout(120)]

DIES = "from canary.adapters.kubernetes.origin import here; print(here())"


def journal(world: Any) -> Any:
    return json.loads(next(iter(world.ask("GET", JOURNAL)["data"].values())))["release"]


def leave(world: Any, holder: str) -> None:
    """The lease as a dead engine leaves it."""
    origin = subprocess.run([sys.executable, "-c", DIES], capture_output=True, text=True, check=True).stdout.strip()
    body = {"metadata": {"annotations": {ORIGIN: origin}}, "spec": {"holderIdentity": holder}}
    world.ask("PATCH", LEASE, body, content="application/merge-patch+json")


@pytest.mark.parametrize("died", [True, False])
def test_the_recorded_end_is_told_once_more_and_only_then(
    run: Callable[..., Any], file: Callable[..., Path], world: Any, died: bool
) -> None:
    path = file()
    assert run(path).code == ExitCode.NO_EVIDENCE
    first = journal(world)
    if died:
        leave(world, first["incarnation"])
    ran = run(path)
    assert (ran.code, ran.err.count("NOT_SETTLED") > 0) == (ExitCode.NO_EVIDENCE, True), ran.err
    assert (journal(world)["uid"] == first["uid"]) is died
    assert not world.ask("GET", LEASE)["spec"]["holderIdentity"]
    assert world.route() == bare(world.before)


@pytest.mark.parametrize(("holder", "changed"), [("somebody else", ""), ("", "max: 5s")])
def test_the_end_of_another_engines_release_or_of_another_file_is_no_end_of_ours(
    run: Callable[..., Any], file: Callable[..., Path], world: Any, holder: str, changed: str
) -> None:
    assert run(file()).code == ExitCode.NO_EVIDENCE
    first = journal(world)
    leave(world, holder or first["incarnation"])
    ran = run(file(**{"max: 4s": changed} if changed else {}))
    assert ran.code == ExitCode.NO_EVIDENCE, ran.err
    assert journal(world)["uid"] != first["uid"]
