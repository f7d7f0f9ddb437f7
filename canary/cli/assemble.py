"""From a release file to a running engine: the one place where adapters, sources and the engine meet."""

from __future__ import annotations

import contextlib
import os
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from canary.cli.attempts import attempt_of
from canary.cli.boundary import Failure
from canary.cli.checking import pasts_of, preflights_of, sources_of, workloads_of
from canary.cli.reads import with_tests
from canary.cli.resuming import image_before, readable, subject_of
from canary.cli.taking import sweep_before
from canary.core.outcome import ExitCode
from canary.core.release import FINAL
from canary.core.release import Release as Running
from canary.spec import Release
from canary.submitting import identity_of

if TYPE_CHECKING:
    from canary.adapters.kubernetes import Api
    from canary.engine.observer import Question
    from canary.ports import Reporters
    from strategies import Pool


@dataclass(slots=True)
class Prepared:
    """An engine that is ready to run.

    Attributes:
        run: begins, and returns the exit code when the release has ended for this process.
        abort: asks for a rollback, naming who wants it and why; for signal handlers.
        terminate: ends this process within 10 s: hands over to a replacement, or rolls back where none will come; for
            signal handlers.
        leave: ends this process as soon as its journal is written, the route as it stands.
    """

    run: Callable[[], ExitCode]
    abort: Callable[[str, str], None]
    terminate: Callable[[], None]
    leave: Callable[[], None]


def _require_image(file: Release) -> None:
    if file.spec.workload is not None and file.spec.image is None:
        raise Failure(
            "no image is given",
            code=ExitCode.USAGE,
            hint="pass --image REF@sha256:..., or write spec.image in the file",
        )


def prepare(
    file: Release,
    *,
    kubeconfig: Path | None,
    context: str | None,
    in_cluster: bool,
    reporters: tuple[Reporters, ...],
    say: Callable[[str], None] = lambda _: None,
) -> Prepared:
    """Connect, take the lease, read the journal, and put the engine together.

    Args:
        file: a valid release file with an image where it has a workload.
        kubeconfig, context, in_cluster: how to reach the API server.
        reporters: who wants to know.
        say: gets a line while something is waited for before the release begins.

    Raises:
        Failure: another release holds the route, or the journal cannot be used.
        PortError: the API server cannot be reached or refuses.
    """
    from canary.adapters.kubernetes import connect
    from canary.cli.credentials import refuse_unbound
    from canary.cli.own_job import of_our_job

    _require_image(file)
    refuse_unbound(file)
    api = connect(kubeconfig=kubeconfig, context=context, in_cluster=in_cluster)
    ended, told = of_our_job(api, namespace=file.metadata.namespace, say=say)
    if ended is not None:
        return Prepared(run=ended, abort=lambda *_: None, terminate=lambda: None, leave=lambda: None)
    return _prepare(file, api, reporters=(*reporters, told), say=say)


