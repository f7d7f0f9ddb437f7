"""What is measured: each part plays real releases in the sandbox, or starts real processes, and reads their traces."""

from __future__ import annotations

import base64
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from bar import Figure
from submitting import submitting
from watchdog import watchdog

from analysis.judge import JudgeConfig, MetricConfig, begin_step, observe
from analysis.judge import start as started
from analysis.model import Arm, Counts, Look
from analysis.offline import Question, Run
from analysis.offline import judge as judge_runs
from canary.engine.record import entries
from canary.sandbox.cluster import Sandbox
from canary.sandbox.load import newest
from canary.sandbox.manifests import NAMESPACE
from canary.sandbox.meddlers import ROUTE
from canary.sandbox.processes import environment, module
from canary.sandbox.scenarios import SCENARIOS, Scenario

HERE = Path(__file__).resolve().parents[1]
ENGINE = "system:serviceaccount:shop:canary-engine"


@dataclass(frozen=True, slots=True, kw_only=True)
class Release:
    """What one release in the sandbox left behind.

    Attributes:
        code: the engine's exit code.
        spawned: when its process was started, seconds since the epoch.
        users: the load generator's totals.
        events: the release's record.
        requests: the engine's requests to the API server.
        resident: the engine's resident memory in MiB, once a second.
    """

    code: int
    spawned: float
    users: dict[str, Any]
    events: list[dict[str, Any]]
    requests: list[dict[str, Any]]
    resident: list[float]

    @property
    def canary(self) -> dict[str, Any]:
        """What users had from the new version; zeros when nothing."""
        found: dict[str, Any] = self.users.get("by", {}).get(
            "v2", {"requests": 0, "failed": 0, "first": 0.0, "last": 0.0}
        )
        return found


def release(scenario: Scenario, *, file: Callable[[str], str] = lambda text: text, noise: float = 0.0) -> Release:
    """Play a scenario.

    Args:
        scenario: which.
        file: changes the release file's text.
        noise: writes of the route's status a second by somebody else.
    """
    with Sandbox(scenario) as sandbox:
        places = sandbox.places
        assert places is not None
        load = sandbox.start_load(rate=scenario.rate, streams=scenario.streams, seconds=1800.0)
        path = sandbox.write_release()
        path.write_text(file(path.read_text(encoding="utf-8")), encoding="utf-8")
        stop = threading.Event()
        writer = threading.Thread(target=_write_status, args=(sandbox, noise, stop), daemon=True)
        if noise:
            writer.start()
        command = module("canary", "run", str(path), "--kubeconfig", str(places.engine), "--lines", "-o", "json")
        spawned, resident = time.time(), []
        with subprocess.Popen(  # noqa: S603 - our own command
            command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=environment()
        ) as engine:
            while engine.poll() is None:
                resident.append(_resident(engine.pid))
                time.sleep(1.0)
        stop.set()
        time.sleep(1.5)  # the load's totals come once a second
        _, log = sandbox.request("GET", "/sandbox/requests")
        return Release(
            code=engine.returncode,
            spawned=spawned,
            users=newest(load),
            events=_record(sandbox),
            requests=[entry for entry in log["requests"] if entry["user"] == ENGINE],
            resident=resident,
        )


def _write_status(sandbox: Sandbox, rate: float, stop: threading.Event) -> None:
    """A gateway that writes the route's status all the time."""
    number = 0
    while not stop.wait(1 / rate):
        number += 1
        _, route = sandbox.request("GET", ROUTE)
        parents = (route.get("status") or {}).get("parents") or []
        conditions = [
            {**each, "message": f"seen {number} times"} for parent in parents for each in parent.get("conditions", [])
        ]
        if parents:
            parents[0]["conditions"] = conditions
            body = {"status": {"parents": parents}}
            path = f"{ROUTE}/status?fieldManager=noise"
            sandbox.request("PATCH", path, body, content="application/merge-patch+json")


def _record(sandbox: Sandbox) -> list[dict[str, Any]]:
    query = "labelSelector=canary-engine.io%2Fpart%3Drecord"
    _, found = sandbox.request("GET", f"/api/v1/namespaces/{NAMESPACE}/configmaps?{query}")
    items = sorted(found["items"], key=lambda item: item["metadata"]["name"])
    return list(entries(base64.b64decode(item["binaryData"]["chunk"]) for item in items))


def _resident(pid: int) -> float:
    try:
        pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    except (OSError, IndexError):
        return 0.0
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


def _errors(share: float) -> Scenario:
    played = SCENARIOS["errors"]
    later = tuple(step for step in played.steps if step[0] > share)
    return replace(played, steps=((share, *played.steps[0][1:]), *later))


