"""`canary status`: what is it doing, why, and how do I stop it."""

import json
from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analysis.model import Verdict
from canary.core.outcome import ExitCode, Outcome
from canary.core.release import FINAL, Phase, Policy, Release, StepPolicy
from canary.core.release import Stage as ReleaseStage
from canary.report.status import Status, data, text, waits_for
from tests.people.conftest import JOURNAL, LEASE, Stage, may

pytestmark = [pytest.mark.timeout(120), pytest.mark.real]

Canary = Callable[..., Any]
WHERE = ("-n", "shop")
MERGE = "application/merge-patch+json"


def row(out: str, name: str) -> str:
    """The rest of the line that begins with a word."""
    return next(line.strip().removeprefix(name).strip() for line in out.splitlines() if line.strip().startswith(name))


def test_one_screen_for_a_release_that_lives_is_stopped_and_has_ended(stage: Stage, canary: Canary) -> None:
    stage.holding()
    living = canary("status", "shop", *WHERE)
    assert living.code == 0
    assert living.out.startswith("shop/shop: SETTLING, step 1 of 1\n")
    assert row(living.out, "share") == "50 % wanted, 50 % in the route"
    assert row(living.out, "waits for").startswith("traffic to follow 50 %")
    assert row(living.out, "engine").startswith("alive, ")
    stop = row(living.out, "to stop it").split()
    assert stop[:2] == ["canary", "abort"]
    ran = canary(*stop[1:5], "--reason", "too slow")  # what the screen says to type
    assert ran.code == ExitCode.REJECTED, ran
    assert stage.ended() == ExitCode.REJECTED
    ended = canary("status", "shop", *WHERE)
    assert ended.code == 0
    assert ended.out.startswith("shop/shop: ROLLED_BACK\n")
    assert row(ended.out, "outcome") == "rejected or aborted by a person (exit 11)"
    assert row(ended.out, "why") == "aborted by sandbox-admin: too slow"
    assert "to stop it" not in ended.out
    told = json.loads(canary("status", "shop", *WHERE, "-o", "json").out)
    assert (told["phase"], told["outcome"]["code"], told["stop"]) == ("ROLLED_BACK", 11, "")


def test_a_dead_engine_is_told_and_what_cannot_be_read_is_named(stage: Stage, canary: Canary) -> None:
    stage.dead()
    dead = canary("status", str(stage.path))
    assert dead.code == 0
    assert row(dead.out, "engine").startswith("DEAD, ")
    assert "run the release again" in row(dead.out, "waits for")
    assert canary("abort", "shop", *WHERE, "--reason", "gone").code == ExitCode.REJECTED
    assert row(canary("status", "shop", *WHERE).out, "stopped by") == "sandbox-admin: gone"
    few = stage.user("watcher", may("gateway.networking.k8s.io", "httproutes", "get"))
    partly = canary("status", "shop", *WHERE, by=few)
    assert partly.code == 0
    assert partly.out.count("not known") == 2
    assert "shop=18" in partly.out
    nothing = canary("status", "shop", *WHERE, by=stage.user("stranger", may("", "pods", "get")))
    assert nothing.code == ExitCode.NOT_PERMITTED
    body = {"data": {"journal": '{"version": 1, "release": 3}'}}
    stage.world.ask("PATCH", JOURNAL, body, content=MERGE)
    stage.world.ask("PATCH", LEASE, {"spec": {"renewTime": None}}, content=MERGE)
    torn = canary("status", "shop", *WHERE)
    assert torn.code == 0
    assert "the journal is damaged" in row(torn.out, "not known")
    assert "a release is on it" in torn.out


def test_without_a_release_there_is_nothing_to_tell(stage: Stage, canary: Canary) -> None:
    none = canary("status", "shop", *WHERE)
    assert (none.code, none.out) == (ExitCode.PREFLIGHT_FAILED, "shop/shop: no release\n")
    assert json.loads(canary("status", "shop", *WHERE, "-o", "json").out)["phase"] is None
    assert canary("status", "nowhere", *WHERE).code == ExitCode.PREFLIGHT_FAILED


TIMES = st.floats(0, 4e9)
WORDS = st.text(max_size=200)
STEPS = (StepPolicy(share=Decimal(5), hold_min=60, hold_max=300), StepPolicy(share=Decimal(50), hold_min=0, hold_max=0))
POLICY = Policy(
    steps=STEPS, bake_min=1, bake_max=2, settle_window=1, settle_least=1, drain=1, deadline=60, last_call=90
)
OUTCOMES = st.none() | st.builds(Outcome, code=st.sampled_from(ExitCode), reason=WORDS, decided=TIMES)
RELEASES = st.builds(
    Release,
    uid=st.just("r1"),
    incarnation=st.just("i1"),
    policy=st.just(POLICY),
    phase=st.sampled_from(Phase),
    stage=st.sampled_from(ReleaseStage),
    step=st.integers(-1, 2),
    started=TIMES,
    since=TIMES,
    share=st.sampled_from([Decimal(0), Decimal("0.01"), Decimal(100)]),
    outcome=OUTCOMES,
    paused=st.booleans(),
    verdict=st.sampled_from(Verdict),
    sentence=WORDS,
    suspect=WORDS,
    retry_at=st.none() | TIMES,
    failures=st.integers(0, 9),
    leftovers=st.lists(WORDS, max_size=2).map(tuple),
).map(lambda release: replace(release, step=max(release.step, 0)) if release.phase in NEED_A_STEP else release)
NEED_A_STEP = {Phase.JUDGING, Phase.BAKING}
STATUSES = st.builds(
    Status,
    namespace=st.just("shop"),
    route=st.just("shop"),
    now=TIMES,
    release=st.none() | RELEASES,
    totals=st.tuples(*[st.integers(0, 10**9)] * 3),
    on_route=st.sampled_from(["", "r1", "r2"]),
    shares=st.lists(st.floats(0, 100), max_size=3).map(tuple),
    weights=st.lists(WORDS, max_size=3).map(tuple),
    holder=st.sampled_from(["", "i1"]),
    renewed=st.none() | st.floats(-5, 1e6),
    alive=st.none() | st.booleans(),
    stopped_by=WORDS,
    stopped_why=WORDS,
    unknown=st.lists(WORDS, max_size=3).map(tuple),
)


@settings(derandomize=True, deadline=None, max_examples=300, database=None)
@given(STATUSES)
def test_whatever_stands_there_the_screen_is_one_screen_of_plain_words(status: Status) -> None:
    told = text(status)
    lines = told.splitlines()
    assert 0 < len(lines) < 24
    assert all(line.isprintable() for line in told.split("\n"))
    assert json.loads(json.dumps(data(status)))["waitsFor"] == waits_for(status)
    running = status.release is not None and status.release.phase not in FINAL
    assert ("canary abort shop -n shop" in status.stop) == (
        running or (status.release is None and bool(status.on_route))
    )
    if running and status.alive is False:
        assert "run the release again" in waits_for(status)
