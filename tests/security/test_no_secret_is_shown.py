"""A secret that is planted is looked for in everything that is written, also when servers quote it back."""

from __future__ import annotations

import datetime as dt
import json
import ssl
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import responses

from analysis.packs import Feed
from analysis.sources.prometheus import PrometheusSource
from canary.adapters.kubernetes import Api, KubernetesRoutes, connect
from canary.adapters.kubernetes.budget import Pacer
from canary.adapters.kubernetes.connect import _load
from canary.adapters.kubernetes.errors import clean
from canary.adapters.kubernetes.transport import PoolTransport
from canary.cli.main import main
from canary.core.redaction import redacted
from canary.ports import PortError
from tests.planted import texts_of
from tests.running.conftest import NAMESPACE

PLANTED = "pl4nted-t0ken-that-must-not-be-shown"
JWT = "eyJhbGciOiJSUzI1NiIsImtpZCI6IjEifQ.eyJzdWIiOiJjYW5hcnkifQ.c2lnbmF0dXJl"
KEY = "-----BEGIN RSA PRIVATE KEY-----\nMIIEow\n-----END RSA PRIVATE KEY-----"
HERE = f"/api/v1/namespaces/{NAMESPACE}"
STORED = (
    f"{HERE}/configmaps",
    f"{HERE}/events",
    f"/apis/coordination.k8s.io/v1/namespaces/{NAMESPACE}/leases",
    f"/apis/apps/v1/namespaces/{NAMESPACE}/deployments",
    f"/apis/gateway.networking.k8s.io/v1/namespaces/{NAMESPACE}/httproutes",
    f"{HERE}/services",
)


def _with_bearer(world: Any, tmp_path: Path) -> Path:
    """The engine's own token as a header, from a file."""
    token = tmp_path / "token"
    token.write_text(world.tokens["engine"] + "\n")
    config = json.loads(world.kubeconfig().read_text())
    config["clusters"][0]["cluster"]["server"] = world.url
    config["users"][0]["user"] = {"tokenFile": "token"}
    path = tmp_path / "with-bearer"
    path.write_text(json.dumps(config))
    return path


