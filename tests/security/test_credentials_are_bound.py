"""A credential goes where the operator sends it: a release file may come from a pull request."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import requests
from hypothesis import given
from hypothesis import strategies as st

from analysis.packs import Target
from canary.cli.boundary import Failure
from canary.cli.credentials import VARIABLE, bound, refuse_unbound, trust_of
from canary.cli.reads import source_of
from canary.core.outcome import ExitCode
from canary.spec import Release, ReleaseFileError, parse
from tests.security.fuzzing import FUZZ

POD_TOKEN = "/var/run/secrets/kubernetes.io/serviceaccount/token"  # noqa: S105 - a path
TOKEN, CA = "/var/run/secrets/prometheus/token", "/etc/prometheus/ca.crt"
HOME = "https://prometheus.monitoring:9090"

OPERATORS = f"""\
apiVersion: canary/v1
kind: Credentials
prometheus:
  - {{url: {HOME}/tenant, bearerTokenFile: {TOKEN}, ca: {CA}}}
  - {{url: "https://other.example", bearerTokenFile: {TOKEN}}}
"""


def release(url: str, **more: Any) -> Release:
    source = {"prometheus": {"url": url, **more}}
    return parse(f"""\
apiVersion: canary/v1
kind: Release
metadata: {{name: shop, namespace: shop}}
spec:
  route: {{name: shop}}
  stable: {{service: shop, port: 8080}}
  canary: {{service: shop-canary}}
  analysis: {{source: {json.dumps(source)}, gateway: traefik}}
