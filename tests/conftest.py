"""What all tests share: those that need a sandbox of their own are spread evenly over the run.

They mostly wait, and only a few may run at a time (`tests.sandbox.conftest.alone`): one after another at the end, the
workers would wait for each other.
"""

import pytest

SANDBOXED = ("tests/sandbox/", "tests/kill/", "tests/charts/test_in_the_sandbox")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    rare = [item for item in items if item.nodeid.startswith(SANDBOXED)]
    rest = [item for item in items if not item.nodeid.startswith(SANDBOXED)]
    if not rare or not rest:
        return
    every = -(-len(rest) // len(rare))
    items[:] = [item for place, one in enumerate(rare) for item in (one, *rest[place * every : (place + 1) * every])]
