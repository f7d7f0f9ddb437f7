"""One sandbox with load at a time on a machine, whatever runs in parallel."""

from tests.sandbox.conftest import alone

__all__ = ["alone"]
