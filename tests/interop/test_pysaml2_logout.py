"""Single logout with pysaml2's own client: what it asks, and how it answers what we ask."""

import ssl
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest
from lxml import etree, html
from saml2 import BINDING_HTTP_POST, BINDING_HTTP_REDIRECT, BINDING_SOAP
from saml2.client import Saml2Client
from saml2.config import SPConfig
from saml2.response import LogoutResponse
from saml2.saml import NAMEID_FORMAT_PERSISTENT
from saml2.saml import NameID as ClientNameID
from saml2.sigver import import_rsa_key_from_file
from saml2.xmldsig import DIGEST_SHA256, SIG_RSA_SHA256
from webtest import TestApp, TestResponse

from idp.errors import BackChannelFailed
from idp.messages import TaskState
from idp.services import Services
from idp.sessions.tasks import Tasks
from idp.types import AuthnContext, NameID, SpSession, SsoSession, Subject
from metadata.options import Choice
from metadata.registry import Registry
from tests.common.clock import FakeClock
from tests.common.fake_slo import opened, status_of_logout
from tests.common.fake_sp import FakeSP, verify
from views.demo.crypto import InProcess, OwnRedirectSigner
from views.demo.federation import PublishedCertificates

SP, OTHER = "https://pysaml2.example/metadata", "https://other.example/metadata"
SLO = "http://localhost:6543/saml/slo"
LEA = Subject("lea", "lea@b.fr", "Léa", "Martin")
BINDINGS = {"redirect": BINDING_HTTP_REDIRECT, "post": BINDING_HTTP_POST, "soap": BINDING_SOAP}


@pytest.fixture
def clock() -> FakeClock:
    """pysaml2 asks the machine for the time."""
    return FakeClock(datetime.now(UTC))


@dataclass
class Scene:
    """A person with a session at an SP that is pysaml2's client."""

    services: Services
    app: TestApp
    client: Saml2Client
    session: SsoSession
    token: str

    def request(self, destination: str) -> tuple[str, object]:
        """The client's LogoutRequest."""
        name_id = ClientNameID(
            format=NAMEID_FORMAT_PERSISTENT, sp_name_qualifier=SP, text="lea-at-pysaml2"
        )
        made: tuple[str, object] = self.client.create_logout_request(
            destination,
            self.client.metadata.keys()[0],
            name_id=name_id,
            session_indexes=["_index"],
            sign=False,
        )
        return made

    def known(self) -> ClientNameID:
        """The person, as the client remembers him."""
        name_id = ClientNameID(
            format=NAMEID_FORMAT_PERSISTENT, sp_name_qualifier=SP, text="lea-at-pysaml2"
        )
        self.client.users.add_information_about_person(
            {
                "name_id": name_id,
                "issuer": self.client.metadata.keys()[0],
                "ava": {},
                "not_on_or_after": int(self.session.expires_at.timestamp()),
                "session_index": "_index",
            }
        )
        return name_id

    def is_signed_in(self) -> bool:
        return self.services.sessions.find(self.token) is not None

    def told(self) -> str:
        (task,) = [t for t in self.tasks() if t.entity_id == SP]
        return task.state

    def tasks(self) -> tuple[object, ...]:
        return Tasks(self.services.db, self.services.clock).of_logout(1)


def configured(folder: Path, idp: bytes, sp: FakeSP) -> SPConfig:
    (folder / "sp.key").write_bytes(sp.private_key)
    (folder / "sp.crt").write_text(ssl.DER_cert_to_PEM_cert(sp.certificate))
    config = SPConfig()
    config.load(
        {
            "entityid": SP,
            "key_file": str(folder / "sp.key"),
            "cert_file": str(folder / "sp.crt"),
            "xmlsec_binary": __file__,
            "metadata": {"inline": [idp.decode()]},
            "signing_algorithm": SIG_RSA_SHA256,
            "digest_algorithm": DIGEST_SHA256,
            "service": {
                "sp": {
                    "endpoints": {
                        "assertion_consumer_service": [(sp.acs, BINDING_HTTP_POST)],
                        "single_logout_service": [
                            (location, f"urn:oasis:names:tc:SAML:2.0:bindings:{binding}")
                            for binding, location in sp.slo.items()
                        ],
                    },
                    "logout_requests_signed": True,
                    "logout_responses_signed": True,
                }
            },
        }
    )
    return config


@pytest.fixture
def scene_of(services: Services, app: TestApp, tmp_path: Path) -> Callable[..., Scene]:
    """The scene, with an SP that publishes these bindings."""

    def made(binding: str) -> Scene:
        sp = FakeSP("pysaml2", signs=True, slo=(binding.rpartition(":")[2],))
        config = configured(tmp_path, services.metadata.document(), sp)
        client = Saml2Client(config=config)
        client.sec.crypto = InProcess()
        client.sec.metadata = PublishedCertificates(client.metadata)
        client.sec.sec_backend = OwnRedirectSigner(
            import_rsa_key_from_file(str(tmp_path / "sp.key"))
        )
        # pysaml2's own writer of metadata starts the xmlsec1 program.
        Registry(services.core).add(sp.metadata(), Choice(), application="pysaml2")
        token, session = services.sessions.start(
            LEA, AuthnContext.PASSWORD_PROTECTED_TRANSPORT, user_agent="N"
        )
        for entity_id in (SP, OTHER):
            name_id = NameID("lea-at-pysaml2", NAMEID_FORMAT_PERSISTENT, None, entity_id)
            services.sessions.record(
                session,
                SpSession(entity_id, name_id, "_index", session.started_at, session.expires_at),
            )
        return Scene(services, app, client, session, token)

    return made


