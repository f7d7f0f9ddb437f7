"""The ports in memory, on one small world: for the engine's tests and for simulations in virtual time.

There is no thread, no waiting and no chance in here. Watches call back synchronously on every write, time moves
only when it is told to, and any call can be made to fail before or after it took effect.
"""

from canary.adapters.memory.people import MemoryPreflights, MemoryReporters, ScriptedSources
from canary.adapters.memory.routes import MemoryRoutes
from canary.adapters.memory.stores import MemoryFleets, MemoryGates, MemoryJournals, MemoryLeases, MemoryRecords
from canary.adapters.memory.workload import MemoryLeftovers, MemoryWorkloads
from canary.adapters.memory.world import Fault, Faults, ManualClock, World

__all__ = [
    "Fault",
    "Faults",
    "ManualClock",
    "MemoryFleets",
    "MemoryGates",
    "MemoryJournals",
    "MemoryLeases",
    "MemoryLeftovers",
    "MemoryPreflights",
    "MemoryRecords",
    "MemoryReporters",
    "MemoryRoutes",
    "MemoryWorkloads",
    "ScriptedSources",
    "World",
]
