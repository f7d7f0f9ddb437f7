"""Every way in which an API server can fail, as one of four kinds, in bounded time."""

from __future__ import annotations

import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from canary.adapters.kubernetes import Api, ConnectError, KubernetesRoutes, connect
from canary.adapters.kubernetes.budget import Budget, Pacer
from canary.ports import Conflict, NotFound, PortError, Refused, Unavailable

ROUTE = {"kind": "HTTPRoute", "metadata": {"name": "web", "resourceVersion": "7"}, "spec": {"unknown": {"kept": 1}}}
REJECTED = "the server rejected our request due to an error in our request"
CAUSES = [{"reason": "FieldValueInvalid", "message": "must be positive", "field": "spec.rules[0]"}]
TEST = [{"op": "test", "path": "/spec/x", "value": 1}]

MakeApi = Callable[..., Api]


class Time:
    """Time that passes only when somebody waits."""

    def __init__(self) -> None:
        self.now, self.waits = 0.0, []

    @property
    def pacer(self) -> Pacer:
        return Pacer(monotonic=lambda: self.now, sleep=self._sleep)

    def _sleep(self, seconds: float) -> None:
        self.now += seconds
        self.waits.append(seconds)


def routes(api: Api) -> KubernetesRoutes:
    return KubernetesRoutes(api, namespace="shop", name="web")


def error_of(call: Callable[[], Any]) -> PortError:
    with pytest.raises(PortError) as caught:
        call()
    return caught.value


def patching(server, make_api: MakeApi, answer: bytes) -> PortError:
    server.script = [answer]
    return error_of(lambda: routes(make_api(Time().pacer)).patch(TEST))


def test_a_failed_json_patch_test_is_a_conflict(server, make_api: MakeApi, say) -> None:
    assert type(patching(server, make_api, say.status(422, REJECTED, "Invalid"))) is Conflict


def test_a_patch_that_validation_refuses_is_refused_with_the_servers_words(server, make_api: MakeApi, say) -> None:
    message = 'HTTPRoute "web" is invalid: spec.rules[0]: Invalid value: -1: must be positive'
    error = patching(server, make_api, say.status(422, message, "Invalid", name="web", causes=CAUSES))
    assert type(error) is Refused
    assert error.status == 422
    assert "must be positive" in str(error)
    assert "HTTPRoute shop/web" in str(error)


def test_an_admission_webhook_that_answers_422_is_a_refusal_not_a_conflict(server, make_api: MakeApi, say) -> None:
    message = 'admission webhook "policy.example" denied the request: no canaries on Fridays'
    error = patching(server, make_api, say.status(422, message))
    assert type(error) is Refused
    assert "no canaries on Fridays" in str(error)


def test_the_generic_422_is_a_refusal_when_no_json_patch_was_sent(server, make_api: MakeApi, say) -> None:
    server.script = [say.status(422, REJECTED, "Invalid")]
    error = error_of(lambda: routes(make_api(Time().pacer)).merge({"spec": {}}))
    assert type(error) is Refused


def test_the_500_of_old_servers_for_a_failed_test_is_a_conflict(server, make_api: MakeApi, say) -> None:
    assert type(patching(server, make_api, say.status(500, "Testing value /spec/x failed"))) is Conflict


@pytest.mark.parametrize("code", [409, 412])
def test_a_moved_object_is_a_conflict(server, make_api: MakeApi, say, code: int) -> None:
    error = patching(server, make_api, say.status(code, "the object has been modified", "Conflict", name="web"))
    assert type(error) is Conflict
    assert "has been modified" in str(error)


@pytest.mark.parametrize("code", [400, 401, 403, 405, 413, 415])
def test_what_the_server_will_refuse_again_is_refused(server, make_api: MakeApi, say, code: int) -> None:
    error = patching(server, make_api, say.status(code, 'httproutes "web" is forbidden', "Forbidden"))
    assert type(error) is Refused
    assert error.status == code
    assert len(server.requests) == 1


def test_a_missing_object_is_not_found(server, make_api: MakeApi, say) -> None:
    error = patching(server, make_api, say.status(404, 'httproutes "web" not found', "NotFound", name="web"))
    assert type(error) is NotFound


@pytest.mark.parametrize("kind", ["text/plain", "text/html"])
def test_a_404_that_no_api_server_wrote_says_nothing_about_the_object(
    server, make_api: MakeApi, say, kind: str
) -> None:
    error = patching(server, make_api, say.reply(404, b"404 page not found", kind=kind))
    assert isinstance(error, Unavailable)


@pytest.mark.parametrize("code", [500, 502, 503, 504])
def test_a_write_that_may_have_been_done_is_not_repeated(server, make_api: MakeApi, say, code: int) -> None:
    error = patching(server, make_api, say.status(code, "etcdserver: request timed out"))
    assert isinstance(error, Unavailable)
    assert len(server.requests) == 1


