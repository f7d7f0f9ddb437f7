"""The ends of a release as numbers: each says what it means, and no two mean the same."""

from __future__ import annotations

from canary.core.outcome import MEANING, ExitCode


def test_every_exit_code_has_a_meaning_of_its_own() -> None:
    assert set(MEANING) == set(ExitCode)
    assert len(set(MEANING.values())) == len(ExitCode)
