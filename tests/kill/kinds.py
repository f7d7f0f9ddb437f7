"""The kinds of rounds: what is hit, how the release may end, and how many users may notice."""

import random
import signal
import time
from collections.abc import Callable

from canary.cli.taking import LEASE_DURATION
from canary.core.outcome import ExitCode
from canary.sandbox.load import newest
from canary.sandbox.processes import Child
from tests.kill.hits import hide_metrics, kill_engine, kill_part, moments, stopped
from tests.kill.stage import LEASE, RATE, Moment, Round, Stage

NOTHING = 0.01
"""Part of users' requests that may fail whatever is released: stable's own one in a thousand, pods that end."""

ON_BAD = 150.0
"""Requests that a bad version may spoil: 9 a second at its first step, while a verdict and restarts take seconds."""

WITHOUT_API = 600.0
"""The same while there is no API server, and until Traefik asks it again: nothing can move traffic in between."""

PAUSED_ON_BAD = 800.0
"""The same while the engine is paused past its lease: nobody watches for half a minute; the chart's watchdog would."""

REPLACED = 15.0
"""Seconds from a kill under a bad version until traffic is back, where the next engine starts at once."""

RECOVERS = 3.0
"""Seconds until a gateway that was started again serves as before."""


def good(stage: Stage, chance: random.Random) -> Round:
    """The engine is killed once while a good version is released: it is promoted all the same."""
    done = stage.play(bad=False, moments=moments(chance, bad=False, count=1), hit=kill_engine(stage))
    stage.check(done, codes={ExitCode.PROMOTED}, failures=done.sent * NOTHING)
    return done


def bad(stage: Stage, chance: random.Random) -> Round:
    """The engine is killed once while a bad version is released: it is rolled back all the same."""
    done = stage.play(bad=True, moments=moments(chance, bad=True, count=1), hit=kill_engine(stage))
    stage.check(done, codes={ExitCode.JUDGED_BAD}, failures=ON_BAD)
    return done


def often(stage: Stage, chance: random.Random) -> Round:
    """The engine is killed several times in one release."""
    is_bad = chance.random() < 0.5
    chosen = moments(chance, bad=is_bad, count=chance.randint(2, 5))
    done = stage.play(bad=is_bad, moments=chosen, hit=kill_engine(stage))
    ends = {ExitCode.JUDGED_BAD if is_bad else ExitCode.PROMOTED, ExitCode.ENGINE_LOST}
    stage.check(done, codes=ends, failures=ON_BAD * 2 if is_bad else done.sent * NOTHING)
    return done


def several(stage: Stage, chance: random.Random) -> Round:
    """Three times in one release something is killed, each time in another phase, and each time somebody goes on."""
    is_bad = chance.random() < 0.5
    parts = chance.sample(("engine", "engine", "engine", "api", "traefik", "metrics"), 3)
    hits = {
        "engine": kill_engine(stage),
        "api": kill_part(stage, "api", down=chance.uniform(0.0, 2.0)),
        "traefik": kill_part(stage, "traefik", down=chance.uniform(0.0, 1.0)),
        "metrics": hide_metrics(stage, seconds=chance.uniform(1.0, 4.0)),
    }
    struck: list[str] = []

    def hit(engine: Child, done: Round) -> Child:
        part, before = parts[len(struck)], stage.journal()
        struck.append(part)
        began = time.monotonic()
        after = hits[part](engine, done)
        stage.goes_on(after, before, killed=part == "engine")
        done.kills[-1] += f" {part} ({time.monotonic() - began:.1f} s)"
        return after

    done = stage.play(bad=is_bad, moments=moments(chance, bad=is_bad, count=3, twice=False), hit=hit)
    ends = {ExitCode.JUDGED_BAD if is_bad else ExitCode.PROMOTED}
    ends |= {ExitCode.NO_EVIDENCE} if {"traefik", "metrics"} & set(struck) else set()
    # The third life since the last raise may only roll back, and two phases of one step have no raise between them.
    ends |= {ExitCode.ENGINE_LOST} if struck.count("engine") > 1 else set()
    unserved = RATE * (done.outage + RECOVERS) if "traefik" in struck else 0.0
    spoilt = WITHOUT_API if "api" in struck else ON_BAD * (1 + struck.count("engine"))
    stage.check(done, codes=ends | _refused(done), failures=unserved + (spoilt if is_bad else done.sent * NOTHING))
    return done


def api(stage: Stage, chance: random.Random) -> Round:
    """The API server is killed and comes back: nothing is lost, and no healthy release is rolled back for it."""
    is_bad = chance.random() < 0.5
    hit = kill_part(stage, "api", down=chance.uniform(0.0, 4.0))
    done = stage.play(bad=is_bad, moments=moments(chance, bad=is_bad, count=1), hit=hit)
    end = ExitCode.JUDGED_BAD if is_bad else ExitCode.PROMOTED
    stage.check(done, codes={end}, failures=WITHOUT_API if is_bad else done.sent * NOTHING)
    return done


