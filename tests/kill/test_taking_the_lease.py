"""Whose lease is waited out and whose is not: the death of a holder must be witnessed, not guessed."""

import json
import os
import signal
import subprocess
import sys
import threading
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from canary.adapters.kubernetes import Api, KubernetesLeases, ServerClock, connect
from canary.adapters.kubernetes.leases import HANDOVER, ORIGIN
from canary.adapters.kubernetes.origin import here, known_dead
from canary.adapters.memory import ManualClock, MemoryLeases, World
from canary.cli.boundary import Failure
from canary.cli.taking import LEASE_DURATION, LEASE_POLL, take_lease
from canary.core.outcome import ExitCode
from canary.sandbox.processes import Child, module

SAYS = "import sys, time; from canary.adapters.kubernetes.origin import here; print(here(), flush=True); time.sleep(60)"


# Waiting ----------------------------------------------------------------------------------------------------------


class Wait:
    """Takes a lease in virtual time."""

    def __init__(self) -> None:
        world = World()
        self.clock, self.leases = world.clock, MemoryLeases(world)
        self.said: list[str] = []
        self.seen: tuple[str, ...] = ()
        self.same: Callable[[], bool] = lambda: False
        self.each: Callable[[], None] = lambda: None

    def sleep(self, seconds: float) -> None:
        self.clock.advance(seconds)
        self.each()

    def take(self, *, dead: Callable[[str], bool]) -> float:
        """Take it; returns how long that took."""
        began = self.clock.monotonic()
        self.seen = take_lease(
            self.leases,
            "me",
            dead=dead,
            say=self.said.append,
            monotonic=self.clock.monotonic,
            same=self.same,
            sleep=self.sleep,
        )
        return self.clock.monotonic() - began


@pytest.fixture
def wait() -> Wait:
    return Wait()


def test_a_free_lease_is_taken_at_once(wait: Wait) -> None:
    assert wait.take(dead=lambda _: False) == 0.0
    assert (wait.leases.holder, wait.seen) == ("me", ())


def test_a_lease_that_is_given_back_while_it_is_waited_for_is_taken_and_its_holder_remembered(wait: Wait) -> None:
    wait.leases.acquire("other")
    wait.each = lambda: wait.leases.release("other")
    assert wait.take(dead=lambda _: False) == LEASE_POLL
    assert (wait.leases.holder, wait.seen) == ("me", ("other",))


def test_a_silent_holder_of_whom_nothing_is_known_is_waited_out_for_the_whole_duration(wait: Wait) -> None:
    wait.leases.acquire("other")
    assert LEASE_DURATION <= wait.take(dead=lambda _: False) <= LEASE_DURATION + LEASE_POLL
    assert (wait.leases.holder, wait.seen) == ("me", ("other",))
    assert "held by other" in wait.said[0]


def test_a_holder_that_is_known_to_be_dead_is_not_waited_for(wait: Wait) -> None:
    wait.leases.origin = "somewhere"
    wait.leases.acquire("other")
    assert wait.take(dead=lambda origin: origin == "somewhere") == 0.0
    assert wait.leases.holder == "me"


def test_a_holder_that_dies_while_it_is_waited_for_is_waited_for_no_longer(wait: Wait) -> None:
    wait.leases.acquire("other")
    assert wait.take(dead=lambda _: wait.clock.monotonic() >= 5.0) <= 5.0 + LEASE_POLL


@pytest.mark.parametrize("known", [True, False])
def test_a_holder_that_renews_keeps_its_lease(wait: Wait, known: bool) -> None:
    wait.leases.acquire("other")
    wait.each = lambda: wait.leases.renew("other")
    with pytest.raises(Failure) as raised:
        wait.take(dead=lambda _: known and wait.clock.monotonic() > 1.0)
    assert raised.value.code is ExitCode.HELD_BY_ANOTHER
    assert wait.leases.holder == "other"


def test_beside_a_holder_that_drives_this_very_release_we_stand_by_until_it_ends(wait: Wait) -> None:
    wait.same = lambda: True
    wait.leases.acquire("other")

    def each() -> None:
        if wait.clock.monotonic() < 500:
            wait.leases.renew("other")
        else:
            wait.leases.release("other")

    wait.each = each
    assert 500 <= wait.take(dead=lambda _: False) <= 500 + LEASE_POLL
    assert (wait.leases.holder, wait.seen) == ("me", ("other",))
    assert [line for line in wait.said if "standing by" in line] == [
        "another engine (other) drives this very release: standing by until it ends"
    ]


