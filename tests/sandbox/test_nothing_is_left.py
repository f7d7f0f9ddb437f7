"""The sandbox ends with everything it started, and never speaks to anything that the environment names."""

import os
import re
import shlex
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from canary.cli.main import INTERRUPTED
from canary.core.outcome import ExitCode
from canary.sandbox.cluster import Sandbox
from canary.sandbox.processes import environment
from tests.sandbox.conftest import left_over

pytestmark = pytest.mark.timeout(180)

BOUND = 40.0
"""Seconds in which something must have happened."""


class Started:
    """A demo under way, in a session of its own so that signals meet only it."""

    def __init__(self) -> None:
        demo = [sys.executable, "-m", "canary", "demo", "--scenario", "good"]
        self.process = subprocess.Popen(
            ["sh", "-c", f"trap '' INT; exec {shlex.join(demo)}"],  # as a shell starts what it runs with &
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        self.said: list[str] = []
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stderr is not None
        for line in self.process.stderr:
            self.said.append(line)

    def until(self, pattern: str) -> None:
        wait_for(lambda: any(re.search(pattern, line) for line in self.said), f"{pattern!r} on its standard error")

    def children(self) -> list[int]:
        found, waiting = [], [self.process.pid]
        while waiting:
            pid = waiting.pop()
            with suppress(OSError):
                for task in Path(f"/proc/{pid}/task").iterdir():
                    born = [int(word) for word in (task / "children").read_text().split()]
                    found += born
                    waiting += born
        return found


def wait_for(done: Callable[[], bool], what: str) -> None:
    end = time.monotonic() + BOUND
    while not done():
        assert time.monotonic() < end, f"it did not happen: {what}"
        time.sleep(0.05)


def alive(pid: int) -> bool:
    """Whether a process runs; one that only waits to be reaped does not."""
    with suppress(OSError):
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    return False


@pytest.fixture
def started(alone: None) -> Iterator[Started]:
    under_way = Started()
    yield under_way
    if under_way.process.poll() is None:
        os.killpg(under_way.process.pid, signal.SIGKILL)
    under_way.process.wait()
    under_way._reader.join()
    for pipe in (under_way.process.stdout, under_way.process.stderr):
        assert pipe is not None
        pipe.close()


def test_ctrl_c_rolls_back_and_ends_everything(started: Started) -> None:
    started.until(r"traffic follows \d+ %")
    born = started.children()
    assert len(born) >= 6
    os.killpg(started.process.pid, signal.SIGINT)
    assert started.process.wait(BOUND) == ExitCode.REJECTED
    assert any("all traffic is back on stable" in line for line in started.said)
    assert started.process.stdout is not None
    account = started.process.stdout.read()
    assert "What happened" in account
    assert "The route is what it was before." in account
    wait_for(lambda: not any(map(alive, born)), "every child has ended")


def test_ctrl_c_before_there_is_an_engine_ends_everything(started: Started) -> None:
    started.until("users send")
    born = started.children()
    os.killpg(started.process.pid, signal.SIGINT)
    assert started.process.wait(BOUND) == INTERRUPTED
    wait_for(lambda: not any(map(alive, born)), "every child has ended")


def test_a_crash_of_the_demo_ends_everything_it_started(started: Started) -> None:
    started.until(r"traffic follows \d+ %")
    born = started.children()
    os.kill(started.process.pid, signal.SIGKILL)
    wait_for(lambda: not any(map(alive, born)), "every child has ended")


def test_the_directory_of_a_crashed_sandbox_is_removed_by_the_next(alone: None, tmp_path: Path) -> None:
    code = "import os; from canary.sandbox.cluster import Sandbox; print(Sandbox()._run, flush=True); os._exit(9)"
    ran = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        env={**os.environ, "TMPDIR": str(tmp_path)},
        check=False,
    )
    folder = Path(ran.stdout.strip())
    assert folder.is_dir()
    keeper = subprocess.run(
        [sys.executable, "-c", "from canary.sandbox.cluster import Sandbox; Sandbox().down()"],
        env={**os.environ, "TMPDIR": str(tmp_path)},
        check=False,
    )
    assert keeper.returncode == 0
    assert not list(tmp_path.iterdir())


def test_down_ends_every_process_and_removes_the_directory(alone: None) -> None:
    with Sandbox() as sandbox:
        sandbox.start_load(rate=20)
        assert sandbox.places is not None
        folder = sandbox.places.run
        assert left_over(str(folder))
    assert not left_over(str(folder))
    assert not folder.exists()


class Trap:
    """A server that must never be spoken to."""

    def __init__(self) -> None:
        self.socket = socket.create_server(("127.0.0.1", 0))
        self.met: list[Any] = []
        threading.Thread(target=self._accept, daemon=True).start()

    @property
    def port(self) -> int:
        port: int = self.socket.getsockname()[1]
        return port

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                peer, address = self.socket.accept()
                self.met.append(address)
                peer.close()


@pytest.fixture
def trap() -> Iterator[Trap]:
    found = Trap()
    yield found
    found.socket.close()


def test_whatever_the_environment_says_only_the_sandbox_is_spoken_to(
    demo: Callable[..., Any], trap: Trap, tmp_path: Path
) -> None:
    real = tmp_path / "kubeconfig"
    real.write_text(
        f"""{{apiVersion: v1, kind: Config, current-context: real,
          clusters: [{{name: real, cluster: {{server: "http://127.0.0.1:{trap.port}"}}}}],
          users: [{{name: me, user: {{token: secret}}}}],
          contexts: [{{name: real, context: {{cluster: real, user: me}}}}]}}"""
    )
    proxy = f"http://127.0.0.1:{trap.port}"
    hostile = {
        "KUBECONFIG": str(real),
        "KUBERNETES_SERVICE_HOST": "127.0.0.1",
        "KUBERNETES_SERVICE_PORT": str(trap.port),
        **dict.fromkeys(("HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy", "ALL_PROXY", "all_proxy"), proxy),
    }
    played = demo("--scenario", "crash", env=hostile)
    assert played.code == ExitCode.JUDGED_BAD
    assert trap.met == []


def test_children_get_nothing_that_names_a_cluster_or_a_proxy() -> None:
    given = {"KUBECONFIG": "x", "kubeconfig": "x", "https_proxy": "x", "POD_NAME": "x", "JOB_NAME": "x", "PATH": "/bin"}
    assert environment(given) == {"PATH": "/bin"}
