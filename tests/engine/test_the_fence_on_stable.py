"""The token on stable: taken by compare-and-swap, put there anew when somebody took it off, and gone at the end."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal

import pytest

from canary.adapters.memory import MemoryWorkloads, World
from canary.core.outcome import ExitCode, Outcome
from canary.core.release import Phase, Policy, Release, Stage, StepPolicy
from canary.engine import fence
from canary.ports import Conflict

POLICY = Policy(
    steps=(StepPolicy(share=Decimal(50), hold_min=1, hold_max=2),),
    bake_min=1,
    bake_max=2,
    settle_window=2,
    settle_least=20,
    drain=10,
    deadline=600,
    last_call=900,
)
FORWARD = Release(uid="r1", incarnation="i2", policy=POLICY, phase=Phase.BAKING, step=1, fenced=True)
DECIDED = Outcome(code=ExitCode.JUDGED_BAD, reason="bad", decided=1.0)
BACK = replace(FORWARD, phase=Phase.PROMOTING, stage=Stage.REVERTING, outcome=DECIDED)
AFTER = replace(FORWARD, phase=Phase.PROMOTING, stage=Stage.RETURNING)
OURS, BEFORE, THEIRS = "r1/i2", "r1/i1", "r2/i1"


def stable(token: str) -> MemoryWorkloads:
    workloads = MemoryWorkloads(World())
    if token:
        workloads.put_mark(token, over=workloads.mark())
    return workloads


def nobody() -> str | None:
    return None


@pytest.mark.parametrize("ask", [fence.take, fence.confirm])
@pytest.mark.parametrize(
    ("found", "release", "lease", "ends"),
    [
        ("", FORWARD, None, (None, OURS)),
        ("", FORWARD, "i3", ("i3", "")),
        (OURS, FORWARD, "i3", (None, OURS)),
        (THEIRS, FORWARD, None, (THEIRS, THEIRS)),
        (THEIRS, BACK, None, (THEIRS, THEIRS)),
    ],
)
def test_what_is_found_decides(
    ask: Callable[..., str | None], found: str, release: Release, lease: str | None, ends: tuple[str | None, str]
) -> None:
    workloads = stable(found)
    assert (ask(workloads, release, still_ours=lambda: lease), workloads.token) == ends


def test_an_earlier_incarnations_token_is_swapped_at_a_takeover_and_ends_our_power_later() -> None:
    workloads = stable(BEFORE)
    assert fence.confirm(workloads, FORWARD, still_ours=nobody) == BEFORE
    assert fence.take(workloads, replace(FORWARD, fenced=False), still_ours=nobody) is None
    assert workloads.token == OURS


@pytest.mark.parametrize("release", [BACK, AFTER])
def test_on_the_way_out_no_token_is_put_where_none_stands(release: Release) -> None:
    workloads = stable("")
    assert fence.take(workloads, release, still_ours=nobody) is None
    assert workloads.token == ""


def test_putting_back_needs_a_token_of_this_release_whosever() -> None:
    workloads = stable(BEFORE)
    assert fence.confirm(workloads, replace(BACK, fenced=False), still_ours=nobody) is None
    assert workloads.token == BEFORE
    workloads.strip_mark()
    assert fence.confirm(workloads, BACK, still_ours=nobody) is None
    assert workloads.token == OURS


def test_a_stamp_that_was_computed_before_another_takeover_fails() -> None:
    workloads = stable("")

    def taken_over_meanwhile() -> str | None:
        workloads.put_mark("r1/i3", over=workloads.mark())
        return None  # the lease was still ours when it was asked

    with pytest.raises(Conflict):
        fence.take(workloads, FORWARD, still_ours=taken_over_meanwhile)
    assert workloads.token == "r1/i3"  # noqa: S105 - the fence's


RESUMED = replace(BACK, resumed=5.0)


@pytest.mark.parametrize(
    ("found", "release", "lease", "ends"),
    [
        ("", RESUMED, None, (None, OURS)),
        ("", RESUMED, "i3", ("i3", "")),
        ("", BACK, None, (None, "")),  # the first engine has nobody before it
        ("", replace(RESUMED, first=True), None, (None, "")),  # of what was not there nothing was read
        (BEFORE, RESUMED, None, (None, BEFORE)),
        (THEIRS, RESUMED, None, (None, THEIRS)),
    ],
)
def test_what_an_engine_before_us_may_have_slept_over_fails_once_ours_stood_there(
    found: str, release: Release, lease: str | None, ends: tuple[str | None, str]
) -> None:
    workloads = stable(found)
    slept = workloads.mark()
    assert (fence.outrun(workloads, release, still_ours=lambda: lease), workloads.token) == ends
    if ends == (None, OURS):
        workloads.remove()
        with pytest.raises(Conflict):
            workloads.put_mark(BEFORE, over=slept)
        assert workloads.token == ""


def test_where_stable_is_gone_there_is_nothing_to_outrun() -> None:
    assert fence.outrun(MemoryWorkloads(World(), absent=True), RESUMED, still_ours=nobody) is None