def test_when_the_one_that_we_stand_by_for_dies_its_silence_is_counted_from_its_last_word(wait: Wait) -> None:
    wait.same = lambda: True
    wait.leases.acquire("other")

    def each() -> None:
        if wait.clock.monotonic() < 100:
            wait.leases.renew("other")

    wait.each = each
    took = wait.take(dead=lambda _: False)
    assert 100 + LEASE_DURATION - LEASE_POLL <= took <= 100 + LEASE_DURATION + 2 * LEASE_POLL
    assert wait.seen == ("other",)


def test_everybody_who_held_it_meanwhile_is_remembered(wait: Wait) -> None:
    """Of three, one ends the release and another tells its end: the last must still know whose end it is."""
    wait.same = lambda: True
    wait.leases.acquire("first")

    def each() -> None:
        now = wait.clock.monotonic()
        if now < 10:
            wait.leases.renew("first")
        elif now < 20:
            wait.leases.seize("second")
        else:
            wait.leases.release("second")

    wait.each = each
    wait.take(dead=lambda _: False)
    assert wait.seen == ("first", "second")


def test_who_came_in_between_keeps_what_the_dead_one_left(wait: Wait) -> None:
    wait.leases.acquire("other")

    def dead(_: str) -> bool:
        wait.leases.seize("third")
        return True

    with pytest.raises(Failure) as raised:
        wait.take(dead=dead)
    assert raised.value.code is ExitCode.HELD_BY_ANOTHER
    assert wait.leases.holder == "third"


# The kernel's word ------------------------------------------------------------------------------------------------


class Nowhere:
    """An API server that must not be asked."""

    def get(self, *_: Any, **__: Any) -> Any:
        raise AssertionError("the API server was asked")


def dead(origin: str, api: Any = None) -> bool:
    return known_dead(origin, api or Nowhere(), namespace="shop")


@pytest.fixture
def holder() -> Iterator[tuple[subprocess.Popen[str], str]]:
    """A process that lives, and what it said about itself."""
    with subprocess.Popen([sys.executable, "-c", SAYS], stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            yield process, process.stdout.readline().strip()
        finally:
            process.kill()


def test_a_living_process_is_not_dead_nor_is_one_that_is_paused(holder: tuple[Any, str]) -> None:
    process, origin = holder
    assert json.loads(origin)["pid"] == process.pid
    assert not dead(origin)
    process.send_signal(signal.SIGSTOP)
    os.waitpid(process.pid, os.WUNTRACED)
    assert not dead(origin)
    process.send_signal(signal.SIGCONT)


def test_a_killed_process_is_dead_even_before_its_parent_has_noticed(holder: tuple[Any, str]) -> None:
    process, origin = holder
    process.kill()
    os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)  # until it is a zombie, and leave it one
    assert dead(origin)
    process.wait()
    assert dead(origin)


def test_another_process_under_the_same_number_is_another(holder: tuple[Any, str]) -> None:
    origin = json.loads(holder[1])
    assert dead(json.dumps({**origin, "born": str(int(origin["born"]) - 1)}))


def test_another_machines_processes_are_unknown(holder: tuple[Any, str]) -> None:
    process, said = holder
    process.kill()
    process.wait()
    origin = json.loads(said)
    assert dead(said)
    assert not dead(json.dumps({**origin, "machine": origin["machine"].replace("pid:[", "pid:[9")}))
    assert not dead(json.dumps({**origin, "machine": ""}))


VALUES = st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.lists(st.integers(), max_size=2)
KEYS = st.sampled_from(["machine", "pid", "born", "pod", "uid", "x"])


@given(st.text() | st.dictionaries(KEYS, VALUES).map(json.dumps) | VALUES.map(json.dumps))
def test_what_is_no_origin_is_unknown(origin: str) -> None:
    class Empty:
        def get(self, *_: Any, **__: Any) -> Any:
            return {}

    assert not dead(origin, Empty())


@given(st.sampled_from([0, -1, 1, 2**22, 2**70, True, 1.0, "1"]))
def test_a_number_that_is_no_process_of_ours_is_signalled_to_nobody(pid: Any) -> None:
    origin = json.loads(here({}))
    assert not dead(json.dumps({**origin, "pid": pid, "born": ""}))


# The kubelet's word -----------------------------------------------------------------------------------------------


POD = {"POD_NAME": "engine-abc", "POD_UID": "0b5c"}
RUNNING, ENDED = {"running": {"startedAt": "x"}}, {"terminated": {"exitCode": 137}}


