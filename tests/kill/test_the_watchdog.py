"""The engine killed for good on a bad canary: the watchdog alone puts the traffic back and cleans up."""

import re
import time

import pytest

from canary.core.outcome import ExitCode
from canary.core.vigil import SILENT
from canary.sandbox.load import newest
from canary.sandbox.manifests import NAMESPACE
from canary.sandbox.processes import Child, module
from tests.kill.stage import FINAL, Round, Stage
from tests.planted import sandboxed

pytestmark = [pytest.mark.real, pytest.mark.timeout(300)]

QUICK = 3.0
"""Seconds instead of 30: the engine is really dead here, and nobody has to be given time."""

BAR = 45.0
"""Seconds from SIGKILL to all traffic on stable, by the watchdog alone and as it is installed."""


@pytest.mark.parametrize("silent", [QUICK, pytest.param(SILENT, marks=pytest.mark.soak)])
def test_an_engine_that_never_comes_back_is_rolled_back_by_the_watchdog_alone(alone: None, silent: float) -> None:
    with sandboxed() as sandbox:
        stage = Stage(sandbox)
        words = ("-n", NAMESPACE, "--kubeconfig", str(sandbox.watchdog()), "--silent", str(silent))
        log = stage.run / "watchdog.log"
        watchdog: Child | None = None
        try:
            before = newest(stage.load) or {"sent": 0, "failed": 0}
            image, last = stage.begin(bad=True)
            engine = stage.engine(image)
            stage.until(lambda: stage.weights().get("shop-canary"), within=60, what="no traffic on the canary")
            engine.process.kill()
            watchdog = Child(module("canary", "watchdog", *words), log=log)  # now: a live engine renews every 10 s
            killed = time.monotonic()
            stage.until(lambda: not stage.weights().get("shop-canary"), within=60, what=f"nobody put it back: {log}")
            took = time.monotonic() - killed
            stage.until(
                lambda: stage.journal().get("uid", last) != last and stage.journal()["phase"] in FINAL,
                within=90,
                what=f"the watchdog did not finish; it said: {log.read_text()}",
            )
            stage.until(lambda: not _holder(stage), within=10, what="the lease is still held")
            after = newest(stage.load)
            done = Round(bad=True, code=stage.journal()["outcome"]["code"], log=log.read_text())
            done.sent, done.failed = after["sent"] - before["sent"], after["failed"] - before["failed"]
            # Some hundred requests a second, a third of a part of them failing for as long as nobody acts.
            stage.check(done, codes={ExitCode.ENGINE_LOST}, failures=done.sent)
            assert re.search(r"because the engine was lost: the lease of \w+ stood unchanged for \d+ s", done.log)
            assert watchdog.code is None, "the watchdog ended with the release"
            assert took < BAR
            print(f"traffic back {took:.1f} s after SIGKILL")
        finally:
            if watchdog is not None:
                watchdog.stop()
            print(log.read_text() if log.exists() else "")
            stage.close()


def _holder(stage: Stage) -> str:
    found = stage.get(f"/apis/coordination.k8s.io/v1/namespaces/{NAMESPACE}/leases/canary-shop")
    return str(found["spec"].get("holderIdentity") or "")
