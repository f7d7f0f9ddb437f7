"""Looks with hardly a request add up: what one arm has to say waits until the other has something, too."""

from __future__ import annotations

import json
from dataclasses import fields
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray
from scipy import stats

from analysis.judge import JudgeConfig, MetricConfig, begin_step, decode, drop, encode, observe, start
from analysis.judge.asked import Asked, Counted
from analysis.judge.book import Book
from analysis.judge.sparse import FEWEST_CANARY, FEWEST_STABLE, LONGEST, gathered

Array = NDArray[np.float64]

CONFIG = JudgeConfig(metrics=(MetricConfig(name="errors", kind="errors", relative=0.5, absolute=0.002),))

SIZES = st.integers(1, 4).flatmap(lambda tests: arrays(int, (40, 4, tests), elements=st.sampled_from([0, 0, 0, 1, 3])))
"""Per look, of both arms and each test: good and bad requests."""


def looks_of(drawn: NDArray[np.int64]) -> list[Counted]:
    x_s, good_s, x_c, good_c = np.moveaxis(drawn.astype(float), 1, 0)
    return [Counted(*one) for one in zip(x_s, x_s + good_s, x_c, x_c + good_c, strict=True)]


def asked(tests: int, prior: float = 0.01) -> Asked:
    config = JudgeConfig(metrics=CONFIG.metrics, prior_rate=prior)
    return Asked.of(config, relative=np.full(tests, 0.5), absolute=np.full(tests, 0.002))


def parts_of(book: Any) -> list[Array]:
    """All arrays of a book."""
    if isinstance(book, np.ndarray):
        return [book]
    return [part for one in fields(book) for part in parts_of(getattr(book, one.name))]


def fed(looks: list[Counted], *, prior: float = 0.01) -> Book:
    """A book after these looks, none of whose cash moves."""
    book = Book.fresh(len(looks[0].n_s))
    for look in looks:
        book = book.compare(look, asked(len(book), prior), part=0.0, interval=False)
    return book


@settings(max_examples=60, deadline=None, derandomize=True)
@given(drawn=SIZES)
def test_every_request_is_judged_once_or_waits(drawn: NDArray[np.int64]) -> None:
    looks = looks_of(drawn)
    judged, waiting = np.zeros((len(looks[0].n_s), 4)), np.zeros((len(looks[0].n_s), 5))
    for look in looks:
        now, waiting = gathered(waiting, look)
        judged += now.table
        both = (now.n_s >= FEWEST_STABLE) & (now.n_c >= FEWEST_CANARY)
        assert (both | (now.n_s + now.n_c == 0)).all(), "forty looks are too few to wait in vain"
        assert (waiting[:, 1:] == 0)[both].all()
    assert (judged + waiting[:, 1:] == sum(look.table for look in looks)).all()


@settings(max_examples=60, deadline=None, derandomize=True)
@given(drawn=SIZES)
def test_what_is_judged_together_does_not_depend_on_how_requests_ended(drawn: NDArray[np.int64]) -> None:
    now = other = np.zeros((drawn.shape[2], 5))
    for look in looks_of(drawn):
        one, now = gathered(now, look)
        turned, other = gathered(other, Counted(look.n_s - look.x_s, look.n_s, look.n_c - look.x_c, look.n_c))
        assert (one.n_s == turned.n_s).all()
        assert (one.n_c == turned.n_c).all()
        assert (now[:, 0] == other[:, 0]).all()


