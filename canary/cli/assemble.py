"""From a release file to a running engine: connect, read the journal, wait for our turn, and have it put together."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from canary.cli.boundary import Failure
from canary.cli.resuming import readable
from canary.cli.taking import sweep_before
from canary.core.outcome import ExitCode
from canary.core.release import FINAL
from canary.spec import Release

if TYPE_CHECKING:
    from canary.adapters.kubernetes import Api
    from canary.ports import Reporters


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
    from canary.adapters.kubernetes import KubernetesJournals, KubernetesLeases, ServerClock
    from canary.adapters.kubernetes.objects import Objects
    from canary.adapters.kubernetes.origin import here
    from canary.adapters.kubernetes.paths import NAME_LABEL, named
    from canary.cli.ended import tell_the_end
    from canary.cli.turns import our_turn

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
    readable(journals.load())  # one that nobody can read leaves the lease alone
    # Between the first answer and the lease: the judge comes with it, which takes half a second.
    from canary.cli.wiring import wired

    turn = our_turn(
        file, api, leases=leases, journals=journals, clock=clock, holder=holder, reporters=reporters, say=say
    )
    journal = turn.journal
    sweep_before(turn.stored, journal, Objects(api, namespace))
    if journal is not None and journal.release.outcome is not None and journal.release.phase in FINAL:
        tell = tell_the_end(journal.release, journal.release.outcome, leases=leases, holder=holder, reporters=reporters)
        return Prepared(run=tell, abort=lambda *_: None, terminate=lambda: None, leave=lambda: None)
    engine, run = wired(
        file,
        api,
        turn,
        clock=clock,
        leases=leases,
        journals=journals,
        holder=holder,
        reporters=reporters,
    )
    return Prepared(run=run, abort=engine.abort, terminate=engine.terminate, leave=engine.leave)