def _prepare(file: Release, api: Api, *, reporters: tuple[Reporters, ...], say: Callable[[str], None]) -> Prepared:
    from canary.adapters.kubernetes import (
        KubernetesGates,
        KubernetesJournals,
        KubernetesLeases,
        KubernetesRecords,
        KubernetesRoutes,
        ServerClock,
    )
    from canary.adapters.kubernetes.api import FIELD_MANAGER
    from canary.adapters.kubernetes.events import EventReporter
    from canary.adapters.kubernetes.objects import Objects
    from canary.adapters.kubernetes.origin import here
    from canary.adapters.kubernetes.own_job import own_fate, own_job
    from canary.adapters.kubernetes.paths import NAME_LABEL, named
    from canary.cli.ended import tell_the_end
    from canary.cli.turns import our_turn
    from canary.core.policy import policy_of
    from canary.engine.decider import Decider, started
    from canary.engine.engine import Engine, Lanes
    from canary.engine.observer import Observer
    from canary.engine.surgeon import Surgeon
    from canary.engine.surroundings import Ports
    from canary.ports import PortError

    clock = ServerClock(api)
    namespace, route = file.metadata.namespace, file.spec.route.name
    holder = uuid.uuid4().hex[:12]
    leases = KubernetesLeases(
        api,
        namespace=namespace,
        name=named("canary", route),
        clock=clock,
        origin=here(),
        route=f"{file.spec.route.kind}/{route}",
    )
    journals = KubernetesJournals(
        api, namespace=namespace, name=named("canary", route, "journal"), labels={NAME_LABEL: file.metadata.name}
    )
    identity = identity_of(file)
    readable(journals.load())  # one that nobody can read leaves the lease alone
    turn = our_turn(
        file, api, leases=leases, journals=journals, clock=clock, holder=holder, reporters=reporters, say=say
    )
    stored, journal = turn.stored, turn.journal
    sweep_before(stored, journal, Objects(api, namespace))
    if journal is not None and journal.release.outcome is not None and journal.release.phase in FINAL:
        tell = tell_the_end(journal.release, journal.release.outcome, leases=leases, holder=holder, reporters=reporters)
        return Prepared(run=tell, abort=lambda *_: None, terminate=lambda: None, leave=lambda: None)
    exact = _exact(file)
    release = (
        journal.release
        if journal
        else Running(
            uid=uuid.uuid4().hex[:12], incarnation=holder, policy=turn.shortened(policy_of(file, exact_split=exact))
        )
    )
    labels = {"canary-engine.io/release": release.uid, "canary-engine.io/service": file.spec.stable.service}
    routes = KubernetesRoutes(api, namespace=namespace, name=route)
    workloads = workloads_of(file, api, release=release.uid)
    pool = pool_of(file)
    selectors = file.spec.route.rules
    sources = sources_of(file, routes, now=clock.now)
    preflights = preflights_of(file, api, release=release.uid, routes=routes, workloads=workloads, sources=sources)
    ports = Ports(
        clock=clock,
        routes=routes,
        leases=leases,
        journals=journals,
        records=KubernetesRecords(api, namespace=namespace, name=named("canary", route, release.uid), labels=labels),
        preflights=preflights,
        sources=sources,
        workloads=workloads,
        gates=KubernetesGates(api, namespace=namespace, route=route),
        reporters=(*reporters, EventReporter(api, namespace=namespace, route=route)),
        pasts=pasts_of(file, routes, now=clock.now),
    )
    surgeon = Surgeon(
        routes=routes,
        clock=clock,
        pool=pool,
        selectors=selectors,
        manager=FIELD_MANAGER,
        state=journal.surgery if journal else None,
    )
    observer = Observer(
        with_tests(question_of(file, release, attempt=attempt_of(journals.load(), journal, identity=identity))),
        window=journal.window if journal else None,
        state=journal.judge if journal else None,
        totals=journal.totals if journal else (0, 0, 0),
    )
    lanes = Lanes()
    decider = Decider(
        release=release,
        ports=ports,
        surgeon=surgeon,
        observer=observer,
        background=lanes,
        identity=identity,
        stored=stored.version if stored else None,
        journal=journal,
        subject=subject_of(
            file,
            asked=turn.asked,
            requester=turn.requester,
            before=journal,
            replaces=image_before(journal, workloads),
        ),
    )
    fate = partial(own_fate, api, namespace=namespace, job=own_job(os.environ), now=clock.now)
    engine = Engine(decider=decider, ports=ports, every=file.spec.analysis.interval, holder=holder, fate=fate)

    def run() -> ExitCode:
        first = started(release, at=clock.now(), incarnation=holder, workloads=workloads)
        code = engine.run(first, lanes)
        if not decider.standing_by:
            with contextlib.suppress(PortError):  # it runs out by itself; how the release ended must be told
                leases.release(holder, handover=code in {ExitCode.HANDED_OVER, ExitCode.ROLLBACK_INCOMPLETE})
        return code

    return Prepared(run=run, abort=engine.abort, terminate=engine.terminate, leave=engine.leave)


def question_of(file: Release, release: Running, *, attempt: int = 1) -> Question:
    """What the judge is asked."""
    from canary.cli.question import judge_config
    from canary.engine.observer import Question

    policy, every = release.policy, file.spec.analysis.interval
    seconds = sum(step.hold_max for step in policy.steps) + policy.bake_max
    config = judge_config(file, looks=max(1, round(seconds / every)), attempt=attempt)
    return Question(
        config=config,
        every=every,
        warmup=file.spec.analysis.warmup,
        last_share=float(policy.steps[-1].share),
    )


def _exact(file: Release) -> bool:
    from analysis.packs import pack

    gateway = file.spec.analysis.gateway
    return gateway != "none" and pack(gateway).exact


def pool_of(file: Release) -> Pool:
    """Stable's and the canary's reference."""
    from strategies import Pool, RefId

    namespace = file.metadata.namespace
    return Pool(
        stable=RefId("Service", "", namespace, file.spec.stable.service, file.spec.stable.port),
        canary=RefId("Service", "", namespace, file.canary_service, file.canary_port),
    )
