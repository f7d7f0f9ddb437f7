"""A sandbox on which release after release is played while its parts are killed, and what must be true after each.

One sandbox serves many rounds: a good release leaves the new version behind, so the next one goes back to the other;
a bad one leaves nothing. Moments are chosen by phase (as the journal says it) and a seeded delay, so that every phase
is hit and a failing round can be played again.
"""

import json
import signal
import time
import urllib.request
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from typing import Any

from canary.core.outcome import ExitCode
from canary.sandbox import manifests
from canary.sandbox.app import Faults
from canary.sandbox.cluster import Sandbox
from canary.sandbox.load import newest
from canary.sandbox.meddlers import ROUTE
from canary.sandbox.processes import Child, module
from strategies.route.model import canonical
from tests.kill.metrics import Metrics, RealPrometheus, Relay

RATE = 150.0
"""Users' requests a second."""

BAD_ERRORS = 0.3
SHORT, LONG = (30,), (20, 60)
"""Shares of the steps: enough to hit every phase, and enough to hit a step that follows another."""

ENDS_WITHIN = 150.0
"""Seconds after which a release that has not ended counts as lost."""

POLL = 0.04
"""Seconds between looks at what is waited for."""

HERE = f"namespaces/{manifests.NAMESPACE}"
JOURNAL = f"/api/v1/{HERE}/configmaps/canary-shop-journal"
LEASE = f"/apis/coordination.k8s.io/v1/{HERE}/leases/canary-shop"
DEPLOYMENT = f"/apis/apps/v1/{HERE}/deployments/shop"
CANARY = (f"{DEPLOYMENT}-canary", f"/api/v1/{HERE}/services/shop-canary")
PODS = f"/api/v1/{HERE}/pods"

