"""Subject identifiers with pysaml2's client: it reads what our metadata and assertions say."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime

import pytest
from saml2 import BINDING_HTTP_POST, BINDING_HTTP_REDIRECT
from saml2.client import Saml2Client
from saml2.config import SPConfig
from webtest import TestApp

from idp.services import Services
from idp.types import NameIDFormat, SubjectIdReq
from metadata.options import Choice
from metadata.registry import Registry
from tests.common.clock import FakeClock
from tests.common.memory_directory import MemoryDirectory
from tests.common.needy_sp import NeedySP
from tests.functional.conftest import PASSWORD, Visitor
from views.demo.crypto import InProcess
from views.demo.federation import PublishedCertificates

SP = "https://pysaml2.example/metadata"
SN, MAIL, PHONE = (f"urn:oid:{oid}" for oid in ("2.5.4.4", "0.9.2342.19200300.100.1.3", "2.5.4.20"))
AGENT = "agent@demo.example"


@pytest.fixture
def directory_plugin() -> str:
    return "tests.common.memory_directory.build"


@pytest.fixture
def clock() -> FakeClock:
    """pysaml2 asks the machine for the time."""
    return FakeClock(datetime.now(UTC))


@dataclass
class Scene:
    """pysaml2's client, registered, and an agent."""

    client: Saml2Client
    visitor: Visitor
    subject_id: str

    def read(self, **options: str) -> tuple[str, dict[str, list[str]]]:
        """A sign-on: the NameID's format and the attributes by the client's own short names."""
        message_id, info = self.client.prepare_for_authenticate(
            binding=BINDING_HTTP_REDIRECT, sign=False, **options
        )
        self.visitor.app.reset()
        url = dict(info["headers"])["Location"].removeprefix("http://localhost:6543")
        page = self.visitor.follow(self.visitor.app.get(url, status="*"))
        form = self.visitor.sign_in("agent", page).forms["remise"]
        response = self.client.parse_authn_request_response(
            dict(form.submit_fields())["SAMLResponse"],
            BINDING_HTTP_POST,
            outstanding={message_id: "/"},
            conv_info={"remote_addr": "127.0.0.1", "entity_id": SP},
        )
        return response.name_id.format, dict(response.ava)


@pytest.fixture
def scene(app: TestApp, services: Services) -> Callable[[SubjectIdReq], Scene]:
    def made(needs: SubjectIdReq) -> Scene:
        sp = NeedySP("pysaml2", needs=needs, requests={1: [SN, MAIL, PHONE]})
        config = SPConfig()
        config.load(
            {
                "entityid": SP,
                "xmlsec_binary": __file__,  # only looked for: its back end is replaced below
                "metadata": {"inline": [services.metadata.document().decode()]},
                "service": {
                    "sp": {
                        "endpoints": {"assertion_consumer_service": [(sp.acs, BINDING_HTTP_POST)]},
                        "want_response_signed": True,
                        "want_assertions_signed": True,
                    }
                },
            }
        )
        client = Saml2Client(config=config)
        client.sec.crypto = InProcess()
        client.sec.metadata = PublishedCertificates(client.metadata)
        directory = services.directory
        assert isinstance(directory, MemoryDirectory)
        directory.add_structure("vitry", "Vitry")
        person = directory.add_account(AGENT, "Léa", "Noël", password=PASSWORD)
        # pysaml2's own writer of metadata starts the xmlsec1 program.
        choice = Choice(rule_set="uri", name_id_format=NameIDFormat.TRANSIENT)
        Registry(services.core).add(sp.metadata(), choice, application="pysaml2")
        directory.add_application("pysaml2", "pysaml2", entity_id=SP)
        directory.add_role("pysaml2", "gest", "Gestionnaire")
        directory.assign(directory.add_membership(person, "vitry"), "pysaml2", "gest")
        return Scene(client, Visitor(app), person)

    return made


def test_pysaml2_reads_the_subject_id_that_its_metadata_ask_for(
    scene: Callable[[SubjectIdReq], Scene],
) -> None:
    asked = scene(SubjectIdReq.SUBJECT_ID)
    name_id_format, attributes = asked.read()
    assert name_id_format == NameIDFormat.TRANSIENT
    assert attributes["subject-id"] == [f"{asked.subject_id}@localhost"]
    assert "pairwise-id" not in attributes
    assert attributes["mail"] == [AGENT]


def test_pysaml2_reads_the_same_pairwise_id_each_time(
    scene: Callable[[SubjectIdReq], Scene],
) -> None:
    asked = scene(SubjectIdReq.ANY)
    first, second = asked.read()[1], asked.read()[1]
    assert first["pairwise-id"] == second["pairwise-id"]
    assert first["pairwise-id"][0].endswith("@localhost")
    assert "subject-id" not in first


def test_an_attribute_consuming_service_that_pysaml2_names_narrows_the_release(
    scene: Callable[[SubjectIdReq], Scene],
) -> None:
    asked = scene(SubjectIdReq.PAIRWISE_ID)
    _, attributes = asked.read(attribute_consuming_service_index="1")
    assert set(attributes) == {"mail", "sn", "pairwise-id"}, "no telephone number: no rule has it"
    assert {"mail", "sn", "givenName", "displayName"} < set(asked.read()[1])


def test_pysaml2_reads_our_scope(services: Services) -> None:
    config = SPConfig().load(
        {
            "entityid": SP,
            "xmlsec_binary": __file__,
            "metadata": {"inline": [services.metadata.document().decode()]},
        }
    )
    entity_id = services.settings.entity_id
    scopes = list(config.metadata.shibmd_scopes(entity_id, "idpsso_descriptor"))
    assert scopes == [{"regexp": False, "text": "localhost"}]
