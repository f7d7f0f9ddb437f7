"""The account at the end: what was shifted, when, what was seen, why it was decided. Values, and their text.

An account is built from what the engine told (`from_progress`). Whoever drove the traffic and kept the route from
before, such as the demo, adds what only they know (`Users`, `RouteCheck`).
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from decimal import Decimal
from typing import Any

from canary.core.outcome import MEANING, ExitCode
from canary.ports import Progress
from canary.report import words
from canary.report.lines import plain, where


@dataclass(frozen=True, slots=True, kw_only=True)
class Moment:
    """One thing that happened.

    Attributes:
        after: seconds since the release began.
        phase: the phase it happened in.
        step: the step in words; empty outside of one.
        share: the canary's share then, percent.
        message: what happened.
        alarm: a person must act.
    """

    after: float
    phase: str
    step: str
    share: Decimal
    message: str
    alarm: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Reason:
    """What the judge said last of one metric: the sentence, and its numbers as data."""

    metric: str
    verdict: str
    sentence: str
    code: str
    numbers: Mapping[str, float | None] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Users:
    """What the users of the service went through, as they saw it themselves.

    Attributes:
        sent: requests that were due while the release ran.
        failed: those without a good answer, connections refused and answers that never came included.
        failed_on_canary: those of them that the new version answered; None when answers do not name their version.
        first_on_canary: seconds from the release's start to the first request that the new version got.
        last_on_canary: likewise, the last one.
    """

    sent: int
    failed: int
    failed_on_canary: int | None = None
    first_on_canary: float | None = None
    last_on_canary: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RouteCheck:
    """Whether the route's spec, as canonical JSON, is the one from before the release."""

    as_before: bool
    difference: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """How a release went.

    Attributes:
        release, namespace: its name.
        image: the new version; None when the file names none.
        code, meaning: the exit code and its standing explanation.
        reason: why it ended so, with the numbers.
        started: when the engine said its first word, seconds since the epoch on the server's clock.
        seconds: from the first word to the last.
        moments: what happened, in order.
        reasons: the judge's last word on each metric.
        stable_requests, canary_requests: counted by the gateway since the canary stood in the route.
        users: what users went through, when somebody measured it.
        route: the route compared with before, when somebody did.
    """

    release: str
    namespace: str
    image: str | None
    code: ExitCode
    meaning: str
    reason: str
    started: float
    seconds: float
    moments: tuple[Moment, ...]
    reasons: tuple[Reason, ...] = ()
    stable_requests: int = 0
    canary_requests: int = 0
    users: Users | None = None
    route: RouteCheck | None = None


def from_progress(
    told: Sequence[Progress], *, release: str, namespace: str, image: str | None, code: ExitCode
) -> Account:
    """The account of what the engine told.

    Args:
        told: every progress, in order; mere looks may be missing.
        release, namespace, image: whose account it is.
        code: what the engine ended with.
    """
    start = told[0].at if told else 0.0
    last = told[-1] if told else None
    judged = [progress.judgement for progress in told if progress.judgement is not None]
    moments = tuple(
        Moment(
            after=progress.at - start,
            phase=progress.phase,
            step=where(progress),
            share=progress.share_wanted,
            message=progress.message,
            alarm=progress.alarm,
        )
        for progress in told
        if progress.message and progress.code is None
    )
    final = next((progress.message for progress in reversed(told) if progress.code is not None), "")
    reasons = tuple(
        Reason(
            metric=finding.metric,
            verdict=finding.verdict,
            sentence=finding.sentence,
            code=finding.code,
            numbers=dict(finding.numbers),
        )
        for finding in (judged[-1].findings if judged else ())
    )
    return Account(
        release=release,
        namespace=namespace,
        image=image,
        code=code,
        meaning=MEANING[code],
        reason=final or (moments[-1].message if moments else "the engine said nothing"),
        started=start,
        seconds=last.at - start if last else 0.0,
        moments=moments,
        reasons=reasons,
        stable_requests=last.stable_requests if last else 0,
        canary_requests=last.canary_requests if last else 0,
    )


def data(account: Account) -> dict[str, Any]:
    """The account as JSON-able data; numbers that JSON does not know (infinite evidence) are null."""
    plain = asdict(account) | {"code": int(account.code)}
    return {key: _plain_data(value) for key, value in plain.items()}


def read(text: str | bytes) -> Account:
    """The account in JSON text as `data` makes it.

    Raises:
        ValueError: it is something else.
    """
    from pydantic import TypeAdapter

    return TypeAdapter(Account).validate_json(text)


def _plain_data(value: Any) -> Any:
    match value:
        case Mapping():
            return {str(key): _plain_data(inner) for key, inner in value.items()}
        case list() | tuple():
            return [_plain_data(inner) for inner in value]
        case Decimal():
            return float(value)
        case float() if not math.isfinite(value):
            return None
        case _:
            return value


def text(account: Account) -> str:
    """The account for a person who has never seen one: the end first, then how it came to it."""
    lines = [
        (
            f"Release {plain(account.release)} in {plain(account.namespace)}: {account.meaning} "
            f"(exit {int(account.code)}) after {words.span(account.seconds)}"
        ),
        f"Why: {plain(account.reason)}",
        "",
        "What happened",
        *(_moment(moment) for moment in account.moments),
    ]
    if account.reasons:
        lines += ["", "What the judge saw last"]
        lines += _reasons(account.reasons)
    lines += ["", *_facts(account)]
    return "\n".join(lines) + "\n"


def _moment(moment: Moment) -> str:
    alarm = "ALARM " if moment.alarm else ""
    return f"  {'+' + words.span(moment.after):>8}  {words.share(moment.share):>7}  {alarm}{plain(moment.message)}"


def _reasons(reasons: Sequence[Reason]) -> list[str]:
    """One line for each metric: the most telling of its findings, which come first, and how the others stand."""
    lines = []
    groups: dict[str, list[Reason]] = {}
    for reason in reasons:
        groups.setdefault(reason.metric.partition(" over ")[0], []).append(reason)
    for first, *others in groups.values():
        verdicts = Counter(reason.verdict for reason in others)
        more = ", ".join(f"{count} {verdict}" for verdict, count in sorted(verdicts.items()))
        bounds = f"; {len(others)} more bounds: {more}" if others else ""
        lines.append(f"  {plain(first.metric)}: {first.verdict}: {plain(first.sentence)}{bounds}")
    return lines


def _facts(account: Account) -> list[str]:
    lines = [
        (
            f"Traffic: {words.count(account.stable_requests)} requests to the old version, "
            f"{words.count(account.canary_requests)} to the new one, by the gateway's counters."
        )
    ]
    if account.users:
        lines.append(_users(account.users))
    if account.route:
        same = "The route is what it was before." if account.route.as_before else "The route is NOT what it was before."
        lines.append(f"{same} {plain(account.route.difference)}".strip())
    return lines


def _users(users: Users) -> str:
    portion = words.rate(users.failed / users.sent) if users.sent else "0 %"
    said = f"Users: {words.count(users.failed)} of {words.count(users.sent)} requests failed ({portion})"
    if users.failed and users.failed_on_canary is not None:
        said += f", {words.count(users.failed_on_canary)} of them on the new version"
    said += "."
    if users.first_on_canary is not None and users.last_on_canary is not None:
        length = words.span(users.last_on_canary - users.first_on_canary)
        said += f" The new version answered users for {length}."
    elif users.failed_on_canary is not None:
        said += " The new version answered no user."
    return said
