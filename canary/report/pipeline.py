"""A release for a pipeline: Markdown for a step's summary, and JUnit XML. One pure function each."""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import UTC, datetime
from xml.sax.saxutils import escape, quoteattr

from canary.core.outcome import ExitCode
from canary.report import words
from canary.report.lines import plain
from canary.report.released import Checked, GateAnswered, Released, StepTaken

SUMMARY_LIMIT = 512 * 1024
"""Bytes of a summary: GitHub refuses a step's beyond 1,024 KiB, and other steps' lines may be in the same file."""

CUT = "\n_The rest is left out: a summary has a limit. `canary report` prints it whole._\n"

FAILURES = frozenset(
    {
        ExitCode.JUDGED_BAD,
        ExitCode.REJECTED,
        ExitCode.GATE_EXPIRED,
        ExitCode.CHANGED_BY_OTHERS,
        ExitCode.NO_EVIDENCE,
    }
)
"""The release was tried and did not pass; every other code but 0 is an error of the run."""

_MARKS = {"HEALTHY": "✅", "UNHEALTHY": "❌", "UNDECIDED": "❔", "NO_DATA": "⬜"}


# Markdown ------------------------------------------------------------------------------------------------------------


def markdown(found: Released, *, limit: int = SUMMARY_LIMIT) -> str:
    """Markdown as GitHub and GitLab show it: how it ended first, details folded.

    Args:
        found: the release.
        limit: bytes, at most; at least some hundred.
    """
    parts = [*_head(found), *_table(found.steps), *_people(found.gates), *_happenings(found)]
    text = "\n".join(parts) + "\n"
    if len(text.encode()) <= limit:
        return text
    kept, size = [], len(CUT.encode()) + len("\n</details>\n")
    for part in parts:
        size += len(part.encode()) + 1
        if size > limit:
            break
        kept.append(part)
    opened = kept.count("<details><summary>What happened</summary>") > kept.count("</details>")
    return "\n".join([*kept, *(["", "</details>"] if opened else [])]) + "\n" + CUT


def _head(found: Released) -> list[str]:
    mark = "✅" if found.code == 0 else "⏳" if found.code is None else "❌"
    end = "has not ended, or its record does not say how" if found.code is None else f"{found.meaning} ({found.code})"
    lines = [f"## {mark} Release of {_md(found.namespace)}/{_md(found.route)}: {_md(end)}", ""]
    if found.reason:
        lines += [f"**{_md(found.reason)}**", ""]
    image = f"`{_code(found.image)}` · " if found.image else ""
    lines += [f"{image}release `{_code(found.release)}` · {_day(found.began)} · {words.span(found.seconds)}", ""]
    return lines + ([f"⚠️ {_md(found.damage)}", ""] if found.damage else [])


def _table(steps: Iterable[StepTaken]) -> list[str]:
    rows = [
        f"| {_md(step.name)} | {step.share:g} % | {words.span(step.seconds)} | {words.count(step.requests)} "
        f"| {_md(check.metric)} | {_MARKS.get(check.verdict, '')} {_md(check.verdict)} | {_md(_rates(check))} |"
        for step in steps
        for check in step.checks
    ]
    head = ["| step | share | judged for | requests | metric | verdict | canary against stable |"]
    return [*head, "|---|---|---|---|---|---|---|", *rows, ""] if rows else ["No step was judged.", ""]


def _rates(check: Checked) -> str:
    arms = []
    for arm in ("canary", "stable"):
        bad, total = check.numbers.get(f"{arm}_bad"), check.numbers.get(f"{arm}_total")
        rate = check.numbers.get(f"{arm}_rate")
        if rate is None or bad is None or total is None:
            return check.code
        arms.append(f"{words.rate(rate)} ({words.count(bad)} of {words.count(total)})")
    return " against ".join(arms)


def _people(gates: Iterable[GateAnswered]) -> list[str]:
    lines = [f"- {_md(_gate(one))} at {words.clock(one.at)}" for one in gates]
    return [*lines, ""] if lines else []


