"""The pure core: what a release is, what can happen to it, and what is done about it.

Functions of values only. No clock, no chance, no network, no file: time comes in with each event.
What does not belong here: Kubernetes, Prometheus, threads, terminals.
"""
