"""The examples for GitOps are true: releases are valid, objects have real fields, scripts name real commands."""

from __future__ import annotations

import re
import shlex
import subprocess
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML
from typer.main import get_command

from canary.cli.main import app
from canary.spec import load

GITOPS = Path(__file__).parents[2] / "examples" / "gitops"
TOOLS = ("argo-cd", "flux", "helm")

FIELDS = {
    "Application": {"project", "source", "destination", "ignoreDifferences", "syncPolicy"},
    "Kustomization": {"interval", "path", "prune", "wait", "sourceRef", "ignore"},
}
"""Of each kind, the fields of its spec that are documented and used here."""

COMMANDS = {
    "argocd app sync": set(),
    "argocd app wait": {"--health", "--timeout"},
    "flux reconcile kustomization": {"--with-source"},
    "git commit": {"--all", "--message"},
    "git push": set(),
    "helm upgrade": {"--namespace", "--reuse-values", "--set", "--wait", "--timeout"},
    "kustomize edit set image": set(),
}
"""Commands with the options of theirs that are documented; the engine's own are asked of the program."""


def commands(script: Path) -> list[list[str]]:
    lines = [line.strip() for line in script.read_text().splitlines()]
    bare = [re.sub(r"^\(cd \S+ && (.*)\)$", r"\1", line) for line in lines if line and not line.startswith("#")]
    return [shlex.split(line) for line in bare if not line.startswith("set ")]


@pytest.mark.parametrize("tool", TOOLS)
def test_the_release_is_valid_and_promotes_by_hook(tool: str) -> None:
    release = load(GITOPS / tool / "release.yaml", image="ghcr.io/acme/user-service@sha256:" + "a" * 64)
    assert release.spec.promote.by == "hook"


@pytest.mark.parametrize("tool", TOOLS)
def test_the_script_is_one_and_names_commands_and_options_that_exist(tool: str) -> None:
    script = GITOPS / tool / "promote.sh"
    subprocess.run(["bash", "-n", str(script)], check=True, timeout=20)
    found = commands(script)
    assert [words[:2] for words in found].count(["canary", "submit"]) == 2
    for words in found:
        options = {word for word in words if word.startswith("--")}
        if words[0] == "canary":
            command: Any = get_command(app).commands[words[1]]  # type: ignore[attr-defined]  # it is a group
            known = {option for each in command.params for option in (*each.opts, *each.secondary_opts)}
        else:
            known = next(of for name, of in COMMANDS.items() if " ".join(words).startswith(name))
        assert options <= known, words


@pytest.mark.parametrize(("tool", "file"), [("argo-cd", "application.yaml"), ("flux", "kustomization.yaml")])
def test_the_object_has_documented_fields_and_leaves_what_the_release_writes_alone(tool: str, file: str) -> None:
    item = YAML(typ="safe").load(GITOPS / tool / file)
    assert set(item["spec"]) <= FIELDS[item["kind"]]
    release = load(GITOPS / tool / "release.yaml", image="ghcr.io/acme/user-service:1")
    left = item["spec"].get("ignoreDifferences") or item["spec"]["ignore"]
    paths = {
        ((each.get("target") or each)["kind"], (each.get("target") or each)["name"], path)
        for each in left
        for path in each.get("jsonPointers") or each["paths"]
    }
    assert ("HTTPRoute", release.spec.route.name, "/spec/rules") in paths
    assert release.spec.workload is not None
    assert ("HorizontalPodAutoscaler", release.spec.workload.name, "/spec/minReplicas") in paths
