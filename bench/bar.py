"""A figure with its bar, and the machine it was measured on."""

from __future__ import annotations

import os
import platform
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """One thing measured.

    Attributes:
        name: what it is, with its unit.
        values: one for each run.
        bar: what the median (or, with `worst`, the maximum) must stay below; None for a figure without a promise.
        worst: whether the bar holds for every run.
    """

    name: str
    values: Sequence[float]
    bar: float | None = None
    worst: bool = False

    @property
    def decisive(self) -> float:
        """The value that is held against the bar."""
        return max(self.values) if self.worst else statistics.median(self.values)

    @property
    def missed(self) -> bool:
        """Whether the bar was missed."""
        return self.bar is not None and not self.decisive < self.bar


def show(figure: Figure) -> str:
    """The figure in one line."""
    low, middle, high = min(figure.values), statistics.median(figure.values), max(figure.values)
    line = f"{figure.name:<78} min {low:9.2f}  median {middle:9.2f}  max {high:9.2f}  of {len(figure.values)}"
    if figure.bar is None:
        return line
    which = "max" if figure.worst else "median"
    return f"{line}  bar: {which} < {figure.bar:g}  {'MISSED' if figure.missed else 'held'}"


def machine() -> str:
    """The machine, in one line."""
    model = platform.processor() or platform.machine()
    info = Path("/proc/cpuinfo")
    if info.exists():
        names = [line.partition(":")[2].strip() for line in info.read_text().splitlines() if "model name" in line]
        model = names[0] if names else model
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return (
        f"# {model}, {len(os.sched_getaffinity(0))} of {os.cpu_count()} cores, {memory:.0f} GiB, "
        f"Python {platform.python_version()}, {platform.system()} {platform.release()}; load {os.getloadavg()[0]:.1f}"
    )