def test_nothing_that_a_release_writes_holds_its_token(
    world: Any,
    file: Callable[..., Path],
    capsys: Any,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The API server quotes the credential in every refusal, and the release begins, fails and rolls back."""
    kept = world.folder / "kept"
    kept.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(kept))
    monkeypatch.setenv("NO_COLOR", "1")
    secret = world.tokens["engine"]
    quoting = {"status": 500, "reason": "InternalError", "message": f"cannot forward Authorization: Bearer {secret}"}
    patches = {"verb": "patch", "dryRun": "", "resource": "httproutes.gateway.networking.k8s.io"}
    world.fault(patches, quoting, times=2, skip=1)
    code = main(["--debug", "run", str(file()), "--kubeconfig", str(_with_bearer(world, world.folder)), "--lines"])
    said = capsys.readouterr()
    assert code == 16, said.err
    written = [said.out, said.err, *(one.read_text() for one in kept.iterdir())]
    stored = [text for path in STORED for text in texts_of(world.ask("GET", path))]
    assert any('"life"' in text for text in stored), "the record was not unpacked"
    assert any("ROLLED_BACK" in text for text in stored), "the journal was not looked at"
    for text in [*written, *stored, caplog.text]:
        assert secret not in text


def test_a_bug_s_traceback_holds_no_credential(tmp_path: Path, capsys: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail() -> None:
        raise ValueError(f"Invalid header value b'Bearer {PLANTED}\\n' for https://me:{PLANTED}@api {JWT}\n{KEY}")

    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    monkeypatch.setattr("canary.spec.schema", fail)
    for words in (["schema"], ["--debug", "schema"]):
        assert main(words) == 1
    said = capsys.readouterr()
    (kept,) = tmp_path.glob("canary-*")
    for text in (said.out, said.err, kept.read_text()):
        for secret in (PLANTED, JWT, "MIIEow"):
            assert secret not in text
    assert "Invalid header value" in kept.read_text()


@pytest.mark.parametrize(
    "text",
    [f"Authorization: Bearer {PLANTED}", f"bearer  {PLANTED}", f"http://u:{PLANTED}@host/", f"Basic {PLANTED}=="],
)
def test_what_looks_like_a_credential_is_taken_out(text: str) -> None:
    for shown in (redacted(text), clean(text)):
        assert PLANTED not in shown
        assert "***" in shown


@pytest.mark.parametrize(
    "text",
    [
        "give a bearer token",
        "basic auth",
        "http://prometheus:9090/x",
        "10:30 me@example",
        "eyJ",
        "xoxo-hug",
        "eyJ" * 9000,
    ],
)
def test_what_does_not_is_left(text: str) -> None:
    assert redacted(text) == text


# Credentials for the API server ------------------------------------------------------------------------------


def _patient() -> Pacer:
    """Time that passes only while somebody sleeps."""
    moment = [0.0]
    return Pacer(monotonic=lambda: moment[0], sleep=lambda seconds: moment.__setitem__(0, moment[0] + seconds))


def _asked(api: Api, token: str) -> BaseException:
    with pytest.raises(PortError) as caught:
        KubernetesRoutes(api, namespace="shop", name="shop").read()
    error: BaseException | None = caught.value
    while error is not None:
        assert token.strip() not in f"{error} {error!r}"
        error = error.__cause__ or error.__context__
    return caught.value


@pytest.mark.parametrize("token", [f"{PLANTED}\nX-Evil: 1", f"{PLANTED}\x00", f"{PLANTED}€", f"{PLANTED}\ud800"])
def test_a_token_that_is_none_is_not_sent_and_not_quoted(
    server: Any, kubeconfig: Callable[..., Path], token: str
) -> None:
    path = kubeconfig(f"http://127.0.0.1:{server.port}", token=token)
    assert "write it anew" in str(_asked(connect(kubeconfig=path, pacer=_patient()), token))
    assert server.requests == []


def test_a_token_file_of_a_kubeconfig_is_read_anew(
    server: Any, say: Any, kubeconfig: Callable[..., Path], tmp_path: Path
) -> None:
    path = kubeconfig(f"http://127.0.0.1:{server.port}")
    config = json.loads(path.read_text())
    config["users"][0]["user"] = {"tokenFile": "rotating"}
    path.write_text(json.dumps(config))
    token = tmp_path / "rotating"
    token.write_text("first\n")
    server.script = [say.reply(200, {"kind": "HTTPRoute", "metadata": {}, "spec": {}})]
    routes = KubernetesRoutes(connect(kubeconfig=path, pacer=_patient()), namespace="shop", name="shop")
    routes.read()
    token.write_text("second\n")
    routes.read()
    assert [headers["authorization"] for _, headers, _ in server.requests] == ["Bearer first", "Bearer second"]
    token.unlink()
    with pytest.raises(PortError, match="token cannot be read"):
        routes.read()


def test_a_pods_token_is_read_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from kubernetes.config import incluster_config

    token, authority = tmp_path / "token", tmp_path / "ca.crt"
    token.write_text("first")
    authority.write_text("-")
    monkeypatch.setattr(incluster_config, "SERVICE_TOKEN_FILENAME", str(token))
    monkeypatch.setattr(incluster_config, "SERVICE_CERT_FILENAME", str(authority))
    monkeypatch.setenv("KUBERNETES_SERVICE_HOST", "10.0.0.1")
    monkeypatch.setenv("KUBERNETES_SERVICE_PORT", "443")
    made: Any = object.__new__(PoolTransport)  # without its pool, which would read the authority
    made._configuration, made._lock = _load(None, None, in_cluster=True), threading.Lock()
    assert made._credentials() == {"authorization": "bearer first"}
    token.write_text("second")
    later = dt.datetime.now() + dt.timedelta(minutes=2)  # noqa: DTZ005 - as the client compares

    class Later(dt.datetime):
        @classmethod
        def now(cls, tz: Any = None) -> Any:  # noqa: ARG003 - its signature
            return later

    monkeypatch.setattr(incluster_config.datetime, "datetime", Later)
    assert made._credentials() == {"authorization": "bearer second"}


# TLS ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("ca", [None, "file"])
def test_prometheus_is_always_verified(
    mocked: responses.RequestsMock,
    feeds: tuple[Feed, ...],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    ca: str | None,
) -> None:
    for name in ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"):
        monkeypatch.setenv(name, "/nonexistent")
    if ca:
        ca = str(tmp_path / ca)
        Path(ca).write_text("")
    mocked.get("https://prometheus.test/api/v1/query", json={"status": "success", "data": {"result": []}})
    PrometheusSource(url="https://prometheus.test", feeds=feeds, ca=ca).read(timeout=2)
    assert [call.request.req_kwargs["verify"] for call in mocked.calls] == [ca or True] * len(mocked.calls)  # type: ignore[attr-defined]
    assert len(mocked.calls) > 0


def test_the_api_server_is_always_verified(kubeconfig: Callable[..., Path]) -> None:
    api: Any = connect(kubeconfig=kubeconfig("https://127.0.0.1:1"))
    settings = api._transport._pool.connection_pool_kw
    assert settings["cert_reqs"] == ssl.CERT_REQUIRED
    assert settings.get("assert_hostname") is not False


def test_nothing_in_the_tree_turns_verification_off() -> None:
    root = Path(__file__).parents[2]
    sources = [path for room in ("canary", "analysis", "strategies") for path in (root / room).rglob("*.py")]
    for path in sources:
        text = path.read_text()
        for way in (
            "verify=False",
            "verify = False",
            "CERT_NONE",
            "_create_unverified",
            "disable_warnings",
            "ssl=False",
        ):
            assert way not in text, path
