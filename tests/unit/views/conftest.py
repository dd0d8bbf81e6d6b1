"""The front on the directory that lives in memory: its pages need no SQL of people."""

import pytest
from webtest import TestApp, TestResponse

from idp.services import Services
from metadata.options import Choice
from metadata.registry import Registry
from tests.common.fake_sp import FakeSP
from tests.common.memory_directory import MemoryDirectory

PASSWORD = "les roses du parc 94"
ENTITY_ID = "https://bip.example/metadata"


@pytest.fixture
def directory_plugin() -> str:
    """The memory directory."""
    return "tests.common.memory_directory.build"


@pytest.fixture
def directory(services: Services) -> MemoryDirectory:
    """Two structures, one application, nobody."""
    directory = services.directory
    assert isinstance(directory, MemoryDirectory)
    directory.add_structure("cig-pc", "cig-pc")
    directory.add_structure("rh-a", "Ville <A>", parent="cig-pc")
    directory.add_application(
        "bip", "BIP", entity_id=ENTITY_ID, description="Banque d'informations", icon="bip"
    )
    directory.add_role("bip", "reader", "Lecteur")
    Registry(services.core).add(FakeSP("bip").metadata(), Choice(), application="bip")
    return directory


@pytest.fixture
def agent(directory: MemoryDirectory) -> str:
    """``agent@ville.example``, who reads in BIP; his subject id."""
    subject_id = directory.add_account(
        "agent@ville.example", "Zoé", "D'Été & Fils", password=PASSWORD
    )
    membership = directory.add_membership(subject_id, "rh-a")
    directory.assign(membership, "bip", "reader")
    return subject_id


def sign_in(app: TestApp, login: str, password: str = PASSWORD, flow: str = "") -> TestResponse:
    """Fill the page's form in and send it, whatever comes back."""
    form = app.get("/connexion", {"flow": flow} if flow else None).forms["formulaire"]
    form["login"] = login
    form["password"] = password
    return form.submit(expect_errors=True)
