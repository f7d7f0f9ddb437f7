"""One way to talk to an API server for the tests of what the emulator does: to the emulator, or to a real one."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import requests

from tests.cluster.place import Kubeconfig, Proxy

ADMIN, NOBODY = "the-administrators-token", "a-users-token"
KINDS = {
    "json": "application/json-patch+json",
    "merge": "application/merge-patch+json",
    "strategic": "application/strategic-merge-patch+json",
    "apply": "application/apply-patch+yaml",
}


class Caller:
    """Requests to an API server.

    Attributes:
        url: where it is; plain HTTP.
        own_mistake: what a real server answers to some mistakes of the caller's; the emulator never says 500.
    """

    url: str
    own_mistake = 400

    def __init__(self) -> None:
        self.session = requests.Session()

    def headers(self, token: str) -> dict[str, str]:
        """By which a server knows whose token this is."""
        return {"Authorization": f"Bearer {token}"}

    def close(self) -> None:
        self.session.close()

    def call(self, method: str, path: str, body: Any = None, **given: Any) -> requests.Response:
        """One request; `kind` is a patch's kind, `token` says who, `headers` are sent, all else is the query."""
        kind, token = given.pop("kind", ""), given.pop("token", ADMIN)
        headers = {**self.headers(token), **given.pop("headers", {})}
        raw = given.pop("raw", None)
        headers.setdefault("Content-Type", KINDS.get(kind, "application/json"))
        data = raw if raw is not None else None if body is None else json.dumps(body)
        return self.session.request(method, self.url + path, data=data, headers=headers, params=given, timeout=20)

    def do(self, method: str, path: str, body: Any = None, **given: Any) -> Any:
        """One request that must be carried out."""
        answer = self.call(method, path, body, **given)
        assert answer.status_code < 300, answer.text
        return answer.json()

    def refuse(self, code: int, method: str, path: str, body: Any = None, **given: Any) -> Any:
        """One request that must be refused so; its Status."""
        answer = self.call(method, path, body, **given)
        assert answer.status_code == code, (answer.status_code, answer.text)
        status = answer.json()
        assert (status["kind"], status["status"], status["code"]) == ("Status", "Failure", code)
        assert status["message"]
        return status

    def get(self, path: str, **given: Any) -> Any:
        return self.do("GET", path, **given)

    def create(self, path: str, body: Any, **given: Any) -> Any:
        return self.do("POST", path, body, **given)

    def patch(self, path: str, body: Any, kind: str = "merge", **given: Any) -> Any:
        return self.do("PATCH", path, body, kind=kind, **given)

    @contextlib.contextmanager
    def watch(self, path: str, **query: Any) -> Iterator[Iterator[Any]]:
        """The events of a watch, as they come."""
        asked = {"watch": "true", "timeoutSeconds": "20", **query}
        with requests.get(
            self.url + path, params=asked, headers=self.headers(ADMIN), stream=True, timeout=20
        ) as answer:
            assert answer.status_code == 200, answer.text
            yield (json.loads(line) for line in answer.iter_lines(chunk_size=1))

    def version(self) -> str:
        """The resourceVersion of now."""
        found: str = self.get("/api/v1/configmaps")["metadata"]["resourceVersion"]
        return found

    def new_user(self, name: str, **more: Any) -> str:
        """A user who comes into being; the token."""
        token: str = self.do("POST", "/sandbox/users", {"name": name, **more})["token"]
        return token

    def kubeconfig(self, path: Path, token: str, namespace: str) -> Path:
        """How kubectl is the user of a token."""
        path.write_text(json.dumps(self._kubeconfig(token, namespace)))
        return path

    def _kubeconfig(self, token: str, namespace: str) -> Kubeconfig:
        return _config(f"{self.url}/as/{token}", {}, namespace)


class RealServer(Caller):
    """A real API server, on which an administrator acts as everybody else.

    Args:
        config: the administrator's kubeconfig.
        folder: for files.
    """

    own_mistake = 500

    def __init__(self, config: Kubeconfig, folder: Path) -> None:
        super().__init__()
        self._proxy = Proxy(config, folder)
        self.url = self._proxy.config["clusters"][0]["cluster"]["server"]
        self._users = {NOBODY: ("someone", "system:authenticated")}

    def headers(self, token: str) -> dict[str, str]:
        if token == ADMIN:
            return {}
        if token not in self._users:  # one that the server gave
            return super().headers(token)
        name, group = self._users[token]
        return {"Impersonate-User": name, "Impersonate-Group": group}

    def new_user(self, name: str, **more: Any) -> str:
        token = f"the-token-of-{name}"
        self._users[token] = (name, *(more.get("groups") or ["system:authenticated"]))
        return token

    def close(self) -> None:
        super().close()
        self._proxy.close()

    def _kubeconfig(self, token: str, namespace: str) -> Kubeconfig:
        if token == ADMIN:
            return _config(self.url, {}, namespace)
        name, group = self._users[token]
        return _config(self.url, {"as": name, "as-groups": [group]}, namespace)


def _config(server: str, user: dict[str, Any], namespace: str) -> Kubeconfig:
    return {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "it",
        "clusters": [{"name": "it", "cluster": {"server": server}}],
        "users": [{"name": "it", "user": user}],
        "contexts": [{"name": "it", "context": {"cluster": "it", "user": "it", "namespace": namespace}}],
    }
