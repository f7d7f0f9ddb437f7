"""Attach, start or refuse: whatever went before, a submission that ends with 0 leaves stable running its image."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from hypothesis import given
from hypothesis import strategies as st

from canary.core.outcome import ExitCode
from canary.submitting import Attach, Attempt, Create, Finished, Standing, World, decide, job_name, pinned

A, B, C = (f"registry.test/app@sha256:{letter * 64}" for letter in "abc")
ENDS = (*ExitCode, None)
"""None: it ended, and nothing says how."""


@dataclass
class Cluster:
    """One route: what its Jobs, its journal and stable's Deployment would say."""

    jobs: list[Attempt] = field(default_factory=list)
    world: World = field(default_factory=World)
    made: int = 0

    def submit(self, image: str, *, again: bool = False) -> object:
        decision = decide(image, image, self.jobs, self.world, again=again)
        if isinstance(decision, Create):
            self.made += 1
            name = job_name("app", image[-10:], decision.attempt)
            assert name not in {job.name for job in self.jobs}
            self.jobs.append(
                Attempt(name=name, number=decision.attempt, identity=image, nonce=str(self.made), created=self.made)
            )
        return decision

    def end(self, code: ExitCode | None) -> None:
        """The newest running Job ends so; a release that was promoted is what stable runs."""
        running = [job for job in self.jobs if job.standing is Standing.RUNNING]
        if not running:
            return
        job = running[-1]
        said = None if code is None else int(code)
        self.jobs[self.jobs.index(job)] = replace(job, standing=Standing.ENDED, code=said)
        stable = job.identity if code is ExitCode.PROMOTED else self.world.stable_image
        self.world = World(newest=job.identity, code=said, stable_image=stable)

    def sweep(self) -> None:
        """Finished Jobs live for a day."""
        self.jobs = [job for job in self.jobs if job.standing is Standing.RUNNING]


STEP = st.one_of(
    st.tuples(st.just("ship"), st.sampled_from([A, B, C]), st.sampled_from(ENDS), st.booleans()),
    st.tuples(st.just("sweep"), st.none(), st.none(), st.just(value=False)),
    st.tuples(st.just("edit"), st.sampled_from([A, B, C]), st.none(), st.just(value=False)),
)


@given(st.lists(STEP, max_size=12))
def test_a_submission_that_ends_with_0_leaves_stable_on_its_image(steps: list[tuple[str, str, ExitCode, bool]]) -> None:
    cluster = Cluster()
    for what, image, ends, again in steps:
        if what == "sweep":
            cluster.sweep()
            continue
        if what == "edit":  # somebody deploys by hand
            cluster.world = replace(cluster.world, stable_image=image)
            continue
        decision = cluster.submit(image, again=again)
        assert not isinstance(decision, Attach)  # nothing runs: each one ended before the next
        if isinstance(decision, Create):
            cluster.end(ends)
            if ends is ExitCode.PROMOTED:
                assert cluster.world.stable_image == image
        else:
            assert isinstance(decision, Finished)
            assert not again
            if decision.code is ExitCode.PROMOTED:
                assert cluster.world.stable_image == image
            else:
                assert decision.code in {ExitCode.JUDGED_BAD, ExitCode.REJECTED}
                assert decision.hint


@given(st.lists(st.tuples(st.sampled_from([A, B, C]), st.sampled_from(ENDS)), max_size=6))
def test_a_then_b_then_a_ships_a(before: list[tuple[str, ExitCode]]) -> None:
    cluster = Cluster()
    for image, ends in before:
        cluster.submit(image, again=True)
        cluster.end(ends)
    for image in (A, B, A):
        decision = cluster.submit(image)
        if isinstance(decision, Finished) and decision.code is not ExitCode.PROMOTED:
            cluster.submit(image, again=True)  # condemned before: somebody insists
        cluster.end(ExitCode.PROMOTED)
        assert cluster.world.stable_image == image


def test_what_was_promoted_is_not_shipped_twice_and_what_was_superseded_is() -> None:
    cluster = Cluster()
    assert cluster.submit(A) == Create(attempt=1)
    cluster.end(ExitCode.PROMOTED)
    assert isinstance(cluster.submit(A), Finished)
    cluster.sweep()
    assert isinstance(cluster.submit(A), Finished)  # its Job is gone: the journal and stable still say it
    cluster.submit(B)
    cluster.end(ExitCode.JUDGED_BAD)
    # Stable runs A again, but A is not the newest release any more.
    assert cluster.submit(A) == Create(attempt=1)


def test_a_running_attempt_is_followed_even_when_asked_again() -> None:
    cluster = Cluster()
    cluster.submit(A)
    name = cluster.jobs[0].name
    assert cluster.submit(A) == cluster.submit(A, again=True) == Attach(name=name)
    assert cluster.made == 1


def test_a_job_that_is_leaving_is_not_followed() -> None:
    cluster = Cluster()
    cluster.submit(A)
    cluster.jobs[0] = replace(cluster.jobs[0], standing=Standing.LEAVING)
    assert cluster.submit(A) == Create(attempt=2)


def test_an_attempt_without_a_verdict_is_followed_by_a_new_one_and_a_bad_one_is_not() -> None:
    for code in ExitCode:
        cluster = Cluster()
        cluster.submit(A)
        cluster.end(code)
        decision = cluster.submit(A)
        if code is ExitCode.PROMOTED:
            assert isinstance(decision, Finished)
        elif code in {ExitCode.JUDGED_BAD, ExitCode.REJECTED}:
            assert isinstance(decision, Finished)
            assert decision.code is code
            assert "--again" in decision.hint
            assert cluster.submit(A, again=True) == Create(attempt=2)
        else:
            assert decision == Create(attempt=2)


def test_a_bad_verdict_outlives_attempts_that_said_nothing() -> None:
    cluster = Cluster()
    cluster.submit(A)
    cluster.end(ExitCode.JUDGED_BAD)
    cluster.submit(A, again=True)
    cluster.end(ExitCode.DEADLINE)
    decision = cluster.submit(A)
    assert isinstance(decision, Finished)
    assert decision.code is ExitCode.JUDGED_BAD


def test_a_tag_never_holds() -> None:
    cluster = Cluster()
    cluster.submit("registry.test/app:1")
    cluster.end(ExitCode.PROMOTED)
    assert cluster.submit("registry.test/app:1") == Create(attempt=2)
    assert pinned(A)
    assert not any(map(pinned, ("app:1", "app@sha256:12", A + "0", "app@sha256:" + "G" * 64, A + "\n")))


def test_jobs_of_others_are_nobodys_business() -> None:
    foreign = Attempt(name="canary-app-0123456789-1", number=7, identity="")
    assert decide(A, A, [foreign], World()) == Create(attempt=1)


def test_names_fit_into_labels() -> None:
    name = job_name("a-service-with-a-name-as-long-as-names-of-services-may-be-at-all", "f" * 64, 999)
    assert len(name) <= 63 - len("-xxxxx") + 3
    assert name.startswith("canary-a-service")
    assert name.endswith("-999")
