"""undo goes back only to what is known, and only over what the newest release itself put there."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from canary.cli.boundary import Failure
from canary.cli.resuming import image_before, subject_of
from canary.cli.undo import to_go_back_to
from canary.core.outcome import ExitCode, Outcome
from canary.core.release import Phase, Policy, Release, StepPolicy
from canary.engine.journal import Journal, decode, encode
from canary.engine.subject import Subject, Workload
from canary.spec import parse

OLD, NEW = "r.test/shop@sha256:" + "1" * 64, "r.test/shop@sha256:" + "2" * 64
POLICY = Policy(
    steps=(StepPolicy(share=Decimal(50), hold_min=60, hold_max=600),),
    bake_min=60,
    bake_max=600,
    settle_window=1,
    settle_least=60,
    drain=1,
    deadline=3600,
    last_call=4200,
)


def journal(*, code: ExitCode | None = ExitCode.PROMOTED, before: str = OLD, **changes: Any) -> Journal:
    """Of a release from the old image to the new one."""
    outcome = None if code is None else Outcome(code=code, reason="so", decided=1.0)
    phase = Phase.JUDGING if code is None else Phase.SUCCEEDED if code is ExitCode.PROMOTED else Phase.ROLLED_BACK
    release = Release(uid="f00d", incarnation="i1", policy=POLICY, phase=phase, outcome=outcome)
    subject = Subject(
        name="shop",
        namespace="space",
        route="shop",
        stable="shop",
        canary="shop-canary",
        stable_port=8080,
        canary_port=8080,
        workload=Workload(name="shop", image=NEW, before=before),
    )
    return Journal(release=release, identity="same", subject=subject).model_copy(update=changes)


def test_the_version_before_the_newest_promotion_is_gone_back_to() -> None:
    assert to_go_back_to(journal(), NEW, deployment="shop") == OLD
    # A journal as it is stored, and stable as a GitOps tool writes it.
    assert to_go_back_to(decode(encode(journal())), NEW.replace("@", ":2.0@"), deployment="shop") == OLD


@pytest.mark.parametrize(
    ("given", "now", "words"),
    [
        (None, NEW, "no release"),
        (journal(subject=None), NEW, "no release"),
        (journal(code=None), NEW, "on its way"),
        (journal(code=ExitCode.JUDGED_BAD), OLD, "not promoted"),
        (journal(), "r.test/shop:hotfix", "somebody deployed since"),
        (journal(before=""), NEW, "not known"),
        (journal(before=NEW), NEW, "not known"),
    ],
)
def test_else_there_is_nothing_to_undo_and_why(given: Journal | None, now: str, words: str) -> None:
    with pytest.raises(Failure, match=f"nothing to undo: .*{words}") as caught:
        to_go_back_to(given, now, deployment="shop")
    assert caught.value.code is ExitCode.PREFLIGHT_FAILED


def test_what_stable_had_is_what_it_had_when_the_release_began() -> None:
    text = """\
apiVersion: canary/v1
kind: Release
metadata: {name: shop, namespace: space}
spec:
  route: {name: shop}
  stable: {service: shop, port: 8080}
  workload: {name: shop}
  analysis: {source: {scrape: {urls: ["http://127.0.0.1:1/metrics"]}}, gateway: traefik}
"""
    file = parse(text, image=NEW)

    class Stable:
        def stable_image(self) -> str:
            return NEW

    # A next incarnation finds stable promoted already, and the journal knows better.
    assert image_before(journal(), Stable()) == OLD  # type: ignore[arg-type]  # the one method that is asked
    assert image_before(None, Stable()) == NEW  # type: ignore[arg-type]
    assert image_before(None, None) == ""
    subject = subject_of(file, replaces=OLD)
    assert subject.workload is not None
    assert subject.workload.before == OLD