def errors(repeat: int) -> Iterator[Figure]:
    """15 % errors at 200 requests/s: how long and how many users were hurt, for a first step of 5 % and of 1 %."""
    for share, seconds, failed in ((5.0, 6.0, 15.0), (1.0, None, None)):
        played = [release(replace(_errors(share), seed=1000 * number)) for number in range(repeat)]
        _expect(played, 10)
        where = f"errors, first step {share:g} %:"
        exposed = [one.canary["last"] - one.canary["first"] for one in played]
        yield Figure(name=f"{where} first to last canary request, s", values=exposed, bar=seconds, worst=True)
        hurt = [float(one.canary["failed"]) for one in played]
        yield Figure(name=f"{where} failed requests on the canary", values=hurt, bar=failed, worst=True)


def reaction(repeat: int) -> Iterator[Figure]:
    """From the reading that condemns to the acknowledged patch, and to the last request that began on the canary."""
    for noise in (0.0, 20.0):
        played = [release(_errors(25.0), noise=noise) for _ in range(repeat)]
        _expect(played, 10)
        where = f"reaction{' while the status is written 20 times a second' if noise else ''}:"
        found = [_reaction(one) for one in played]
        yield Figure(name=f"{where} reading to acknowledged patch, ms", values=[a for a, _ in found], bar=50.0)
        yield Figure(name=f"{where} reading to last canary request, ms", values=[b for _, b in found], bar=400.0)


def _reaction(one: Release) -> tuple[float, float]:
    written = next(each for each in one.events if each.get("name") == "ShareWritten" and float(each["share"]) == 0)
    condemning = [each for each in one.events if each["kind"] == "look" and each["at"] <= written["at"]][-1]
    return (written["at"] - condemning["at"]) * 1000, (one.canary["last"] - condemning["at"]) * 1000


def start(repeat: int) -> Iterator[Figure]:
    """How long a person waits for --help, and a Job for its first call."""
    canary = Path(sys.executable).with_name("canary")
    times = [_seconds([str(canary), "--help"]) for _ in range(max(repeat, 5))]
    bare = [_seconds([sys.executable, "-c", "pass"]) for _ in range(max(repeat, 5))]
    yield Figure(name="canary --help, s", values=times, bar=0.3)
    yield Figure(name="canary --help, times a bare Python", values=[one / min(bare) for one in times])
    played = [release(_errors(25.0)) for _ in range(repeat)]
    _expect(played, 10)
    first = [one.requests[0]["at"] - one.spawned for one in played]
    yield Figure(name="canary run: process start to first API call, s", values=first, bar=1.0)
    most = [max(one.resident) for one in played]
    yield Figure(name="canary run: resident memory at most, MiB", values=most, bar=110.0, worst=True)
    rates = [60 * len(one.requests) / (one.requests[-1]["at"] - one.requests[0]["at"]) for one in played]
    yield Figure(name="canary run: API requests a minute, a short release from start to end", values=rates)
    yield Figure(name="scipy.stats imported by canary run (1 is yes)", values=[_imports_stats()], bar=0.5)


def _imports_stats() -> float:
    used = "canary.cli.main canary.cli.wiring canary.engine.engine analysis.judge analysis.sources.scrape"
    code = f"import sys, importlib; [importlib.import_module(name) for name in {used.split()!r}]; "
    code += "sys.exit('scipy.stats' in sys.modules)"
    return float(subprocess.run([sys.executable, "-c", code], check=False).returncode)  # noqa: S603 - our own


def _seconds(command: list[str]) -> float:
    began = time.perf_counter()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)  # noqa: S603 - our own command
    return time.perf_counter() - began


def memory(_: int) -> Iterator[Figure]:
    """3,600 looks of a release that holds one step."""
    long = replace(SCENARIOS["good"], steps=((50, "900s", "905s"),), every="250ms", rate=50.0)
    # A longer deadline would make looks rarer: a release takes 4,000 at most.
    one = release(long, file=lambda text: text.replace("deadline: 4m", "deadline: 15m40s"))
    _expect([one], 0)
    looks = sum(each["kind"] == "look" for each in one.events)
    early, late = one.resident[60:120], one.resident[-120:-60]
    yield Figure(name="memory: looks taken", values=[float(looks)])
    yield Figure(name="memory: resident at most, MiB", values=[max(one.resident)], bar=110.0)
    growth = sum(late) / len(late) - sum(early) / len(early)
    yield Figure(name="memory: growth from the second minute to the last, MiB", values=[growth], bar=1.0)


