"""What a release will meet: told on the command line, or read where the release reads."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping
from itertools import pairwise
from statistics import median
from typing import TYPE_CHECKING, Any

from canary.cli.boundary import Failure
from canary.core.outcome import ExitCode

if TYPE_CHECKING:
    from analysis.model import Look
    from analysis.packs import Target
    from analysis.planning import Traffic
    from analysis.sources import Reading
    from canary.spec import Release

MOST_RATE = 1e9
"""Requests a second; beyond it the number is a mistake."""

COMMON_SCRAPE = 15.0
"""Seconds between two scrapes of a Prometheus that said nothing else."""

WATCHED = 10.0
"""Seconds for which proxies are watched that are read directly; they keep no past."""

PRECISE = 1_000_000
"""Requests that told shares are made of."""

_LATENCY = "write stable's share of requests that took no longer, such as --latency 100ms=91%,250ms=99%,1s=100%"


def told(
    file: Release, *, rate: float, errors: str, scrape: str | None, latency: str | None, see: str | None
) -> Traffic:
    """The traffic that the command line tells of.

    Raises:
        Failure: it cannot be.
    """
    from analysis.planning import Traffic

    if not 0 < rate <= MOST_RATE:
        message = f"--rate must be more than 0 and at most {MOST_RATE:,.0f}, got {rate:g}"
        raise Failure(message, code=ExitCode.USAGE, hint="give the requests a second that stable gets now")
    return Traffic(
        rate=rate,
        errors=fraction("--errors", errors),
        latency={} if latency is None else {"latency": _histogram(latency)},
        told="as told",
        **_pace(file, scrape, see),
    )


def _pace(file: Release, scrape: str | None, see: str | None, sampled: float = COMMON_SCRAPE) -> dict[str, Any]:
    """What is the same however the traffic is known."""
    from analysis.packs import PACKS
    from canary.spec.quantities import parse_duration

    try:
        seconds = sampled if scrape is None else parse_duration(scrape)
    except ValueError as error:
        raise Failure(f"--scrape: {error}", code=ExitCode.USAGE, hint="write the scrape interval, as 15s") from error
    known = PACKS.get(file.spec.analysis.gateway)
    return {
        "every": file.spec.analysis.interval,
        "scrape": 0.0 if file.spec.analysis.source.scrape else seconds,
        "gateway": known.takes if known else None,
        "wanted": None if see is None else _wanted(see),
    }


def _wanted(see: str) -> float:
    """The error rate that is to be seen.

    Raises:
        Failure: it is none, or no error at all.
    """
    wanted = fraction("--see", see)
    if not wanted:
        hint = "give the canary's error rate that must not go unseen, such as 1%"
        raise Failure("--see 0: there is nothing to be seen in a canary without errors", code=ExitCode.USAGE, hint=hint)
    return wanted


def fraction(option: str, text: str) -> float:
    """A share of requests on the command line.

    Raises:
        Failure: it is none.
    """
    from canary.spec.quantities import parse_fraction

    try:
        return parse_fraction(text if text.endswith("%") else float(text))
    except ValueError as error:
        message = f"{option} is not a share of requests: {text!r}"
        raise Failure(message, code=ExitCode.USAGE, hint="write 0.1% or 0.001") from error


def _histogram(text: str) -> dict[float, int]:
    """`100ms=91%,1s=100%` as cumulative counts."""
    from canary.spec.quantities import parse_duration, parse_fraction

    found: dict[float, int] = {}
    for pair in text.split(","):
        bound, _, share = pair.strip().partition("=")
        try:
            found[parse_duration(bound.strip())] = round(PRECISE * parse_fraction(share.strip()))
        except ValueError as error:
            raise Failure(f"--latency: {pair.strip()!r}: {error}", code=ExitCode.USAGE, hint=_LATENCY) from error
    ordered = dict(sorted(found.items()))
    if list(ordered.values()) != sorted(ordered.values()):
        raise Failure("--latency: fewer requests under a longer time", code=ExitCode.USAGE, hint=_LATENCY)
    return {**ordered, math.inf: PRECISE}


def observed(
    file: Release, *, last: str, scrape: str | None, see: str | None, route: Mapping[str, Any] | None
) -> Traffic:
    """The traffic of stable now, from the release's own source: nothing is written, and no cluster is asked.

    Args:
        file: the release.
        last: how much of the past of a Prometheus.
        scrape, see: as told.
        route: for gateways that call counters by their place on it.

    Raises:
        Failure: it cannot be read, or stable has none.
    """
    target = _target(file, route)
    if file.spec.analysis.source.scrape is not None:
        return _watched(file, target, scrape=scrape, see=see)
    from analysis.calibration import Scarce, of_samples, rate_of
    from analysis.planning import Traffic
    from canary.cli.calibrating import kinds_of, past_of, progress_line
    from canary.spec.quantities import parse_duration

    try:
        seconds = parse_duration(last)
    except ValueError as error:
        raise Failure(f"--last: {error}", code=ExitCode.USAGE) from error
    with progress_line() as progress:
        reading = past_of(file, seconds, progress, target=target)
    try:
        past = of_samples(reading.samples, metrics=kinds_of(file), every=file.spec.analysis.interval)
    except Scarce as error:
        raise Failure(str(error), code=ExitCode.NO_EVIDENCE, hint="read more: --last 6h; or tell it: --rate") from error
    return Traffic(
        rate=float(past.counts["errors"][:, 0, 0].sum() / (past.span + past.every)),
        errors=rate_of(past, "errors"),
        latency={
            name: dict(zip(bounds.tolist(), table[:, 0].sum(axis=0).astype(int).tolist(), strict=True))
            for name, (bounds, table) in past.buckets.items()
        },
        told=f"read from Prometheus, the last {last}",
        **_pace(file, scrape, see, sampled_every(reading)),
    )


def _target(file: Release, route: Mapping[str, Any] | None) -> Target:
    from canary.cli.counters import target_of, told_by

    target = target_of(file)
    if route is None:
        return target
    from canary.spec.pool import pool_of

    return told_by(route, target, pool=pool_of(file), selectors=file.spec.route.rules)


def sampled_every(reading: Reading) -> float:
    """Seconds between two samples of a series, the median."""
    times: dict[str, set[float]] = {}
    for sample in reading.samples:
        times.setdefault(sample.series, set()).add(sample.time)
    gaps = [later - earlier for moments in times.values() for earlier, later in pairwise(sorted(moments))]
    return float(median(gaps)) if gaps else COMMON_SCRAPE


def _watched(file: Release, target: Target, *, scrape: str | None, see: str | None) -> Traffic:
    """The traffic of some seconds, where the proxies are read directly."""
    from analysis.model import Arm
    from analysis.planning import Traffic
    from canary.cli.calibrating import kinds_of

    look = _look(file, target)
    seconds = look.end - look.start
    counts = look.counts["errors"][Arm.STABLE]
    if not counts.total:
        raise Failure(
            f"stable had no request within {seconds:.0f} s", code=ExitCode.NO_EVIDENCE, hint="tell it: --rate"
        )
    buckets = {name: dict(look.counts[name][Arm.STABLE].buckets) for name, latency in kinds_of(file).items() if latency}
    return Traffic(
        rate=counts.total / seconds,
        errors=counts.bad / counts.total,
        latency={name: found for name, found in buckets.items() if found},
        told=f"read from the proxies for {seconds:.0f} s",
        **_pace(file, scrape, see),
    )


def _look(file: Release, target: Target) -> Look:
    """One look at stable.

    Raises:
        Failure: the proxies do not tell of it.
    """
    from analysis.model import Look
    from analysis.sources import Window
    from canary.cli.calibrating import kinds_of
    from canary.cli.reads import source_of

    source, window = source_of(file, target.alone, now=time.time), Window(metrics=kinds_of(file), every=WATCHED)
    for pause in (0.0, WATCHED):
        time.sleep(pause)
        found = window.advance(source.read(timeout=WATCHED))
    if isinstance(found, Look):
        return found
    raise Failure(found.sentence, code=ExitCode.NO_EVIDENCE, hint="check spec.analysis.source, or tell it: --rate")
