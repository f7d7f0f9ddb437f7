"""`demo`: a real release in the sandbox, from the first request to the account."""

from __future__ import annotations

import json
import time
from dataclasses import replace
from typing import TYPE_CHECKING, Annotated, Any

import typer

from canary.cli.boundary import Failure
from canary.cli.options import Format, Output
from canary.core.outcome import ExitCode

if TYPE_CHECKING:
    from canary.report.account import Account, RouteCheck, Users
    from canary.sandbox.cluster import Sandbox
    from canary.sandbox.scenarios import Scenario

TOTALS_WITHIN = 2.5
"""Seconds to wait for the load's totals after the end; it writes them once a second."""

CANARY_VERSION = "v2"
"""What the sandbox's new version calls itself in its answers."""


def demo(
    *,
    scenario: Annotated[
        str, typer.Option("--scenario", metavar="NAME", help="What to play; --list names them.")
    ] = "good",
    rate: Annotated[
        float | None, typer.Option("--rate", min=0.1, max=2000, help="Requests a second, in place of the scenario's.")
    ] = None,
    speed: Annotated[
        float, typer.Option("--speed", min=0.1, max=10, help="2 halves the holds of each step, 0.5 doubles them.")
    ] = 1.0,
    every: Annotated[bool, typer.Option("--list", help="Name the scenarios and exit.")] = False,
    output: Format = Output.TEXT,
) -> None:
    """Carry a real release through on this machine; no cluster needed.

    A real gateway (Traefik) serves real requests to two versions of a small app; the engine moves the traffic, reads
    the gateway's counters, judges, and promotes or rolls back. Only the API server is an emulator.

    Example:  canary demo --scenario errors

    Ends with the release's own exit code: 0 for good, 10 for errors.
    """
    from canary.sandbox.scenarios import SCENARIOS

    if every:
        typer.echo("\n".join(f"{name:12} {played.story}" for name, played in SCENARIOS.items()))
        return
    if scenario not in SCENARIOS:
        known = ", ".join(SCENARIOS)
        raise Failure(f"there is no scenario {scenario!r}", code=ExitCode.USAGE, hint=f"Known: {known}")
    account, played = _play(_adjusted(SCENARIOS[scenario], rate=rate, speed=speed))
    if output is Output.JSON:
        from canary.report.account import data

        told = {"scenario": played.name, "expected": int(played.ends), "account": data(account)}
        typer.echo(json.dumps(told, indent=2))
    else:
        from canary.report.account import text

        typer.echo(f"\nScenario {played.name}: {played.story}\n\n{text(account)}", nl=False)
        if account.code is not played.ends and not played.gates:
            typer.echo(f"This scenario should have ended with exit {int(played.ends)}.")
    raise typer.Exit(account.code)


def _adjusted(scenario: Scenario, *, rate: float | None, speed: float) -> Scenario:
    """The scenario with another rate, and its steps' holds divided by the speed."""
    from canary.spec.quantities import format_duration, parse_duration

    def scaled(text: str) -> str:
        return format_duration(parse_duration(text) / speed)

    steps = tuple((share, scaled(shortest), scaled(longest)) for share, shortest, longest in scenario.steps)
    return replace(scenario, rate=scenario.rate if rate is None else rate, steps=steps)


def _play(scenario: Scenario) -> tuple[Account, Scenario]:
    from canary.cli.children import listen_to_ctrl_c, run_engine
    from canary.sandbox.cluster import Sandbox
    from canary.sandbox.meddlers import Meddler

    listen_to_ctrl_c()
    with Sandbox(scenario, tell=_say) as sandbox:
        before = _route(sandbox)
        load = sandbox.start_load(rate=scenario.rate, streams=scenario.streams, seconds=scenario.load_for)
        _say(f"users send {scenario.rate:g} requests a second")
        if scenario.gates and sandbox.places:
            where = f"--kubeconfig {sandbox.places.admin}"
            _say("decide, from a second terminal, when it waits (3 minutes, else it is rolled back):")
            _say(f"  canary approve shop {where}    or    canary reject shop {where} --reason '...'")
        meddler = Meddler(scenario.meddler, sandbox) if scenario.meddler else None
        if meddler:
            meddler.start()
        try:
            account = run_engine(sandbox)
        finally:
            if meddler:
                meddler.stop()
        users = _users(load, account)
        return replace(account, users=users, route=_check(before, _route(sandbox))), scenario


def _route(sandbox: Sandbox) -> Any:
    from canary.sandbox.meddlers import ROUTE

    status, route = sandbox.request("GET", ROUTE)
    if status != 200:
        raise Failure(f"the sandbox's route cannot be read ({status})", code=ExitCode.BUG)
    return route["spec"]


def _check(before: Any, after: Any) -> RouteCheck:
    from canary.report.account import RouteCheck
    from strategies.route.model import canonical

    same = canonical(before) == canonical(after)
    return RouteCheck(
        as_before=same, difference="" if same else f"Before: {canonical(before)} After: {canonical(after)}"
    )


def _users(load: Any, account: Account) -> Users:
    """What users went through, by the load generator's own count."""
    from canary.report.account import Users
    from canary.sandbox.load import newest

    asked = time.time()
    totals = newest(load)
    while totals.get("at", 0.0) < asked and time.time() - asked < TOTALS_WITHIN:
        time.sleep(0.1)
        totals = newest(load)
    canary = totals.get("by", {}).get(CANARY_VERSION)
    return Users(
        sent=totals.get("sent", 0),
        failed=totals.get("failed", 0),
        failed_on_canary=canary["failed"] if canary else 0,
        first_on_canary=canary["first"] - account.started if canary else None,
        last_on_canary=canary["last"] - account.started if canary else None,
    )


def _say(line: str) -> None:
    typer.echo(line, err=True)
