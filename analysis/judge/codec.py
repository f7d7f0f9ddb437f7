"""The judge's state as JSON-able data and back, for the journal."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

import numpy as np
from numpy.typing import NDArray

from analysis import classical
from analysis.judge import pace, past
from analysis.judge.accounts import EFFECTS, Wealth
from analysis.judge.book import Book
from analysis.judge.dispersion import Dispersion
from analysis.judge.flow import Flow
from analysis.judge.interval import GRID, Interval
from analysis.judge.limits import Limits
from analysis.judge.pods import Seen
from analysis.judge.state import JudgeState
from analysis.judge.tests import Limit, Test
from analysis.model import Arm

Array = NDArray[np.float64]

VERSION = 10
"""Of the judge's arithmetic and of this form; a record names it."""

DIGITS = 12
"""Significant digits kept: a verdict judged again agrees to 1e-9."""

SHOWN_DIGITS = 5
"""The interval's: it is shown, and decides nothing; its grid is most of the state."""


def encode(state: JudgeState) -> dict[str, Any]:
    """As JSON-able data."""
    book = state.book
    return {
        "version": VERSION,
        "tests": [list(asdict(test).values()) for test in state.tests],
        "limits": [list(asdict(limit).values()) for limit in state.limits],
        "harm": _wealth(book.harm),
        "heat": _plain(book.heat),
        "worse": _wealth(book.worse),
        "over": _wealth(state.over.bets),
        "split": _wealth(state.split),
        "health": [_plain(book.health), _plain(book.health_before)],
        "memory": _plain(book.memory),
        "dispersion": [_plain(rows) for rows in book.dispersion.rows()],
        "sway": [_plain(rows) for rows in book.sway.rows()],
        "interval": [_plain(rows, SHOWN_DIGITS) for rows in book.interval.rows()],
        "baseline": _plain(book.baseline),
        "frozen": _plain(book.frozen),
        "step": _plain(book.step),
        "quiet": _plain(book.quiet),
        "rise": _plain(book.rise),
        "over_step": _plain(state.over.step),
        "histograms": {
            # JSON has no infinity.
            name: [[str(bound), count] for bound, count in histogram.items()]
            for name, histogram in state.histograms.items()
        },
        **_own(state),
        "now": [
            state.looks,
            *state.idle,
            state.first,
            state.share,
            state.last_share,
            state.exposed,
            state.baking,
            state.condemned,
        ],
        "flow": [_wealth(state.flow.bets), state.flow.few, state.flow.stuck, state.flow.unfinished, *state.flow.step],
        "seen": {
            metric: {
                arm: [[name, pod.node, pod.total, pod.bad, pod.quiet] for name, pod in pods.items()]
                for arm, pods in arms.items()
            }
            for metric, arms in state.seen.items()
        },
        "around": [list(state.pods), dict(state.dropped), dict(state.widening), state.outlier],
    }


def _own(state: JudgeState) -> dict[str, Any]:
    """What only releases with hardly a request, with classical metrics, or metrics of their own pace remember."""
    found: dict[str, Any] = {"held": pace.encode(state.held)} if state.held else {}
    if state.book.waiting.any():
        found["waiting"] = _plain(state.book.waiting)
    if state.first_request is not None:
        found["first_request"] = state.first_request
    if state.past != past.UNASKED:
        found["past"] = past.encode(state.past)
    if state.beside.seen:
        found["beside"] = classical.encode(state.beside)
    return found if state.began is None else found | {"began": state.began}


def decode(data: Mapping[str, Any]) -> JudgeState:
    """From `encode`'s data.

    Raises:
        ValueError: it is damaged, or of another version.
    """
    if data.get("version") != VERSION:
        raise ValueError(f"the judge's state has version {data.get('version')!r}, this judge knows {VERSION}")
    try:
        return _decode(data)
    except (ArithmeticError, AttributeError, IndexError, KeyError, TypeError, ValueError) as error:
        raise ValueError(f"the judge's state is damaged: {error!r}") from error


