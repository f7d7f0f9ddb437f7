"""What is imported at its first use is imported before the canary has traffic: seconds of CPU are failed requests."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).parent

PLAY = """
import json, sys
sys.path.insert(0, {here!r})
from conftest import Arm, Play
from canary.engine.ahead import import_ahead

import_ahead()
play = Play()
play.gateway.errors[Arm.CANARY] = 0.15
play.until(lambda: play.gateway.share() > 0)
known = set(sys.modules)
code = play.to_the_end()
print(json.dumps([int(code), sorted(set(sys.modules) - known)]))
"""


def test_from_the_first_raise_to_the_end_nothing_is_imported() -> None:
    """In a process of its own: in this one everything is imported already."""
    said = subprocess.run(
        [sys.executable, "-c", PLAY.format(here=str(HERE))], check=True, capture_output=True, text=True
    )
    assert json.loads(said.stdout) == [10, []]