@settings(max_examples=60, deadline=None, derandomize=True)
@given(drawn=SIZES)
def test_a_look_with_enough_requests_on_both_arms_is_judged_as_it_is_whatever_waits_elsewhere(
    drawn: NDArray[np.int64],
) -> None:
    """Dense traffic is judged to the last bit as if no look ever waited."""
    dense = [Counted(one.x_s, one.n_s + FEWEST_STABLE, one.x_c, one.n_c + FEWEST_CANARY) for one in looks_of(drawn)]
    for look in dense:
        now, waiting = gathered(np.zeros((len(look.n_s), 5)), look)
        assert now is look
        assert not waiting.any()
    empty = Counted(*np.zeros((4, 1)))
    beside = [
        Counted(*(np.append(getattr(one, name), getattr(empty, name)) for name in Counted.__slots__)) for one in dense
    ]
    one_missing = Counted(*np.array([[0.0], [3.0], [0.0], [0.0]]))
    beside[0] = Counted(*(np.append(getattr(dense[0], name), getattr(one_missing, name)) for name in Counted.__slots__))
    waiting = np.zeros((len(dense[0].n_s) + 1, 5))
    for look, alone in zip(beside, dense, strict=True):
        now, waiting = gathered(waiting, look)
        assert (now.table[:-1] == alone.table).all()
        assert not waiting[:-1].any()


@pytest.mark.parametrize("stable_first", [True, False])
def test_requests_that_waited_say_what_they_say_in_one_look(stable_first: bool) -> None:
    whole = Counted(*np.array([[1.0], [40.0], [2.0], [3.0]]))
    halves = [Counted(*np.array([[1.0], [40.0], [0.0], [0.0]])), Counted(*np.array([[0.0], [0.0], [2.0], [3.0]]))]
    quiet = Counted(*np.zeros((4, 1)))
    order = halves if stable_first else halves[::-1]
    together, apart = fed([whole]), fed([order[0], quiet, order[1]])
    assert together.harm.evidence()[0] > 1.0
    for name in ("harm", "heat", "health", "memory"):
        for one, other in zip(parts_of(getattr(together, name)), parts_of(getattr(apart, name)), strict=True):
            assert one == pytest.approx(other, abs=1e-12), name
    assert not apart.waiting.any()
    assert apart.step.tolist() == whole.table.tolist()


def test_what_waits_is_not_known_before_it_is_judged() -> None:
    """Stable's rate, by which requests are judged, is from before the first of them."""
    failing = Counted(*np.array([[9.0], [10.0], [0.0], [0.0]]))
    before = fed([Counted(*np.array([[0.0], [100.0], [0.0], [10.0]]))])
    book = before
    for _ in range(5):
        book = book.compare(failing, asked(1), part=0.0, interval=False)
    assert (book.rates(asked(1)) == before.rates(asked(1))).all()
    book = book.compare(Counted(*np.array([[0.0], [0.0], [0.0], [1.0]])), asked(1), part=0.0, interval=False)
    assert book.rates(asked(1))[0] > 0.1


def test_what_waited_in_vain_is_remembered_of_stable_and_compared_with_nothing() -> None:
    alone = Counted(*np.array([[1.0], [10.0], [0.0], [0.0]]))
    book = fed([alone] * int(LONGEST - 1))
    assert (book.memory == 0).all()
    assert book.waiting[0].tolist() == [LONGEST - 1, LONGEST - 1, 10 * (LONGEST - 1), 0, 0]
    book = fed([alone] * int(LONGEST))
    assert book.memory[0, :2].tolist() == [LONGEST, 10 * LONGEST]
    assert not book.waiting.any()
    assert book.harm.evidence()[0] == pytest.approx(0.0)


def test_what_stable_was_without_a_canary_counts_what_waits() -> None:
    """Else a release whose canary gets its first request within the first looks would know nothing of stable."""
    book = fed([Counted(*np.array([[1.0], [50.0], [0.0], [0.0]]))] * 20)
    assert 0.02 < book.known().baseline[0] < 0.04
    assert book.known(only_unknown=True).baseline[0] == 1.0, "that is from before this release alone"


