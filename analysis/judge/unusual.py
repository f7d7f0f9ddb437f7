"""What was unusual about a reading, said in the findings that rest on it."""

from __future__ import annotations

from dataclasses import replace

from analysis.model import Arm, Finding, Judgement, Look


def numbers_of(look: Look) -> dict[str, float]:
    """What the look's notes say, as data for every finding."""
    lacking = {f"absent_{arm}": 1.0 for arm in Arm if look.lacks(arm)}
    return {note.name: float(note.value) for note in look.notes} | lacking


def steadily(look: Look) -> list[str]:
    """What is so at every look: told with what a judgement rests on."""
    return [note.said for note in look.notes if note.steady and note.said]


def told(judgement: Judgement, look: Look) -> Judgement:
    """The judgement whose sentences also name what is unusual in this very look; the same when nothing is."""
    notes = [note.said for note in look.notes if not note.steady]
    if not notes:
        return judgement
    said = f" (in this look: {'; '.join(notes)})"
    return replace(
        judgement,
        findings=tuple(
            Finding(
                metric=one.metric, verdict=one.verdict, sentence=one.sentence + said, code=one.code, numbers=one.numbers
            )
            for one in judgement.findings
        ),
        sentence=judgement.sentence + said,
    )
