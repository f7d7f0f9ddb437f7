"""The mutation run in full, for `make soak`."""

import subprocess
import sys
from pathlib import Path

import pytest


@pytest.mark.soak
@pytest.mark.timeout(7200)
def test_a_test_fails_for_every_change() -> None:
    run = Path(__file__).with_name("run.py")
    found = subprocess.run([sys.executable, str(run)], capture_output=True, text=True, check=False)
    assert found.returncode == 0, found.stdout[-4000:]
