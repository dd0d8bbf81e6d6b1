"""Responses: canonical, signed, encrypted, and holding exactly what the draft says."""

from base64 import b64encode
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import xmlsec
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, load_pem_private_key
from cryptography.x509 import load_pem_x509_certificate
from lxml import etree

from idp.errors import (
    AuthnFailed,
    InvalidNameIDPolicy,
    NoAuthnContext,
    NoPassive,
    RequestDenied,
    RequestUnsupported,
    StatusError,
    UnknownPrincipal,
    UnusableServiceProvider,
)
from idp.messages import AcceptedRequest
from idp.saml import names
from idp.saml.assertion import ResponseDraft, build_response, build_status_response
from idp.saml.bindings import encode_post
from idp.saml.signature import sign_canonical
from idp.saml.xml import canonicalize, parse
from idp.types import (
    AuthnContext,
    Encrypt,
    NameFormat,
    NameID,
    NameIDFormat,
    ReleasedAttribute,
    ReleasedIdentity,
    ServiceProvider,
    Sign,
)
from tests.common.fake_sp import NS, FakeSP, Received, status_of, verify

NOW = datetime(2026, 11, 20, 9, 0, tzinfo=UTC)
IDP = "http://localhost:6543/saml/metadata"
SP = FakeSP("plain")
SECRETIVE = FakeSP("secretive", encrypts=True)
ACCEPTED = AcceptedRequest(SP.entity_id, SP.acs, NOW, message_id="_req")
DRAFT = ResponseDraft(
    issuer=IDP,
    response_id="_r",
    assertion_id="_a",
    session_index="_s",
    now=NOW,
    authn_instant=NOW - timedelta(minutes=2),
    authn_context=AuthnContext.PASSWORD_PROTECTED_TRANSPORT,
    session_not_on_or_after=NOW + timedelta(hours=10),
    identity=ReleasedIdentity(
        NameID("lea@vitry.example", NameIDFormat.EMAIL_ADDRESS),
        (
            ReleasedAttribute("sn", NameFormat.BASIC, ("Noël & <Cie>",)),
            ReleasedAttribute("role", NameFormat.BASIC, ("gest", "gest", "é"), "rôle"),
        ),
    ),
)


class Signer:
    """The committed test key, as an ``ISigner``."""

    def __init__(self, folder: Path) -> None:
        key = load_pem_private_key((folder / "idp.pem").read_bytes(), None)
        assert isinstance(key, RSAPrivateKey)
        self.key = key
        pem = (folder / "idp.crt").read_bytes()
        self.certificate = load_pem_x509_certificate(pem).public_bytes(Encoding.DER)

    def sign_element(self, canonical: str, element_id: str) -> str:
        certificate = b64encode(self.certificate).decode()
        return sign_canonical(canonical, element_id, self.key, certificate)

    def certificates(self) -> tuple[bytes, ...]:
        return (self.certificate,)


@pytest.fixture
def signer(keys_folder: Path) -> Signer:
    return Signer(keys_folder)


def provider(sp: FakeSP = SP, **changes: object) -> ServiceProvider:
    certificates = (sp.certificate,) if sp.encrypts else ()
    made = ServiceProvider(sp.entity_id, "SP", (), encryption_certificates=certificates)
    return replace(made, **changes)


def consume(response: str, signer: Signer, sp: FakeSP = SP, **options: bool) -> Received:
    """What the SP of the tests makes of a Response, once in a page."""
    sp.seen_assertions.clear()
    page = f'<form action="{sp.acs}"><input name="SAMLResponse" value="{encode_post(response)}">'
    return sp.consume(
        page,
        idp_certificate=signer.certificate,
        idp_entity_id=IDP,
        now=NOW,
        request_id="_req",
        **options,
    )


@pytest.mark.parametrize("sign", Sign)
def test_a_response_is_canonical_and_signed_as_the_registration_says(
    sign: Sign, signer: Signer
) -> None:
    response = build_response(ACCEPTED, provider(sign=sign), DRAFT, signer)
    assert canonicalize(parse(response.encode())).decode() == response
    received = consume(
        response,
        signer,
        response_signed=sign is not Sign.ASSERTION,
        assertion_signed=sign is not Sign.RESPONSE,
    )
    signatures = etree.fromstring(response).iter(f"{{{NS['ds']}}}Signature")
    assert len(list(signatures)) == (2 if sign is Sign.BOTH else 1)
    assert received.attributes == {"sn": ["Noël & <Cie>"], "role": ["gest", "gest", "é"]}
    assert (received.name_id, received.name_id_format) == (
        "lea@vitry.example",
        NameIDFormat.EMAIL_ADDRESS,
    )
    assert received.session_index == "_s"
    assert received.authn_instant == NOW - timedelta(minutes=2)