def traefik(stage: Stage, chance: random.Random) -> Round:
    """The gateway is killed and comes back: users notice that, but not what it does to the release."""
    is_bad = chance.random() < 0.5
    hit = kill_part(stage, "traefik", down=chance.uniform(0.0, 1.0))
    done = stage.play(bad=is_bad, moments=moments(chance, bad=is_bad, count=1), hit=hit)
    ends = {ExitCode.JUDGED_BAD if is_bad else ExitCode.PROMOTED, ExitCode.NO_EVIDENCE}
    unserved = RATE * (done.outage + RECOVERS) if done.kills else 0.0
    stage.check(done, codes=ends | _refused(done), failures=unserved + (ON_BAD if is_bad else done.sent * NOTHING))
    return done


def metrics(stage: Stage, chance: random.Random) -> Round:
    """The source of metrics is gone for ten seconds: without evidence nothing is raised, and nobody notices."""
    is_bad = chance.random() < 0.5
    hit = hide_metrics(stage, seconds=10.0)
    done = stage.play(bad=is_bad, moments=moments(chance, bad=is_bad, count=1), hit=hit)
    ends = {ExitCode.JUDGED_BAD if is_bad else ExitCode.PROMOTED, ExitCode.NO_EVIDENCE}
    stage.check(done, codes=ends | _refused(done), failures=ON_BAD * 2 if is_bad else done.sent * NOTHING)
    return done


def _refused(done: Round) -> set[ExitCode]:
    """Preflight must refuse a release whose metrics say nothing; nothing was touched then."""
    return {ExitCode.PREFLIGHT_FAILED} if done.kills[:1] and done.kills[0].startswith("PREFLIGHT/none") else set()


def reaction(stage: Stage, chance: random.Random) -> Round:
    """How long a bad version stays with users when the engine dies under it and a replacement starts at once."""
    killed: list[float] = []

    def hit(engine: Child, done: Round) -> Child:
        killed.append(time.time())
        another = kill_engine(stage)(engine, done)
        stage.until(lambda: stage.weights().get("shop-canary", 0) == 0, within=60, what="traffic is not back")
        took = time.time() - killed[0]
        done.notes = f"weights back after {took:.1f} s"
        assert took < REPLACED, done.notes
        return another

    moment = Moment(phase="SETTLING", delay=chance.uniform(0.0, 1.0))
    done = stage.play(bad=True, moments=[moment], hit=hit)
    if killed and done.notes:
        last = newest(stage.load)["by"].get("bad", {}).get("last", killed[0])
        done.notes += f", last answer of the bad version after {last - killed[0]:.1f} s"
    stage.check(done, codes={ExitCode.JUDGED_BAD}, failures=ON_BAD)
    return done


def paused(stage: Stage, chance: random.Random) -> Round:
    """An engine is paused past its lease, another takes over, and the first wakes up: it raises nothing more.

    It stands by and ends with the code that the other records.
    """
    is_bad = chance.random() < 0.5
    first: list[tuple[Child, int]] = []

    def hit(engine: Child, _: Round) -> Child:
        engine.process.send_signal(signal.SIGSTOP)
        stage.until(lambda: stopped(engine.pid), within=5, what="the engine does not pause")
        first.append((engine, _raises(engine)))
        other = stage.again(engine)
        stale = stage.get(LEASE)["spec"]["holderIdentity"]
        stage.until(lambda: _holder(stage) not in {"", stale}, within=LEASE_DURATION + 30, what="no takeover")
        time.sleep(chance.uniform(0.0, 6.0))
        engine.process.send_signal(signal.SIGCONT)
        return other

    moment = Moment(phase=chance.choice(("PROVISIONING", "SETTLING", "JUDGING")), delay=chance.uniform(0.0, 0.7))
    done = stage.play(bad=is_bad, moments=[moment], hit=hit)
    stage.check(done, codes={ExitCode.JUDGED_BAD if is_bad else ExitCode.PROMOTED}, failures=PAUSED_ON_BAD)
    for stale, raises in first:
        stage.until(lambda stale=stale: stale.code is not None, within=60, what="the stale engine does not end")
        assert stale.code == done.code, f"the stale engine ended with {stale.code}; {stage.said()}"
        assert _raises(stale) == raises, stage.said()
        assert "another engine" in _said(stale), stage.said()
    return done


def _raises(engine: Child) -> int:
    return _said(engine).count("  canary raised to")  # in its lines; its account says it once more


def _said(engine: Child) -> str:
    return engine.log.read_text(encoding="utf-8", errors="replace")


def _holder(stage: Stage) -> str:
    lease = stage.get(LEASE)
    return lease["spec"]["holderIdentity"] if lease else ""


KINDS: dict[str, Callable[[Stage, random.Random], Round]] = {
    round_.__name__: round_ for round_ in (good, bad, often, several, api, traefik, metrics, paused, reaction)
}
