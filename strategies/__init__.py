"""How much traffic, where, when: plans of steps, and the pure surgery on route objects.

Objects in, JSON Patches out; there is no input or output here at all. What does not belong here: metrics,
verdicts, Kubernetes clients. This package knows neither `analysis` nor `canary`.
"""
