"""Databases that may be broken: no test of another folder shares them."""

from collections.abc import Iterator

import pytest

from tests.common import postgres
from tests.common.postgres import Postgres
from tests.resilience.cluster import Cluster, prepared

DATABASE = "resilience"


@pytest.fixture(scope="session")
def own_postgres() -> Iterator[Postgres]:
    """A PostgreSQL that keeps what it committed when it is killed."""
    server = postgres.start(synchronous_commit="on")
    yield server
    postgres.stop(server)


@pytest.fixture(scope="session")
def cluster(own_postgres: Postgres, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """An installation on it; its nodes are started by who needs them."""
    url = own_postgres.create(DATABASE)
    with prepared(tmp_path_factory.mktemp("cluster"), url) as cluster:
        yield cluster
