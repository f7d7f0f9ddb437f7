"""`approve`, `reject`, `pause`, `resume`, `skip`, `promote`: people's decisions about the pace, under Kubernetes RBAC.

All of them write the one gate object of the route (`canary.core.gates`); the engine takes what stands there within
seconds, or as soon as one lives again. None of them moves traffic, and none is evidence.
"""

from __future__ import annotations

import inspect
import json
from collections.abc import Callable
from typing import Annotated

import typer

from canary.cli.options import Format, Output
from canary.cli.target import Context, Kubeconfig, Namespace, RouteName, Which, target_for

Reason = Annotated[str, typer.Option("--reason", metavar="TEXT", help="Why; it stands in the account.")]
Step = Annotated[
    int | None,
    typer.Option(
        "--step", min=1, metavar="K", help="Only if it is the gate before step K that waits (1 is the first)."
    ),
]
NO_REASON = "no reason given"
MAY_NOT = "21 when you may not."


def _decision(teaches: str, *, approved: bool) -> Callable[..., None]:
    """A command that answers the gate which a release waits at."""

    def command(
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
        from canary.cli import decisions
        from canary.report.lines import plain

        target, api = target_for(which, namespace=namespace, route=route, kubeconfig=kubeconfig, context=context)
        with decisions.told(target, api) as desk:
            data = decisions.decide(desk, approved=approved, step=step, reason=plain(reason).strip() or NO_REASON)
        word = "approved" if approved else "rejected"
        what = f"{word}: the gate before {data['before']} of release {data['release']}"
        said = {"namespace": target.namespace, "route": target.route, **{key: data[key] for key in decisions.SHOWN}}
        lines = [f"{target}: {what}", f"  by {data['decidedBy']}: {data['reason']}", decisions.next_of(desk)]
        _say(output, said, lines)

    ends = f"Ends with 0 when it is written, 22 when nothing waits or somebody was first, {MAY_NOT}"
    command.__doc__ = f"{inspect.cleandoc(teaches)}\n\n{ends}"
    return command


def _request(word: str, teaches: str) -> Callable[..., None]:
    """A command that asks the engine for something; the word is that of `canary.core.gates.Wish`."""

    def command(
        which: Which,
        *,
        namespace: Namespace = None,
        route: RouteName = None,
        reason: Reason = "",
        kubeconfig: Kubeconfig = None,
        context: Context = None,
        output: Format = Output.TEXT,
    ) -> None:
        from canary.cli import decisions
        from canary.core.gates import Wish
        from canary.report.lines import plain

        target, api = target_for(which, namespace=namespace, route=route, kubeconfig=kubeconfig, context=context)
        with decisions.told(target, api) as desk:
            asked = decisions.ask(desk, wish=Wish(word), reason=plain(reason).strip())
            outcome = decisions.heard(desk, asked)
        said = {"namespace": target.namespace, "route": target.route, "asked": word, "release": asked.release}
        _say(output, {**said, "by": asked.by, "outcome": outcome}, [f"{target}: asked to {word}", f"  {outcome}"])

    ends = f"Ends with 0 when it is written, 22 when no release is under way, {MAY_NOT}"
    command.__doc__ = f"{inspect.cleandoc(teaches)}\n\n{ends}"
    return command


approve = _decision(
    """Open the gate that a release waits at.

    The first decision about a gate counts; judging goes on, and a bad verdict beats an approval. The release goes on
    when the judge says so after this.

    Example:  canary approve user-service-route -n shop --reason "dashboards look fine"
    """,
    approved=True,
)

reject = _decision(
    """Refuse at the gate that a release waits at: it is rolled back and ends with 11.

    Example:  canary reject user-service-route -n shop --reason "not before the holidays"
    """,
    approved=False,
)

pause = _request(
    "pause",
    """Let a release take no step forward until it is resumed.

    The share stays as it is; judging goes on, and a bad verdict rolls back. The deadline goes on, too.

    Example:  canary pause user-service-route -n shop --reason "incident elsewhere"
    """,
)

resume = _request(
    "resume",
    """Let a paused release go on from where it stands.

    Example:  canary resume user-service-route -n shop
    """,
)

skip = _request(
    "skip",
    """End the present step's wait, not its judging.

    At HEALTHY the minimum hold counts as over; at UNDECIDED the maximum one, where the judge lets it proceed. At
    UNHEALTHY or NO_DATA, while paused, or at a gate (see approve) it is refused by the engine, which says so.

    Example:  canary skip user-service-route -n shop --reason "quiet night"
    """,
)

promote = _request(
    "promote",
    """Pass over the steps that are left: to the bake, or out of it to the promotion.

    Only while the judge says HEALTHY, and never past a gate; else it is refused by the engine, which says so.

    Example:  canary promote user-service-route -n shop --reason "the fix cannot wait"
    """,
)


def _say(output: Output, said: dict[str, str], lines: list[str]) -> None:
    from canary.report.lines import plain

    if output is Output.JSON:
        typer.echo(json.dumps(said, indent=2))
    else:
        typer.echo("\n".join(plain(line) for line in lines if line))