@settings(max_examples=40, deadline=None, derandomize=True)
@given(
    rate=st.floats(0.001, 0.5),
    assumed=st.sampled_from([0.001, 0.02, 0.3]),
    n_s=st.integers(int(FEWEST_STABLE), 12),
    n_c=st.integers(1, 6),
)
def test_no_evidence_is_expected_of_requests_that_waited(rate: float, assumed: float, n_s: int, n_c: int) -> None:
    """Of harm from a canary at the bound, by all outcomes, one request in each look."""
    x_s, x_c = (grid.ravel() for grid in np.meshgrid(np.arange(n_s + 1.0), np.arange(n_c + 1.0), indexing="ij"))
    nothing, some = np.zeros_like(x_s), np.ones_like(x_s)
    stable = [Counted((x_s > i) * 1.0, some, nothing, nothing) for i in range(n_s)]
    canary = Counted(nothing, nothing, x_c, n_c * some)
    wealth = np.exp(fed([*stable, canary], prior=assumed).harm.evidence())
    bound = min(1.0, 1.5 * rate + 0.002)
    assert stats.binom.pmf(x_s, n_s, rate) * stats.binom.pmf(x_c, n_c, bound) @ wealth <= 1 + 1e-12


def test_nothing_waits_for_another_step_nor_over_a_change_of_the_share(sim: Any) -> None:
    release = sim.Release().learns(20).begins()
    release.given(sim.look_of(5.0, stable=(3, 50), canary=(0, 0)))
    assert release.state.book.waiting[0].tolist() == [1, 3, 50, 0, 0]
    assert not begin_step(release.config, release.state, share=20.0, last_share=50.0).book.waiting.any()
    assert not drop(release.state, sim.look_of(10.0, stable=(3, 50), canary=None)).book.waiting.any()
    assert not release.learns(1).state.book.waiting.any()


def test_what_was_too_early_to_speak_for_the_canary_does_not_do_so_later(sim: Any) -> None:
    config = sim.asked()
    state = begin_step(config, start(config), share=10.0, last_share=50.0)
    for end in (5.0, 10.0):
        state, _ = observe(config, state, sim.look_of(end, stable=(0, 0), canary=(0, 500)), early=True)
    assert state.book.waiting[0].tolist() == [2, 0, 0, 0, 1000]
    state, _ = observe(config, state, sim.look_of(15.0, stable=(30, 1000), canary=(0, 0)))
    assert state.book.waiting[0].tolist() == [1, 30, 1000, 0, 0]
    assert state.book.health[0] == 0.0


def test_two_looks_that_agree_are_two_that_were_judged(sim: Any) -> None:
    """A look in which nothing is compared agrees with nobody."""
    release = sim.Release().learns(20).begins(50.0)
    release.sees(20, 0.002, 0.002, requests=4_000)
    release.given(sim.look_of(release.at + 5.0, stable=(0, 4000), canary=(40, 4000)))
    before = release.state.book.agreed[0]
    release.given(sim.look_of(release.at + 10.0, stable=(0, 40), canary=(0, 0)))
    assert release.state.book.agreed[0] == before


def test_a_finding_counts_what_waited_among_the_looks_that_evidence_rose_in(sim: Any) -> None:
    release = sim.Release().learns(20).begins()
    release.sees(3, 0.002, 0.002)
    for i in range(8):
        release.given(sim.look_of(100.0 + 10 * i, stable=(0, 30), canary=(0, 0)))
        release.given(sim.look_of(105.0 + 10 * i, stable=(0, 0), canary=(1, 1)))
    assert release.judgements[-1].verdict == "UNHEALTHY"
    looks, x_s, n_s, x_c, n_c = release.state.book.rise[0, 1:].tolist()
    assert (x_s, n_s, x_c, n_c) == (0, 15 * looks, looks / 2, looks / 2)
    assert looks >= 4


def test_what_waits_survives_in_the_journal(sim: Any) -> None:
    release = sim.Release().learns(20).begins()
    assert "waiting" not in encode(release.state)
    release.given(sim.look_of(5.0, stable=(3, 50), canary=(0, 0)))
    kept = decode(json.loads(json.dumps(encode(release.state))))
    assert (kept.book.waiting == release.state.book.waiting).all()
    assert kept.book.waiting.any()
