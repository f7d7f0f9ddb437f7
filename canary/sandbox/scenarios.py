"""What `canary demo --scenario` can play: what is wrong, who meddles, and how it must end."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any, Literal

from canary.core.outcome import ExitCode
from canary.sandbox.app import Faults
from canary.sandbox.manifests import NAMESPACE, PORT, image

STABLE_ERRORS = 0.001
"""Real services fail now and then; stable does, one request in a thousand."""

FAST_STEPS = ((5, "3s", "14s"), (25, "3s", "14s"), (50, "3s", "14s"))
"""(share, shortest, longest hold): minutes in a real release, seconds here."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Scenario:
    """One story.

    Attributes:
        name: as the command line says it.
        title: what is played, in a few words.
        story: one sentence for people.
        ends: the exit code that it must end with.
        because: words that the reason must hold.
        canary, stable: what is wrong with the new and the old version.
        rate: requests a second; `load_for` bounds how long they are sent, seconds.
        streams: clients that keep long responses open.
        meddler: who else acts during the release.
        every: time between looks.
        seed: of the chances that pods take; the same seed fails the same requests of each pod.
        tolerance: errors that the new version may have beyond the old one's, part of requests. Seconds of traffic
            cannot tell small differences, so that a good version's steps would be looked at for minutes.
        slower: how many more requests, relatively, may be slower than each bound: the machine that plays this is no
            quiet data centre.
        steps: (share, shortest hold, longest hold).
        baseline: the new version is compared with a fresh baseline.
        gates: as a release file lists them; how it ends is then a person's word, `ends` with a yes.
    """

    name: str
    title: str
    story: str
    ends: ExitCode
    because: str = ""
    canary: Faults = field(default_factory=lambda: Faults(errors=STABLE_ERRORS))
    stable: Faults = field(default_factory=lambda: Faults(errors=STABLE_ERRORS))
    rate: float = 200.0
    load_for: float = 600.0
    streams: int = 0
    meddler: Literal["", "reverter", "outage"] = ""
    every: str = "1s"
    tolerance: float = 0.005
    slower: float = 0.5
    seed: int = 0
    steps: tuple[tuple[float, str, str], ...] = FAST_STEPS
    baseline: bool = False
    gates: str = ""


