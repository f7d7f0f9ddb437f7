"""Release files that are right, to be made wrong one thing at a time; and golden files."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).parents[2] / "examples" / "releases"
GOLDEN = Path(__file__).parent / "golden"


@pytest.fixture
def minimal() -> str:
    return (EXAMPLES / "minimal.yaml").read_text()


@pytest.fixture
def golden() -> Callable[[str, str], None]:
    """Compare text with a golden file; with UPDATE_GOLDEN=1 in the environment, write it instead."""

    def compare(name: str, text: str) -> None:
        path = GOLDEN / name
        if os.environ.get("UPDATE_GOLDEN"):
            path.write_text(text)
        assert text == path.read_text(), f"{path} differs; if it should, run again with UPDATE_GOLDEN=1"

    return compare
