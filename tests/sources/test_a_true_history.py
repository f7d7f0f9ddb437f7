"""What the looks add up to is what the proxies truly counted: scrapes, resets, gaps, pairs, spoiled values, clocks."""

from __future__ import annotations

import random
from collections import Counter
from dataclasses import replace

import pytest

from analysis.model import Arm, Look
from analysis.sources import Reading, Role, Window
from tests.sources.histories import BOUNDS, START, Answers, Number, Proxy, Scraper, source_of
from tests.sources.worlds import both, counted, errors, simple

SECONDS = 160


class History:
    """Requests at random moments, proxies that restart, scrapes that fail, and an engine that reads when it can."""

    def __init__(self, seed: int) -> None:
        self.chance = chance = random.Random(seed)
        names = "abc"[: chance.randint(1, 3)]
        self.interval, self.every = chance.choice((2, 5, 15, 40)), chance.choice((1, 5, 10))
        self.restarts, self.gaps = (chance.random() < 0.5 for _ in range(2))
        pair = not self.restarts and chance.random() < 0.5
        self.skew = chance.choice((0.0, -40.0, 300.0))
        self.proxies = [Proxy(name) for name in names]
        self.scrapers = [
            Scraper(replica, self.interval, {name: chance.randrange(self.interval) for name in names}, self.skew)
            for replica in (("x", "y") if pair else ("",))
        ]
        self.answers = Answers(self.scrapers, chance)
        self.source = source_of(self.answers)
        self.window = Window(metrics={"errors": False, "latency": True}, every=self.every)
        self.true: Counter[Number] = Counter()
        self.seen: Counter[Number] = Counter()
        self.begun = False
        for proxy in self.proxies:
            for arm in Arm:
                proxy.serve(arm, "200", 2.0, 10_000)  # of an earlier release: a restart shows itself

    def play(self) -> None:
        for second in range(SECONDS):
            self.answers.now = START + second
            for proxy in self.proxies:
                if self.begun and second < SECONDS - self.interval:
                    self._serve(proxy)
                self._scrape(proxy, second)
            late = self.gaps and self.chance.random() < 0.2
            if second >= 2 * self.interval and second % self.every == 0 and not late:
                self._read()
        for _ in range(2):
            self.answers.now += self.every
            self._read()

    def _serve(self, proxy: Proxy) -> None:
        for _ in range(self.chance.randrange(4)):
            arm, bad = (Arm.CANARY if self.chance.random() < 0.3 else Arm.STABLE), self.chance.random() < 0.2
            proxy.serve(arm, "503" if bad else "200", self.chance.choice((0.05, 0.3, 2.0)))
        if self.restarts and not proxy.restarted and self.chance.random() < 0.005:
            proxy.restart()

    def _scrape(self, proxy: Proxy, second: int) -> None:
        sure = not self.gaps or not self.begun or second >= SECONDS - self.interval
        for scraper in self.scrapers:
            if scraper.due(proxy, second) and (sure or self.chance.random() < 0.7):
                spoiled = not sure and self.chance.random() < 0.1
                scraper.scrape(proxy, self.answers.now, spoiled=spoiled)
                # The other of a pair has the same requests again. A birth has no value to spoil.
                if scraper is self.scrapers[0] and not spoiled:
                    self.true += proxy.unread
                    proxy.unread.clear()

    def _read(self) -> None:
        look = self.window.advance(replace(self.source.read(timeout=5.0), skew=self.skew))
        if not self.begun:
            self.begun = True
            self.true.clear()
        elif isinstance(look, Look):
            for arm in Arm:
                self.seen[arm, "total"] += look.counts["errors"][arm].total
                self.seen[arm, "bad"] += look.counts["errors"][arm].bad
                for bound, count in look.counts["latency"][arm].buckets:
                    self.seen[arm, bound] += count


@pytest.mark.parametrize("seed", range(24))
def test_looks_add_up_to_the_true_history(seed: int) -> None:
    history = History(seed)
    history.play()
    for arm in Arm:
        for what in ("total", "bad", *BOUNDS):
            assert history.seen[arm, what] == history.true[arm, what], (arm, what)


