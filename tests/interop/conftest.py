"""Our IdP as a server of its own, and the SP programs that people run, on hosts of their own."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.common import mellon, shibboleth
from tests.common.interop import Started, Visitor, World, running_world
from tests.common.sp_sites import RealSP

PROGRAMS = {"mellon": "127.0.0.2", "shibboleth": "127.0.0.3"}


@pytest.fixture(scope="session")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """The running IdP; a defect that it logs fails the run."""
    with running_world(tmp_path_factory.mktemp("idp")) as world:
        yield world
        assert world.defects() == []


def _started(program: RealSP, world: World, folder: Path) -> Started:
    world.register(program, folder)
    return Started(program, program.complaints())


@pytest.fixture(scope="session")
def started_mellon(world: World, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Started]:
    """mod_auth_mellon with every site."""
    metadata = world.services.metadata.document()
    with mellon.running(metadata, PROGRAMS["mellon"]) as program:
        yield _started(program, world, tmp_path_factory.mktemp("mellon"))


@pytest.fixture(scope="session")
def started_shibboleth(world: World, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Started]:
    """Shibboleth SP with every site."""
    certificate = world.services.signer.certificates()[0]
    with shibboleth.running(world.entity_id, certificate, PROGRAMS["shibboleth"]) as program:
        yield _started(program, world, tmp_path_factory.mktemp("shibboleth"))


@pytest.fixture(params=list(PROGRAMS))
def started(request: pytest.FixtureRequest) -> Started:
    """One program after the other."""
    found: Started = request.getfixturevalue(f"started_{request.param}")
    return found


@pytest.fixture
def sp(started: Started) -> Iterator[RealSP]:
    """One program after the other; what it complains of and the test did not take is a failure."""
    started.program.complaints()
    yield started.program
    assert started.program.complaints() == []


@pytest.fixture
def visitor(world: World) -> Visitor:
    """A fresh browser."""
    return Visitor(world)


@pytest.fixture
def another_visitor(world: World) -> Visitor:
    """Another fresh browser."""
    return Visitor(world)