SCENARIOS: dict[str, Scenario] = {
    scenario.name: scenario
    for scenario in (
        Scenario(
            name="good",
            title="a good release",
            story="The new version is as good as the old one: it is promoted.",
            ends=ExitCode.PROMOTED,
            every="250ms",
            steps=((10, "3s", "6s"), (50, "3s", "8s")),
            tolerance=0.02,
            slower=2.0,
        ),
        Scenario(
            name="errors",
            title="15 % errors",
            story="The new version fails one request in seven: it is rolled back within seconds.",
            ends=ExitCode.JUDGED_BAD,
            because="errors",
            canary=Faults(errors=0.15),
        ),
        Scenario(
            name="few-errors",
            title="2 % errors instead of 0.2 %",
            story="The new version fails ten times as often as the old one, which is still rare.",
            ends=ExitCode.JUDGED_BAD,
            because="errors",
            canary=Faults(errors=0.02),
            stable=Faults(errors=0.002),
            steps=((25, "3s", "8s"), (50, "10s", "90s")),
        ),
        Scenario(
            name="slow",
            title="every request slower",
            story="The new version takes 60 ms longer for everything: the median tells.",
            ends=ExitCode.JUDGED_BAD,
            because="slower",
            canary=Faults(errors=STABLE_ERRORS, delay=0.06),
        ),
        Scenario(
            name="slow-tail",
            title="only the slowest requests slower",
            story="One request in twelve takes 300 ms longer; the median is unchanged.",
            ends=ExitCode.JUDGED_BAD,
            because="slower",
            canary=Faults(errors=STABLE_ERRORS, tail=0.08, tail_delay=0.3),
        ),
        Scenario(
            name="leak",
            title="healthy first, worse later",
            story="The new version is fine for 15 seconds and then fails: what was good before does not help it.",
            ends=ExitCode.JUDGED_BAD,
            because="errors",
            canary=Faults(errors=STABLE_ERRORS, leak_after=15.0, leak_errors=0.2),
        ),
        Scenario(
            name="crash",
            title="never ready",
            story="The new version ends at its start: no user ever sees it.",
            ends=ExitCode.JUDGED_BAD,
            because="CrashLoopBackOff",
            canary=Faults(crash=True),
            rate=50.0,
        ),
        Scenario(
            name="vanish",
            title="ready, then gone",
            story="The new version stops being ready while it carries traffic; its own counters show nothing wrong.",
            ends=ExitCode.JUDGED_BAD,
            because="no ready endpoints",
            canary=Faults(errors=STABLE_ERRORS, vanish_after=14.0),
            rate=100.0,
        ),
        Scenario(
            name="no-traffic",
            title="nobody comes",
            story="No request reaches the new version: nothing is known about it, so it is not promoted.",
            ends=ExitCode.NO_EVIDENCE,
            because="NOT_SETTLED",
            load_for=4.0,
        ),
        Scenario(
            name="outage",
            title="both versions fail alike",
            story="Something that both versions need breaks for a few seconds: not the new version's fault.",
            ends=ExitCode.PROMOTED,
            meddler="outage",
            every="500ms",
            steps=((10, "3s", "8s"), (50, "3s", "10s")),
            tolerance=0.02,
            slower=2.0,
        ),
        Scenario(
            name="reverter",
            title="somebody resets the weights",
            story="A GitOps controller puts the route back during the release: nobody is fought, the release stops.",
            ends=ExitCode.CHANGED_BY_OTHERS,
            because="argocd-controller",
            meddler="reverter",
            rate=100.0,
        ),
        Scenario(
            name="streaming",
            title="responses that outlive the rollback",
            story="Clients hold long responses from the bad version while traffic goes back; they are told, not cut.",
            ends=ExitCode.JUDGED_BAD,
            because="errors",
            canary=Faults(errors=0.15),
            streams=8,
        ),
        Scenario(
            name="baseline",
            title="a good release beside a fresh baseline",
            story="Fresh pods of the old version get what the new one gets, and are what it is compared with.",
            ends=ExitCode.PROMOTED,
            rate=100.0,
            every="250ms",
            steps=((20, "3s", "6s"), (60, "3s", "8s")),
            tolerance=0.02,
            slower=4.0,  # six pods start on one machine
            baseline=True,
        ),
        Scenario(
            name="baseline-errors",
            title="15 % errors beside a fresh baseline",
            story="The new version fails one request in seven, its fresh baseline does not: it is rolled back.",
            ends=ExitCode.JUDGED_BAD,
            because="against the baseline",
            canary=Faults(errors=0.15),
            baseline=True,
        ),
        Scenario(
            name="gate",
            title="a person decides",
            story="A good version waits at a gate before the promotion: you decide, from a second terminal.",
            ends=ExitCode.PROMOTED,
            every="250ms",
            steps=((50, "3s", "8s"),),
            tolerance=0.02,
            slower=2.0,
            gates="[{before: promotion, expires: 3m}]",
        ),
    )
}


def registry(scenario: Scenario, *, outage: str) -> dict[str, Any]:
    """What runs behind each image.

    Args:
        scenario: what is played.
        outage: file whose existence breaks what both versions need.
    """
    versions = {"v1": scenario.stable, "v2": scenario.canary, "help": Faults()}
    return {
        image(version): {
            "version": version,
            "seed": scenario.seed,
            "faults": {**asdict(faults), "outage": outage if version != "help" else ""},
        }
        for version, faults in versions.items()
    }


def release_file(scenario: Scenario, *, metrics: tuple[str, ...]) -> str:
    """The release file that the engine is given, as a user would write it.

    Args:
        scenario: what is played.
        metrics: addresses of the gateway's metrics.
    """
    steps = "\n".join(
        f"      - {{share: {share}, hold: {{min: {shortest}, max: {longest}}}}}"
        for share, shortest, longest in scenario.steps
    )
    urls = ", ".join(f'"{url}"' for url in metrics)
    return f"""\
apiVersion: canary/v1
kind: Release
metadata: {{name: shop, namespace: {NAMESPACE}}}
spec:
  route: {{name: shop}}
  stable: {{service: shop, port: {PORT}}}
  workload: {{name: shop, container: app{", baseline: true" if scenario.baseline else ""}}}
  image: {image("v2")}
  strategy:
    steps:
{steps}
  settle: {{timeout: 6s, window: 2s, noTraffic: rollback}}
  drain: 6s
  bake: {{min: 3s, max: 8s}}
  analysis:
    source: {{scrape: {{urls: [{urls}]}}}}
    gateway: traefik
    every: {scenario.every}
    warmup: 0s
    metrics:
      - errors: {{tolerance: {{relative: 0.5, absolute: {scenario.tolerance}}}}}
      - latency: {{tolerance: {{relative: {scenario.slower}, absolute: 0.02}}}}
  deadline: {"8m" if scenario.gates else "4m"}
  gates: {scenario.gates or "[]"}
"""