@pytest.mark.parametrize(
    ("states", "uid", "phase", "is_dead"),
    [
        ([ENDED], "0b5c", "Failed", True),
        ([ENDED, ENDED], "0b5c", "Running", True),
        ([RUNNING], "0b5c", "Running", False),
        ([ENDED, RUNNING], "0b5c", "Running", False),
        ([RUNNING], "0b5c", "Failed", False),  # said by the control plane of a pod on a lost node
        ([], "0b5c", "Pending", False),
        ([ENDED], "another", "Failed", False),
    ],
)
def test_a_pod_is_dead_when_the_kubelet_says_that_all_its_containers_are(
    states: list[Any], uid: str, phase: str, is_dead: bool
) -> None:
    class One:
        def get(self, path: str, **_: Any) -> Any:
            assert path == "/api/v1/namespaces/shop/pods/engine-abc"
            status = {"phase": phase, "containerStatuses": [{"state": state} for state in states]}
            return {"metadata": {"uid": uid}, "status": status}

    origin = json.loads(here(POD))
    elsewhere = json.dumps({**origin, "machine": "another/pid:[1]"})
    assert dead(elsewhere, One()) is is_dead


# On the API server ------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Any]]:
    folder = tmp_path_factory.mktemp("lease")
    child = Child(module("canary.sandbox.apiserver", "--port", "0"), log=folder / "api.log", pipe=True)
    said = child.ready(20.0)
    base = f"{said['url']}/as/{said['tokens']['admin']}"
    body = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "shop"}}
    ask(base, "POST", "/api/v1/namespaces", body)
    config = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "it",
        "clusters": [{"name": "it", "cluster": {"server": base}}],
        "users": [{"name": "it", "user": {}}],
        "contexts": [{"name": "it", "context": {"cluster": "it", "user": "it"}}],
    }
    (folder / "kubeconfig").write_text(json.dumps(config))
    yield {"base": base, "kubeconfig": folder / "kubeconfig"}
    child.stop()


def ask(base: str, method: str, path: str, body: Any = None, content: str = "application/json") -> Any:
    data = None if body is None else json.dumps(body).encode()
    headers = {"Content-Type": content}
    request = urllib.request.Request(base + path, data=data, method=method, headers=headers)  # noqa: S310 - ours
    with urllib.request.urlopen(request, timeout=10) as answer:  # noqa: S310 - ours
        return json.loads(answer.read())


@pytest.fixture
def api(server: dict[str, Any]) -> Api:
    path: Path = server["kubeconfig"]
    return connect(kubeconfig=path)


def lease_path(name: str) -> str:
    return f"/apis/coordination.k8s.io/v1/namespaces/shop/leases/{name}"


@pytest.mark.real
def test_the_lease_says_where_its_holder_runs_and_forgets_it_with_the_holder(api: Api, server: dict[str, Any]) -> None:
    def leases(origin: str) -> KubernetesLeases:
        return KubernetesLeases(api, namespace="shop", name="origin", clock=ServerClock(api), origin=origin)

    first, second = leases("here"), leases("there")
    assert first.acquire("a").origin == "here"
    ask(
        server["base"],
        "PATCH",
        lease_path("origin"),
        {"metadata": {"annotations": {"theirs": "kept"}}},
        "application/merge-patch+json",
    )
    seen = second.acquire("b")
    assert (seen.holder, seen.origin, seen.ours) == ("a", "here", False)
    assert first.renew("a").origin == "here"
    stale = seen.version
    assert not second.acquire("b", steal=stale).ours  # it was renewed since
    taken = second.acquire("b", steal=second.acquire("b").version)
    assert (taken.origin, taken.ours) == ("there", True)
    assert not first.renew("a").ours
    second.release("b", handover=True)
    assert HANDOVER in ask(server["base"], "GET", lease_path("origin"))["metadata"]["annotations"]
    assert first.acquire("a").ours
    notes = ask(server["base"], "GET", lease_path("origin"))["metadata"]["annotations"]
    assert notes == {"theirs": "kept", ORIGIN: "here"}


@pytest.mark.real
def test_of_many_who_take_a_dead_ones_lease_one_gets_it(api: Api) -> None:
    KubernetesLeases(api, namespace="shop", name="many", clock=ServerClock(api), origin="dead").acquire("gone")
    ends: dict[str, str] = {}
    together = threading.Barrier(6)

    def run(name: str) -> None:
        mine = KubernetesLeases(api, namespace="shop", name="many", clock=ServerClock(api), origin="alive")
        clock = ManualClock()

        def is_dead(origin: str) -> bool:
            together.wait(10)
            return origin == "dead"

        try:
            take_lease(mine, name, dead=is_dead, say=lambda _: None, monotonic=clock.monotonic, sleep=clock.advance)
            ends[name] = "taken"
        except Failure:
            ends[name] = "refused"

    threads = [threading.Thread(target=run, args=(f"engine-{number}",)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(ends.values()) == ["refused"] * 5 + ["taken"]
