"""The engine's ports, made real: `kubernetes` for clusters, `memory` for tests and simulation.

Adapters translate and never decide: an `if` about the release belongs in the machine. What does not belong here:
the ports themselves (`canary.ports`), sources of counters (`analysis.sources`), what people see (`canary.report`).
"""
