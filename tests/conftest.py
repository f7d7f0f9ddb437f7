"""What all tests share: those that need a sandbox of their own are spread evenly over the run.

They mostly wait, and only a few may run at a time (`tests.sandbox.conftest.alone`): one after another at the end, the
workers would wait for each other.

And each carries planted secrets, which must be nowhere in what it writes (`tests.planted`).
"""

from collections.abc import Iterator

import hypothesis
import pytest

from tests import planted
from tests.cluster import lacking

hypothesis.settings.register_profile("no-stopwatch", deadline=None)  # a busy machine is no bug
if hypothesis.settings.get_current_profile_name() == "default":  # the mutation run has one of its own
    hypothesis.settings.load_profile("no-stopwatch")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    rare = [item for item in items if _sandboxed(item)]
    rest = [item for item in items if not _sandboxed(item)]
    if not rare or not rest:
        return
    every = -(-len(rest) // len(rare))
    items[:] = [item for place, one in enumerate(rare) for item in (one, *rest[place * every : (place + 1) * every])]


def _sandboxed(item: pytest.Item) -> bool:
    return "alone" in getattr(item, "fixturenames", ())


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--cluster",
        metavar="CONTEXT",
        help="run tests/cluster against the cluster of the current kubeconfig context, which must be this one",
    )


def pytest_configure(config: pytest.Config) -> None:
    planted.begin()
    config.pluginmanager.register(lacking)


@pytest.fixture(scope="session", autouse=True)
def _shared_folders() -> Iterator[None]:
    """Made first and torn down last: what tests shared is looked through when nothing writes there any more."""
    yield
    planted.search_rest()


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_teardown(item: pytest.Item) -> Iterator[None]:
    """While its folder and its worlds are still there; they are torn down whatever was found."""
    try:
        planted.search_test(item)
    finally:
        yield
