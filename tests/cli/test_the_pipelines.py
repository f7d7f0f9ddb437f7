"""examples/ci: every call of the program that stands there is parsed by the program itself."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer
from ruamel.yaml import YAML

from canary.cli.main import app

CI = Path(__file__).parents[2] / "examples" / "ci"
FILES = sorted(path for path in CI.rglob("*") if path.is_file())
ELSEWHERE = re.compile(r"\$\{\{.*?\}\}|\$\[\[.*?\]\]|\$\([\w.]+\)|\$\{?\w+\}?")
"""What CI systems and shells put in: an expression of GitHub's, GitLab's or Tekton's, a variable."""


def documents(path: Path) -> list[Any]:
    return list(YAML(typ="safe").load_all(path.read_text()))


def scripts(value: Any) -> Iterator[str]:
    """Every text that a shell would run, and every command with its arguments as one."""
    if isinstance(value, dict):
        command = [*(value.get("command") or ()), *(value.get("args") or ())]
        if command:
            yield shlex.join(ELSEWHERE.sub("x", each) for each in command)
        for key, each in value.items():
            if key in {"run", "script"}:
                yield from [each] if isinstance(each, str) else each
            else:
                yield from scripts(each)
    elif isinstance(value, list):
        for each in value:
            yield from scripts(each)


def calls(path: Path) -> list[list[str]]:
    """The arguments of each call of the program."""
    if path.suffix in {".yml", ".yaml"}:
        texts = [text for each in documents(path) for text in scripts(each)]
    elif path.name == "Jenkinsfile":
        texts = re.findall(r"\bsh '([^']*)'", path.read_text())
    else:
        texts = [line for line in path.read_text().splitlines() if line.startswith("    canary ")]
        texts += re.findall(r"`(canary [^`]+)`", path.read_text())
    found = []
    for text in texts:
        for line in text.replace("\\\n", " ").splitlines():
            words = shlex.split(ELSEWHERE.sub("x", line), comments=True)
            if words and Path(words[0]).name == "canary":
                found.append(words[1 : words.index("||")] if "||" in words else words[1:])
    return found


def parsed(words: list[str]) -> tuple[str, dict[str, Any]]:
    """The command and what it would be given; raises what the program would refuse."""
    group = typer.main.get_command(app)
    context = group.make_context("canary", list(words), resilient_parsing=False)
    name, command, rest = group.resolve_command(context, [*context._protected_args, *context.args])
    with command.make_context(name, rest, parent=context) as inner:
        return str(name), dict(inner.params)


@pytest.mark.parametrize("path", [path for path in FILES if path.name != "workflow.yml"], ids=lambda path: path.name)
def test_every_call_is_one_that_the_program_takes(path: Path) -> None:
    found = [words for words in calls(path) if words != ["--help"]]
    assert found
    submitted = [given for name, given in map(parsed, found) if name == "submit"]
    assert submitted
    for given in submitted:
        assert given["image"]
        assert given["junit"]
        assert given["report"]
        assert given["wait"]


def test_a_wrong_option_would_be_seen() -> None:
    with pytest.raises(Exception, match=r"(?i)no such option"):
        parsed(["submit", "x", "--imgae", "y"])


def test_the_workflow_gives_the_action_what_it_asks_for() -> None:
    (action,), (workflow,) = documents(CI / "github" / "action.yml"), documents(CI / "github" / "workflow.yml")
    (step,) = (each for each in workflow["jobs"]["release"]["steps"] if "canary" in each.get("uses", ""))
    needed = {name for name, each in action["inputs"].items() if each.get("required")}
    assert needed <= set(step["with"]) <= set(action["inputs"])
    script = action["runs"]["steps"][0]
    assert set(re.findall(r"inputs\.(\w+)", str(script["env"]))) == set(action["inputs"])
    assert "${{" not in script["run"]  # what somebody gives is no part of the script


def test_the_gitlab_component_declares_what_it_uses() -> None:
    head, job = documents(CI / "gitlab" / "templates" / "canary.yml")
    used = set(re.findall(r"\$\[\[ inputs\.(\w+) \]\]", str(job)))
    assert used == set(head["spec"]["inputs"])


def test_the_tekton_task_declares_what_it_uses() -> None:
    (task,) = documents(CI / "tekton" / "task.yaml")
    used = set(re.findall(r"\$\(params\.(\w+)\)", str(task["spec"]["steps"])))
    assert used == {each["name"] for each in task["spec"]["params"]}