@pytest.mark.parametrize("code", [429, 500, 503])
def test_a_read_is_repeated_until_it_succeeds(server, make_api: MakeApi, say, code: int) -> None:
    server.script = [say.status(code, "busy"), say.status(code, "busy"), say.reply(200, ROUTE)]
    assert routes(make_api(Time().pacer)).read() == ROUTE
    assert len(server.requests) == 3


def test_a_throttled_write_waits_as_long_as_the_server_says_and_is_sent_again(server, make_api: MakeApi, say) -> None:
    time = Time()
    server.script = [say.reply(429, {"kind": "Status", "message": "slow down"}, retry_after="3"), say.reply(200, ROUTE)]
    assert routes(make_api(time.pacer, Budget(total=5.0, attempt=2.0))).patch(TEST) == ROUTE
    assert time.waits == [3.0]


def test_a_throttled_write_gives_up_when_the_server_wants_more_time_than_there_is(
    server, make_api: MakeApi, say
) -> None:
    time = Time()
    server.script = [say.reply(429, {"kind": "Status", "message": "slow down"}, retry_after="60")]
    api = make_api(time.pacer, Budget(total=5.0, attempt=2.0))
    error = error_of(lambda: routes(api).patch(TEST))
    assert isinstance(error, Unavailable)
    assert error.retry_after == 60.0
    assert time.waits == []


def test_retries_of_a_read_end_within_the_budget(server, make_api: MakeApi, say) -> None:
    time = Time()
    server.script = [say.status(503, "no")]
    error = error_of(lambda: routes(make_api(time.pacer, Budget(total=5.0, attempt=2.0))).read())
    assert isinstance(error, Unavailable)
    assert time.now < 5.0
    assert len(server.requests) > 3


def hang(server: Any) -> Callable[[str, bytes, socket.socket], None]:
    def handler(_line: str, _body: bytes, _peer: socket.socket) -> None:
        server.released.wait()

    return handler


@pytest.mark.parametrize("method", ["read", "patch"])
def test_a_server_that_hangs_is_given_up(server, make_api: MakeApi, method: str) -> None:
    server.script = [hang(server)]
    port = routes(make_api())
    error = error_of(port.read if method == "read" else lambda: port.patch(TEST))
    assert isinstance(error, Unavailable)
    assert "no answer" in str(error)


def test_a_hanging_read_is_tried_again_and_may_succeed(server, make_api: MakeApi, say) -> None:
    server.script = [hang(server), say.reply(200, ROUTE)]
    assert routes(make_api()).read() == ROUTE


