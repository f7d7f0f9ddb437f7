"""An API server that answers 409, 422, 429, 500, hangs or cuts the connection, at every call of a whole release.

The release itself finds no traffic (nothing moves in this world), so it ends with 16; what the faults may change is how
long it takes, or that it ends before anything was touched. The route is always as it was in the end.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from canary.core.outcome import ExitCode
from tests.running.conftest import NAMESPACE, bare

pytestmark = pytest.mark.timeout(120)

Run, File = Callable[..., Any], Callable[..., Path]

ROUTES = {"resource": "httproutes.gateway.networking.k8s.io"}
JOURNAL = {"resource": "configmaps"}
LEASE = {"resource": "leases.coordination.k8s.io"}


def test_a_release_that_nobody_visits_ends_without_evidence(run: Run, file: File, world: Any) -> None:
    ran = run(file())
    assert ran.code == ExitCode.NO_EVIDENCE, ran.err
    assert "NOT_SETTLED" in ran.out
    assert world.route() == bare(world.before)


WRITE, AGAIN = {**ROUTES, "verb": "patch", "dryRun": ""}, {"times": 2, "skip": 1}

PASSING: dict[str, tuple[dict[str, str], dict[str, Any], dict[str, int]]] = {
    "a conflict": (WRITE, {"status": 409, "reason": "Conflict"}, {"times": 1, "skip": 1}),
    "a test refused": (WRITE, {"status": 422, "reason": "Invalid"}, {"times": 1, "skip": 1}),
    "too many requests": (WRITE, {"status": 429, "reason": "TooManyRequests", "retryAfter": 1}, AGAIN),
    "broken": (WRITE, {"status": 500, "reason": "InternalError"}, AGAIN),
    "written, but the answer is lost": (WRITE, {"drop": "after"}, AGAIN),
    "the connection is cut": (WRITE, {"drop": "before"}, AGAIN),
    "the journal is broken": ({**JOURNAL, "verb": "patch"}, {"status": 500, "reason": "InternalError"}, {"times": 2}),
    "the journal's answer is lost": ({**JOURNAL, "verb": "patch"}, {"drop": "after"}, {"times": 1, "skip": 1}),
    "the lease is slow": (LEASE, {"delay": 1.0}, {"times": 2}),
    "reading is slow": ({**ROUTES, "verb": "get"}, {"delay": 1.0}, {"times": 2}),
    "nonsense": ({**ROUTES, "verb": "get"}, {"status": 200, "body": "<html>"}, {"times": 1, "skip": 3}),
}


@pytest.mark.parametrize("fault", PASSING)
def test_a_fault_that_passes_delays_and_breaks_nothing(run: Run, file: File, world: Any, fault: str) -> None:
    match, then, when = PASSING[fault]
    world.fault(match, then, **when)
    ran = run(file())
    assert ran.code == ExitCode.NO_EVIDENCE, ran.err
    assert world.route() == bare(world.before)


FREEZE = 'admission webhook "freeze" denied the request: no deploys on Friday'

STANDING: dict[str, tuple[dict[str, str], dict[str, Any], ExitCode]] = {
    "an admission webhook refuses": (
        {**ROUTES, "verb": "patch"},
        {"status": 403, "reason": "Forbidden", "message": FREEZE},
        ExitCode.PREFLIGHT_FAILED,
    ),
    "the schema refuses": (
        {**ROUTES, "verb": "patch"},
        {"status": 422, "reason": "Invalid", "message": "spec.rules: no"},
        ExitCode.PREFLIGHT_FAILED,
    ),
    "no lease may be made": (
        {**LEASE, "verb": "create"},
        {"status": 403, "reason": "Forbidden", "message": "you may not"},
        ExitCode.NOT_PERMITTED,
    ),
    "the server hangs": ({}, {"delay": 60.0}, ExitCode.PREFLIGHT_FAILED),
    "the server hangs in the middle of preflight": (
        {"resource": "selfsubjectaccessreviews.authorization.k8s.io"},
        {"delay": 60.0},
        ExitCode.PREFLIGHT_FAILED,
    ),
    "the server is broken": ({}, {"status": 500, "reason": "InternalError"}, ExitCode.PREFLIGHT_FAILED),
}


@pytest.mark.parametrize("fault", STANDING)
def test_a_fault_that_stands_is_told_before_anything_is_touched(run: Run, file: File, world: Any, fault: str) -> None:
    match, then, code = STANDING[fault]
    world.fault(match, then)
    ran = run(file())
    assert ran.code == code, ran.err
    assert then.get("message", "") in ran.err
    assert world.route() == bare(world.before)


@pytest.mark.parametrize("fault", [{}, {"status": 403, "reason": "Forbidden"}, {"drop": "before"}])
def test_old_records_are_pruned_at_the_end_and_where_they_cannot_be_nothing_else_changes(
    run: Run, file: File, world: Any, fault: dict[str, Any]
) -> None:
    maps = f"/api/v1/namespaces/{NAMESPACE}/configmaps"
    for number in range(12):
        labels = {"canary-engine.io/part": "record", "canary-engine.io/release": f"old{number}"}
        metadata = {"name": f"canary-shop-old{number}-00000", "labels": {**labels, "canary-engine.io/chunk": "0"}}
        world.ask("POST", maps, {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata})
    if fault:
        world.fault({**JOURNAL, "verb": "delete"}, fault)
    ran = run(file())
    assert ran.code == ExitCode.NO_EVIDENCE, ran.err
    kept = world.ask("GET", f"{maps}?labelSelector=canary-engine.io/part%3Drecord")["items"]
    found = {each["metadata"]["labels"]["canary-engine.io/release"] for each in kept}
    assert len(found) == (13 if fault else 10)
    assert len([uid for uid in found if not uid.startswith("old")]) == 1
    assert world.route() == bare(world.before)
