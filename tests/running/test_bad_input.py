"""What `canary run` says to bad input: a sentence with what to do, the documented code; the route stays as it was."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from canary.adapters.kubernetes import preflight
from canary.core.outcome import ExitCode
from tests.running.conftest import NAMESPACE, ROUTE, bare

pytestmark = pytest.mark.timeout(90)

Run, File = Callable[..., Any], Callable[..., Path]


@pytest.fixture(autouse=True)
def _the_route_is_as_it_was(world: Any) -> Any:
    yield
    assert world.route() == bare(world.before)


def test_a_broken_release_file_is_shown_with_its_place(run: Run, file: File) -> None:
    ran = run(file(**{"gateway: traefik": "gatway: traefik"}))
    assert ran.code == ExitCode.INVALID_RELEASE_FILE
    assert "release.yaml:14:5: spec.analysis.gatway: there is no such key; did you mean gateway?" in ran.err


def test_a_route_that_is_not_there(run: Run, file: File) -> None:
    ran = run(file(**{"route: {name: shop}": "route: {name: shopp}"}))
    assert (ran.code, "shopp" in ran.err) == (ExitCode.NOT_PERMITTED, True)  # the Role names one route only
    assert "resourceNames" in ran.err or "Role" in ran.err


def test_a_route_that_is_not_there_for_somebody_who_may_see_all(run: Run, file: File, world: Any) -> None:
    ran = run(file(**{"route: {name: shop}": "route: {name: shopp}"}), token=world.tokens["admin"])
    assert ran.code == ExitCode.PREFLIGHT_FAILED
    assert "shopp" in ran.err
    assert "correct its name" in ran.err


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("stable: {service: shop,", "stable: {service: nobody,", "nobody"),
        ("port: 8080}", "port: 8081}", "8081"),
        ("canary: {service: shop-canary}", "canary: {service: not-there}", "not-there"),
        ("route: {name: shop}", "route: {name: shop, rules: [about]}", "about"),
        ("route: {name: shop}", "route: {name: shop, rules: [nowhere]}", "nowhere"),
    ],
)
def test_what_the_file_names_must_be_there(run: Run, file: File, old: str, new: str, said: str) -> None:
    ran = run(file(**{old: new}))
    assert ran.code == ExitCode.PREFLIGHT_FAILED
    assert said in ran.err
    assert "nothing touched" in ran.out


def test_a_canary_without_endpoints_is_told_before_anything_is_touched(run: Run, file: File, world: Any) -> None:
    slices = f"/apis/discovery.k8s.io/v1/namespaces/{NAMESPACE}/endpointslices"
    world.ask("DELETE", f"{slices}/shop-canary-1")
    ran = run(file())
    assert ran.code == ExitCode.PREFLIGHT_FAILED
    assert "no ready endpoints" in ran.err


def test_a_route_that_no_gateway_accepts(run: Run, file: File, world: Any) -> None:
    path = f"{ROUTE}/status?fieldManager=traefik"
    world.ask("PATCH", path, {"status": {"parents": []}}, content="application/merge-patch+json")
    ran = run(file())
    assert ran.code == ExitCode.PREFLIGHT_FAILED
    assert "gateway" in ran.err.lower()


def _prometheus(url: str) -> str:
    return f"source: {{prometheus: {{url: {json.dumps(url)}}}}}"


def _source(file: File, source: Any, url: str) -> Path:
    old = f'source: {{scrape: {{urls: ["{source.url}/metrics"]}}}}'
    return file(**{old: _prometheus(url), "every: 500ms": "every: 1s"})


def test_a_prometheus_that_is_down(run: Run, file: File, source: Any) -> None:
    ran = run(_source(file, source, "http://127.0.0.1:1"))
    assert ran.code == ExitCode.PREFLIGHT_FAILED
    assert "127.0.0.1:1" in ran.err


def test_a_prometheus_that_does_not_answer_in_time(
    run: Run, file: File, source: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(preflight, "READ_WITHIN", 0.5)  # three times that, and a second between them
    source.answer = source.hang
    ran = run(_source(file, source, source.url))
    assert ran.code == ExitCode.PREFLIGHT_FAILED


@pytest.mark.parametrize(
    ("status", "text"),
    [
        (200, "<html>It works!</html>"),
        (200, '{"status": "success"}'),
        (200, '{"status": "success", "data": {"resultType": "matrix", "result": 5}}'),
        (200, '{"status": "success", "data": {"resultType": "vector", "result": []}}'),
        (200, '{"status": "error", "error": "no", "errorType": "bad_data"}'),
        (401, "who are you?"),
        (500, "oh"),
    ],
)
def test_a_prometheus_that_answers_nonsense(run: Run, file: File, source: Any, status: int, text: str) -> None:
    source.answer = lambda handler: source.say(handler, status, text, "application/json")
    ran = run(_source(file, source, source.url))
    assert ran.code == ExitCode.PREFLIGHT_FAILED
    assert ran.err.count("Traceback") == 0


@pytest.mark.parametrize("text", ["", "not an exposition {{{", "traefik_service_requests_total NaN\n"])
def test_a_gateway_whose_metrics_are_nonsense(run: Run, file: File, source: Any, text: str) -> None:
    source.answer = lambda handler: source.say(handler, 200, text, "text/plain")
    assert run(file()).code == ExitCode.PREFLIGHT_FAILED


def test_an_api_server_that_is_not_there(run: Run, file: File, world: Any, tmp_path: Path) -> None:
    from canary.cli.main import main

    config = world.kubeconfig().read_text().replace(world.url, "http://127.0.0.1:1")
    nowhere = tmp_path / "nowhere"
    nowhere.write_text(config)
    code = main(["run", str(file()), "--kubeconfig", str(nowhere), "--lines"])
    assert code == ExitCode.PREFLIGHT_FAILED


def test_a_role_that_lacks_something_is_told_what(run: Run, file: File, world: Any) -> None:
    role = f"/apis/rbac.authorization.k8s.io/v1/namespaces/{NAMESPACE}/roles/canary-engine"
    rules = [rule for rule in world.ask("GET", role)["rules"] if rule["resources"] != ["httproutes"]]
    world.ask("PATCH", role, {"rules": rules}, content="application/merge-patch+json")
    ran = run(file())
    assert ran.code == ExitCode.NOT_PERMITTED
    assert "httproutes" in ran.err
    assert "patch" in ran.err