def test_an_answer_that_drips_is_cut_off(server, make_api: MakeApi) -> None:
    def drip(_line: str, _body: bytes, peer: socket.socket) -> None:
        peer.sendall(b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 1000000\r\n\r\n")
        while not server.released.wait(0.02):
            peer.sendall(b" ")

    server.script = [drip]
    error = error_of(lambda: routes(make_api()).patch(TEST))
    assert isinstance(error, Unavailable)
    assert "did not finish" in str(error)


def test_a_connection_closed_without_an_answer_is_unavailable_and_the_write_is_not_repeated(
    server, make_api: MakeApi
) -> None:
    server.script = [lambda *_: None]
    error = error_of(lambda: routes(make_api()).patch(TEST))
    assert isinstance(error, Unavailable)
    assert len(server.requests) == 1


def test_a_read_survives_a_closed_connection(server, make_api: MakeApi, say) -> None:
    server.script = [lambda *_: None, say.reply(200, ROUTE)]
    assert routes(make_api(Time().pacer)).read() == ROUTE


def test_an_answer_that_breaks_off_is_unavailable(server, make_api: MakeApi) -> None:
    def half(_line: str, _body: bytes, peer: socket.socket) -> None:
        peer.sendall(b'HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 100\r\n\r\n{"kind"')

    server.script = [half]
    assert isinstance(error_of(lambda: routes(make_api()).patch(TEST)), Unavailable)


def test_nobody_listening_is_unavailable(server, make_api: MakeApi) -> None:
    port = routes(make_api(Time().pacer))
    server.close()
    assert isinstance(error_of(lambda: port.patch(TEST)), Unavailable)


def test_when_the_server_was_last_found_gone_is_known(server, make_api: MakeApi, say) -> None:
    time = Time()
    api = make_api(time.pacer, Budget(total=5.0, attempt=2.0))
    server.script = [say.reply(429, {"kind": "Status"}, retry_after="1"), say.reply(200, ROUTE)]
    routes(api).patch(TEST)
    assert api.missed_at is None
    server.script = [say.reply(503, {"kind": "Status"}), say.reply(200, ROUTE)]
    routes(api).read()
    assert api.missed_at == 1.0
    time.now = 20.0
    server.close()
    error_of(lambda: routes(api).patch(TEST))
    assert api.missed_at >= 20.0


@pytest.mark.parametrize(
    "body", [b"<html>login</html>", b"", b"[1]", b"nonsense", b"\xff\xfe", b"[" * 100_000, b'"text"']
)
def test_an_answer_that_is_no_object_is_unavailable(server, make_api: MakeApi, say, body: bytes) -> None:
    error = patching(server, make_api, say.reply(200, body, kind="text/html"))
    assert isinstance(error, Unavailable)
    assert "text/html" in str(error)


def test_a_login_page_is_refused_and_not_followed(server, make_api: MakeApi, say) -> None:
    error = patching(server, make_api, say.reply(302, b"", location="http://127.0.0.1:1/login"))
    assert type(error) is Refused
    assert "proxy" in str(error)


def test_a_huge_answer_is_not_read_to_its_end(server, make_api: MakeApi, monkeypatch: pytest.MonkeyPatch, say) -> None:
    monkeypatch.setattr("canary.adapters.kubernetes.api.BODY_LIMIT", 200_000)
    error = patching(server, make_api, say.reply(200, b" " * 2_000_000))
    assert isinstance(error, Unavailable)
    assert "more than" in str(error)


def test_a_message_from_the_server_is_shortened_to_one_printable_line(server, make_api: MakeApi, say) -> None:
    error = patching(server, make_api, say.status(403, "no\x1b[31m\n" + "x" * 5000))
    assert str(error).isprintable()
    assert len(str(error)) < 700


def test_unknown_fields_come_through_as_they_are(server, make_api: MakeApi, say) -> None:
    server.script = [say.reply(200, ROUTE)]
    assert routes(make_api()).read() == ROUTE


def test_one_connection_serves_one_call_after_another(server, make_api: MakeApi, say) -> None:
    server.script = [say.reply(200, ROUTE), say.status(409, "moved"), say.status(404, "gone"), say.reply(200, ROUTE)]
    port = routes(make_api(Time().pacer))
    port.patch(TEST)
    error_of(lambda: port.patch(TEST))
    error_of(port.read)
    port.patch(TEST)
    assert server.connections == 1


def test_every_write_names_us_and_its_content_type(server, make_api: MakeApi, say) -> None:
    server.script = [say.reply(200, ROUTE)]
    port = routes(make_api())
    port.patch(TEST)
    port.merge({"spec": {}}, dry_run=True)
    # On a busy machine a write may be sent again.
    (patch, headers, _), *_, (merge, others, _) = server.requests
    assert "fieldManager=canary-engine" in patch
    assert "dryRun" not in patch
    assert headers["content-type"] == "application/json-patch+json"
    assert headers["user-agent"].startswith("canary-engine/")
    assert "fieldManager=canary-engine&dryRun=All" in merge
    assert others["content-type"] == "application/merge-patch+json"


@pytest.mark.parametrize("name", ["a.b", 'x"y', "{z}", "a/b", "a?b", "ü"])
def test_odd_names_stay_inside_their_path_segment(server, make_api: MakeApi, say, name: str) -> None:
    server.script = [say.reply(200, ROUTE)]
    KubernetesRoutes(make_api(), namespace="shop", name=name).read()
    path = server.requests[0][0].split()[1]
    assert path.startswith("/apis/gateway.networking.k8s.io/v1/namespaces/shop/httproutes/")
    assert path.count("/") == 7
    assert "?" not in path


def test_no_error_shows_the_token(server, make_api: MakeApi, say) -> None:
    for answer in (say.status(401, "Unauthorized"), lambda *_: None, say.reply(200, b"<html>")):
        server.script = [answer]
        error: BaseException | None = error_of(lambda: routes(make_api(Time().pacer)).patch(TEST))
        while error is not None:
            assert "must-not-be-shown" not in f"{error!r} {error}"
            error = error.__cause__ or error.__context__
    assert server.requests[0][1]["authorization"].endswith("must-not-be-shown")


def test_a_server_whose_certificate_would_not_be_verified_is_not_talked_to(kubeconfig: Callable[..., Path]) -> None:
    path = kubeconfig("https://127.0.0.1:1", **{"insecure-skip-tls-verify": True})
    with pytest.raises(ConnectError, match="certificate-authority"):
        connect(kubeconfig=path)


def test_plain_http_is_only_spoken_on_this_machine(kubeconfig: Callable[..., Path]) -> None:
    with pytest.raises(ConnectError, match="https"):
        connect(kubeconfig=kubeconfig("http://api.example:8080"))


@pytest.mark.parametrize("text", ["", "{", "clusters: [", "a-word-that-must-not-be-shown: *x", "[]"])
def test_a_broken_kubeconfig_is_refused_without_quoting_it(tmp_path: Path, text: str) -> None:
    path = tmp_path / "kubeconfig"
    path.write_text(text)
    with pytest.raises(ConnectError) as caught:
        connect(kubeconfig=path)
    assert "kubeconfig" in str(caught.value)
    assert "must-not-be-shown" not in str(caught.value)


def test_a_missing_kubeconfig_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(ConnectError, match="KUBECONFIG"):
        connect(kubeconfig=tmp_path / "nothing")


def test_outside_a_pod_there_is_no_service_account(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("KUBERNETES_SERVICE_HOST", raising=False)
    with pytest.raises(ConnectError, match="kubeconfig"):
        connect(in_cluster=True)