def _gate(one: GateAnswered) -> str:
    if not one.by:
        return f"gate expired: {one.reason}" if one.reason else "gate expired"
    said = f"gate {'approved' if one.approved else 'rejected'} by {one.by}"
    return f"{said}: {one.reason}" if one.reason else said


def _happenings(found: Released) -> list[str]:
    if not found.told:
        return []
    lines = [f"- +{words.span(one.at - found.began)} {_md(one.message)}" for one in found.told]
    return ["<details><summary>What happened</summary>", "", *lines, "", "</details>"]


def _day(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%d %H:%M:%SZ") if at else "no time"


def _md(text: str) -> str:
    """As one line in which nothing is markup: what is told may quote anybody."""
    return re.sub(r"([\\`*_{}\[\]<>#|~&])", r"\\\1", plain(text))


def _code(text: str) -> str:
    return plain(text).replace("`", "'")


# JUnit ---------------------------------------------------------------------------------------------------------------


def junit(found: Released) -> str:
    """JUnit XML: a case for each metric of each step, one for each gate, and one for the release itself.

    A metric that was not decided is skipped, not failed; whether the release failed is the last case's word.
    """
    suite = f"{found.namespace}/{found.route}"
    cases = [_metric_case(suite, step, check) for step in found.steps for check in step.checks]
    cases += [_gate_case(suite, number, one) for number, one in enumerate(found.gates, start=1)]
    cases.append(_release_case(suite, found))
    counts = {kind: sum(f"<{kind} " in case for case in cases) for kind in ("failure", "error", "skipped")}
    totals = f'tests="{len(cases)}" failures="{counts["failure"]}" errors="{counts["error"]}"'
    time = f'time="{max(found.seconds, 0.0):.3f}"'
    stamp = datetime.fromtimestamp(found.began, UTC).strftime("%Y-%m-%dT%H:%M:%S")
    properties = {"release": found.release, "image": found.image, "exit-code": _text(found.code)}
    return "\n".join(
        [
            '<?xml version="1.0" encoding="UTF-8"?>',
            f'<testsuites name="canary" {totals} {time}>',
            f'  <testsuite name={_attribute(suite)} {totals} skipped="{counts["skipped"]}" {time} timestamp="{stamp}">',
            "    <properties>",
            *(f'      <property name="{name}" value={_attribute(value)}/>' for name, value in properties.items()),
            "    </properties>",
            *cases,
            "  </testsuite>",
            "</testsuites>",
            "",
        ]
    )


def _metric_case(suite: str, step: StepTaken, check: Checked) -> str:
    word = {"UNHEALTHY": "failure", "UNDECIDED": "skipped", "NO_DATA": "skipped"}.get(check.verdict, "")
    return _case(
        f"{suite}.{step.name} at {step.share:g} %",
        check.metric,
        step.seconds,
        word=word,
        kind=check.code,
        message=f"{check.verdict}: {_rates(check)}",
        text=step.sentence,
    )


def _gate_case(suite: str, number: int, one: GateAnswered) -> str:
    word = "" if one.approved else "failure"
    return _case(f"{suite}.gates", f"gate {number}", 0.0, word=word, kind="GATE", message=_gate(one))


def _release_case(suite: str, found: Released) -> str:
    word = "" if found.code == 0 else "failure" if found.code in {int(code) for code in FAILURES} else "error"
    message = found.reason or found.meaning or "the record has no end"
    return _case(suite, "release", found.seconds, word=word, kind=_text(found.code), message=message, text=found.damage)


def _case(
    classname: str, name: str, seconds: float, *, word: str = "", kind: str = "", message: str = "", text: str = ""
) -> str:
    head = f'    <testcase classname={_attribute(classname)} name={_attribute(name)} time="{max(seconds, 0.0):.3f}"'
    if not word:
        return f"{head}/>"
    kind = "" if word == "skipped" else f" type={_attribute(kind)}"
    inner = f"      <{word} message={_attribute(message)}{kind}>{escape(plain(text))}</{word}>"
    return f"{head}>\n{inner}\n    </testcase>"


def _attribute(text: str) -> str:
    return quoteattr(plain(text))


def _text(code: int | None) -> str:
    return "" if code is None else str(code)
