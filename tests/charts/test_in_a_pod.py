"""What is different in a pod: the engine is PID 1, and nobody but the Job starts another when it ends."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from canary.cli import running
from canary.cli.boundary import Failure
from canary.core.outcome import ExitCode
from canary.ports import Refused, Unavailable
from canary.spec import load

RELEASE = Path(__file__).parents[2] / "examples" / "releases" / "minimal.yaml"

AS_PID_1 = """\
import os, signal, sys, time
os.getpid = lambda: 1
for number in (signal.SIGTERM, signal.SIGHUP):
    signal.signal(number, signal.SIG_IGN)  # as the kernel does for PID 1
import canary.cli.assemble as assemble
def prepare(*_, **__):
    print("waiting for the lease", flush=True)
    for _ in range(600):  # a signal that comes between the last bytecode and one long sleep is heard after the sleep
        time.sleep(0.1)
assemble.prepare = prepare
from canary.cli.main import main
sys.exit(main(["run", sys.argv[1], "--image", "a/b:1"]))
"""


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, ExitCode.HANDED_OVER), (signal.SIGHUP, 129)])
def test_pid_1_ends_when_it_is_told_to_before_the_engine_listens(number: signal.Signals, code: int) -> None:
    command = [sys.executable, "-c", AS_PID_1, str(RELEASE)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == "waiting for the lease\n"
            process.send_signal(number)
            assert process.wait(20) == code
        finally:
            process.kill()


class Prepare:
    """Fails as often as it is told to."""

    def __init__(self, *errors: Exception) -> None:
        self.errors, self.calls = list(errors), 0

    def __call__(self, *_: Any, **__: Any) -> str:
        self.calls += 1
        if self.errors:
            raise self.errors.pop(0)
        return "prepared"


def prepared(monkeypatch: pytest.MonkeyPatch, *errors: Exception) -> tuple[Prepare, Any, list[float]]:
    prepare, slept = Prepare(*errors), list[float]()
    monkeypatch.setattr("canary.cli.assemble.prepare", prepare)
    monkeypatch.setattr(time, "sleep", slept.append)
    return prepare, running._prepared(load(RELEASE, image="a/b:1"), None, None, ()), slept


def test_a_pod_waits_for_an_api_server_that_does_not_answer(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv(running.IN_CLUSTER, "10.0.0.1")
    prepare, result, slept = prepared(monkeypatch, Unavailable("no answer"), Unavailable("no answer"))
    assert (result, prepare.calls, slept) == ("prepared", 3, [running.RETRY] * 2)
    assert capsys.readouterr().err == "no answer; asked again in 10 s\n" * 2


def test_a_person_is_told_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(running.IN_CLUSTER, raising=False)
    with pytest.raises(Failure) as caught:
        prepared(monkeypatch, Unavailable("no answer"))
    assert caught.value.code is ExitCode.PREFLIGHT_FAILED


def test_a_pod_that_is_refused_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(running.IN_CLUSTER, "10.0.0.1")
    with pytest.raises(Failure) as caught:
        prepared(monkeypatch, Refused("forbidden"))
    assert caught.value.code is ExitCode.NOT_PERMITTED
