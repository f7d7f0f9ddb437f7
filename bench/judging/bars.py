"""The bars of the judge, as figures: each promise at full size, and what was seen."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
from bar import Figure, machine

from judging import against, detection, promises
from judging.plots import page
from judging.table import markdown, rows

RUNS = 2_000
DETECTED = 400
"""Runs of each trouble that is to be detected."""

EVERY = 5
"""Every fifth trouble begins after 3,000 looks: all of them would take an hour."""

PLACE = Path(__file__).resolve().parents[2] / "build" / "bench"


def false_rollbacks(_: int) -> Iterator[Figure]:
    """Releases at the bound, an hour of looks a second; bursts with and without an hour of history."""
    for seed, (name, made) in enumerate(promises.hours().items()):
        seen = promises.kept(made, runs=RUNS, seed=seed)
        yield Figure(name=f"false rollbacks of {RUNS}: {name}", values=[seen.condemned], bar=30.5)
    for seed, (name, made) in enumerate(promises.bursts().items()):
        known, unknown = promises.condemned_in_bursts(made, runs=RUNS, seed=100 + 2 * seed)
        yield Figure(name=f"{name}: false rollbacks with an hour of history, %", values=[100 * known], bar=2.0001)
        yield Figure(name=f"{name}: without history, %", values=[100 * unknown])


def detections(_: int) -> Iterator[Figure]:
    """Delays in units of T*, from the first look on, later, and after a shared outage."""
    troubles = detection.everything()
    found = [detection.seen(one, runs=DETECTED, seed=[1, i]) for i, one in enumerate(troubles)]
    yield from detection.figures("onset at the first look", found)
    firsts = {one.trouble: one.mean for one in found}
    late = [one for one in troubles if one.time in detection.LATE]
    for name, before in detection.BEFORE.items():
        seen = [detection.seen(one, runs=DETECTED, seed=[2, i], before=before) for i, one in enumerate(late)]
        yield from _late(name, [one.mean / firsts[one.trouble] for one in seen])
    for name, plan in detection.LONG.items():
        seen = [
            detection.seen(one, runs=DETECTED, seed=[3, i], before=detection.after_3000, plan=plan)
            for i, one in enumerate(late[::EVERY])
        ]
        yield from _late(name, [one.mean / firsts[one.trouble] for one in seen])


def _late(name: str, ratios: list[float]) -> Iterator[Figure]:
    title = f"detection: onset {name}, times the delay from the first look"
    yield Figure(name=f"{title}, mean over {len(ratios)}", values=[float(np.mean(ratios))], bar=2.1)
    yield Figure(name=f"{title}, by trouble", values=ratios, bar=2.1001, worst=True)


def healthy(_: int) -> Iterator[Figure]:
    """Requests until an equal canary is confirmed, and how rarely a bad one is."""
    found = [promises.confirmed(rate, share, runs=RUNS // 4, seed=1) for rate, share in promises.CONFIRMED]
    ratios = [ratio for ratio, _ in found]
    yield Figure(name="HEALTHY: requests over JUDGE.md's, mean", values=[float(np.mean(ratios))], bar=1.4)
    yield Figure(name="HEALTHY: the same, by rate and share", values=ratios)
    yield Figure(name="HEALTHY: equal canary not confirmed in 8 times that, %", values=[100 * m for _, m in found])
    for times in (1.0, 1.2):
        missed = 1.0 - promises.tolerated(times, runs=RUNS // 4, seed=9)
        name = f"HEALTHY: {times:g} times stable's errors, 20,000 requests a look, not confirmed in 30 looks, %"
        yield Figure(name=name, values=[100 * missed])
    question = promises.careless()
    for rps in (50.0, 200.0):
        at = promises.at_the_bound(rps, np.full(promises.HOUR, 0.005))
        seen = promises.kept(at, runs=RUNS, seed=7, question=question).healthy
        name = f"HEALTHY: at the bound, {rps:g}/s, called so in a step, %"
        yield Figure(name=name, values=[100 * one for one in seen], bar=5.0001, worst=True)
        seen = promises.kept(promises.turning_bad(rps), runs=RUNS, seed=8, question=question).healthy
        name = f"HEALTHY: bad from step 3 on, {rps:g}/s, called so in steps 3 and 4, %"
        yield Figure(name=name, values=[100 * one for one in seen[2:]], bar=5.0001, worst=True)


def peers(_: int) -> Iterator[Figure]:
    """Beside the rules of others."""
    for canary in (0.05, 0.5, 1.0):
        for every in (1.0, 5.0):
            pairs = [
                against.failed_requests(canary, per_second=rate, every=every, runs=DETECTED, seed=1)
                for rate in (2.0, 5.0, 20.0)
            ]
            # Figures are held to an upper bar, so the ratio is turned round.
            values = [100.0 * mine / theirs for mine, theirs in pairs]
            name = f"failed requests, % of Flagger's defaults: {100 * canary:g} % errors, looks of {every:g} s"
            yield Figure(name=name, values=values, bar=10.0001 if canary >= 0.5 else None, worst=True)
    mine, theirs = against.caught(against.few_requests(runs=RUNS, seed=1))
    name = "0.5 % to 2 % errors at 50 requests a minute and arm, not caught in an hour, %"
    yield Figure(name=f"{name}: this judge", values=[100 * (1 - mine)], bar=5.0001)
    yield Figure(name=f"{name}: Kayenta's rule", values=[100 * (1 - theirs)])


def table(_: int) -> Iterator[Figure]:
    """Writes the table and its pictures."""
    found = list(rows(runs=200))
    PLACE.mkdir(parents=True, exist_ok=True)
    (PLACE / "judging.md").write_text("\n".join([machine(), "", *markdown(found), ""]), encoding="utf-8")
    (PLACE / "judging.html").write_text(page(found, machine=machine()), encoding="utf-8")
    for line in markdown(found):
        print(line)
    yield Figure(name=f"scenarios and rules in {PLACE}", values=[float(len(found))])


def judging(repeat: int) -> Iterator[Figure]:
    """Everything about the judge's decisions; its speed is `judge`."""
    for part in (table, peers, healthy, detections, false_rollbacks):
        yield from part(repeat)
