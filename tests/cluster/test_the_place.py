"""The suite itself: it writes nowhere unasked, and leaves nothing where nobody else would take it away."""

from __future__ import annotations

from typing import Any

import pytest

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


class Bare(Place):
    """A server without a namespace controller: what is deleted there waits for one, until its finalizer is taken."""

    def __init__(self) -> None:
        self.namespace, self.terminating, self.gone = "x", False, False
        self.accounts = {"default"}
        self.asked: list[tuple[str, str]] = []

    def call(self, method: str, path: str, body: Any = None, **_: Any) -> tuple[int, Any]:
        self.asked.append((method, path))
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