def setup(_: int) -> Iterator[Figure]:
    """`make demo` on a clean clone with a warm package cache: seconds, and bytes of the packages it installs."""
    with tempfile.TemporaryDirectory() as folder:
        clone = Path(folder) / "clone"
        subprocess.run(["git", "clone", "-q", str(HERE), str(clone)], check=True)  # noqa: S603, S607 - our own
        began = time.perf_counter()
        subprocess.run(["make", "-s", "demo"], cwd=clone, check=True, stdout=subprocess.DEVNULL)  # noqa: S607
        took = time.perf_counter() - began
        yield Figure(name="setup: make demo from nothing to the account, s", values=[took], bar=90.0)
        wheels = Path(folder) / "wheels"
        pip = [sys.executable, "-m", "pip", "download", "-q", "--no-deps", "--dest", str(wheels)]
        for lock in ("requirements.lock", ".ci/build.lock"):
            subprocess.run([*pip, "-r", str(clone / lock)], check=True)  # noqa: S603 - our own command
        size = sum(path.stat().st_size for path in wheels.iterdir()) / 1e6
        yield Figure(name="setup: packages downloaded, MB", values=[size], bar=200.0)
        shutil.rmtree(wheels)


def judge(repeat: int) -> Iterator[Figure]:
    """The judge alone, in seconds of one core: many runs from a file together, and one look of a live release."""
    runs = _runs(1_000, 600)
    per_look, fastest = [], []
    for _ in range(repeat):
        began = time.process_time()
        results = list(judge_runs(runs, Question()))
        took, looks = time.process_time() - began, sum(result.looks for result in results)
        per_look.append(took / looks * 1e6)
        fastest.append(looks / took)
    yield Figure(name="judge: canary judge, 1,000 runs of 600 looks once read, µs a look", values=per_look, bar=10.0)
    yield Figure(name="judge: canary judge, the same as looks a second", values=fastest)
    took_each = [_observing(150) for _ in range(repeat)]
    yield Figure(name="judge: one look, three metrics, twelve latency bounds, ms", values=took_each, bar=1.0)


def _runs(number: int, looks: int) -> list[Run]:
    """Runs of 100 requests a look, 10 % of them on a canary that is as good as stable."""
    chance = np.random.default_rng(1)
    found = []
    for name in range(number):
        arms = [np.stack([n, chance.binomial(n, 0.005)], axis=1) for n in (np.full(looks, 900), np.full(looks, 100))]
        table = np.stack(arms, axis=1).astype(float)
        times = np.arange(0.0, 5.0 * looks, 5.0)
        run = Run(name=str(name), times=times, steps=None, counts={"errors": table}, buckets={})
        found.append(run)
    return found


def _observing(looks: int) -> float:
    """Median milliseconds of one `observe`, once latency's bounds are chosen."""
    chance = np.random.default_rng(1)
    bounds = np.append(np.geomspace(0.005, 5.0, 12), np.inf)
    metrics = (
        MetricConfig(name="errors", kind="errors", relative=0.5, absolute=0.002),
        MetricConfig(name="latency", kind="latency", relative=0.2, absolute=0.002),
        MetricConfig(name="checkout", kind="counts", relative=0.5, absolute=0.002),
    )
    config = JudgeConfig(metrics=metrics)
    state, took = begin_step(config, started(config), share=10.0, last_share=50.0), []
    for look in range(looks):
        counts: dict[str, dict[Arm, Counts]] = {metric.name: {} for metric in metrics}
        for arm, n in ((Arm.STABLE, 900), (Arm.CANARY, 100)):
            within = (0.1 * np.exp(chance.normal(0, 1.2, n))[:, None] <= bounds).sum(axis=0).tolist()
            counts["latency"][arm] = Counts(total=n, buckets=tuple(zip(bounds.tolist(), within, strict=True)))
            for name in ("errors", "checkout"):
                counts[name][arm] = Counts(total=n, bad=int(chance.binomial(n, 0.005)))
        seen = Look(start=5.0 * look, end=5.0 * look + 5.0, counts=counts)
        began = time.process_time()
        state, _ = observe(config, state, seen)
        took.append((time.process_time() - began) * 1000)
    return statistics.median(took[len(took) // 3 :])


def _expect(played: list[Release], code: int) -> None:
    wrong = [one.code for one in played if one.code != code]
    if wrong:
        raise SystemExit(f"a release ended with {wrong[0]} where {code} was expected: its figures mean nothing")


PARTS: dict[str, Callable[[int], Iterator[Figure]]] = {
    "start": start,
    "errors": errors,
    "reaction": reaction,
    "judge": judge,
    "memory": memory,
    "setup": setup,
    "watchdog": watchdog,
    "submit": submitting,
}
