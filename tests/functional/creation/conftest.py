"""*Créer un utilisateur*, on a database that is made once for each module."""

from collections.abc import Iterator

import pytest
from webtest import TestApp

from directory.services import DirectoryServices
from idp.services import Services
from tests.common.databases import Databases
from tests.functional import create_scene
from tests.functional.aia_realm import Realm


@pytest.fixture(scope="module")
def realm(databases: Databases, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Realm]:
    """Made once: each test starts from it."""
    with create_scene.realm(databases, tmp_path_factory.mktemp("create")) as made:
        yield made


@pytest.fixture
def app(realm: Realm) -> TestApp:
    """The référent of A in front of a browser, inside the AIA."""
    realm.put_back("start")
    return realm.app


@pytest.fixture
def token(app: TestApp) -> str:
    """His CSRF token."""
    return str(app.cookies["convergences-csrf"])


@pytest.fixture
def services(realm: Realm) -> Services:
    return realm.services


@pytest.fixture
def directory(realm: Realm) -> DirectoryServices:
    return realm.directory
