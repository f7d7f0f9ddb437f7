"""Running a command in this process, as the console script does."""

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pytest

EXAMPLES = Path(__file__).parents[2] / "examples" / "releases"


class Ran(NamedTuple):
    code: int
    out: str
    err: str


@pytest.fixture
def canary(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Callable[..., Ran]:
    from canary.cli.main import main

    monkeypatch.setenv("COLUMNS", "110")
    monkeypatch.setenv("NO_COLOR", "1")

    def run(*words: str) -> Ran:
        code = main(words)
        captured = capsys.readouterr()
        return Ran(int(code), captured.out, captured.err)

    return run
