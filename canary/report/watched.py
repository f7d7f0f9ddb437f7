"""`watch` without a terminal: one line per change of what `status` says."""

from __future__ import annotations

from canary.core.gates import awaited
from canary.core.outcome import MEANING
from canary.core.release import FINAL
from canary.report import words
from canary.report.lines import plain
from canary.report.status import Status, place, shown


def line(seen: Status) -> str:
    """What matters of a status in one line, without anything that moves by itself: no times, no counts."""
    release = seen.release
    head = f"{seen.namespace}/{seen.route}"
    if release is None:
        known = "a release is on it; its journal says nothing" if seen.on_route else "no release"
        return plain("  ".join([head, known, *seen.unknown]))
    parts = [head, release.phase, place(release)]
    if release.phase not in FINAL:
        parts.append(f"share {words.share(release.share)} (in the route {shown(seen.shares)})")
        parts += ["no engine is alive"] if seen.alive is False else []
        parts += ["paused"] if release.paused else []
        parts += [f"waits for {awaited(release)}: {seen.decide}"] if release.gate is not None else []
        parts += [f"judge {release.verdict}"] if release.step >= 0 else []
    if release.outcome is not None:
        parts.append(f"{MEANING[release.outcome.code]} (exit {int(release.outcome.code)}): {release.outcome.reason}")
    return plain("  ".join([*parts, *seen.unknown]))
