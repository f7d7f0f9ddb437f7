"""`abort`: traffic back to stable, now, with nothing but the route."""

from __future__ import annotations

import dataclasses
import json
import time
import uuid
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Annotated

import typer

from canary.cli.boundary import Failure
from canary.cli.options import Format, Output
from canary.cli.target import Context, Kubeconfig, Namespace, RouteName, Target, Which, target_for
from canary.core.outcome import ExitCode

if TYPE_CHECKING:
    from canary.adapters.kubernetes import Api
    from canary.cli.aborting import Done, World

NO_REASON = "no reason given"


def abort(
    which: Which,
    *,
    namespace: Namespace = None,
    route: RouteName = None,
    reason: Annotated[str, typer.Option("--reason", metavar="TEXT", help="Why; it stands in the account.")] = NO_REASON,
    finish: Annotated[
        bool, typer.Option("--finish", help="Where the engine is dead, take away what it left, too.")
    ] = False,
    timeout: Annotated[
        float, typer.Option("--timeout", min=1, max=3600, metavar="SECONDS", help="How long to wait for the gateway.")
    ] = 60.0,
    kubeconfig: Kubeconfig = None,
    context: Context = None,
    output: Format = Output.TEXT,
) -> None:
    """Stop a release now: all traffic back to stable, whether its engine lives or not.

    One write on the route; then the gateway's word is waited for. A live engine sees it, cleans up and ends with 11.

    Example:  canary abort user-service-route -n shop --reason "checkout is slow"

    Ends with 11 when all traffic is back on stable, 30 when it is not, 22 when there is nothing to abort.
    """
    from canary.report.lines import plain

    target, api = target_for(which, namespace=namespace, route=route, kubeconfig=kubeconfig, context=context)
    done = _do(api, target, reason=plain(reason).strip() or NO_REASON, finish=finish, timeout=timeout)
    if output is Output.JSON:
        said = {"namespace": target.namespace, "route": target.route, **dataclasses.asdict(done)}
        typer.echo(json.dumps({**said, "code": int(done.code)}, indent=2))
    else:
        typer.echo("\n".join(text(target, done)))
    raise typer.Exit(done.code)


def text(target: Target, done: Done) -> list[str]:
    """How it went, for a person: the end first."""
    from canary.report.lines import plain

    lines = [plain(f"{target}: {done.sentence}")]
    lines += [f"  {plain(line)}" for line in done.weights]
    if done.by:
        lines.append(plain(f"  by {done.by}: {done.reason}"))
    if done.engine == "stopping":
        lines.append(f"The engine cleans up and ends with {done.ends}.")
    if done.engine == "ended" and done.ends is not None:
        lines.append(f"The release has ended with {done.ends}.")
    return [*lines, *(plain(sentence) for sentence in done.todo)]


def _do(api: Api, target: Target, *, reason: str, finish: bool, timeout: float) -> Done:
    from canary.adapters.kubernetes.people import whoami
    from canary.cli.aborting import Done
    from canary.cli.aborting import abort as put_back
    from canary.ports import NotFound, PortError, Refused

    world = world_of(api, target, say=_say)
    by = whoami(api)
    try:
        done = put_back(world, by=by, reason=reason, timeout=timeout)
    except NotFound as error:
        return Done(code=ExitCode.PREFLIGHT_FAILED, sentence=f"nothing to abort: {error}")
    except Refused as error:
        fix = f"it takes get and patch on httproutes/{target.route}; you are {by}"
        return Done(code=ExitCode.NOT_PERMITTED, sentence=f"not permitted: {error}", by=by, reason=reason, todo=(fix,))
    except PortError as error:
        fix = "nobody can tell whether it was written; do it again"
        return Done(code=ExitCode.ROLLBACK_INCOMPLETE, sentence=f"not done: {error}", by=by, reason=reason, todo=(fix,))
    if finish and done.engine == "gone" and done.code is ExitCode.REJECTED:
        try:
            return _finish(api, target, world, done)
        except PortError as error:
            todo = (f"Not finished: {error}.", "Do it again: it goes on where it stopped.")
            return dataclasses.replace(done, code=ExitCode.ROLLBACK_INCOMPLETE, todo=todo)
    return done


def world_of(
    api: Api, target: Target, *, say: Callable[[str], None] = lambda line: typer.echo(line, err=True)
) -> World:
    """What an abort works with on a cluster."""
    from canary.adapters.kubernetes import KubernetesJournals, KubernetesRoutes, ServerClock
    from canary.adapters.kubernetes.origin import known_dead
    from canary.adapters.kubernetes.paths import named
    from canary.adapters.kubernetes.people import lease_seen
    from canary.cli.aborting import World

    here, route = target.namespace, target.route
    return World(
        routes=KubernetesRoutes(api, namespace=here, name=route),
        journals=KubernetesJournals(api, namespace=here, name=named("canary", route, "journal")),
        clock=ServerClock(api),
        lease=partial(lease_seen, api, namespace=here, route=route),
        dead=partial(known_dead, api=api, namespace=here),
        pool=target.pool,
        sleep=time.sleep,
        say=say,
    )


def _finish(api: Api, target: Target, world: World, done: Done) -> Done:
    """Under the lease, so that a replacement of the engine does not begin meanwhile."""
    from canary.adapters.kubernetes import KubernetesLeases
    from canary.adapters.kubernetes.objects import Objects
    from canary.adapters.kubernetes.origin import here
    from canary.adapters.kubernetes.paths import named
    from canary.adapters.kubernetes.removal import sweep
    from canary.cli.case import journal_of
    from canary.cli.finishing import finish
    from canary.cli.taking import take_lease
    from canary.engine.copying import finished

    found = journal_of(world.journals)
    if found is not None:
        _say(f"open connections have {found[0].policy.drain:.0f} s to end")
        world.sleep(found[0].policy.drain)
    objects = Objects(api, target.namespace)

    holder = uuid.uuid4().hex[:12]
    name = named("canary", target.route)
    leases = KubernetesLeases(api, namespace=target.namespace, name=name, clock=world.clock, origin=here())
    try:
        take_lease(leases, holder, dead=world.dead, say=_say, monotonic=world.clock.monotonic)
    except Failure as error:
        todo = (f"{error}: it finishes by itself; watch it: canary status.",)
        return dataclasses.replace(done, engine="told", todo=todo)
    try:
        done = finish(world, done, remove=partial(sweep, objects))
        finished(world.journals, leases, holder=holder)
        return done
    finally:
        leases.release(holder)


def _say(line: str) -> None:
    typer.echo(line, err=True)
