"""The engine of one release, put together: the one place where adapters, sources, the judge and the engine meet."""

from __future__ import annotations

import contextlib
import os
import uuid
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

from canary.adapters.kubernetes import KubernetesGates, KubernetesRecords, KubernetesRoutes
from canary.adapters.kubernetes.api import FIELD_MANAGER
from canary.adapters.kubernetes.events import EventReporter
from canary.adapters.kubernetes.histories import prune
from canary.adapters.kubernetes.own_job import own_fate, own_job
from canary.adapters.kubernetes.paths import named
from canary.cli.attempts import attempt_of
from canary.cli.checking import preflights_of, target_on, workloads_of
from canary.cli.question import counted_alone, judge_config
from canary.cli.reads import source_of, stable_alone, with_tests
from canary.cli.resuming import image_before, subject_of, template_before
from canary.core.outcome import ExitCode
from canary.core.policy import policy_of
from canary.core.release import FINAL
from canary.core.release import Release as Running
from canary.engine.decider import Decider, started
from canary.engine.engine import Engine, Lanes
from canary.engine.observer import Observer, Question
from canary.engine.surgeon import Surgeon
from canary.engine.surroundings import Ports
from canary.ports import PortError
from canary.spec.pool import pool_of
from canary.submitting import identity_of

if TYPE_CHECKING:
    from canary.adapters.kubernetes import Api
    from canary.cli.turns import Turn
    from canary.ports import Clock, Journals, Leases, Reporters
    from canary.spec import Release


def wired(
    file: Release,
    api: Api,
    turn: Turn,
    *,
    clock: Clock,
    leases: Leases,
    journals: Journals,
    holder: str,
    reporters: tuple[Reporters, ...],
) -> tuple[Engine, Callable[[], ExitCode]]:
    """The engine, and what runs it until the release has ended for this process.

    Args:
        file: the release file.
        api: the API server.
        turn: what to go on with.
        clock, leases, journals, reporters: the ports that were needed to get here.
        holder: our name on the lease, which is ours.
    """
    stored, journal, identity = turn.stored, turn.journal, identity_of(file)
    namespace, route = file.metadata.namespace, file.spec.route.name
    release = (
        journal.release
        if journal
        else Running(
            uid=uuid.uuid4().hex[:12],
            incarnation=holder,
            policy=turn.shortened(policy_of(file, exact_split=_exact(file))),
        )
    )
    labels = {"canary-engine.io/release": release.uid, "canary-engine.io/service": file.spec.stable.service}
    routes = KubernetesRoutes(api, namespace=namespace, name=route)
    workloads = workloads_of(file, api, release=release.uid)
    target = target_on(file, routes)
    sources = source_of(file, target, now=clock.now)
    # Before the release there is no baseline to be read.
    before = sources if target.baseline is None else source_of(file, target.alone, now=clock.now)
    ports = Ports(
        clock=clock,
        routes=routes,
        leases=leases,
        journals=journals,
        records=KubernetesRecords(api, namespace=namespace, name=named("canary", route, release.uid), labels=labels),
        preflights=preflights_of(file, api, release=release.uid, routes=routes, workloads=workloads, sources=before),
        sources=sources,
        workloads=workloads,
        gates=KubernetesGates(api, namespace=namespace, route=route),
        reporters=(*reporters, EventReporter(api, namespace=namespace, route=route)),
        pasts=stable_alone(file, target, now=clock.now),
    )
    surgeon = Surgeon(
        routes=routes,
        clock=clock,
        pool=pool_of(file),
        selectors=file.spec.route.rules,
        manager=FIELD_MANAGER,
        state=journal.surgery if journal else None,
    )
    observer = Observer(
        with_tests(question_of(file, release, attempt=attempt_of(stored, journal, identity=identity))),
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
            over=stored,
            replaces=image_before(journal, workloads),
            template=template_before(file, journal, workloads),
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
            if decider.release.phase in FINAL:
                with contextlib.suppress(PortError):  # the next release goes on with it
                    prune(api, namespace=namespace, route=route, living=release.uid)
        return code

    return engine, run


def question_of(file: Release, release: Running, *, attempt: int = 1) -> Question:
    """What the judge is asked."""
    policy, every = release.policy, file.spec.analysis.interval
    seconds = sum(step.hold_max for step in policy.steps) + policy.bake_max
    config = judge_config(file, looks=max(1, round(seconds / every)), attempt=attempt)
    return Question(config=config, every=every, last_share=float(policy.steps[-1].share), alone=counted_alone(file))


def _exact(file: Release) -> bool:
    from analysis.packs import pack

    gateway = file.spec.analysis.gateway
    return gateway != "none" and pack(gateway).exact