""")


@pytest.fixture
def operators(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], Path]:
    def write(text: str) -> Path:
        path = tmp_path / "credentials.yaml"
        path.write_text(text)
        monkeypatch.setenv(VARIABLE, str(path))
        return path

    return write


def refused(file: Release) -> str:
    with pytest.raises(Failure) as failure:
        refuse_unbound(file)
    assert failure.value.code == ExitCode.NOT_PERMITTED
    assert VARIABLE in failure.value.hint
    return str(failure.value)


@pytest.mark.parametrize("url", ["https://attacker.example", HOME, "https://127.0.0.1:6443"])
@pytest.mark.parametrize("path", [POD_TOKEN, TOKEN, "/etc/passwd"])
def test_without_the_operators_word_no_file_is_sent_anywhere(
    monkeypatch: pytest.MonkeyPatch, url: str, path: str
) -> None:
    monkeypatch.delenv(VARIABLE, raising=False)
    assert path in refused(release(url, bearerTokenFile=path))


@pytest.mark.parametrize(
    ("url", "path"),
    [
        (f"{HOME}/tenant", POD_TOKEN),
        ("https://attacker.example/tenant", TOKEN),
        ("https://prometheus.monitoring:9091/tenant", TOKEN),
        ("https://prometheus.monitoring/tenant", TOKEN),
        ("https://prometheus.monitoring.attacker.example:9090/tenant", TOKEN),
        (f"{HOME}/", TOKEN),
        (f"{HOME}/tenants", TOKEN),
        (f"{HOME}/tenant/../attacker", TOKEN),
        (f"{HOME}/tenant/%2e%2e/attacker", TOKEN),
    ],
)
def test_another_address_or_another_file_is_refused(operators: Callable[[str], Path], url: str, path: str) -> None:
    operators(OPERATORS)
    assert path in refused(release(url, bearerTokenFile=path))


@pytest.mark.parametrize(
    "url", [f"{HOME}/tenant", f"{HOME}/tenant/a", "https://other.example:443", "https://OTHER.example"]
)
def test_what_is_bound_is_given_whether_the_file_names_it_or_not(operators: Callable[[str], Path], url: str) -> None:
    operators(OPERATORS)
    for more in ({}, {"bearerTokenFile": TOKEN}):
        asked = release(url, **more).spec.analysis.source.prometheus
        assert asked is not None
        # An address that is not spelled as everybody spells it gets nothing.
        if url.islower():
            trust = trust_of(asked, bound())
            assert (trust.token_file, trust.ca) == (TOKEN, CA if "tenant" in url else None)
        elif more:
            refused(release(url, **more))
        else:
            assert trust_of(asked, bound()).token_file is None


def test_a_release_file_cannot_bring_its_own_authority_to_a_bound_address(operators: Callable[[str], Path]) -> None:
    # The release file itself is on the engine's disk, and a certificate fits into a comment of it.
    operators(OPERATORS)
    own = {"tls": {"ca": "/etc/canary/release.yaml"}}
    assert "/etc/canary/release.yaml" in refused(release(f"{HOME}/tenant", **own))
    assert "/etc/canary/release.yaml" in refused(release("https://other.example", **own))
    refuse_unbound(release(f"{HOME}/tenant", tls={"ca": CA}))
    refuse_unbound(release("https://unbound.example", **own))


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "empty"),
        ("[]", "mapping"),
        ("apiVersion: canary/v1\nkind: Release\n", "kind"),
        ("apiVersion: canary/v1\nkind: Credentials\nprometeus: []\n", "prometeus"),
        (OPERATORS.replace("https://other", "http://other"), "https"),
        (OPERATORS.replace("https://other.example", "https://other.example/a/../b"), "plain"),
        (OPERATORS + "kind: Credentials\n", "kind"),
        ("a: &a [x,x]\nb: &b [*a,*a]\n" + "c: [*nobody]\n", "nobody"),
    ],
)
def test_a_bad_file_of_the_operators_is_refused_and_nothing_is_guessed(
    operators: Callable[[str], Path], text: str, words: str
) -> None:
    path = operators(text)
    said = refused(release(HOME))
    assert words in said
    assert path.name in said


def test_a_missing_file_of_the_operators_is_told(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv(VARIABLE, str(tmp_path / "nowhere"))
    assert "cannot be read" in refused(release(HOME))


def test_the_source_is_made_from_what_is_bound(operators: Callable[[str], Path]) -> None:
    from analysis.model import Arm

    operators(OPERATORS)
    target = Target(namespace="shop", route="shop", services={Arm.STABLE: "shop", Arm.CANARY: "shop-canary"}, port=8080)
    made: Any = source_of(release(f"{HOME}/tenant"), target, now=lambda: 0.0)
    assert (made._token_file, made._ca) == (TOKEN, CA)
    with pytest.raises(Failure):
        source_of(release(HOME, bearerTokenFile=POD_TOKEN), target, now=lambda: 0.0)


@pytest.mark.parametrize(
    "name",
    [
        *(
            "Authorization",
            "authorization",
            "Cookie",
            "X-Api-Key",
            "apikey",
            "X-Auth-Token",
            "PRIVATE-TOKEN",
            "X-Password",
        ),
        *("Host", "Transfer-Encoding", "content-length", "Connection", "a b", "a\tb", "a:b", "ä", ""),
    ],
)
def test_headers_that_carry_credentials_or_redirect_are_refused(name: str) -> None:
    with pytest.raises(ReleaseFileError):
        release(HOME, headers={name: "x"})


def test_no_command_takes_the_token_from_the_release_file_itself() -> None:
    for path in (Path(__file__).parents[2] / "canary/cli").glob("*.py"):
        if path.name != "credentials.py":
            assert ".bearer_token_file" not in path.read_text(), path


@pytest.mark.parametrize("value", ["a\nX-Evil: 1", "a\r\nX-Evil: 1", "a\x00", "\u2028"])
def test_a_headers_value_cannot_begin_another_header(value: str) -> None:
    with pytest.raises(ReleaseFileError):
        release(HOME, headers={"X-Scope-OrgID": value})


@FUZZ
@given(st.text(st.sampled_from("ab.:/\\@#?%[]\u3002\uff0f\u2100 \t1"), max_size=24))
def test_whatever_address_is_taken_everybody_reads_it_alike(rest: str) -> None:
    try:
        file = release("https://" + rest)
    except ReleaseFileError:
        return
    url = file.spec.analysis.source.prometheus.url  # type: ignore[union-attr]
    try:
        sent = requests.Request("GET", url).prepare().url
    except requests.RequestException:
        return  # it goes nowhere
    assert urlsplit(str(sent)).hostname == urlsplit(url).hostname