def _decode(data: Mapping[str, Any]) -> JudgeState:
    tests = tuple(Test(**dict(zip(Test.__slots__, values, strict=True))) for values in data["tests"])
    limits = tuple(Limit(**dict(zip(Limit.__slots__, values, strict=True))) for values in data["limits"])
    looks, idle_s, idle_c, first, share, last_share, exposed, baking, condemned = data["now"]
    k, m = len(tests), len(limits)
    above, below, mean = data["interval"]
    health, health_before = data["health"]
    grid = (k, len(GRID))
    book = Book(
        harm=_read_wealth(data["harm"], k),
        heat=_array(data["heat"], (k, len(EFFECTS))),
        worse=_read_wealth(data["worse"], k),
        health=_array(health, (k,)),
        health_before=_array(health_before, (k,)),
        memory=_array(data["memory"], (k, 4)),
        dispersion=_dispersion(data["dispersion"], k),
        sway=_dispersion(data["sway"], k),
        interval=Interval(_array(above, grid), _array(below, grid), _array(mean, (k, 2))),
        baseline=_array(data["baseline"], (k,)),
        frozen=_array(data["frozen"], (k,)),
        step=_array(data["step"], (k, 4)),
        quiet=_array(data["quiet"], (k,)),
        rise=_array(data["rise"], (k, 6)),
        waiting=_array(data.get("waiting", [0] * 5 * k), (k, 5)),
    )
    return JudgeState(
        tests=tests,
        limits=limits,
        book=book,
        over=Limits(_read_wealth(data["over"], 2 * m), _array(data["over_step"], (m, 3))),
        split=_read_wealth(data["split"], 2),
        histograms={
            name: {float(bound): int(count) for bound, count in rows} for name, rows in data["histograms"].items()
        },
        looks=int(looks),
        idle=(int(idle_s), int(idle_c)),
        first=bool(first),
        share=float(share),
        last_share=float(last_share),
        exposed=bool(exposed),
        baking=bool(baking),
        condemned=bool(condemned),
        beside=classical.decode(data["beside"]) if "beside" in data else classical.Beside(),
        held=pace.decode(data.get("held", {})),
        first_request=float(data["first_request"]) if "first_request" in data else None,
        past=past.decode(data["past"]) if "past" in data else past.UNASKED,
        began=None if data.get("began") is None else float(data["began"]),
        **_read_blind(data),
    )


def _read_blind(data: Mapping[str, Any]) -> dict[str, Any]:
    """What is remembered of requests that hang, of pods, and of looks that were dropped."""
    bets, few, stuck, unfinished, canary, every = data["flow"]
    pods, dropped, widening, outlier = data["around"]
    return {
        "flow": Flow(_read_wealth(bets, 1), int(few), int(stuck), int(unfinished), (int(canary), int(every))),
        "seen": {
            str(metric): {
                Arm(arm): {
                    str(name): Seen(node=str(node), total=int(total), bad=int(bad), quiet=int(quiet))
                    for name, node, total, bad, quiet in rows
                }
                for arm, rows in arms.items()
            }
            for metric, arms in data["seen"].items()
        },
        "pods": (int(pods[0]), int(pods[1])),
        "dropped": {str(reason): int(number) for reason, number in dropped.items()},
        "widening": {str(metric): float(by) for metric, by in widening.items()},
        "outlier": str(outlier),
    }


def _plain(array: Array, digits: int = DIGITS) -> Any:
    """Numbers as short as their digits allow: 0 and not 0.0."""
    if array.ndim > 1:
        return [_plain(row, digits) for row in array]
    rounded = (float(f"{value:.{digits}g}") for value in array)
    return [int(value) if value == int(value) and abs(value) < 1e15 else value for value in rounded]


def _wealth(wealth: Wealth) -> list[Any]:
    return [_plain(wealth.cash), _plain(wealth.accounts)]


def _read_wealth(data: Any, tests: int) -> Wealth:
    cash, accounts = data
    return Wealth(_array(cash, (tests,)), _array(accounts, (tests, len(EFFECTS))))


def _dispersion(data: Any, tests: int) -> Dispersion:
    odds, open_blocks, closed = data
    blocks = (tests, 3, 4)
    return Dispersion(_array(odds, (tests, 4)), _array(open_blocks, blocks), _array(closed, blocks))


def _array(data: Any, shape: tuple[int, ...]) -> Array:
    array = np.array(data, dtype=float).reshape(shape)
    if not np.isfinite(array).all():
        raise ValueError("not finite")
    return array
