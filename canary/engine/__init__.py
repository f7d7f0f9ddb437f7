"""The thin shell around the machine: one thread decides and does the critical writes, workers do the rest.

What belongs here: carrying out effects through the ports, turning what is observed into events, the journal, the
record, the lease, pacing. What does not: decisions about the release (`canary.core`), how a call to Kubernetes or
Prometheus is made (`canary.adapters`, `analysis.sources`), what people see (`canary.report`).
"""
