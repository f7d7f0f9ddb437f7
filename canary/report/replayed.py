"""A record that was judged again, told for a person and as data."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import asdict
from decimal import Decimal
from typing import Any

from analysis.judge import VERSION
from analysis.plural import counted
from analysis.replay import Again, Replayed
from canary.report import words
from canary.report.lines import plain

MOST_DIFFERENCES = 20
"""Looks whose differences are told; the data has all."""


def data(release: str, found: Replayed, *, damage: str) -> dict[str, Any]:
    """As JSON-able data.

    Args:
        release: the release's uid.
        found: what was judged again.
        damage: what is wrong with the record; empty when nothing is.
    """
    return {
        "release": release,
        "judge": VERSION,
        "same": not found.differing,
        "whole": found.whole and not damage,
        "damage": damage or None,
        "end": None if found.end is None else {key: found.end.get(key) for key in ("at", "code", "reason", "phase")},
        "learned": found.learned,
        "lives": [asdict(life) for life in found.lives],
        "looks": [_look(look) for look in found.looks],
    }


def _look(look: Again) -> dict[str, Any]:
    evidence = look.evidence if math.isfinite(look.evidence) else None
    return asdict(look) | {"evidence": evidence, "same": not look.differences}


def text(release: str, found: Replayed, *, damage: str, every: bool = False) -> str:
    """For a person: where the verdict changed, what differs, what is missing, and the end.

    Args:
        release: the release's uid.
        found: what was judged again.
        damage: what is wrong with the record; empty when nothing is.
        every: one line for every look.
    """
    judged = f"{words.count(len(found.looks))} judged look{'' if len(found.looks) == 1 else 's'}"
    lived = f"{len(found.lives)} li{'fe' if len(found.lives) == 1 else 'ves'} of the engine"
    lines = [f"Release {plain(release)}: {judged} in {lived}, judged again by version {VERSION} of the judge", ""]
    lines += [_line(look) for look in (found.looks if every else _turns(found))]
    lines += ["", *_lives(found), *_differences(found)]
    if found.end is not None:
        lines.append(f"The release ended with exit {found.end.get('code')}: {plain(str(found.end.get('reason')))}")
    else:
        lines.append("The record has no end: the release is not over, or the last chunks are missing.")
    if damage:
        lines.append(f"DAMAGED: {plain(damage)}.")
    lines.append(_conclusion(found, whole=found.whole and not damage))
    return "\n".join(lines) + "\n"


def _turns(found: Replayed) -> Iterator[Again]:
    """Looks at which a step or a life begins, or the verdict is another than before."""
    before: tuple[object, ...] = ()
    for look in found.looks:
        now = (look.life, look.share, look.baking, look.recorded, look.again)
        if now != before:
            yield look
        before = now


def _line(look: Again) -> str:
    where = f"{words.share(Decimal(str(look.share))):>7}{' bake' if look.baking else ''}"
    verdict = look.recorded if look.recorded == look.again else f"{look.recorded}, now {look.again}"
    same = "DIFFERS" if look.differences else "same"
    return f"  {words.clock(look.end)}  {where:12}  {verdict:10} {same:8}{plain(look.sentence)}"


def _lives(found: Replayed) -> Iterator[str]:
    for number, life in enumerate(found.lives):
        if number and life.after is not None:
            gone = counted(life.forgotten, "look after it was", "looks after it were")
            gone = f"; {gone} not carried over" if life.forgotten else ""
            yield f"Life {number + 1} ({plain(life.name)}) went on after the look of {words.clock(life.after)}{gone}."
        elif life.resumed:
            yield (
                f"Life {number + 1} ({plain(life.name)}) went on from the journal; the last looks of the life before "
                "it were never stored."
            )
        if life.lost:
            yield f"Of life {number + 1} ({plain(life.name)}) not all could be judged again: {plain(life.lost)}."


def _differences(found: Replayed) -> Iterator[str]:
    for look in found.differing[:MOST_DIFFERENCES]:
        yield f"DIFFERS at {words.clock(look.end)} ({look.end!r}): {plain('; '.join(look.differences))}"
    if len(found.differing) > MOST_DIFFERENCES:
        yield f"and at {len(found.differing) - MOST_DIFFERENCES} more looks; -o json has all of them"


def _conclusion(found: Replayed, *, whole: bool) -> str:
    if not found.looks:
        return "No look was judged, so there is nothing to compare."
    if found.differing:
        verdicts = sum(look.recorded != look.again for look in found.differing)
        return (
            f"{len(found.differing)} of {len(found.looks)} looks DIFFER, {verdicts} of them in the verdict: the record "
            "was changed, or this canary judges otherwise than the one that wrote it."
        )
    there = "" if whole else " that is there"
    return f"The same verdict at every look{there}, and every number to 1e-9."