def test_errors_that_passed_their_last_count_after_a_restart_are_all_counted() -> None:
    window = simple()
    restarted = (
        replace(errors(Arm.CANARY, Role.TOTAL, 9_000, 100, "ok"), vector="v"),
        replace(errors(Arm.CANARY, Role.BAD, 2, 100, "bad"), vector="v"),
    )
    window.advance(both(100, 0, 0, *restarted))
    after = (
        replace(errors(Arm.CANARY, Role.TOTAL, 40, 105, "ok"), vector="v"),
        replace(errors(Arm.CANARY, Role.BAD, 5, 105, "bad"), vector="v"),
    )
    assert counted(window, both(105, 10, 0, *after)) == (10, 40, 5)


def test_a_series_that_came_back_before_the_others_of_its_vector_is_not_counted_again() -> None:
    window = simple()

    def vector(time: float, ok: float | None, bad: float) -> Reading:
        some = [errors(Arm.CANARY, Role.BAD, bad, time, "bad")]
        some += [] if ok is None else [errors(Arm.CANARY, Role.TOTAL, ok, time, "ok")]
        return both(time, time, 0, *(replace(one, vector="v") for one in some))

    window.advance(vector(100, 9_000, 5))
    assert counted(window, vector(105, None, 1))[2] == 0, "it waits for the request that it is among"
    assert counted(window, vector(110, 3, 1)) == (5, 3, 1)
    assert counted(window, vector(115, 4, 2)) == (5, 1, 1)


def test_what_a_slower_proxy_counted_over_a_change_is_in_no_later_look() -> None:
    """Two proxies, scraped at different moments: before the change every canary request failed, after it none."""
    window = simple(every=15.0)

    def of(proxy: str, time: float, stable: float, good: float, bad: float) -> tuple[Reading, ...]:
        more = errors(Arm.CANARY, Role.BAD, bad, time, proxy)
        return tuple(
            replace(one, series=f"{proxy}{one.series}", origin=proxy)
            for one in both(time, stable, good + bad, more).samples
        )

    window.advance(Reading(at=100, samples=(*of("a", 100, 0, 0, 0), *of("b", 93, 0, 0, 0))))
    window.share_changed(110.0)
    first = window.advance(Reading(at=115, samples=(*of("a", 115, 90, 5, 9), *of("b", 108, 90, 0, 9))))
    assert isinstance(first, Look)
    assert first.spans_change
    # b's samples are from before and after the change, and this look begins after it.
    second = window.advance(Reading(at=130, samples=(*of("a", 130, 180, 20, 9), *of("b", 123, 180, 13, 11))))
    assert isinstance(second, Look)
    assert not second.spans_change
    assert (second.counts["errors"][Arm.CANARY].total, second.counts["errors"][Arm.CANARY].bad) == (15, 0)
    assert "what some proxies counted over the change of the share is left out" in {note.said for note in second.notes}
    third = window.advance(Reading(at=145, samples=(*of("a", 145, 270, 35, 9), *of("b", 138, 270, 28, 11))))
    assert isinstance(third, Look)
    assert third.counts["errors"][Arm.CANARY].total == 30


@pytest.mark.parametrize("order", ["errors first", "requests first"])
def test_errors_that_are_scraped_apart_from_their_requests_are_not_lost(order: str) -> None:
    window = simple()
    window.advance(both(100, 10, 10, errors(Arm.CANARY, Role.BAD, 0, 100, "bad")))
    early, late = (2, 0) if order == "errors first" else (0, 2)
    seen = [counted(window, both(105, 20, 10 + late, errors(Arm.CANARY, Role.BAD, early, 105, "bad")))]
    seen += [counted(window, both(110, 30, 12, errors(Arm.CANARY, Role.BAD, 2, 110, "bad")))]
    seen += [counted(window, both(115, 40, 14, errors(Arm.CANARY, Role.BAD, 2, 115, "bad")))]
    assert sum(bad for _, _, bad in seen) == 2
    assert all(bad <= total for _, total, bad in seen)


def test_errors_that_are_not_among_the_requests_do_not_wait_for_ever() -> None:
    window = simple()
    window.advance(both(100, 10, 10, errors(Arm.CANARY, Role.BAD, 0, 100, "bad")))
    assert counted(window, both(105, 20, 12, errors(Arm.CANARY, Role.BAD, 50, 105, "bad"))) == (10, 2, 2)
    assert counted(window, both(110, 30, 13, errors(Arm.CANARY, Role.BAD, 50, 110, "bad"))) == (10, 1, 1)
    assert counted(window, both(115, 40, 19, errors(Arm.CANARY, Role.BAD, 50, 115, "bad"))) == (10, 6, 0)
