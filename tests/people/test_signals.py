"""Real signals to a real engine: a Job that ended or not, a terminal with a person, and none."""

from __future__ import annotations

import json
import os
import pty
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

import pytest

from canary.cli.signals import LEFT
from canary.cli.signals import WITHIN as SIGTERM_WITHIN
from canary.core.outcome import ExitCode
from canary.sandbox.processes import environment, module
from tests.people.conftest import HERE, LEASE, WITHIN, Stage, until

pytestmark = [pytest.mark.real, pytest.mark.timeout(120)]

JOBS = f"/apis/batch/v1/{HERE}/jobs"
POD = {"KUBERNETES_SERVICE_HOST": "127.0.0.1", "JOB_NAME": "release-1"}


def a_job(**spec: Any) -> dict[str, Any]:
    template = {"spec": {"restartPolicy": "Never", "containers": [{"name": "canary", "image": "canary"}]}}
    return {"metadata": {"name": "release-1"}, "spec": {"template": template, "suspend": True, **spec}}


class Engine:
    """`canary run` as a kubelet or a shell starts it."""

    def __init__(self, stage: Stage, **variables: str) -> None:
        self.stage, self.told = stage, ""
        words = ("run", str(stage.path), "--kubeconfig", str(stage.kubeconfig("")), "--lines", "-o", "json")
        self.terminal, theirs = pty.openpty()
        where: Any = theirs if not variables else subprocess.DEVNULL
        self.process = subprocess.Popen(
            module("canary", *words),
            stdin=where,
            stderr=where if not variables else subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=environment() | {"USER": "ada"} | variables,
            start_new_session=True,
        )
        os.close(theirs)

    def holding(self) -> None:
        until(lambda: self.stage.journal().get("phase") == "SETTLING", "it did not begin")

    def reads(self, words: str) -> None:
        """Wait until the terminal shows this."""
        end = time.monotonic() + WITHIN
        while words not in self.told:
            assert time.monotonic() < end, self.told
            with suppress(OSError):
                self.told += os.read(self.terminal, 4096).decode()
        self.told = self.told.partition(words)[2]

    def types(self, words: str) -> None:
        os.write(self.terminal, words.encode())

    def ended(self) -> tuple[int, str]:
        """The exit code, and what went to standard output."""
        out, _ = self.process.communicate(timeout=WITHIN)
        return self.process.returncode, out.decode()


@contextmanager
def engine(stage: Stage, **variables: str) -> Iterator[Engine]:
    made = Engine(stage, **variables)
    try:
        yield made
    finally:
        made.process.kill()
        made.process.communicate()
        os.close(made.terminal)


@pytest.fixture
def job(stage: Stage) -> Iterator[Callable[..., None]]:
    def make(**spec: Any) -> None:
        stage.world.ask("POST", JOBS, a_job(**spec))

    yield make
    with suppress(OSError):
        stage.world.ask("DELETE", f"{JOBS}/release-1")


@pytest.mark.parametrize("there", [True, False])
def test_sigterm_with_the_job_suspended_or_gone_puts_everything_back(
    stage: Stage, job: Callable[..., None], there: bool
) -> None:
    if there:
        job()
    with engine(stage, **POD) as running:
        running.holding()
        running.process.send_signal(signal.SIGTERM)
        code, out = running.ended()
        assert (code, stage.as_before()) == (ExitCode.REJECTED, True), out
        assert ("suspended" if there else "gone") in json.loads(out)["reason"]


def test_sigterm_with_the_job_alive_hands_over_at_once_and_the_next_engine_goes_on(
    stage: Stage, job: Callable[..., None]
) -> None:
    job(suspend=False)
    with engine(stage, **POD) as running:
        running.holding()
        weight = stage.canary()
        running.process.send_signal(signal.SIGTERM)
        assert running.ended()[0] == ExitCode.HANDED_OVER
        assert stage.canary() == weight
        lease = stage.get(LEASE)
        assert not lease["spec"].get("holderIdentity")
        assert any(key.endswith("/handover") for key in lease["metadata"]["annotations"])


def test_sigterm_with_an_api_server_that_hangs_waits_for_none_of_its_answers(
    stage: Stage, job: Callable[..., None]
) -> None:
    job(suspend=False)
    with engine(stage, **POD) as running:
        running.holding()
        weight = stage.canary()
        stage.world.fault({}, {"delay": 60})
        running.process.send_signal(signal.SIGTERM)
        began = time.monotonic()
        assert running.ended()[0] == ExitCode.HANDED_OVER
        assert time.monotonic() - began < 2 * SIGTERM_WITHIN
        assert stage.canary() == weight


def test_ctrl_c_asks_and_leaves_it_as_it_stands(stage: Stage) -> None:
    with engine(stage) as running:
        running.holding()
        weight = stage.canary()
        running.process.send_signal(signal.SIGINT)
        running.reads("r, l or c")
        running.types("what?\n")
        running.reads("r, l or c")
        running.types("l\n")
        running.reads("run it again with the same file")
        assert running.ended()[0] == ExitCode.HANDED_OVER
        assert stage.canary() == weight


def test_ctrl_c_asks_carries_on_asks_again_and_rolls_back(stage: Stage) -> None:
    with engine(stage) as running:
        running.holding()
        for answer, said in (("c\n", "the release goes on"), ("r\n", "rolling back")):
            running.process.send_signal(signal.SIGINT)
            running.reads("r, l or c")
            running.types(answer)
            running.reads(said)
        code, out = running.ended()
        assert (code, stage.as_before()) == (ExitCode.REJECTED, True), out
        assert "ada" in json.loads(out)["reason"]


def test_a_second_ctrl_c_leaves_at_once(stage: Stage) -> None:
    with engine(stage) as running:
        running.holding()
        running.process.send_signal(signal.SIGINT)
        running.reads("r, l or c")
        running.process.send_signal(signal.SIGINT)
        running.reads("left;")
        assert running.ended()[0] == LEFT


def test_without_a_terminal_or_a_pod_every_signal_rolls_back(stage: Stage) -> None:
    with engine(stage, NO_COLOR="1") as running:
        running.holding()
        running.process.send_signal(signal.SIGTERM)
        assert (running.ended()[0], stage.as_before()) == (ExitCode.REJECTED, True)
