"""Pods and started requests, from labels and counters of the application behind the gateway."""

from __future__ import annotations

from analysis.model import Arm, Look, Pod
from analysis.packs import Feed
from analysis.sources import Key, Reading, Role, Window
from analysis.sources.read import Classifier

FEEDS = tuple(
    Feed(family="requests_total", where=(("service", arm), *more), key=Key("errors", arm, role), pod="pod", node="node")
    for arm in Arm
    for role, more in ((Role.TOTAL, ()), (Role.BAD, (("code", "5.."),)))
) + tuple(Feed(family="started_total", where=(("service", arm),), key=Key("errors", arm, Role.STARTED)) for arm in Arm)


def reading(at: float, counters: dict[tuple[str, str, str], float], started: dict[str, float]) -> Reading:
    """Counters by (arm, pod, code)."""
    classifier, samples = Classifier(FEEDS), []
    for (arm, pod, code), value in counters.items():
        labels = {"service": arm, "pod": pod, "node": f"n-{pod}", "code": code}
        samples += classifier.samples("requests_total", labels, [(at, value)])
    for arm, value in started.items():
        samples += classifier.samples("started_total", {"service": arm}, [(at, value)])
    return Reading(at=at, samples=tuple(samples))


def looked(window: Window, *readings: Reading) -> Look:
    result = [window.advance(one) for one in readings][-1]
    assert isinstance(result, Look)
    return result


def test_each_pod_is_counted_for_itself_and_the_arm_as_a_whole() -> None:
    window = Window(metrics={"errors": False}, every=5.0)
    first = {("stable", "s1", "200"): 100.0, ("canary", "c1", "200"): 10.0, ("canary", "c2", "200"): 10.0}
    second = {
        ("stable", "s1", "200"): 150.0,
        ("canary", "c1", "200"): 20.0,
        ("canary", "c2", "200"): 12.0,
        ("canary", "c2", "503"): 7.0,
    }
    started = ({"stable": 100.0, "canary": 20.0}, {"stable": 151.0, "canary": 60.0})
    look = looked(window, reading(0.0, first, started[0]), reading(5.0, second, started[1]))
    canary, stable = look.counts["errors"][Arm.CANARY], look.counts["errors"][Arm.STABLE]
    assert (canary.total, canary.bad, canary.started) == (19, 7, 40)
    assert canary.pods == (Pod("c1", "n-c1", 10, 0), Pod("c2", "n-c2", 9, 7))
    assert (stable.total, stable.started, stable.pods) == (50, 51, (Pod("s1", "n-s1", 50, 0),))
    later = {key: value + 1 for key, value in second.items()}
    again = looked(window, reading(10.0, later, started[1]))
    assert again.counts["errors"][Arm.CANARY].pods == (Pod("c1", "n-c1", 1, 0), Pod("c2", "n-c2", 2, 1))


def test_a_source_that_tells_neither_says_so() -> None:
    window = Window(metrics={"errors": False}, every=5.0)
    feeds = tuple(
        Feed(family="requests_total", where=(("service", arm),), key=Key("errors", arm, Role.TOTAL)) for arm in Arm
    )
    classifier, readings = Classifier(feeds), []
    for at in (0.0, 5.0):
        samples = [
            one
            for arm in Arm
            for one in classifier.samples("requests_total", {"service": arm, "pod": "proxy-1"}, [(at, 10.0 + at)])
        ]
        readings.append(Reading(at=at, samples=tuple(samples)))
    counts = looked(window, *readings).counts["errors"][Arm.CANARY]
    assert (counts.total, counts.started, counts.pods) == (5, None, ())
