"""The release file: its format, its defaults with their reasons, and errors that say where and what would be right.

What belongs here: reading and checking text. What does not: Kubernetes, the route as it is now, anything that must
ask the world; those checks are preflight's. This package imports nothing of `canary` above it.
"""

from canary.spec.load import load, parse
from canary.spec.problems import Problem, ReleaseFileError
from canary.spec.release import Release, normalised
from canary.spec.schema import schema

__all__ = ["Problem", "Release", "ReleaseFileError", "load", "normalised", "parse", "schema"]
