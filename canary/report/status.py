"""`status`: what a release is doing, why, what it waits for and how to stop it. One screen, from values alone."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from decimal import Decimal
from typing import Any

from analysis.model import Verdict
from analysis.plural import counted
from canary.core.gates import awaited
from canary.core.outcome import MEANING
from canary.core.release import FINAL, Phase, Release, Stage
from canary.report import words
from canary.report.lines import plain


@dataclass(frozen=True, slots=True, kw_only=True)
class Status:
    """Everything on the screen. Times are seconds since the epoch on the API server's clock.

    Attributes:
        namespace, route: of the route.
        now: when it was asked.
        release: as the journal has it; None when there is none that can be read.
        totals: requests since the canary was attached: stable, canary, bad on the route.
        on_route: the release whose annotation stands on the route; empty when none does.
        shares: the canary's share of the pool in each chosen rule, percent, as the route says it.
        weights: those rules' weights, one line each.
        holder: who holds the lease; empty when nobody does.
        renewed: seconds since the lease was renewed; None when nobody holds it or nobody can tell.
        alive: whether the engine lives, as far as the lease tells; None when nobody can tell.
        stopped_by, stopped_why: whose word to stop stands on the route, and why; empty when none does.
        unknown: what could not be read, one sentence each.
    """

    namespace: str
    route: str
    now: float
    release: Release | None = None
    totals: tuple[int, int, int] = (0, 0, 0)
    on_route: str = ""
    shares: tuple[float, ...] = ()
    weights: tuple[str, ...] = ()
    holder: str = ""
    renewed: float | None = None
    alive: bool | None = None
    stopped_by: str = ""
    stopped_why: str = ""
    unknown: tuple[str, ...] = ()

    @property
    def ended(self) -> bool:
        """Whether the newest release is over."""
        return self.release is not None and self.release.phase in FINAL

    @property
    def stop(self) -> str:
        """The command that stops it; empty when there is nothing to stop."""
        if self.ended or (self.release is None and not self.on_route):
            return ""
        return f"canary abort {self.route} -n {self.namespace} --reason '...'"

    @property
    def decide(self) -> str:
        """The command that opens the gate it waits at; empty when none waits."""
        if self.release is None or self.release.gate is None:
            return ""
        return f"canary approve {self.route} -n {self.namespace} --reason '...'"


_GOING = {
    Phase.PENDING: "its first check",
    Phase.PREFLIGHT: "the checks before anything is touched",
}

_STAGES = {
    Stage.FENCING: "the API server to take its token onto the route",
    Stage.BUILDING: "the canary's pods and endpoints to be ready",
    Stage.ATTACHING: "the gateway to accept the canary's reference",
    Stage.UPDATING: "stable to be ready with the new version (minutes)",
    Stage.RETURNING: "traffic to be back on stable, which runs the new version",
    Stage.REVERTING: "stable to be ready with the old version again (minutes)",
    Stage.WRITING: "the API server to take the weights",
    Stage.DRAINING: "the canary's last requests to end",
    Stage.DETACHING: "the API server to take its reference and annotations out of the route",
    Stage.REMOVING: "the canary's workload to be gone",
}


def waits_for(status: Status) -> str:
    """What has to happen next, in words."""
    release = status.release
    if release is None:
        return "nobody knows: the journal says nothing"
    if release.phase in FINAL:
        return "nothing"
    return _hindered(status, release) or _course_waits(release, status.now)


def _hindered(status: Status, release: Release) -> str:
    """What keeps it from going on; empty when nothing does."""
    if status.alive is False:
        return "an engine: none is alive; run the release again with its own file, or abort it with --finish"
    if release.paused:
        return f"a person: it is paused; canary resume {status.route} -n {status.namespace}"
    if release.retry_at is not None and release.failures:
        return f"another try in {words.span(max(0.0, release.retry_at - status.now))}, after {release.failures} failed"
    return ""


def _course_waits(release: Release, now: float) -> str:
    match release.phase:
        case Phase.JUDGING | Phase.BAKING:
            return _hold(release, now)
        case Phase.GATED if release.gate is not None:
            return awaited(release)
        case Phase.SETTLING:
            seen = release.settling.seen if release.settling else 0
            return f"traffic to follow {words.share(release.share)} ({seen} canary requests seen)"
        case _:
            return _GOING.get(release.phase) or _STAGES.get(release.stage, "its next step")


def _hold(release: Release, now: float) -> str:
    held, step = now - release.since, release.current
    if release.verdict is Verdict.HEALTHY:
        left = step.hold_min - held
        return f"its minimum hold, {words.span(left)} more" if left > 0 else "the next step, any moment"
    left = step.hold_max - held
    end = f"{words.span(left)} more until its policy decides" if left > 0 else "its maximum hold has passed"
    return f"a clear word of the judge ({end})"


def place(release: Release) -> str:
    """Step k of n, in words."""
    steps = len(release.policy.steps)
    if release.step < 0:
        return f"before step 1 of {steps}"
    return f"bake after {counted(steps, 'step')}" if release.baking else f"step {release.step + 1} of {steps}"


def headline(status: Status) -> str:
    """Which release, where it stands and whether its engine lives, in one line."""
    release = status.release
    named = f"release {status.on_route or (release.uid if release else '')}"
    engine = {
        True: "its engine is alive",
        False: "its engine is DEAD",
        None: "nobody can tell whether its engine lives",
    }
    if release is None or release.phase in FINAL:
        return f"{named}, of which the journal says nothing; {engine[status.alive]}"
    return f"{named}, {release.phase}, {place(release)}; {engine[status.alive]}"


def text(status: Status) -> str:
    """One screen: where it stands first, then why, then what to do."""
    head = f"{status.namespace}/{status.route}"
    release = status.release
    if release is None:
        lines = [f"{head}: " + ("a release is on it; its journal says nothing" if status.on_route else "no release")]
    elif release.phase in FINAL:
        lines = [f"{head}: {release.phase}", *_end(status, release)]
    else:
        lines = [f"{head}: {release.phase}, {place(release)}", *_course(status, release)]
    lines += _route(status)
    if not status.ended and (release is not None or status.on_route or status.holder):
        lines += _engine(status)
    if release is not None and not status.ended:
        lines.append(_row("waits for", waits_for(status)))
    lines += [_row("not known", sentence) for sentence in status.unknown]
    if status.decide:
        lines.append(_row("to approve", f"{status.decide} (or canary reject)"))
    if status.stop:
        lines.append(_row("to stop it", status.stop))
    return "\n".join(plain(line) for line in lines) + "\n"


def _row(name: str, value: str) -> str:
    return f"  {name:<12}{value}"


def _end(status: Status, release: Release) -> list[str]:
    outcome = release.outcome
    if outcome is None:
        return []
    ago = words.span(max(0.0, status.now - release.since))
    lines = [
        _row("outcome", f"{MEANING[outcome.code]} (exit {int(outcome.code)})"),
        _row("why", outcome.reason),
        _row("when", f"{_moment(release.since)}, {ago} ago; it took {words.span(release.since - release.started)}"),
    ]
    return [*lines, *(_row("left", sentence) for sentence in release.leftovers)]


def _course(status: Status, release: Release) -> list[str]:
    since = words.span(max(0.0, status.now - release.since))
    lines = [_row("for", f"{since} in {release.phase}{_stage(release)}, {_since(status, release)} in all")]
    if release.outcome is not None:
        lines.append(_row("going back", f"{MEANING[release.outcome.code]}: {release.outcome.reason}"))
    lines.append(_row("share", f"{words.share(_wanted(release))} wanted, {shown(status.shares)} in the route"))
    if any(status.totals):
        stable, canary, bad = (words.count(number) for number in status.totals)
        lines.append(_row("requests", f"{canary} on the canary, {stable} on stable, {bad} bad on the route"))
    judge = f"{release.verdict}: {release.sentence}" if release.sentence else "no look in this step yet"
    lines.append(_row("judge", judge))
    if release.suspect:
        lines.append(_row("suspects", release.suspect))
    return [*lines, *(_row("left", sentence) for sentence in release.leftovers)]


def _wanted(release: Release) -> Decimal:
    return getattr(release.pending, "share", release.share) if release.outcome is None else Decimal(0)


def _stage(release: Release) -> str:
    return f" ({release.stage})" if release.stage is not Stage.NONE else ""


def _since(status: Status, release: Release) -> str:
    return words.span(max(0.0, status.now - release.started)) if release.started else "0.0s"


def shown(shares: tuple[float, ...]) -> str:
    """Shares of several rules in words, each value once."""
    return " and ".join(dict.fromkeys(f"{share:.4g} %" for share in shares)) or "none"


def _route(status: Status) -> list[str]:
    lines = [_row("weights" if not index else "", line) for index, line in enumerate(status.weights)]
    if status.stopped_by or status.stopped_why:
        lines.append(_row("stopped by", f"{status.stopped_by or 'somebody'}: {status.stopped_why}"))
    if status.ended and status.on_route:
        lines.append(_row("ALARM", f"the route still carries release {status.on_route}"))
    return lines


def _engine(status: Status) -> list[str]:
    if not status.holder:
        return [] if status.alive is None else [_row("engine", "none: nobody holds the lease")]
    state = {True: "alive", False: "DEAD", None: "unknown"}[status.alive]
    renewed = "" if status.renewed is None else f", lease renewed {words.span(max(0.0, status.renewed))} ago"
    return [_row("engine", f"{state}, {status.holder}{renewed}")]


def _moment(at: float) -> str:
    from datetime import UTC, datetime

    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%d %H:%M:%SZ")


def data(status: Status) -> dict[str, Any]:
    """The same as JSON-able data."""
    release = status.release
    told: dict[str, Any] = {
        key: value for key, value in asdict(status).items() if key not in {"release", "shares", "weights", "unknown"}
    }
    told |= {"shares": list(status.shares), "weights": list(status.weights), "unknown": list(status.unknown)}
    told |= {
        "stop": status.stop,
        "decide": status.decide,
        "waitsFor": waits_for(status),
        "phase": None,
        "outcome": None,
    }
    if release is None:
        return told
    outcome = release.outcome
    return told | {
        "release": release.uid,
        "phase": release.phase,
        "stage": release.stage,
        "step": release.step + 1,
        "steps": len(release.policy.steps),
        "shareWanted": float(_wanted(release)),
        "started": release.started,
        "since": release.since,
        "paused": release.paused,
        "verdict": release.verdict,
        "sentence": release.sentence,
        "leftovers": list(release.leftovers),
        "outcome": None
        if outcome is None
        else {"code": int(outcome.code), "reason": outcome.reason, "decided": outcome.decided},
    }