FORWARD = ("PREFLIGHT", "PROVISIONING", "SHIFTING", "SETTLING", "JUDGING", "BAKING", "PROMOTING", "CLEANING")
BACKWARD = ("PREFLIGHT", "PROVISIONING", "SHIFTING", "SETTLING", "JUDGING", "ROLLING_BACK")
FINAL = frozenset({"SUCCEEDED", "ROLLED_BACK"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Moment:
    """When something is killed: so long after the release's journal says that phase (or a later one)."""

    phase: str
    delay: float


@dataclass(slots=True, kw_only=True)
class Round:
    """What came of one release.

    Attributes:
        bad: the new version failed.
        kills: what was hit, when: the phase that the journal said just before.
        code: the last engine's exit code.
        sent, failed: users' requests during the round.
        log: everything the engines said.
        outage: seconds for which the gateway was dead, during which every request fails.
        spoilt: when requests failed, and of which version: one line a second.
        seconds: from the first engine's start to the last one's end.
        notes: what else was measured.
    """

    bad: bool
    kills: list[str] = field(default_factory=list)
    code: int | None = None
    sent: int = 0
    failed: int = 0
    log: str = ""
    outage: float = 0.0
    spoilt: str = ""
    seconds: float = 0.0
    notes: str = ""


class Stage:
    """The sandbox and the load; one release after another.

    Args:
        sandbox: up, with the scenario `good`.
        shares: of the steps of every release.
        prometheus: the engine asks a Prometheus, instead of reading the gateway's metrics itself.
    """

    def __init__(self, sandbox: Sandbox, shares: tuple[int, ...] = SHORT, *, prometheus: bool = False) -> None:
        assert sandbox.places is not None
        self.sandbox, self.places, self.run = sandbox, sandbox.places, sandbox.places.run
        sound = asdict(Faults(errors=0.001))
        versions = {"v1": sound, "v2": sound, "bad": asdict(Faults(errors=BAD_ERRORS)), "help": asdict(Faults())}
        known = {manifests.image(name): {"version": name, "faults": faults} for name, faults in versions.items()}
        (self.run / "registry.json").write_text(json.dumps(known), encoding="utf-8")
        self.stable, self._count = "v1", 0
        behind = self.places.metrics
        self.metrics: Metrics = RealPrometheus(self.run / "prometheus", behind) if prometheus else Relay(behind)
        self.load = sandbox.start_load(rate=RATE, seconds=3600)
        self.route = self.get(ROUTE)
        self.file = self.run / "kill.yaml"
        self.file.write_text(release_file(self.metrics.source, shares), encoding="utf-8")
        self.engines: list[Child] = []

    def close(self) -> None:
        for engine in self.engines:
            engine.process.send_signal(signal.SIGCONT)
            engine.stop(0.5)
        self.metrics.close()

    # Looking ----------------------------------------------------------------------------------------------------

    def get(self, path: str) -> Any:
        """An object as it is; None when it is not there, or the API server is not."""
        try:
            status, found = self.sandbox.request("GET", path)
        except OSError:
            return None
        return found if status == 200 else None

    def journal(self) -> dict[str, Any]:
        """Where the newest release stands; empty when nothing says so."""
        found = self.get(JOURNAL)
        return json.loads(next(iter(found["data"].values())))["release"] if found else {}

    def weights(self) -> dict[str, int]:
        """The weights of the shop's rule, by Service."""
        route = self.get(ROUTE)
        return {ref["name"]: ref["weight"] for ref in route["spec"]["rules"][0]["backendRefs"]} if route else {}

    def until(self, holds: Callable[[], Any], *, within: float, what: str) -> None:
        """Wait for a condition.

        Raises:
            AssertionError: it did not come about in time.
        """
        end = time.monotonic() + within
        while not holds():
            assert time.monotonic() < end, f"{what}: not within {within:g} s. The engines said:\n{self.said()}"
            time.sleep(POLL)

    def said(self) -> str:
        """What this release's engines said, without the accounts at their end."""
        logs = sorted(self.run.glob(f"engine-{self._count:03d}-*.log"))
        texts = [log.read_text(encoding="utf-8", errors="replace").partition("\n{\n")[0] for log in logs]
        return "\n".join(f"--- {log.stem}\n{text}" for log, text in zip(logs, texts, strict=True))

    # Acting -----------------------------------------------------------------------------------------------------

    def engine(self, image: str) -> Child:
        """`canary run`, as a Job would run it."""
        log = self.run / f"engine-{self._count:03d}-{len(self.engines):03d}.log"
        words = ("run", str(self.file), "--image", manifests.image(image), "--kubeconfig", str(self.places.engine))
        child = Child(module("canary", *words, "--lines", "-o", "json"), log=log)
        self.engines.append(child)
        return child

    def again(self, engine: Child) -> Child:
        """Another engine with the same words."""
        command = engine.process.args
        assert isinstance(command, list)
        return self.engine(next(name for name in ("v1", "v2", "bad") if manifests.image(name) in command))

    def begin(self, *, bad: bool) -> tuple[str, str]:
        """A new release: the image to release, and the uid of the one before."""
        self._count += 1
        for engine in self.engines:
            engine.stop(0.5)
        self.engines.clear()
        self.until(self.metrics.counts, within=20.0, what="counters of stable")
        return "bad" if bad else {"v1": "v2", "v2": "v1"}[self.stable], self.journal().get("uid", "")

    def play(self, *, bad: bool, moments: list[Moment], hit: Callable[[Child, "Round"], Child]) -> Round:
        """One release, in which something is hit at each moment that comes.

        Args:
            bad: release the version that fails.
            moments: in the order in which they are waited for.
            hit: does it, and returns the engine that goes on.
        """
        done = Round(bad=bad)
        before = newest(self.load) or {"sent": 0, "failed": 0}
        image, last = self.begin(bad=bad)
        began, engine = time.monotonic(), self.engine(image)
        for moment in moments:
            if not self._wait_for(moment, engine, last, bad=bad):
                break
            stands = self.journal()
            done.kills.append(f"{stands.get('phase', '?')}/{stands.get('stage', '?')}")
            engine = hit(engine, done)
        self.until(lambda: engine.code is not None, within=ENDS_WITHIN, what="the release did not end")
        done.code, done.log, done.seconds = engine.code, self.said(), time.monotonic() - began
        # The load writes its totals once a second: the next but one holds all that happened until now.
        seen, now = newest(self.load).get("at", 0.0), time.time()
        self.until(lambda: newest(self.load).get("at", 0.0) > max(seen, now), within=10, what="no totals")
        after = newest(self.load)
        done.sent, done.failed = after["sent"] - before["sent"], after["failed"] - before["failed"]
        done.spoilt = self._spoilt(before.get("at", 0.0))
        if done.code == ExitCode.PROMOTED:
            self.stable = image
        return done

    def goes_on(self, engine: Child, before: dict[str, Any], *, killed: bool) -> None:
        """Wait until somebody goes on with the release after a hit: it has ended, or its lease's holder writes again.

        Args:
            engine: the one that lives.
            before: where the release stood.
            killed: the engine was, so that the holder must be another.
        """
        lease = self.get(LEASE)
        seen = lease and lease["metadata"]["resourceVersion"]

        def on() -> bool:
            stands, lease = self.journal(), self.get(LEASE)
            if engine.code is not None or not stands or not lease:
                return engine.code is not None
            assert stands["uid"] == before["uid"], f"another release was begun; {self.said()}"
            ours = lease["spec"]["holderIdentity"] == stands["incarnation"]
            if killed:
                return ours and stands["incarnation"] != before["incarnation"]
            return ours and (stands != before or lease["metadata"]["resourceVersion"] != seen)

        self.until(on, within=60, what="nobody goes on")
        weights = self.weights()
        assert any(weights.values()) or not weights, f"nobody is served: {weights}; {self.said()}"

    def _wait_for(self, moment: Moment, engine: Child, last: str, *, bad: bool) -> bool:
        """Whether the moment came before the release's end."""
        order = (*(BACKWARD if bad else FORWARD), *FINAL)
        late = frozenset(order[order.index(moment.phase) :]) | {"ROLLING_BACK"}

        def come() -> bool:
            stands = self.journal()
            return stands.get("uid", last) != last and stands["phase"] in late

        end = time.monotonic() + ENDS_WITHIN
        while engine.code is None and not come() and time.monotonic() < end:
            time.sleep(POLL)
        time.sleep(moment.delay)  # chance, not patience
        return engine.code is None

    # What must be true --------------------------------------------------------------------------------------------

    def check(self, done: Round, *, codes: set[ExitCode], failures: float) -> None:
        """The two allowed ends, and nothing of ours left.

        Args:
            done: the round.
            codes: how it may end.
            failures: users' requests that may fail at most.
        """
        told = (
            f"{done.kills}, exit {done.code}, {done.failed} of {done.sent} failed:\n{done.spoilt}\n"
            f"The engines said:\n{done.log}"
        )
        assert done.code in codes, told
        route, stable = self.get(ROUTE), self.get(DEPLOYMENT)
        assert canonical(route["spec"]) == canonical(self.route["spec"]), told
        for found in (route, stable):
            ours = [key for key in found["metadata"].get("annotations", {}) if key.startswith("canary-engine.io/")]
            assert not ours, f"{ours} stand on the {found['kind']}; {told}"
        image = stable["spec"]["template"]["spec"]["containers"][0]["image"]
        assert image == manifests.image(self.stable), told
        for path in CANARY:
            self.until(lambda path=path: self.get(path) is None, within=10, what=f"{path} is left. {told}")
        self.until(self._two_pods_of_stable, within=20, what=f"stable does not run as before. {told}")
        self.until(self._stable_alone_answers, within=20, what=f"users do not get stable. {told}")
        holder = self.get(LEASE)["spec"]["holderIdentity"]
        assert not holder, f"the lease is still held by {holder}; {told}"
        assert self.journal()["phase"] in FINAL, told
        assert done.failed <= failures, told

    def _spoilt(self, since: float) -> str:
        found, before = [], dict[str, int]()
        for line in self.load.read_text(encoding="utf-8").splitlines():
            told = json.loads(line)
            now = {version or "no answer": row["failed"] for version, row in told["by"].items()}
            rows = [
                f"{number - before.get(name, 0)} {name}" for name, number in now.items() if number > before.get(name, 0)
            ]
            before = now
            if told["at"] > since and rows:
                found.append(f"{time.strftime('%H:%M:%S', time.gmtime(told['at']))}Z {', '.join(rows)}")
        return "\n".join(found)

    def _two_pods_of_stable(self) -> bool:
        found = self.get(PODS)
        pods = [pod for pod in found["items"] if pod["metadata"]["name"].startswith("shop-")] if found else []
        images = [pod["spec"]["containers"][0]["image"] for pod in pods]
        return images == [manifests.image(self.stable)] * 2

    def _stable_alone_answers(self) -> bool:
        """Twenty requests in a row, none failed, each answered by the stable version or the help page."""
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        seen = set()
        for _ in range(20):
            try:
                with opener.open(self.places.url, timeout=2.0) as answer:
                    seen.add(answer.headers.get("x-version"))
            except OSError as error:
                # One in a thousand is stable's own.
                if getattr(error, "code", 0) != 500:
                    return False
        return seen <= {self.stable, "help"} and self.stable in seen


def release_file(source: str, shares: tuple[int, ...]) -> str:
    """A release of some seconds: short holds, wide tolerances, looks twice a second; patient where a gateway is slow.

    Traefik waits half a minute and more before it asks an API server again that was gone. The shortest hold is four
    looks: a restarted engine has that long to judge, and the first look after a restart may hold a change of shares.
    """
    steps = "\n".join(f"      - {{share: {share}, hold: {{min: 2s, max: 3s}}}}" for share in shares)
    return f"""\
apiVersion: canary/v1
kind: Release
metadata: {{name: shop, namespace: {manifests.NAMESPACE}}}
spec:
  route: {{name: shop}}
  stable: {{service: shop, port: {manifests.PORT}}}
  workload: {{name: shop, container: app}}
  strategy:
    steps:
{steps}
  settle: {{timeout: 75s, window: 1s, noTraffic: rollback}}
  drain: 20s
  bake: {{min: 2s, max: 3s}}
  analysis:
    source: {source}
    gateway: traefik
    every: 500ms
    warmup: 0s
    metrics:
      - errors: {{minRequests: 25, tolerance: {{relative: 0.5, absolute: 0.12}}}}
  deadline: 3m
"""
