"""What holds for every command: help, versions, exit codes, and where things are printed."""

import json
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import typer

from canary import __version__
from canary.cli import main as frame
from canary.cli.boundary import Failure
from canary.core.outcome import MEANING, ExitCode

HEAVY = (
    "kubernetes",
    "scipy",
    "numpy",
    "apscheduler",
    "prometheus_api_client",
    "pydantic",
    "ruamel",
    "aiohttp",
    "rich",
)

LATER = ("numpy", "scipy", "apscheduler", "prometheus_api_client", "aiohttp", "rich")
"""What no command needs for its first question to the API server."""

MINIMAL = Path(__file__).parents[2] / "examples/releases/minimal.yaml"


def commands(group: Any = None, words: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    group = group or typer.main.get_command(frame.app)
    for name, command in group.commands.items():
        if hasattr(command, "commands"):
            yield from commands(command, (*words, name))
        yield (*words, name), command


@pytest.mark.parametrize("words", [words for words, _ in commands()], ids=" ".join)
def test_every_command_teaches_what_it_does(canary: Callable[..., Any], words: tuple[str, ...]) -> None:
    long, short = canary(*words, "--help"), canary(*words, "-h")
    assert long.code == short.code == 0
    assert long.out == short.out
    assert "Usage: canary " + " ".join(words) in long.out
    command = dict(commands())[words]
    assert len(command.help) > 40
    assert all(param.help for param in command.params if param.name != "help")


def test_help_names_every_command_and_every_exit_code(canary: Callable[..., Any]) -> None:
    told = " ".join(canary("--help").out.split())
    for words, _ in commands():
        if len(words) == 1:
            assert words[0] in told
    for code, meaning in MEANING.items():
        assert f"{int(code)} {meaning}" in told


def test_no_command_prints_help_and_is_wrong_usage(canary: Callable[..., Any]) -> None:
    assert canary().code == ExitCode.USAGE


@pytest.mark.parametrize(
    "words", [("validat",), ("validate",), ("validate", "x.yaml", "--frobnicate"), ("schema", "extra")]
)
def test_wrong_usage_ends_with_2_and_says_so_on_stderr(canary: Callable[..., Any], words: tuple[str, ...]) -> None:
    ran = canary(*words)
    assert ran.code == ExitCode.USAGE
    assert ran.out == ""
    assert "Usage: canary" in ran.err


def test_the_version_is_the_package_s(canary: Callable[..., Any]) -> None:
    assert canary("--version").out == f"canary {__version__}\n"


def test_help_and_version_load_nothing_heavy() -> None:
    script = (
        "import sys; from canary.cli.main import main; main(['--version']); "
        f"print([m for m in {HEAVY!r} if m in sys.modules])"
    )
    ran = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert ran.stdout.splitlines()[-1] == "[]"


def test_submit_asks_before_anything_of_the_judge_is_loaded() -> None:
    """A pipeline that attaches to its release waits for nothing else than imports."""
    script = (
        "import sys; from canary.cli import main, submitting, following; "
        f"print([m for m in {LATER!r} if m in sys.modules])"
    )
    ran = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert ran.stdout.splitlines()[-1] == "[]"


def test_run_asks_before_anything_of_the_judge_is_loaded(tmp_path: Path) -> None:
    """A wrong address or right is told at once, and a release under way is gone on with sooner."""
    cluster, user = {"server": "http://127.0.0.1:9"}, {"token": "t"}
    kubeconfig = {
        "clusters": [{"name": "c", "cluster": cluster}],
        "users": [{"name": "u", "user": user}],
        "contexts": [{"name": "x", "context": {"cluster": "c", "user": "u"}}],
        "current-context": "x",
    }
    (tmp_path / "config").write_text(json.dumps(kubeconfig))
    words = [
        "run",
        str(MINIMAL),
        "--image",
        "a@sha256:" + "0" * 64,
        "--kubeconfig",
        str(tmp_path / "config"),
        "--lines",
    ]
    script = (
        f"import sys; from canary.cli.main import main; code = main({words!r}); "
        f"print(code, [m for m in {LATER!r} if m in sys.modules])"
    )
    ran = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert ran.stdout.splitlines()[-1] == f"{int(ExitCode.PREFLIGHT_FAILED)} []"
    assert "reading the journal" in ran.stderr


def test_a_bug_is_told_shortly_and_its_traceback_kept_for_the_owner_only(
    canary: Callable[..., Any], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    monkeypatch.setattr("canary.spec.schema", lambda: 1 / 0)
    ran = canary("schema")
    assert ran.code == ExitCode.BUG
    assert "Traceback" not in ran.err
    assert "bug of ours: ZeroDivisionError" in ran.err
    kept = Path(re.search(r"traceback is in (\S+);", ran.err)[1])  # type: ignore[index] - no match fails the test
    assert "ZeroDivisionError" in kept.read_text()
    assert kept.stat().st_mode & 0o077 == 0


def test_debug_prints_the_traceback(canary: Callable[..., Any], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("canary.spec.schema", lambda: 1 / 0)
    ran = canary("--debug", "schema")
    assert ran.code == ExitCode.BUG
    assert "Traceback" in ran.err


@pytest.mark.parametrize("code", [code for code in ExitCode if code not in {ExitCode.PROMOTED, ExitCode.BUG}])
def test_a_failure_ends_with_its_own_code_and_its_hint(
    canary: Callable[..., Any], monkeypatch: pytest.MonkeyPatch, code: ExitCode
) -> None:
    def fail() -> None:
        raise Failure("the route is not there", code=code, hint="create it")

    monkeypatch.setattr("canary.spec.schema", fail)
    ran = canary("schema")
    assert ran == (code, "", "canary: the route is not there\n  create it\n")


def test_ctrl_c_ends_quietly_with_130(canary: Callable[..., Any], monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt() -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("canary.spec.schema", interrupt)
    ran = canary("schema")
    assert (ran.code, ran.out) == (frame.INTERRUPTED, "")
    assert "Traceback" not in ran.err


def test_a_closed_pipe_is_no_bug() -> None:
    script = f"{sys.executable} -m canary schema | head -c 1; exit ${{PIPESTATUS[0]}}"
    ran = subprocess.run(["bash", "-c", script], capture_output=True, text=True, check=False)
    assert "bug" not in ran.stderr
    assert "Traceback" not in ran.stderr


def test_nothing_is_coloured_when_piped() -> None:
    ran = subprocess.run([sys.executable, "-m", "canary", "--help"], capture_output=True, text=True, check=True)
    assert "\x1b[" not in ran.stdout
