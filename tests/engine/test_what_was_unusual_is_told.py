"""Whatever was unusual about a reading is named in the findings of its look, in words and as a number, and no other."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from analysis.judge import JudgeConfig, MetricConfig
from analysis.model import Arm, Judgement
from analysis.sources import Reading, Role, Trouble
from analysis.sources.twice import Once
from canary.core import events as on
from canary.core.release import Phase
from canary.engine.observer import Observer, Question
from tests.core.rows import at
from tests.sources.test_what_is_unusual import of
from tests.sources.worlds import both, errors

CONFIG = JudgeConfig(
    metrics=(MetricConfig(name="errors", kind="errors", relative=0.5, absolute=0.01),), planned_looks=300
)
RELEASE = replace(at(Phase.JUDGING), share=Decimal(20))
BEGAN = 100


def good(time: float, *more: Any, at: float | None = None) -> Reading:
    return both(time, 80 * time, 20 * time, *more, at=at)


def named(time: float, name: str) -> Reading:
    """The canary's counter at a proxy that is there, under this name."""
    canary = errors(Arm.CANARY, Role.TOTAL, 20 * time, time, name)
    stable = errors(Arm.STABLE, Role.TOTAL, 80 * time, time)
    return of("p", Reading(at=time, samples=(stable, canary)))


def twice() -> Any:
    once = Once()
    once.kept("requests_total", [({"instance": "10.0.0.1:9100", "job": job}, 0) for job in "ab"])
    return once.notes()


def missed(trouble: Trouble) -> list[Reading]:
    return [Reading(at=105, trouble=trouble, sentence="it was so"), good(110)]


FAR = errors(Arm.CANARY, Role.TOTAL, 7, BEGAN, "far")
LONG = [good(time) for time in range(105, 1105, 5)]

# What is read after a first reading at 100; a number that each finding has, and its value; what is said of it.
CASES: dict[str, tuple[list[Reading], str, float, str]] = {
    "down": (missed(Trouble.DOWN), "dropped_source_down", 1, "looks dropped: 1 source down"),
    "slow": (missed(Trouble.SLOW), "dropped_source_slow", 1, "1 source slow"),
    "nonsense": (missed(Trouble.NONSENSE), "dropped_source_nonsense", 1, "1 source nonsense"),
    "partial": (missed(Trouble.PARTIAL), "dropped_source_partial", 1, "1 source partial"),
    "stale": ([good(100, at=130), good(135)], "dropped_scrape_stale", 1, "1 scrape stale"),
    "all series gone": ([Reading(at=105), good(110)], "dropped_series_absent", 1, "1 series absent"),
    "missing": (
        [Reading(at=105, samples=(errors(Arm.STABLE, Role.TOTAL, 9000, 105),))],
        "absent_canary",
        1,
        "no series of the canary",
    ),
    "duplicated": ([replace(good(105), notes=twice())], "scraped_twice", 1, "10.0.0.1:9100 is scraped 2 times"),
    "reset": ([both(105, 400, 2100)], "counters_reset", 1, "1 counter began again: a proxy restarted"),
    "two resets": ([both(105, 400, 100)], "counters_reset", 2, "2 counters began again: a proxy restarted"),
    "reborn": ([*LONG, good(1105, replace(FAR, time=1105))], "series_reborn", 1, "1 series came back after"),
    "renamed": ([named(100, "one"), named(105, "one"), named(110, "two")], "series_renamed", 1, "as if renamed"),
    "a new proxy": (
        [replace(good(105), samples=(*good(105).samples, of("b", good(105)).samples[0]))],
        "proxies_new",
        1,
        "1 proxy was seen for the first time",
    ),
    "long unseen": ([*LONG[:49], good(350, replace(FAR, time=350))], "counters_lost", 1, "1 counter was not seen for"),
    "several series": (
        [good(time, errors(Arm.CANARY, Role.TOTAL, 5, time, "second")) for time in (100, 105)],
        "series_canary",
        2,
        "",
    ),
    "slow scrapes": (
        [good(100, at=105), good(100, at=110), good(115)],
        "samples_every",
        15,
        "samples every 15 s, so looks are as far apart",
    ),
    "arms apart": (
        [
            Reading(
                at=time,
                samples=(
                    errors(Arm.STABLE, Role.TOTAL, 80 * time, time),
                    errors(Arm.CANARY, Role.TOTAL, 20 * time, time - 1.5),
                ),
            )
            for time in (110, 120)
        ],
        "arms_apart",
        1.5,
        "the arms are scraped 1.5 s apart",
    ),
    "an arm behind": (
        [Reading(at=110, samples=(errors(Arm.STABLE, Role.TOTAL, 8800, 110), good(101).samples[1])), good(115)],
        "dropped_unaligned",
        1,
        "1 unaligned",
    ),
    "a clock ahead": ([replace(good(105), skew=30.0)], "clock_ahead", 30, "the source's clock is 30 s ahead"),
    "a clock behind": ([replace(good(105), skew=-30.0)], "clock_ahead", -30, "the source's clock is 30 s behind"),
}


