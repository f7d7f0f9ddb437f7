"""Worlds of other folders, in which secrets are planted."""

from tests.adapters.conftest import kubeconfig, make_api, say, server
from tests.running.conftest import file, run, source, world
from tests.sources.conftest import feeds, mocked

__all__ = ["feeds", "file", "kubeconfig", "make_api", "mocked", "run", "say", "server", "source", "world"]
