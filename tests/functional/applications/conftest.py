"""*Applications*, on a database that is made once for each module."""

from collections.abc import Iterator

import pytest

from idp.services import Services
from tests.common.databases import Databases
from tests.functional.applications_scene import Desk, Visit, desk_on


@pytest.fixture(scope="module")
def desk(databases: Databases, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    """Made once: each test starts from it."""
    with desk_on(databases, tmp_path_factory.mktemp("applications")) as made:
        yield made


@pytest.fixture
def visit(desk: Desk) -> Visit:
    """Opens a browser of its own for a person, inside the AIA."""
    desk.realm.put_back("start")
    return desk.visit


@pytest.fixture
def services(desk: Desk) -> Services:
    return desk.realm.services