def judged(readings: list[Reading]) -> Judgement:
    """The newest judgement of an engine that read this in a step with a share of 20 %."""
    observer = Observer(Question(config=CONFIG, every=5.0, last_share=50.0))
    observer.restart(share=RELEASE.share, baking=False, at=BEGAN)
    found = None
    for reading in readings:
        event = observer.take(reading, release=RELEASE, at=reading.at)
        found = event.judgement if isinstance(event, on.Looked) else found
    assert found is not None
    return found


def everything(judgement: Judgement) -> Callable[[str], bool]:
    return lambda words: all(words in f"{one.sentence} {judgement.basis}" for one in judgement.findings)


@pytest.mark.parametrize("case", CASES)
def test_what_was_unusual_is_named_in_every_finding_of_its_look(case: str) -> None:
    readings, name, value, words = CASES[case]
    judgement = judged([good(BEGAN, FAR), *readings])
    assert judgement.findings
    assert [one.numbers.get(name) for one in judgement.findings] == [value] * len(judgement.findings)
    assert everything(judgement)(words)


@pytest.mark.parametrize(("read", "said"), [((), "no series of the canary exist"), ((good(105).samples[1],), "")])
def test_while_traffic_is_awaited_it_is_said_whether_there_are_series(read: Any, said: str) -> None:
    observer = Observer(Question(config=CONFIG, every=5.0, last_share=50.0, alone=frozenset({"errors"})))
    for reading in (good(BEGAN), Reading(at=105, samples=(good(105).samples[0], *read))):
        event = observer.take(reading, release=at(Phase.SETTLING), at=reading.at)
    assert isinstance(event, on.Looked)
    assert event.unseen.startswith(said)
    assert bool(event.unseen) == bool(said)


@pytest.mark.parametrize("trouble", Trouble)
def test_why_there_is_no_look_is_told_to_whoever_decides_what_then(trouble: Trouble) -> None:
    observer = Observer(Question(config=CONFIG, every=5.0, last_share=50.0))
    observer.take(good(BEGAN), release=RELEASE, at=BEGAN)
    event = observer.take(Reading(at=105, trouble=trouble, sentence="why"), release=RELEASE, at=105)
    assert isinstance(event, on.LookMissed)
    assert event.reason == "why"
    assert event.cause == {Trouble.ABSENT: "absent", Trouble.STALE: "stale"}.get(trouble, "down")


@pytest.mark.parametrize("case", [case for case, (_, name, _, _) in CASES.items() if not name.startswith("dropped")])
def test_of_a_look_without_it_it_is_not_said(case: str) -> None:
    """What was dropped is told for the rest of the step; everything else only where it is."""
    _, name, _, words = CASES[case]
    judgement = judged([good(BEGAN), good(BEGAN + 5), good(BEGAN + 10)])
    assert not any(name in one.numbers for one in judgement.findings)
    assert not words or words not in f"{judgement.sentence} {judgement.basis}"
