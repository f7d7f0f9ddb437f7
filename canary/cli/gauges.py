"""What a release under way says of itself to Prometheus: /metrics of the engine, read only, off unless a port is given.

One release is one process, so every series ends with it; what must outlive it stands in the record.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from canary.cli.boundary import Failure
from canary.core.outcome import ExitCode
from canary.core.release import Phase

if TYPE_CHECKING:
    from canary.ports import Progress
    from canary.spec import Release

VERDICTS = ("HEALTHY", "UNHEALTHY", "UNDECIDED", "NO_DATA")


class Gauges:
    """See `canary.ports.Reporters`: the newest progress as numbers. Setting them takes microseconds.

    Args:
        namespace, route, release: labels of every series; `release` is the name in its file.
    """

    def __init__(self, *, namespace: str, route: str, release: str) -> None:
        from prometheus_client import CollectorRegistry, Counter, Gauge

        self.registry = CollectorRegistry()
        names = ("namespace", "route", "release")
        self._of = dict(zip(names, (namespace, route, release), strict=True))

        def gauge(name: str, what: str, *labels: str) -> Gauge:
            return Gauge(f"canary_release_{name}", what, [*names, *labels], registry=self.registry)

        self._phase = gauge("phase", "1 for the phase that the release is in", "phase")
        self._step = gauge("step", "Index of the step, from 1; 0 before the first, one more than all in the bake")
        self._share = gauge("share_percent", "The canary's share of the pool: wanted, and seen in this step", "kind")
        self._requests = gauge("requests", "Requests counted since the canary stands in the route", "arm")
        self._verdict = gauge("verdict", "1 for what the judge said last of a metric", "metric", "verdict")
        self._evidence = gauge("evidence", "Log of the evidence that the canary is worse")
        self._threshold = gauge("evidence_threshold", "Log of the evidence at which it is rolled back")
        self._code = gauge("exit_code", "How it ended; there once it has")
        self._looks = Counter(
            "canary_release_looks", "Looks that were judged", list(names), registry=self.registry
        ).labels(**self._of)
        self._alarms = Counter(
            "canary_release_alarms", "Times that a person was asked for", list(names), registry=self.registry
        ).labels(**self._of)

    def tell(self, progress: Progress) -> None:
        """See Reporters."""
        of = self._of
        for phase in Phase:
            self._phase.labels(**of, phase=phase.value).set(phase.value == progress.phase)
        self._step.labels(**of).set(progress.step + 1)
        self._share.labels(**of, kind="wanted").set(float(progress.share_wanted))
        if progress.share_seen is not None:
            self._share.labels(**of, kind="seen").set(float(progress.share_seen))
        self._requests.labels(**of, arm="stable").set(progress.stable_requests)
        self._requests.labels(**of, arm="canary").set(progress.canary_requests)
        if progress.alarm:
            self._alarms.inc()
        if progress.judgement is not None:
            self._judged(progress)
        if progress.code is not None:
            self._code.labels(**of).set(int(progress.code))

    def _judged(self, progress: Progress) -> None:
        judgement, of = progress.judgement, self._of
        assert judgement is not None  # noqa: S101 - asked by the caller
        self._looks.inc()
        self._evidence.labels(**of).set(judgement.evidence)
        self._threshold.labels(**of).set(judgement.threshold)
        for finding in judgement.findings:
            for verdict in VERDICTS:
                said = finding.verdict.value == verdict
                self._verdict.labels(**of, metric=finding.metric, verdict=verdict).set(said)

    def answer(self, path: str) -> tuple[int, str, bytes]:
        """Status, content type and body for a path."""
        from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

        if path.partition("?")[0] != "/metrics":
            return 404, "text/plain", b"/metrics\n"
        return 200, CONTENT_TYPE_LATEST, generate_latest(self.registry)


@contextmanager
def served(file: Release, address: str, port: int) -> Iterator[tuple[Gauges, ...]]:
    """The numbers of a release, served while it runs; none where the port is 0.

    Raises:
        Failure: nothing can listen there.
    """
    if not port:
        yield ()
        return
    from canary.cli.health import serve

    gauges = Gauges(namespace=file.metadata.namespace, route=file.spec.route.name, release=file.metadata.name)
    try:
        server = serve(gauges.answer, address, port)
    except OSError as error:
        hint = "give --metrics-port a free one, or leave it out"
        message = f"{address}:{port} cannot be listened on: {error.strerror}"
        raise Failure(message, code=ExitCode.USAGE, hint=hint) from error
    try:
        yield (gauges,)
    finally:
        server.shutdown()
        server.server_close()
