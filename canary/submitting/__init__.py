"""A release as a Kubernetes Job: which one it is, whether to start it, what it looks like, what it has said.

Values in, values out: whoever asks the API server is above. The Job tells of itself in annotations (`changes`), which
the engine writes and everybody else reads.
"""

from canary.submitting.deciding import Attach, Attempt, Create, Decision, Finished, Standing, World, decide
from canary.submitting.identity import SERVICE_LABEL, identity_of, job_name, pinned

__all__ = [
    "SERVICE_LABEL",
    "Attach",
    "Attempt",
    "Create",
    "Decision",
    "Finished",
    "Standing",
    "World",
    "decide",
    "identity_of",
    "job_name",
    "pinned",
]
