"""What the image is made of, read from the Containerfile; nothing is built."""

from __future__ import annotations

import json
import re
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path, PurePosixPath
from typing import NamedTuple

import pytest
from ruamel.yaml import YAML

ROOT = Path(__file__).parents[2]
KNOWN = {"ARG", "FROM", "WORKDIR", "ENV", "COPY", "RUN", "USER", "ENTRYPOINT", "CMD"}


class Instruction(NamedTuple):
    """One instruction, its continued lines joined."""

    word: str
    rest: str


@pytest.fixture(scope="module")
def stages() -> list[list[Instruction]]:
    """The instructions of each stage, after those before the first."""
    lines = (ROOT / "Containerfile").read_text(encoding="utf-8").splitlines()
    text = "\n".join(line for line in lines if not line.lstrip().startswith("#"))
    found: list[list[Instruction]] = [[]]
    for line in text.replace("\\\n", " ").splitlines():
        if line.strip():
            word, _, rest = line.partition(" ")
            if word == "FROM":
                found.append([])
            found[-1].append(Instruction(word, " ".join(rest.split())))
    return found


def those(stage: list[Instruction], word: str) -> list[str]:
    return [each.rest for each in stage if each.word == word]


def test_every_instruction_is_one_that_these_tests_know(stages: list[list[Instruction]]) -> None:
    assert {each.word for stage in stages for each in stage} <= KNOWN  # neither ADD nor SHELL nor EXPOSE


def test_it_is_built_in_stages_on_one_base_that_can_be_pinned(stages: list[list[Instruction]]) -> None:
    head, build, final = stages
    (base,) = those(head, "ARG")
    name, _, image = base.partition("=")
    assert those(build, "FROM") == [f"${{{name}}} AS build"]
    assert those(final, "FROM") == [f"${{{name}}}"]
    tag = re.fullmatch(r"docker\.io/library/python:(\d+)\.(\d+)-slim", image)
    assert tag is not None  # a tag, and no digest that nobody moves
    least = re.search(r'requires-python = ">=(\d+)\.(\d+)"', (ROOT / "pyproject.toml").read_text())
    assert least is not None
    assert tuple(map(int, tag.groups())) >= tuple(map(int, least.groups()))


def test_everything_that_is_installed_is_locked_by_hash(stages: list[list[Instruction]]) -> None:
    _, build, final = stages
    assert those(final, "RUN") == []
    commands = [each.strip() for run in those(build, "RUN") for each in run.split("&&")]
    fetching = [each for each in commands if re.search(r"pip (install|wheel|download)", each)]
    assert len(fetching) == 4
    for each in fetching:
        assert "--no-deps" in each
        assert "--require-hashes" in each or "--no-index" in each
    assert all(re.match(r"python -m venv|/opt/(build|canary)/bin/python -m pip ", each) for each in commands)
    copied = {PurePosixPath(word).name for copy in those(build, "COPY") for word in copy.split()[:-1]}
    assert {name for each in fetching for name in re.findall(r"-r (\S+)", each)} <= copied
    for lock in ("requirements.lock", ".ci/build.lock"):
        text = (ROOT / lock).read_text(encoding="utf-8")
        assert text.count("--hash=sha256:") >= text.count("==")
        assert "://" not in text


def test_what_is_compiled_is_locked_for_more_than_this_machine() -> None:
    """A package with compiled code has a wheel, and so a hash, for each architecture; a pure one has two at most.

    That those of arm64 are among them is seen with `pip download --require-hashes --only-binary :all: --platform
    manylinux_2_28_aarch64 --python-version 3.11 -r requirements.lock`.
    """
    for lock in ("requirements.lock", ".ci/build.lock"):
        text = (ROOT / lock).read_text(encoding="utf-8")
        for name, block in re.findall(r"^([\w.-]+)==[^\n]*\n((?: .*\n)+)", text, re.MULTILINE):
            try:
                wheel = str(distribution(name).read_text("WHEEL"))
            except PackageNotFoundError:
                continue  # for another system
            if not re.search(r"^Tag: \S+-none-any$", wheel, re.MULTILINE):
                assert block.count("--hash=sha256:") >= 4, name


def test_what_is_copied_is_there_and_let_through(stages: list[list[Instruction]]) -> None:
    _, build, final = stages
    ignored = (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines()
    assert ignored[0] == "*"
    for copy in those(build, "COPY"):
        for source in copy.split()[:-1]:
            assert (ROOT / source).exists()
            assert f"!{source}" in ignored
    assert those(final, "COPY") == ["--from=build /opt/canary /opt/canary"]
    packages = re.search(
        r"\[tool.hatch.build.targets.wheel\]\npackages = (\[.*\])", (ROOT / "pyproject.toml").read_text()
    )
    assert packages is not None
    assert {f"!{each}" for each in json.loads(packages[1])} <= set(ignored)


def test_it_runs_as_the_charts_user_and_is_pid_1(stages: list[list[Instruction]]) -> None:
    *_, final = stages
    (user,) = those(final, "USER")
    chart = YAML(typ="safe").load(ROOT / "charts" / "canary" / "values.yaml")
    assert user == f"{chart['job']['user']}:{chart['job']['user']}"
    assert int(user.split(":")[0]) > 0
    (entry,) = those(final, "ENTRYPOINT")
    # In brackets: no shell stands between the kubelet's SIGTERM and us.
    assert json.loads(entry) == ["/opt/canary/bin/canary"]
    assert re.search(r'^canary = "canary\.cli\.main:main"$', (ROOT / "pyproject.toml").read_text(), re.MULTILINE)
    assert json.loads(those(final, "CMD")[0]) == ["--help"]
    environment = dict(word.split("=", 1) for env in those(final, "ENV") for word in env.split())
    assert environment["PYTHONUNBUFFERED"] == "1"
    assert environment["HOME"] == "/tmp"  # noqa: S108 - in the image


def test_nothing_secret_is_in_it(stages: list[list[Instruction]]) -> None:
    words = " ".join(f"{each.word} {each.rest}" for stage in stages for each in stage)
    assert not re.search(r"(?i)password|secret|token|--(?:extra-)?index\b|https?://", words)
