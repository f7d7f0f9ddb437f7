"""The emulator as a program: what it prints, which definitions it serves, and when it ends."""

from __future__ import annotations

import contextlib
import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests

pytestmark = pytest.mark.real


@contextlib.contextmanager
def emulator(*words: str) -> Iterator[tuple[Any, Any]]:
    """The program and what it printed."""
    command = [sys.executable, "-m", "canary.sandbox.apiserver", "--port", "0", *words]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        try:
            line = process.stdout.readline()
            yield process, json.loads(line) if line else None
        finally:
            process.kill()


def test_it_prints_its_address_and_tokens_and_ends_with_its_input() -> None:
    with emulator() as (process, said):
        assert set(said) == {"url", "tokens"}
        routes = f"{said['url']}/as/{said['tokens']['admin']}/apis/gateway.networking.k8s.io/v1/httproutes"
        assert requests.get(routes, timeout=10).json()["items"] == []
        engine = {"Authorization": f"Bearer {said['tokens']['engine']}"}
        assert requests.get(f"{said['url']}/api/v1/configmaps", headers=engine, timeout=10).status_code == 403
        process.stdin.close()
        assert process.wait(20) == 0


def test_it_ends_when_told_to_even_while_somebody_watches() -> None:
    with emulator() as (process, said):
        url = f"{said['url']}/as/{said['tokens']['admin']}/api/v1/configmaps"
        with requests.get(url, params={"watch": "1"}, stream=True, timeout=10) as stream:
            assert stream.status_code == 200
            process.send_signal(signal.SIGTERM)
            assert process.wait(20) == 0


def test_crds_of_a_directory_are_served_in_place_of_the_packaged_ones(tmp_path: Path, make: Any) -> None:
    import ruamel.yaml

    writer = ruamel.yaml.YAML()
    with (tmp_path / "widgets.yaml").open("w") as file:
        writer.dump_all([{"kind": "ConfigMap"}, make.definition(), make.definition("gadgets")], file)
    (tmp_path / "README.md").write_text("no definition")
    with emulator("--crds", str(tmp_path)) as (_, said):
        base = f"{said['url']}/as/{said['tokens']['admin']}"
        requests.post(f"{base}/api/v1/namespaces", json={"metadata": {"name": "n"}}, timeout=10)
        widgets = f"{base}/apis/test.example.com/v1/namespaces/n/widgets"
        made = requests.post(widgets, json={"metadata": {"name": "w"}, "spec": {}}, timeout=10).json()
        assert made["spec"] == {"size": 3}
        assert requests.get(f"{base}/apis/test.example.com/v1/gadgets", timeout=10).status_code == 200
        assert requests.get(f"{base}/apis/gateway.networking.k8s.io/v1/httproutes", timeout=10).status_code == 404


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (None, "is no directory"),
        ("", "holds no CustomResourceDefinition"),
        ("a: [", "bad.yaml"),
        ("kind: CustomResourceDefinition\nmetadata: {name: x.y.z}\nspec: {}\n", "is invalid"),
    ],
)
def test_a_directory_that_cannot_be_served_is_refused_with_a_sentence(
    tmp_path: Path, text: str | None, words: str
) -> None:
    place = tmp_path / "crds"
    if text is not None:
        place.mkdir()
        (place / "bad.yaml").write_text(text)
    with emulator("--crds", str(place)) as (process, said):
        assert said is None
        assert process.wait(20) == 2
        complaint = process.stderr.read()
        assert words in complaint
        assert "Traceback" not in complaint
