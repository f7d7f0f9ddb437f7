"""What all tests share: those that need a sandbox of their own come first.

They mostly wait, and only one may run at a time. At the front of the first worker's share they run one after another
while the other worker does everything else; at the end both workers would wait for each other.
"""

import pytest

SANDBOXED = ("tests/sandbox/", "tests/kill/")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    items.sort(key=lambda item: not item.nodeid.startswith(SANDBOXED))
