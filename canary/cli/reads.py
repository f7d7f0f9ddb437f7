"""From a release file to what is read, and where."""

from __future__ import annotations

import importlib
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING

from canary.cli.boundary import Failure
from canary.cli.question import judged
from canary.core.outcome import ExitCode
from canary.spec import Release

if TYPE_CHECKING:
    from analysis.packs import Feed, GaugeFeed, Target
    from analysis.sources.prometheus import PrometheusSource
    from canary.engine.observer import Question
    from canary.ports import Sources


def feeds_of(file: Release, target: Target) -> tuple[Feed, ...]:
    """Everything that is read: what the metrics need, and the route's own counters."""
    from analysis.packs import PackError, custom, histogram, pack

    names = {metric.name for metric in judged(file.spec.analysis)}
    feeds: list[Feed] = []
    if file.spec.analysis.gateway != "none":
        try:
            chosen = pack(file.spec.analysis.gateway)
            known = chosen.feeds(target) + chosen.beside(target)
        except PackError as error:
            raise Failure(str(error), code=ExitCode.PREFLIGHT_FAILED, hint="nothing was touched") from error
        # Errors are always read: they are how requests are counted, and how traffic is seen to follow.
        feeds += [replace(one, pod=chosen.pod_label) for one in known if one.key.metric in names | {"errors", ""}]
    for metric in file.spec.analysis.metrics:
        query = metric.query
        if query is not None and query.bad is not None and query.total is not None:
            feeds += custom(metric.name, bad=query.bad, total=query.total, target=target)
        elif query is not None and query.histogram is not None:
            feeds += histogram(metric.name, buckets=query.histogram, unit=query.unit or "s", target=target)
    return tuple(feeds)


def _of_baseline(file: Release, target: Target) -> tuple[Feed, ...]:
    """What a fresh baseline counts, under numbers of its own.

    Args:
        file: the release.
        target: with the baseline in stable's place.
    """
    from analysis.model import Arm
    from analysis.sources.baseline import marked

    mine = (feed for feed in feeds_of(file, target) if feed.key.arm is Arm.STABLE)
    return tuple(replace(feed, key=marked(feed.key)) for feed in mine)


def gauges_of(file: Release, target: Target) -> tuple[GaugeFeed, ...]:
    """Everything that is read and counts nothing; of a fresh baseline, where there is one, in place of stable."""
    from analysis.packs import gauge
    from canary.cli.question import gauge_every

    analysis = file.spec.analysis
    queries = [metric.query for metric in analysis.metrics if metric.query]
    return tuple(
        feed
        for query in queries
        if query.gauge is not None
        for feed in gauge(
            query.name, query=query.gauge, every=gauge_every(analysis, query), target=target.baseline or target
        )
    )


def source_of(file: Release, target: Target, *, now: Callable[[], float]) -> Sources:
    """Where the counters are read.

    Raises:
        Failure: the file asks for a credential that the operator did not bind to that address.
    """
    from analysis.sources.prometheus import PrometheusSource
    from analysis.sources.scrape import ScrapeSource
    from canary.cli.credentials import bound, trust_of

    feeds = feeds_of(file, target)
    if target.baseline is not None:
        feeds += _of_baseline(file, target.baseline)
    source = file.spec.analysis.source
    if source.scrape is not None:
        return ScrapeSource(urls=source.scrape.urls, feeds=feeds, now=now)
    prometheus = source.prometheus
    if prometheus is None:
        raise Failure("the release file names no source", code=ExitCode.INVALID_RELEASE_FILE)
    trust = trust_of(prometheus, bound())
    return PrometheusSource(
        url=prometheus.url,
        feeds=feeds,
        gauges=gauges_of(file, target),
        headers=prometheus.headers,
        token_file=trust.token_file,
        ca=trust.ca,
        now=now,
    )


def stable_alone(file: Release, target: Target, *, now: Callable[[], float] = time.time) -> PrometheusSource | None:
    """Where stable's recorded past is read; None where the source keeps none.

    Raises:
        Failure: the file asks for a credential that the operator did not bind to that address.
    """
    from analysis.model import Arm
    from analysis.sources.prometheus import PrometheusSource
    from canary.cli.credentials import bound, trust_of

    prometheus = file.spec.analysis.source.prometheus
    if prometheus is None:
        return None
    trust = trust_of(prometheus, bound())
    return PrometheusSource(
        url=prometheus.url,
        feeds=tuple(feed for feed in feeds_of(file, target) if feed.key.arm is Arm.STABLE),
        headers=prometheus.headers,
        token_file=trust.token_file,
        ca=trust.ca,
        now=now,
    )


def with_tests(question: Question) -> Question:
    """The same question; where a test will look, scipy.stats is loaded aside, since it takes a second."""
    from analysis.classical import FixedTest

    if any(isinstance(metric.how, FixedTest) for metric in question.config.classical):
        threading.Thread(target=importlib.import_module, args=("scipy.stats",), daemon=True).start()
    return question