def carried_by(answer: TestResponse, parameter: str) -> str:
    """What the browser carries to the SP: in the address, or in a form."""
    if answer.status_int == 303:
        return parse_qs(urlsplit(answer.location).query)[parameter][0]
    return str(html.fromstring(answer.text).forms[0].fields[parameter])


@pytest.mark.parametrize("way", ["redirect", "post"])
def test_it_asks_by_the_browser(scene_of: Callable[..., Scene], way: str) -> None:
    scene, binding = scene_of(BINDINGS[way]), BINDINGS[way]
    request_id, request = scene.request(SLO)
    if way == "redirect":
        sent = scene.client.apply_binding(
            binding, str(request), SLO, relay_state="état", sign=True, sigalg=SIG_RSA_SHA256
        )
        query = urlsplit(dict(sent["headers"])["Location"]).query
        answer = scene.app.get(f"/saml/slo?{query}", status=303)
    else:
        signed = scene.client.sign(request, sign_alg=SIG_RSA_SHA256, digest_alg=DIGEST_SHA256)
        sent = scene.client.apply_binding(binding, str(signed), SLO, relay_state="état")
        form = html.fromstring(sent["data"]).forms[0]
        answer = scene.app.post("/saml/slo", dict(form.form_values()), status=303)
    assert not scene.is_signed_in()
    last = answer.follow(status="*")
    response = scene.client.parse_logout_request_response(carried_by(last, "SAMLResponse"), binding)
    assert isinstance(response, LogoutResponse)
    assert response.in_response_to == request_id
    read = etree.fromstring(str(response.response).encode())
    assert status_of_logout(read) == ["Success", "PartialLogout"]


def test_it_asks_by_soap(scene_of: Callable[..., Scene]) -> None:
    scene = scene_of(BINDING_SOAP)
    _, request = scene.request(f"{SLO}/soap")
    signed = scene.client.sign(request, sign_alg=SIG_RSA_SHA256, digest_alg=DIGEST_SHA256)
    sent = scene.client.apply_binding(BINDING_SOAP, str(signed), f"{SLO}/soap")
    answer = scene.app.post("/saml/slo/soap", sent["data"], headers=dict(sent["headers"]))
    assert not scene.is_signed_in()
    response = opened(answer.body)
    verify(response, scene.services.signer.certificates()[0])
    assert status_of_logout(response) == ["Success", "PartialLogout"]


@pytest.mark.parametrize("way", ["redirect", "post"])
def test_it_answers_by_the_browser(scene_of: Callable[..., Scene], way: str) -> None:
    """It signs with SHA-1 unless told otherwise."""
    scene, binding = scene_of(BINDINGS[way]), BINDINGS[way]
    flow = scene.services.sign_out.start(scene.session)
    outgoing = scene.services.sign_out.ask(scene.services.sign_out.find(flow))
    assert outgoing is not None
    query = {name: found[0] for name, found in parse_qs(urlsplit(outgoing.location).query).items()}
    sent = scene.client.handle_logout_request(
        outgoing.value or query["SAMLRequest"],
        scene.known(),
        binding,
        sign=True,
        sign_alg=SIG_RSA_SHA256,
        digest_alg=DIGEST_SHA256,
        sigalg=query.get("SigAlg"),
        signature=query.get("Signature"),
    )
    if way == "redirect":
        carried = urlsplit(dict(sent["headers"])["Location"]).query
        scene.app.get(f"/saml/slo?{carried}", status=303)
    else:
        form = html.fromstring(sent["data"]).forms[0]
        scene.app.post("/saml/slo", dict(form.form_values()), status=303)
    assert scene.told() is TaskState.CLOSED


def test_by_soap_it_cannot_verify_what_others_sign(
    scene_of: Callable[..., Scene], monkeypatch: pytest.MonkeyPatch
) -> None:
    """It writes anew what it takes out of an envelope, with prefixes of its own.

    So it is told by the browser after that, if it can be.
    """
    scene = scene_of(BINDING_SOAP)

    class Direct:
        def post(self, location: str, envelope: bytes) -> bytes:
            assert location == "https://pysaml2.example/slo/SOAP"
            assert b"<samlp:LogoutRequest" in envelope
            assert "<ns0:LogoutRequest" in scene.client.unravel(envelope.decode(), BINDING_SOAP)
            raise BackChannelFailed("what its program would answer")

    monkeypatch.setattr(scene.services.teller, "_back_channel", Direct())
    scene.services.sign_out.start(scene.session)
    assert scene.told() is TaskState.WAITING
