"""What is installed is what was locked: every requirement pinned, hashed, and from nowhere in particular."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
LOCKS = ("requirements.lock", "requirements-dev.lock", ".ci/build.lock", ".ci/audit.lock")


@pytest.mark.parametrize("name", LOCKS)
def test_every_requirement_is_pinned_and_hashed_and_none_has_an_address(name: str) -> None:
    text = (ROOT / name).read_text()
    assert "://" not in text
    assert not re.search(r"^\s*-(?!-hash=sha256:[0-9a-f]{64})", text.replace(" \\\n", "\n"), re.MULTILINE)
    requirements = re.split(r"\n(?=[A-Za-z0-9])", text.strip())
    assert len(requirements) > 3
    for one in requirements:
        assert re.match(r"[A-Za-z0-9._-]+(\[[a-z,]+\])?==[0-9][A-Za-z0-9.+!]*( ;[^\n\\]+)?( \\)?\n", one + "\n"), one[
            :80
        ]
        assert re.search(r"--hash=sha256:[0-9a-f]{64}", one), one[:80]


def test_installing_never_leaves_out_the_hashes() -> None:
    lines = [
        line
        for name in ("Makefile", "Containerfile", ".ci/audit", ".ci/run")
        for line in (ROOT / name).read_text().replace("\\\n", " ").splitlines()
        if re.search(r"(pip|PIP\)) .*install|install .*-r ", line)
    ]
    assert len(lines) >= 4
    for line in lines:
        assert any(word in line for word in ("--require-hashes", "--no-build-isolation", "--no-index", "dist/*.whl")), (
            line
        )


@pytest.mark.parametrize(
    ("answer", "code"), [("offline", 0), ("vulnerable", 1), ("broken", 1), ("unknown", 0), ("clean", 0)]
)
def test_the_audit_fails_for_a_known_hole_and_not_for_a_machine_without_network(
    tmp_path: Path, answer: str, code: int
) -> None:
    said = {
        "offline": "requests.exceptions.ConnectionError: no route; exit 1",
        "vulnerable": "Found 1 known vulnerability in 1 package",
        "broken": "Traceback (most recent call last): TypeError",
        "unknown": "typer  Dependency not found on PyPI and could not be audited: typer (0.1)",
        "clean": "No known vulnerabilities found",
    }[answer]
    program = tmp_path / "pip-audit"
    program.write_text(f"#!/bin/sh\necho '{said}'\nexit {int(answer in {'offline', 'vulnerable', 'broken'})}\n")
    program.chmod(0o755)
    ran = subprocess.run(
        [str(ROOT / ".ci/audit")],
        capture_output=True,
        text=True,
        check=False,
        env={"PATH": f"{tmp_path}:/usr/bin:/bin"},
    )
    assert ran.returncode == code, ran.stderr
    assert all(lock in ran.stdout for lock in LOCKS) or code
    assert ("NOT AUDITED" in ran.stderr) is (answer in {"offline", "unknown"})
