"""`approve`, `reject`, `pause`, `resume`, `skip`, `promote`: people's decisions about the pace, under Kubernetes RBAC.

All of them write the one gate object of the route (`canary.core.gates`); the engine takes what stands there within
seconds, or as soon as one lives again. None of them moves traffic, and none is evidence.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated

import typer

from canary.cli.options import Format, Output
from canary.cli.target import Context, Kubeconfig, Namespace, RouteName, Which, target_for

if TYPE_CHECKING:
    from canary.core.gates import Wish

Reason = Annotated[str, typer.Option("--reason", metavar="TEXT", help="Why; it stands in the account.")]
Step = Annotated[
    int | None,
    typer.Option(
        "--step", min=1, metavar="K", help="Only if it is the gate before step K that waits (1 is the first)."
    ),
]
NO_REASON = "no reason given"


def approve(
    which: Which,
    *,
    step: Step = None,
    namespace: Namespace = None,
    route: RouteName = None,
    reason: Reason = NO_REASON,
    kubeconfig: Kubeconfig = None,
    context: Context = None,
    output: Format = Output.TEXT,
) -> None:
    """Open the gate that a release waits at.

    The first decision about a gate counts; judging goes on, and a bad verdict beats an approval. The release goes on
    when the judge says so after this.

    Example:  canary approve user-service-route -n shop --reason "dashboards look fine"

    Ends with 0 when it is written, 22 when nothing waits or somebody was first, 21 when you may not.
    """
    _decide(which, namespace, route, kubeconfig, context, approved=True, step=step, reason=reason, output=output)


def reject(
    which: Which,
    *,
    step: Step = None,
    namespace: Namespace = None,
    route: RouteName = None,
    reason: Reason = NO_REASON,
    kubeconfig: Kubeconfig = None,
    context: Context = None,
    output: Format = Output.TEXT,
) -> None:
    """Refuse at the gate that a release waits at: it is rolled back and ends with 11.

    Example:  canary reject user-service-route -n shop --reason "not before the holidays"

    Ends with 0 when it is written, 22 when nothing waits or somebody was first, 21 when you may not.
    """
    _decide(which, namespace, route, kubeconfig, context, approved=False, step=step, reason=reason, output=output)


def pause(
    which: Which,
    *,
    namespace: Namespace = None,
    route: RouteName = None,
    reason: Reason = "",
    kubeconfig: Kubeconfig = None,
    context: Context = None,
    output: Format = Output.TEXT,
) -> None:
    """Let a release take no step forward until it is resumed.

    The share stays as it is; judging goes on, and a bad verdict rolls back. The deadline goes on, too.

    Example:  canary pause user-service-route -n shop --reason "incident elsewhere"
    """
    from canary.core.gates import Wish

    _ask(which, namespace, route, kubeconfig, context, wish=Wish.PAUSE, reason=reason, output=output)


def resume(
    which: Which,
    *,
    namespace: Namespace = None,
    route: RouteName = None,
    reason: Reason = "",
    kubeconfig: Kubeconfig = None,
    context: Context = None,
    output: Format = Output.TEXT,
) -> None:
    """Let a paused release go on from where it stands.

    Example:  canary resume user-service-route -n shop
    """
    from canary.core.gates import Wish

    _ask(which, namespace, route, kubeconfig, context, wish=Wish.RESUME, reason=reason, output=output)


def skip(
    which: Which,
    *,
    namespace: Namespace = None,
    route: RouteName = None,
    reason: Reason = "",
    kubeconfig: Kubeconfig = None,
    context: Context = None,
    output: Format = Output.TEXT,
) -> None:
    """End the present step's wait, not its judging.

    At HEALTHY the minimum hold counts as over; at UNDECIDED the maximum one, where the judge lets it proceed. At
    UNHEALTHY or NO_DATA, while paused, or at a gate (see approve) it is refused by the engine, which says so.

    Example:  canary skip user-service-route -n shop --reason "quiet night"
    """
    from canary.core.gates import Wish

    _ask(which, namespace, route, kubeconfig, context, wish=Wish.SKIP, reason=reason, output=output)


def promote(
    which: Which,
    *,
    namespace: Namespace = None,
    route: RouteName = None,
    reason: Reason = "",
    kubeconfig: Kubeconfig = None,
    context: Context = None,
    output: Format = Output.TEXT,
) -> None:
    """Pass over the steps that are left: to the bake, or out of it to the promotion.

    Only while the judge says HEALTHY, and never past a gate; else it is refused by the engine, which says so.

    Example:  canary promote user-service-route -n shop --reason "the fix cannot wait"
    """
    from canary.core.gates import Wish

    _ask(which, namespace, route, kubeconfig, context, wish=Wish.PROMOTE, reason=reason, output=output)


def _decide(
    which: str,
    namespace: str | None,
    route: str | None,
    kubeconfig: Kubeconfig,
    context: str | None,
    *,
    approved: bool,
    step: int | None,
    reason: str,
    output: Output,
) -> None:
    from canary.cli import decisions
    from canary.report.lines import plain

    target, api = target_for(which, namespace=namespace, route=route, kubeconfig=kubeconfig, context=context)
    with decisions.told(target, api) as desk:
        data = decisions.decide(desk, approved=approved, step=step, reason=plain(reason).strip() or NO_REASON)
    word = "approved" if approved else "rejected"
    what = f"{word}: the gate before {data['before']} of release {data['release']}"
    said = {"namespace": target.namespace, "route": target.route, **{key: data[key] for key in decisions.SHOWN}}
    _say(output, said, [f"{target}: {what}", f"  by {data['decidedBy']}: {data['reason']}", decisions.next_of(desk)])


def _ask(
    which: str,
    namespace: str | None,
    route: str | None,
    kubeconfig: Kubeconfig,
    context: str | None,
    *,
    wish: Wish,
    reason: str,
    output: Output,
) -> None:
    from canary.cli import decisions
    from canary.report.lines import plain

    target, api = target_for(which, namespace=namespace, route=route, kubeconfig=kubeconfig, context=context)
    with decisions.told(target, api) as desk:
        asked = decisions.ask(desk, wish=wish, reason=plain(reason).strip())
        outcome = decisions.heard(desk, asked)
    said = {"namespace": target.namespace, "route": target.route, "asked": str(wish), "release": asked.release}
    _say(output, {**said, "by": asked.by, "outcome": outcome}, [f"{target}: asked to {wish}", f"  {outcome}"])


def _say(output: Output, said: dict[str, str], lines: list[str]) -> None:
    from canary.report.lines import plain

    if output is Output.JSON:
        typer.echo(json.dumps(said, indent=2))
    else:
        typer.echo("\n".join(plain(line) for line in lines if line))
