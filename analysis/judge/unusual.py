"""What was unusual about a reading, said in the findings that rest on it."""

from __future__ import annotations

from dataclasses import replace

from analysis.model import Finding, Judgement, Look


def told(judgement: Judgement, look: Look) -> Judgement:
    """The judgement whose sentences also name what the look's notes say; the same when there are none."""
    if not look.notes:
        return judgement
    said = f" (in this look: {'; '.join(look.notes)})"
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
