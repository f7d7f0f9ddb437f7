"""The largest release that a file may ask for fits into its journal; what does not is left out by a stated rule."""

from __future__ import annotations

import base64
import json
import zlib
from dataclasses import replace
from decimal import Decimal
from random import Random

import pytest

import strategies as cut
from analysis import judge
from analysis.judge import JudgeConfig, MetricConfig
from analysis.model import Arm, Counts, Look, Pod
from canary.cli.resuming import ENDED_KEPT
from canary.core import effects as do
from canary.core.outcome import ExitCode, Outcome
from canary.core.release import Phase, Policy, Release, StepPolicy
from canary.core.settling import KEPT_LOOKS, Settling
from canary.engine.journal import LEFTOVERS, LIMIT, SENTENCE, Journal, JournalError, decode, encode
from canary.engine.subject import Ended, Subject, Workload

NAME = "n" * 63
RULES, METRICS, BOUNDS, PODS, STEPS = 16, 16, 20, 100, 100


def a_release(*, words: int = 0, steps: int = STEPS) -> Release:
    each = tuple(
        StepPolicy(share=Decimal(place + 1) / Decimal("1.0101"), hold_min=61.5, hold_max=604_800.0, gate=86_400.0)
        for place in range(steps)
    )
    policy = Policy(
        steps=each, bake_min=604_800.0, bake_max=604_800.0, settle_window=2.5, settle_least=60.5, drain=300.5,
        deadline=604_800.0, last_call=604_800.0,
    )  # fmt: skip
    looks = tuple((1_000_000, 99_000_000) for _ in range(KEPT_LOOKS))
    return Release(
        uid="0123456789ab", incarnation="watchdog-0123456789ab", policy=policy, phase=Phase.JUDGING, step=steps - 1,
        started=1_800_000_000.123456, settling=Settling(since=1_800_000_000.123456, looks=looks),
        pending=do.RaiseShare(id="0123456789ab/1000", share=Decimal("12.3456")),
        outcome=Outcome(code=ExitCode.JUDGED_BAD, reason="w" * words, decided=1_800_000_000.123456),
        sentence="s" * words, basis="b" * words, absence="a" * words, told="t" * words, suspect="u" * words,
        leftovers=tuple(f"{place} " + "l" * (words // 10) for place in range(words // 10)),
        alerted=("BOTH_WORSE", "HUNG", "LIMIT_BOTH", "POD_OUTLIER", "SHARE_MISMATCH"),
    )  # fmt: skip


def the_weights() -> dict[str, object]:
    """As many rules and references as a route may have and a note may name."""
    pool = cut.Pool(
        stable=cut.RefId("Service", "", NAME, NAME, 65535),
        canary=cut.RefId("Service", "", NAME, NAME[:-1] + "c", 65535),
    )
    refs = [{"name": f"{place:02}{NAME[2:]}", "port": 65535, "weight": 10} for place in range(6)]
    rules = [
        {"name": f"{place:02}{NAME[2:]}", "backendRefs": [{"name": NAME, "port": 65535, "weight": 100}, *refs]}
        for place in range(RULES)
    ]
    metadata = {"name": NAME, "namespace": NAME, "uid": "u", "resourceVersion": "1"}
    route = {"apiVersion": "gateway.networking.k8s.io/v1", "kind": "HTTPRoute", "metadata": metadata}
    original = cut.choose({**route, "spec": {"rules": rules}}, pool, selectors=None, shares=[Decimal(50)])
    return {"original": original.encode(), "uid": "u" * 36, "parents": [f"{NAME}/{NAME}/{place}" for place in range(4)]}


def the_evidence(pods: int = PODS) -> dict[str, object]:
    """What the judge remembers of many metrics, bounds and pods."""
    metrics = tuple(
        MetricConfig(
            name=f"{place:02}{NAME[2:40]}", kind="latency" if place % 2 else "errors", relative=0.2, absolute=0.002
        )
        for place in range(METRICS)
    )
    config = JudgeConfig(metrics=metrics, planned_looks=4_000)
    state = judge.begin_step(config, judge.start(config), share=50.0, last_share=50.0, baking=False)
    each = tuple(Pod(f"{place:03}{NAME[3:]}", f"node-{place}", 1_000, place % 7) for place in range(pods))
    for number in range(6):
        counts = {}
        for metric in metrics:
            buckets = tuple((0.001 * 2**bound, 1_000 * PODS * (bound + 1) // BOUNDS) for bound in range(BOUNDS))
            arm = Counts(
                total=1_000 * PODS,
                bad=0 if metric.kind == "latency" else 3 * PODS,
                buckets=buckets if metric.kind == "latency" else (),
                pods=() if metric.kind == "latency" else each,
            )
            counts[metric.name] = {Arm.STABLE: arm, Arm.CANARY: arm}
        look = Look(start=float(number), end=number + 1.0, counts=counts, pods={Arm.STABLE: PODS, Arm.CANARY: PODS})
        state, _ = judge.observe(config, state, look)
    return judge.encode(state)


def a_journal(release: Release, *, evidence: dict[str, object], window: int = 12 * 1024) -> Journal:
    image = "registry.example/" + "r" * 200 + "@sha256:" + "0" * 64
    subject = Subject(
        name=NAME, namespace=NAME, route=NAME * 4, stable=NAME, canary=NAME, stable_port=65535, canary_port=65535,
        workload=Workload(name=NAME * 4, container=NAME, image=image), job=NAME,
        before=tuple(Ended(job=NAME, asked=1_800_000_000.0, code=ExitCode.JUDGED_BAD) for _ in range(ENDED_KEPT)),
    )  # fmt: skip
    return Journal(
        release=release, identity="i" * 64, subject=subject, surgery=the_weights(), judge=evidence,
        window={"packed": "p" * window}, record=(9_999, "h" * 64), totals=(10**12, 10**12, 10**12),
    )  # fmt: skip


@pytest.fixture(scope="module")
def evidence() -> dict[str, object]:
    return the_evidence()


def test_the_largest_release_fits_and_keeps_what_must_be_known(evidence: dict[str, object]) -> None:
    journal = a_journal(a_release(words=40), evidence=evidence)
    kept = decode(encode(journal))
    assert kept.release == journal.release
    assert (kept.surgery, kept.subject, kept.record, kept.totals) == (
        journal.surgery, journal.subject, journal.record, journal.totals
    )  # fmt: skip


def test_sentences_are_shortened_before_anything_else_is_left_out() -> None:
    journal = a_journal(a_release(words=5_000, steps=4), evidence={"some": "thing"}, window=1_000)
    text = encode(journal)
    assert len(text.encode()) <= LIMIT
    kept = decode(text)
    assert kept.judge == {"some": "thing"}
    assert kept.window == journal.window
    assert kept.release.outcome is not None
    assert len(kept.release.outcome.reason) == SENTENCE
    assert len(kept.release.leftovers) == LEFTOVERS
    assert kept.release.leftovers[-1] == "and 481 more"
    assert kept.release.pending == journal.release.pending


@pytest.mark.parametrize(("judged", "window", "judge_kept"), [(9_000, 30_000, True), (40_000, 1_000, False)])
def test_then_the_window_and_the_evidence_last(judged: int, window: int, judge_kept: bool) -> None:
    evidence: dict[str, object] = {"state": Random(1).randbytes(judged // 2).hex()}
    kept = decode(encode(a_journal(a_release(steps=4), evidence=evidence, window=window)))
    assert kept.window == {}
    assert kept.judge == (evidence if judge_kept else {})


@pytest.mark.parametrize("pods", [0, 4, 12])
def test_the_evidence_of_as_many_metrics_as_may_be_is_kept_where_pods_are_few(pods: int) -> None:
    journal = a_journal(a_release(words=40, steps=8), evidence=the_evidence(pods=pods), window=4_000)
    assert decode(encode(journal)).judge == json.loads(json.dumps(journal.judge))


@pytest.mark.parametrize("text", ["", "!", "eJw=", base64.b64encode(zlib.compress(b"[1]")).decode()])
def test_what_is_packed_and_damaged_is_said_to_be(text: str) -> None:
    journal = a_journal(a_release(steps=4), evidence={"packed": text}, window=10)
    with pytest.raises(JournalError, match="damaged"):
        decode(journal.model_dump_json())


def test_one_that_fits_is_kept_as_it_is() -> None:
    journal = a_journal(a_release(words=10, steps=4), evidence={}, window=10)
    assert decode(encode(journal)) == journal


def test_what_can_never_fit_is_said() -> None:
    journal = a_journal(a_release(steps=400), evidence={})
    with pytest.raises(JournalError, match="fewer steps or rules"):
        encode(journal.model_copy(update={"release": replace(journal.release, uid="u" * LIMIT)}))