def test_times_are_those_of_the_profile(signer: Signer) -> None:
    assertion = consume(build_response(ACCEPTED, provider(), DRAFT, signer), signer).xml
    conditions = assertion.find("saml:Conditions", NS)
    data = assertion.find(".//saml:SubjectConfirmationData", NS)
    statement = assertion.find("saml:AuthnStatement", NS)
    assert conditions.get("NotBefore") == "2026-11-20T08:57:00Z"
    assert conditions.get("NotOnOrAfter") == data.get("NotOnOrAfter") == "2026-11-20T09:05:00Z"
    assert statement.get("SessionNotOnOrAfter") == "2026-11-20T19:00:00Z"


def test_without_attributes_there_is_no_attribute_statement(signer: Signer) -> None:
    draft = replace(DRAFT, identity=ReleasedIdentity(DRAFT.identity.name_id, ()))
    received = consume(build_response(ACCEPTED, provider(), draft, signer), signer)
    assert received.xml.find("saml:AttributeStatement", NS) is None


def test_an_idp_initiated_response_answers_no_request(signer: Signer) -> None:
    accepted = replace(ACCEPTED, message_id=None)
    response = etree.fromstring(build_response(accepted, provider(), DRAFT, signer))
    assert response.get("InResponseTo") is None
    assert response.find(".//saml:SubjectConfirmationData", NS).get("InResponseTo") is None


@pytest.mark.parametrize(
    ("methods", "used"),
    [
        ((), names.AES256_GCM),
        ((names.AES128_GCM,), names.AES128_GCM),
        ((names.RSA_OAEP_MGF1P, names.AES128_CBC), names.AES128_CBC),
        ((names.AES256_CBC, names.AES128_GCM, names.AES256_GCM), names.AES128_GCM),
        (("urn:unknown",), names.AES256_GCM),
    ],
)
def test_an_encrypted_assertion_is_read_by_the_sp_alone(
    methods: tuple[str, ...], used: str, signer: Signer
) -> None:
    accepted = replace(ACCEPTED, entity_id=SECRETIVE.entity_id, acs=SECRETIVE.acs)
    sp = provider(SECRETIVE, encryption_methods=methods)
    response = build_response(accepted, sp, DRAFT, signer)
    assert "Noël" not in response
    assert "lea@vitry.example" not in response
    method = etree.fromstring(response).find(".//xenc:EncryptedData/xenc:EncryptionMethod", NS)
    assert method.get("Algorithm") == used
    verify(etree.fromstring(response), signer.certificate)
    assert consume(response, signer, SECRETIVE).attributes["role"] == ["gest", "gest", "é"]


def test_encryption_follows_the_registration(signer: Signer) -> None:
    plain = build_response(ACCEPTED, provider(SECRETIVE, encrypt=Encrypt.NEVER), DRAFT, signer)
    assert "lea@vitry.example" in plain
    with pytest.raises(UnusableServiceProvider):
        build_response(ACCEPTED, provider(encrypt=Encrypt.ALWAYS), DRAFT, signer)


def test_another_key_cannot_read_an_encrypted_assertion(signer: Signer) -> None:
    response = build_response(ACCEPTED, provider(SECRETIVE), DRAFT, signer)
    with pytest.raises(xmlsec.Error):
        SP._assertion(etree.fromstring(response))


STATUSES = {
    NoPassive: ("Responder", "NoPassive"),
    NoAuthnContext: ("Responder", "NoAuthnContext"),
    InvalidNameIDPolicy: ("Requester", "InvalidNameIDPolicy"),
    UnknownPrincipal: ("Responder", "UnknownPrincipal"),
    AuthnFailed: ("Responder", "AuthnFailed"),
    RequestDenied: ("Responder", "RequestDenied"),
    RequestUnsupported: ("Responder", "RequestUnsupported"),
}


def test_every_kind_of_status_is_here() -> None:
    assert set(StatusError.__subclasses__()) == set(STATUSES)


@pytest.mark.parametrize("kind", STATUSES)
def test_a_status_response_says_why_carries_no_assertion_and_is_signed(
    kind: type[StatusError], signer: Signer
) -> None:
    error = kind("lea@vitry.example, for the log alone")
    response = build_status_response(
        ACCEPTED, error, issuer=IDP, response_id="_r", now=NOW, signer=signer
    )
    assert canonicalize(parse(response.encode())).decode() == response
    root = etree.fromstring(response)
    verify(root, signer.certificate)
    assert status_of(root) == STATUSES[kind]
    names_of = [etree.QName(node).localname for node in root.find("samlp:Status", NS)]
    assert names_of == ["StatusCode", "StatusMessage"], "the schema's order"
    message = root.findtext("samlp:Status/samlp:StatusMessage", namespaces=NS)
    assert message == kind.status_message
    assert message.isascii()
    assert message[-1] == "."
    assert len(message) > 25
    assert "lea" not in response
    assert root.find(".//saml:Assertion", NS) is None
    assert root.get("InResponseTo") == "_req"
    assert root.get("Destination") == SP.acs
