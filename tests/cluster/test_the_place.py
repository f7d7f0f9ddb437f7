"""The suite itself: it writes nowhere unasked, and leaves nothing where nobody else would take it away."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from tests.cluster import lacking
from tests.cluster.place import Place, refusal


@pytest.mark.parametrize(
    ("given", "name", "says"),
    [
        ("", "", "no current context"),
        ("kind", "", "no current context"),
        ("", "prod", "make test-cluster CONTEXT=prod"),
        ("kind", "prod", "not 'kind'"),
        ("kind", "kind", ""),
    ],
)
def test_a_cluster_is_written_to_only_when_its_name_was_said(given: str, name: str, says: str) -> None:
    why = refusal(given, name, "https://127.0.0.1:6443")
    assert bool(why) == bool(says)
    assert says in why


def test_what_the_emulator_lacks_is_known_without_asking(place: Place) -> None:
    with place.restricted():
        assert place.real or {need for need in lacking.LACKS if place.lacks(need)} == lacking.EMULATOR


def test_tests_are_left_out_on_the_emulator_alone_and_counted() -> None:
    def item(*fixtures: str, folder: Path = lacking.HERE) -> SimpleNamespace:
        return SimpleNamespace(path=folder / "test_it.py", fixturenames=fixtures)

    pods, both = item("place", "pods"), item("pod_security", "gateway_class", "rbac")
    items = [pods, both, item("place"), item("rbac", "uncontrolled"), item("pods", folder=Path("tests/other"))]
    assert lacking.left_out(items, real=False) == [pods, both]
    assert lacking.left_out(items, real=True) == []
    assert lacking.lines(Counter({"pods": 2})) == [
        "pods (2): no pods run here: there is no controller, or no ready node"
    ]


class Bare(Place):
    """A server without a namespace controller: what is deleted there waits for one, until its finalizer is taken."""

    def __init__(self, folder: Path = Path()) -> None:
        self.folder, self._reach = folder, lambda config: {**config, "clusters": ["through a proxy"]}
        self._config = {"clusters": ["unverified"], "users": [{"name": "admin", "user": {"client-certificate": "x"}}]}
        self.namespace, self.terminating, self.gone = "x", False, False
        self.accounts = {"default"}
        self.asked: list[tuple[str, str]] = []

    def call(self, method: str, path: str, body: Any = None, **_: Any) -> tuple[int, Any]:
        self.asked.append((method, path))
        if path.endswith("/token"):
            return 201, {"status": {"token": "t"}}
        if path.endswith("/serviceaccounts") and method == "POST":
            return 409, {}
        if path.endswith("/finalize"):
            assert body["spec"] == {"finalizers": []}
            assert not self.accounts
            self.gone = self.terminating
            return 200, body
        if path == "/api/v1/namespaces/x":
            self.terminating |= method == "DELETE"
            return (
                (404, {}) if self.gone else (200, {"metadata": {"name": "x"}, "spec": {"finalizers": ["kubernetes"]}})
            )
        if method == "DELETE":
            self.accounts.discard(path.rpartition("/")[2])
            return 200, {}
        found = self.accounts if path.endswith("/serviceaccounts") else ()
        return 200, {"items": [{"metadata": {"name": each}} for each in found]}


def test_a_namespace_is_emptied_and_finalized_where_nobody_else_does() -> None:
    place = Bare()
    place.remove("x", controlled=False)
    assert place.gone
    assert [path for method, path in place.asked if method == "PUT"] == ["/api/v1/namespaces/x/finalize"]


def test_whoever_logs_in_has_a_way_of_their_own_and_not_the_administrators(tmp_path: Path) -> None:
    """Through the administrator's proxy, which adds a certificate, they would be the administrator."""
    config = json.loads(Bare(tmp_path).log_in("nobody").read_text())
    assert config == {"clusters": ["through a proxy"], "users": [{"name": "admin", "user": {"token": "t"}}]}
