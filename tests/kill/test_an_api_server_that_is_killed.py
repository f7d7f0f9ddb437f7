"""The emulator killed with SIGKILL and started again on its file: what it confirmed is there, and nothing goes back."""

import contextlib
import json
import threading
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from canary.sandbox.apiserver.keeping import KeptStore, restored
from canary.sandbox.processes import Child, module

MAPS = "/api/v1/namespaces/default/configmaps"


class Server:
    """Starts, is killed, starts again."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.state, self.port = folder, folder / "state", "0"
        self.start()

    def start(self) -> None:
        command = module("canary.sandbox.apiserver", "--port", self.port, "--state", str(self.state))
        self.child = Child(command, log=self.folder / "api.log", pipe=True)
        self.said = self.child.ready(20.0)
        self.port = self.said["url"].rpartition(":")[2]

    def kill(self) -> None:
        self.child.process.kill()
        self.child.stop()

    def ask(self, method: str, path: str, body: Any = None) -> Any:
        data = None if body is None else json.dumps(body).encode()
        headers = {"Authorization": f"Bearer {self.said['tokens']['admin']}", "Content-Type": "application/json"}
        request = urllib.request.Request(self.said["url"] + path, data=data, method=method, headers=headers)  # noqa: S310 - ours
        with urllib.request.urlopen(request, timeout=10) as answer:  # noqa: S310 - ours
            return json.loads(answer.read())


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    made = Server(tmp_path)
    made.ask("POST", "/api/v1/namespaces", {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "default"}})
    yield made
    made.kill()


def config_map(name: str, **data: str) -> Any:
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": data}


@pytest.mark.real
def test_everything_that_was_confirmed_is_there_again_on_the_same_port_for_the_same_tokens(server: Server) -> None:
    widgets = {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": "widgets.example.org"},
        "spec": {
            "group": "example.org",
            "scope": "Namespaced",
            "names": {"plural": "widgets", "kind": "Widget"},
            "versions": [
                {
                    "name": "v1",
                    "served": True,
                    "storage": True,
                    "schema": {"openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": True}},
                }
            ],
        },
    }
    server.ask("POST", "/apis/apiextensions.k8s.io/v1/customresourcedefinitions", widgets)
    widget = {"apiVersion": "example.org/v1", "kind": "Widget", "metadata": {"name": "w"}, "spec": {"size": 1}}
    server.ask("POST", "/apis/example.org/v1/namespaces/default/widgets", widget)
    kept = server.ask("POST", MAPS, config_map("kept", key="value"))
    server.ask("POST", MAPS, config_map("gone"))
    server.ask("DELETE", f"{MAPS}/gone")
    before, newest = dict(server.said), int(server.ask("GET", MAPS)["metadata"]["resourceVersion"])
    for _ in range(2):  # what was restored is kept as well
        server.kill()
        server.start()
        assert server.said == before
        assert server.ask("GET", f"{MAPS}/kept") == kept
        assert [item["metadata"]["name"] for item in server.ask("GET", MAPS)["items"]] == ["kept"]
        assert server.ask("GET", "/apis/example.org/v1/namespaces/default/widgets/w")["spec"] == {"size": 1}
        assert server.ask("GET", "/apis/gateway.networking.k8s.io/v1/httproutes")["items"] == []
        version = int(server.ask("GET", MAPS)["metadata"]["resourceVersion"])
        assert version > newest
        newest = int(server.ask("POST", MAPS, config_map(f"new-{version}"))["metadata"]["resourceVersion"])
        assert newest > version
        server.ask("DELETE", f"{MAPS}/new-{version}")
        newest += 1


@pytest.mark.real
def test_no_write_that_was_answered_is_lost_however_suddenly_it_dies(server: Server) -> None:
    confirmed: dict[str, str] = {}
    enough = threading.Event()

    def write() -> None:
        number = 0
        with contextlib.suppress(OSError, ValueError):
            while True:
                found = server.ask("POST", MAPS, config_map(f"n-{number}", key="x" * 500))
                confirmed[f"n-{number}"] = found["metadata"]["resourceVersion"]
                number += 1
                if number == 40:
                    enough.set()

    writer = threading.Thread(target=write)
    writer.start()
    assert enough.wait(30)
    server.kill()
    writer.join()
    server.start()
    there = {item["metadata"]["name"]: item["metadata"]["resourceVersion"] for item in server.ask("GET", MAPS)["items"]}
    assert confirmed.items() <= there.items()
    assert len(there) <= len(confirmed) + 1  # the one under way may have been written


@pytest.mark.real
def test_a_watcher_from_before_is_told_to_list_again(server: Server) -> None:
    version = server.ask("GET", MAPS)["metadata"]["resourceVersion"]
    server.kill()
    server.start()
    event = server.ask("GET", f"{MAPS}?watch=1&resourceVersion={version}&timeoutSeconds=1")
    assert (event["type"], event["object"]["code"]) == ("ERROR", 410)


NAMES, ITEMS = st.sampled_from(["a", "b", "c"]), st.dictionaries(st.text(max_size=3), st.text(max_size=5), max_size=2)
WRITES = st.lists(st.tuples(st.sampled_from(["pods", "jobs"]), NAMES, st.none() | ITEMS), max_size=12)


@given(before=WRITES, after=WRITES, cut=st.integers(min_value=0, max_value=60))
def test_a_store_comes_back_as_it_was_with_or_without_the_write_that_was_torn(
    tmp_path_factory: pytest.TempPathFactory, before: Any, after: Any, cut: int
) -> None:
    path = tmp_path_factory.mktemp("store") / "state"
    store = KeptStore()
    play(store, before)
    store.keep(path, {"admin": "t"})
    play(store, after)
    whole = dict_of(store)
    path.write_bytes(path.read_bytes() + b'{"resource":"pods","key":["","z"],"item":{"meta'[:cut])
    again, tokens = restored(path)
    assert (dict_of(again), tokens) == (whole, {"admin": "t"})
    assert again.version > store.version
    again.keep(path, tokens)
    assert dict_of(restored(path)[0]) == whole
    for one in (store, again):
        one.close()


def play(store: KeptStore, writes: Any) -> None:
    for resource, name, data in writes:
        if data is not None:
            store.put(resource, ("", name), {"metadata": {"name": name}, "data": data})
        elif store.get(resource, ("", name)) is not None:
            store.remove(resource, ("", name))


def dict_of(store: KeptStore) -> Any:
    return {(resource, key): item for resource, key, item in store.everything()}


@pytest.mark.parametrize("text", ["", "no JSON\n", "[]\n", "{}\n", '{"tokens": {}, "items": [], "version": "x"}\n'])
def test_a_file_that_is_no_state_is_refused_in_a_sentence(tmp_path: Path, text: str) -> None:
    (tmp_path / "state").write_text(text)
    with pytest.raises(ValueError, match="holds no state of this server"):
        restored(tmp_path / "state")


@pytest.mark.real
def test_only_its_owner_can_read_the_file_with_the_tokens(server: Server) -> None:
    assert server.state.stat().st_mode & 0o777 == 0o600
    assert server.said["tokens"]["admin"] in server.state.read_text()
