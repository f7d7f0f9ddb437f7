"""The sandbox as a whole: up, wait until it serves, down. Everything on loopback and on free ports."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from canary.sandbox import manifests
from canary.sandbox.processes import Child, StartError, born, free_port, module
from canary.sandbox.scenarios import SCENARIOS, Scenario, registry, release_file
from canary.sandbox.traefik import answers
from canary.sandbox.traefik import start as start_traefik

PREFIX = "canary-sandbox-"
OWNER = "owner"
"""File in a sandbox's directory that says which process it is of."""

_ACCESS = {
    "ServiceAccount": "/api/v1/{here}/serviceaccounts",
    "Role": "/apis/rbac.authorization.k8s.io/v1/{here}/roles",
    "RoleBinding": "/apis/rbac.authorization.k8s.io/v1/{here}/rolebindings",
}

SERVES_WITHIN = 30.0
"""Seconds until the first request must be answered with 200."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Places:
    """Where everything is.

    Attributes:
        run: directory of logs, kubeconfigs and the registry.
        api: address of the API server.
        url: address that users' requests go to.
        metrics: address of the gateway's metrics.
        admin, engine: kubeconfig files.
        outage: file whose existence breaks what both versions need.
    """

    run: Path
    api: str
    url: str
    metrics: str
    admin: Path
    engine: Path
    outage: Path


class Sandbox:
    """A running sandbox; a context manager.

    Args:
        scenario: what is wrong with the versions; the good one by default.
        tell: gets one line per part as it starts.
        access: what gives the engine's ServiceAccount its rights (ServiceAccount, Role, RoleBinding); the sandbox's own
            by default.
    """

    def __init__(
        self,
        scenario: Scenario | None = None,
        *,
        tell: Callable[[str], None] = lambda _: None,
        access: Sequence[dict[str, Any]] | None = None,
    ) -> None:
        self._scenario = scenario or SCENARIOS["good"]
        self._tell = tell
        self._access = (manifests.role(), manifests.role_binding()) if access is None else tuple(access)
        self._children: list[Child] = []
        self._parts: dict[str, Child] = {}
        self._start_again: dict[str, Callable[[], Child]] = {}
        sweep()
        self._run = Path(tempfile.mkdtemp(prefix=PREFIX))
        (self._run / OWNER).write_text(f"{os.getpid()} {born(os.getpid())}", encoding="utf-8")
        self._token = ""
        self.places: Places | None = None

    def __enter__(self) -> Self:
        try:
            self.up()
        except BaseException:
            self.down()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.down()

    def up(self) -> Places:
        """Start everything and wait until the shop answers.

        Raises:
            StartError: a part did not start; the message holds its last words.
        """
        began = time.monotonic()
        state = ("--state", str(self._run / "api.state"))
        api = self._start("api", module("canary.sandbox.apiserver", "--port", "0", *state), pipe=True)
        said = api.ready(15.0)
        server, self._token = said["url"], said["tokens"]["admin"]
        again = module("canary.sandbox.apiserver", "--port", server.rpartition(":")[2], *state)
        self._part("api", api, lambda: self._ready("api", again))
        self._tell(f"API server (an emulator) on {server}")
        port, metrics = free_port(), free_port()
        self.places = Places(
            run=self._run,
            api=server,
            url=f"http://127.0.0.1:{port}/",
            metrics=f"http://127.0.0.1:{metrics}/metrics",
            admin=self._kubeconfig("admin", said["tokens"]["admin"], server),
            engine=self._kubeconfig("engine", said["tokens"].get("engine", said["tokens"]["admin"]), server),
            outage=self._run / "outage",
        )
        versions = registry(self._scenario, outage=str(self.places.outage))
        known = self._run / "registry.json"
        known.write_text(json.dumps(versions), encoding="utf-8")
        self._create_world(port)
        kubelet = module(
            "canary.sandbox.kubelet",
            *("--server", server, "--token", self._token, "--registry", str(known), "--run", str(self._run)),
        )
        self._part("kubelet", self._ready("kubelet", kubelet), lambda: self._ready("kubelet", kubelet))

        def gateway() -> Child:
            log = self._run / "traefik.log"
            child = start_traefik(server=server, token=self._token, port=port, metrics=metrics, log=log)
            self._children.append(child)
            return child

        self._part("traefik", gateway(), gateway)
        self._tell(f"gateway (Traefik) on {self.places.url}")
        self._wait_until_it_serves()
        self._tell(f"two pods of the shop serve; ready after {time.monotonic() - began:.1f} s")
        return self.places

    def watchdog(self) -> Path:
        """A kubeconfig with a watchdog's rights and no others.

        Raises:
            StartError: the sandbox is not up.
        """
        if self.places is None:
            raise StartError("the sandbox is not up")
        name = manifests.WATCHDOG
        _, made = self.request("POST", "/sandbox/users", {"name": name, "groups": ["system:authenticated"]})
        for item in manifests.watchdog_access():
            kind = "roles" if item["kind"] == "Role" else "rolebindings"
            path = f"/apis/rbac.authorization.k8s.io/v1/namespaces/{manifests.NAMESPACE}/{kind}"
            self.request("POST", path, item)
        return self._kubeconfig("watchdog", made["token"], self.places.api)

    def down(self) -> None:
        """End everything, the newest first, and remove the directory."""
        for child in reversed(self._children):
            child.stop()
        self._children.clear()
        shutil.rmtree(self._run, ignore_errors=True)

    @property
    def pids(self) -> tuple[int, ...]:
        """Process ids of everything that was started."""
        return tuple(child.pid for child in self._children)

    def kill(self, part: str) -> None:
        """SIGKILL: `api`, `kubelet` (its pods die with it) or `traefik`. `start_again` brings it back.

        Raises:
            StartError: there is no such part, or it is dead already.
        """
        child = self._parts.pop(part, None)
        if child is None:
            raise StartError(f"no part {part!r} is running; there are {', '.join(sorted(self._start_again))}")
        child.process.kill()
        child.stop()
        self._children.remove(child)

    def start_again(self, part: str) -> None:
        """Start a part that was killed, with the same arguments on the same port; the API server knows what it knew.

        Raises:
            StartError: it did not start; the message holds its last words.
        """
        self._parts[part] = self._start_again[part]()

    def start_load(self, *, rate: float, streams: int = 0, seconds: float = 600.0) -> Path:
        """Send users' requests; the file holds what happened to them.

        Args:
            rate: requests a second.
            streams: clients that keep long responses open.
            seconds: ends by itself after that long.
        """
        places = self._up()
        out = self._run / "load.jsonl"
        command = module(
            "canary.sandbox.load",
            *("--url", places.url, "--rate", str(rate), "--streams", str(streams)),
            *("--seconds", str(seconds), "--out", str(out)),
        )
        self._start("load", command)
        return out

    def write_release(self) -> Path:
        """The scenario's release file."""
        path = self._run / "release.yaml"
        path.write_text(release_file(self._scenario, metrics=(self._up().metrics,)), encoding="utf-8")
        return path

    def request(
        self, method: str, path: str, body: Any = None, *, content: str = "application/json"
    ) -> tuple[int, Any]:
        """One call of the API server as its administrator: status and decoded answer."""
        places = self._up()
        data = None if body is None else json.dumps(body).encode()
        headers = {"Authorization": f"Bearer {self._token}", "Content-Type": content}
        request = urllib.request.Request(places.api + path, data=data, method=method, headers=headers)  # noqa: S310 - loopback
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        try:
            with opener.open(request, timeout=5.0) as answer:
                return answer.status, json.loads(answer.read() or b"null")
        except urllib.error.HTTPError as error:
            return error.code, json.loads(error.read() or b"null")

    def _part(self, name: str, child: Child, again: Callable[[], Child]) -> None:
        self._parts[name], self._start_again[name] = child, again

    def _ready(self, name: str, command: list[str]) -> Child:
        child = self._start(name, command, pipe=True)
        child.ready(15.0)
        return child

    def _start(self, name: str, command: list[str], *, pipe: bool = False) -> Child:
        child = Child(command, log=self._run / f"{name}.log", pipe=pipe)
        self._children.append(child)
        return child

    def _up(self) -> Places:
        if self.places is None:
            raise StartError("the sandbox is not up")
        return self.places

    def _kubeconfig(self, user: str, token: str, server: str) -> Path:
        path = self._run / f"{user}.kubeconfig"
        config = {
            "apiVersion": "v1",
            "kind": "Config",
            # kubectl sends no token over plain HTTP: it stands in the address.
            "clusters": [{"name": "sandbox", "cluster": {"server": f"{server}/as/{token}"}}],
            "users": [{"name": user, "user": {}}],
            "contexts": [
                {"name": "sandbox", "context": {"cluster": "sandbox", "user": user, "namespace": manifests.NAMESPACE}}
            ],
            "current-context": "sandbox",
        }
        path.touch(mode=0o600)
        path.write_text(json.dumps(config), encoding="utf-8")
        return path

    def _create_world(self, port: int) -> None:
        gateways = "/apis/gateway.networking.k8s.io/v1"
        here = f"namespaces/{manifests.NAMESPACE}"
        for path, body in (
            ("/api/v1/namespaces", manifests.namespace()),
            *((_ACCESS[each["kind"]].format(here=here), each) for each in self._access),
            (f"{gateways}/gatewayclasses", manifests.gateway_class()),
            (f"{gateways}/{here}/gateways", manifests.gateway(port)),
            (f"/api/v1/{here}/services", manifests.service("shop")),
            (f"/api/v1/{here}/services", manifests.service("help")),
            (f"/apis/apps/v1/{here}/deployments", manifests.deployment("shop", version="v1", replicas=2)),
            (f"/apis/apps/v1/{here}/deployments", manifests.deployment("help", version="help", replicas=1)),
            (f"{gateways}/{here}/httproutes", manifests.route()),
        ):
            status, answer = self.request("POST", f"{path}?fieldManager=kubectl-client-side-apply", body)
            if status >= 300 and status != 409:
                raise StartError(f"the API server refused {body['kind']}: {answer.get('message', answer)}")

    def _wait_until_it_serves(self) -> None:
        url, end = self._up().url, time.monotonic() + SERVES_WITHIN
        good = 0
        while time.monotonic() < end:
            good = good + 1 if answers(url) else 0
            if good >= 10:
                return
            time.sleep(0.05)
        logs = "\n".join(child.last_words(5) for child in self._children)
        raise StartError(f"the shop did not answer within {SERVES_WITHIN:.0f} s. Last words:\n{logs}")


def sweep() -> None:
    """Remove the directories of this user's sandboxes whose process was killed and could not do it."""
    for folder in Path(tempfile.gettempdir()).glob(f"{PREFIX}*/"):
        with contextlib.suppress(OSError, ValueError):
            pid, when = (folder / OWNER).read_text(encoding="utf-8").split()
            if folder.lstat().st_uid == os.getuid() and born(int(pid)) != when:
                shutil.rmtree(folder, ignore_errors=True)


def state_file() -> Path:
    """Where a detached sandbox notes its process; one per user."""
    base = os.environ.get("XDG_RUNTIME_DIR") or tempfile.gettempdir()
    return Path(base) / f"canary-sandbox-{os.getuid()}.json"
