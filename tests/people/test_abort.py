"""`canary abort`: traffic back with nothing but the route, whoever drives the release and whoever is dead."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from canary.core.outcome import ExitCode
from tests.people.conftest import HERE, HOLDING, JOURNAL, LEASE, ROUTE, Stage, may, until

pytestmark = [pytest.mark.timeout(120), pytest.mark.real]

Canary = Callable[..., Any]
WHERE = ("-n", "shop")
GATEWAY = "gateway.networking.k8s.io"
NOTE = "canary-engine.io/abort"
MERGE = "application/merge-patch+json"


def told(ran: Any) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(ran.out)
    assert found["code"] == ran.code
    return found


# Who is alive -------------------------------------------------------------------------------------------------


def test_a_live_engine_is_stopped_and_ends_with_the_person_s_name_and_reason(stage: Stage, canary: Canary) -> None:
    stage.holding()
    done = told(canary("abort", "shop", *WHERE, "--reason", "checkout is slow", "-o", "json"))
    assert done["code"] == ExitCode.REJECTED, done
    assert (done["by"], done["reason"]) == ("sandbox-admin", "checkout is slow")
    assert done["engine"] in {"stopping", "ended"}
    assert stage.canary() == 0
    assert stage.ended() == ExitCode.REJECTED
    assert "aborted by sandbox-admin: checkout is slow" in stage.journal()["outcome"]["reason"]
    assert stage.as_before()
    again = canary("abort", "shop", *WHERE)
    assert again.code == ExitCode.PREFLIGHT_FAILED
    assert "nothing to abort" in again.out
    assert "aborted by sandbox-admin" in again.out


def test_the_word_of_a_person_with_kubectl_alone_is_enough(stage: Stage) -> None:
    stage.holding()
    body = {"metadata": {"annotations": {NOTE: "please stop"}}}
    stage.world.ask("PATCH", f"{ROUTE}?fieldManager=kubectl-annotate", body, content=MERGE)
    assert stage.ended() == ExitCode.REJECTED
    assert "please stop" in stage.journal()["outcome"]["reason"]
    assert stage.as_before()


def test_with_a_dead_engine_traffic_goes_back_and_its_successor_ends_as_aborted(stage: Stage, canary: Canary) -> None:
    stage.dead()
    done = told(canary("abort", "shop", *WHERE, "--reason", "first", "-o", "json"))
    assert done["code"] == ExitCode.REJECTED, done
    assert (stage.canary(), done["engine"]) == (0, "gone")
    assert any("canary run" in sentence for sentence in done["todo"])
    # Once more, by somebody else: it stays aborted, by the first.
    rules = (may(GATEWAY, "httproutes", "get patch"),)
    second = told(canary("abort", "shop", *WHERE, "--reason", "second", "-o", "json", by=stage.user("eve", *rules)))
    assert (second["code"], second["by"], second["reason"]) == (ExitCode.REJECTED, "sandbox-admin", "first")
    stage.start()
    assert stage.ended() == ExitCode.REJECTED
    assert stage.as_before()


def test_no_raise_of_a_dead_engine_succeeds_after_an_abort(stage: Stage, canary: Canary) -> None:
    stage.dead()
    token = stage.notes()["canary-engine.io/token"]
    route = stage.world.ask("GET", ROUTE)
    assert canary("abort", "shop", *WHERE).code == ExitCode.REJECTED
    late = [
        {"op": "test", "path": "/metadata/annotations/canary-engine.io~1token", "value": token},
        {"op": "replace", "path": "/spec", "value": route["spec"]},
    ]
    with pytest.raises(OSError, match="422"):
        stage.world.ask("PATCH", ROUTE, late, content="application/json-patch+json")
    assert stage.canary() == 0


def test_finishing_takes_away_what_a_dead_engine_left(stage: Stage, canary: Canary) -> None:
    stage.dead()
    uid = stage.journal()["uid"]
    label = {"canary-engine.io/release": uid}
    made = {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "left-over", "labels": label}}
    stage.world.ask("POST", f"/api/v1/{HERE}/services", {**made, "spec": {"ports": [{"port": 80}]}})
    done = told(canary("abort", "shop", *WHERE, "--finish", "-o", "json"))
    assert (done["code"], done["engine"], done["todo"]) == (ExitCode.REJECTED, "ended", []), done
    assert stage.as_before()
    assert stage.get(f"/api/v1/{HERE}/services/left-over") is None
    journal = stage.journal()
    assert (journal["phase"], journal["outcome"]["code"]) == ("ROLLED_BACK", ExitCode.REJECTED)
    assert not stage.get(LEASE)["spec"]["holderIdentity"]
    # The route is free for another release.
    other = stage.path.read_text().replace("share: 50", "share: 40")
    stage.path.write_text(other)
    stage.holding()
    assert canary("abort", "shop", *WHERE).code == ExitCode.REJECTED
    assert stage.ended() == ExitCode.REJECTED


# When --------------------------------------------------------------------------------------------------------


def test_a_release_that_is_about_to_begin_is_waited_for_and_stopped(stage: Stage, canary: Canary) -> None:
    stage.world.fault({"resource": "selfsubjectaccessreviews.authorization.k8s.io"}, {"delay": 1.0}, times=2)
    stage.start()
    until(lambda: stage.journal().get("phase") == "PREFLIGHT", "no preflight")
    ran = canary("abort", "shop", *WHERE)
    assert ran.code == ExitCode.REJECTED, ran
    assert "has touched nothing" in ran.err
    assert stage.ended() == ExitCode.REJECTED
    assert stage.as_before()


@pytest.mark.parametrize(
    ("at", "code", "words"),
    [
        ("updating", ExitCode.ROLLBACK_INCOMPLETE, "while it was updating stable"),
        ("returning", ExitCode.PREFLIGHT_FAILED, "too late: stable already runs the new version"),
    ],
)
def test_while_stable_is_replaced_no_traffic_is_moved_by_hand(
    stage: Stage, canary: Canary, at: str, code: ExitCode, words: str
) -> None:
    stage.dead()
    whole = json.loads(stage.get(JOURNAL)["data"]["journal"])
    whole["release"] |= {"phase": "PROMOTING", "stage": at}
    stage.world.ask("PATCH", JOURNAL, {"data": {"journal": json.dumps(whole)}}, content=MERGE)
    before = stage.canary()
    ran = canary("abort", "shop", *WHERE)
    assert ran.code == code, ran
    assert words in ran.out
    assert stage.canary() == before > 0


# Who may -----------------------------------------------------------------------------------------------------


def test_it_takes_get_and_patch_on_the_route_and_nothing_else(stage: Stage, canary: Canary) -> None:
    stage.holding()
    reader = stage.user("reader", may(GATEWAY, "httproutes", "get", "shop"))
    nobody = stage.user("nobody", may("", "pods", "get"))
    for who, name in ((reader, "reader"), (nobody, "nobody")):
        done = told(canary("abort", "shop", *WHERE, "-o", "json", by=who))
        assert done["code"] == ExitCode.NOT_PERMITTED
        assert any("get and patch on httproutes/shop" in line and name in line for line in done["todo"])
    assert stage.canary() > 0
    approver = stage.user("approver", may(GATEWAY, "httproutes", "get patch", "shop"))
    done = told(canary("abort", "shop", *WHERE, "-o", "json", by=approver))
    assert (done["code"], done["by"]) == (ExitCode.REJECTED, "approver"), done
    assert stage.ended() == ExitCode.REJECTED
    assert "approver" in stage.journal()["outcome"]["reason"]


# What cannot be read -----------------------------------------------------------------------------------------


def test_a_damaged_note_is_made_good_by_the_journal_or_by_the_release_file(stage: Stage, canary: Canary) -> None:
    stage.dead()
    body = {"metadata": {"annotations": {"canary-engine.io/original": "{nonsense"}}}
    stage.world.ask("PATCH", ROUTE, body, content=MERGE)
    few = stage.user("few", may(GATEWAY, "httproutes", "get patch", "shop"))
    done = told(canary("abort", "shop", *WHERE, "-o", "json", by=few))
    assert done["code"] == ExitCode.ROLLBACK_INCOMPLETE
    assert any("canary abort RELEASE.yaml" in line for line in done["todo"])
    assert stage.canary() > 0
    assert canary("abort", str(stage.path), by=few).code == ExitCode.REJECTED
    assert stage.canary() == 0


def test_the_journal_makes_good_what_somebody_took_off_the_route(stage: Stage, canary: Canary) -> None:
    stage.dead()
    stage.world.ask("PATCH", ROUTE, {"metadata": {"annotations": None}}, content=MERGE)
    done = told(canary("abort", "shop", *WHERE, "-o", "json"))
    assert done["code"] == ExitCode.REJECTED, done
    assert stage.canary() == 0


def test_a_release_is_found_by_its_own_name(stage: Stage, canary: Canary, file: Callable[..., Path]) -> None:
    stage.path = file(**HOLDING, **{"metadata: {name: shop,": "metadata: {name: checkout-v7,"})
    stage.holding()
    assert canary("abort", "checkout-v7", *WHERE).code == ExitCode.REJECTED
    assert stage.ended() == ExitCode.REJECTED


def test_without_a_release_there_is_nothing_to_abort(stage: Stage, canary: Canary) -> None:
    for words, said in (
        (("shop", *WHERE), "the route carries no release"),
        (("nowhere", *WHERE), "no HTTPRoute and no release nowhere"),
        (("shop", "-n", "elsewhere"), "no HTTPRoute and no release shop"),
        (("shop", "--route", "other", *WHERE), "nothing to abort"),
        ((str(stage.path),), "the route carries no release"),
    ):
        ran = canary("abort", *words)
        assert ran.code == ExitCode.PREFLIGHT_FAILED, ran
        assert said in ran.out + ran.err
    assert canary("abort", str(stage.path), "-n", "elsewhere").code == ExitCode.USAGE
    assert stage.as_before()


# What the API server and the gateway do ---------------------------------------------------------------------

OPS = {"user": "ops", "resource": f"httproutes.{GATEWAY}"}
FAULTS: dict[str, tuple[dict[str, str], dict[str, Any], int]] = {
    "a conflict": ({"verb": "patch"}, {"status": 409, "reason": "Conflict"}, 2),
    "written, but the answer is lost": ({"verb": "patch"}, {"drop": "after"}, 1),
    "the connection is cut": ({"verb": "patch"}, {"drop": "before"}, 1),
    "broken": ({"verb": "patch"}, {"status": 500, "reason": "InternalError"}, 2),
}


def test_faults_that_pass_delay_it_and_faults_that_stand_are_told(stage: Stage, canary: Canary) -> None:
    stage.dead()
    held, ops = stage.world.ask("GET", ROUTE), stage.user("ops", may(GATEWAY, "httproutes", "get patch", "shop"))
    for name, (match, then, times) in FAULTS.items():
        now = stage.world.ask("GET", ROUTE)
        kept = {**now["metadata"], "annotations": held["metadata"]["annotations"]}
        stage.world.ask("PUT", ROUTE, {**now, "spec": held["spec"], "metadata": kept})
        body = {"match": {**OPS, **match}, "then": then, "times": times}
        stage.world.ask("POST", "/sandbox/faults", body)
        ran = canary("abort", "shop", *WHERE, by=ops)
        assert ran.code == ExitCode.REJECTED, (name, ran)
        assert stage.canary() == 0, name
    broken = {"status": 503, "reason": "ServiceUnavailable"}
    stage.world.ask("POST", "/sandbox/faults", {"match": OPS, "then": broken})
    done = told(canary("abort", "shop", "--route", "shop", *WHERE, "--timeout", "1", "-o", "json", by=ops))
    assert done["code"] == ExitCode.ROLLBACK_INCOMPLETE
    assert "not done" in done["sentence"]


def test_it_is_not_done_before_the_gateway_has_said_so(
    stage: Stage, canary: Canary, monkeypatch: pytest.MonkeyPatch
) -> None:
    stage.dead()
    monkeypatch.setattr(stage.world, "accept", lambda *_: None)
    done = told(canary("abort", "shop", *WHERE, "--timeout", "1", "-o", "json"))
    assert (done["code"], stage.canary()) == (ExitCode.ROLLBACK_INCOMPLETE, 0)
    assert "the gateway has not said that it took the change" in done["sentence"]
    monkeypatch.undo()
    assert canary("abort", "shop", *WHERE).code == ExitCode.REJECTED


def test_a_rule_that_sends_to_the_canary_alone_is_told(stage: Stage, canary: Canary) -> None:
    stage.dead()
    now = stage.world.ask("GET", ROUTE)
    refs = now["spec"]["rules"][0]["backendRefs"]
    now["spec"]["rules"][0]["backendRefs"] = [ref for ref in refs if ref["name"] == "shop-canary"]
    stage.world.ask("PUT", ROUTE, now)
    done = told(canary("abort", "shop", *WHERE, "--timeout", "1", "-o", "json"))
    assert done["code"] == ExitCode.ROLLBACK_INCOMPLETE
    assert "sends to the canary but not to stable" in done["sentence"]
