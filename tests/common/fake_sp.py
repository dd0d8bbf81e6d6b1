"""A service provider of the tests: real requests, real verification, nothing of ours inside.

It builds AuthnRequests with lxml, signs and verifies with libxmlsec1, and reads a hand-over page
the way a browser would. Every check that an SP must make is made: what it accepts, an SP accepts.
What it reads validates against the standards' schemas.
"""

import zlib
from base64 import b64decode, b64encode
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cache
from secrets import token_hex
from urllib.parse import quote_plus

import xmlsec
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from lxml import etree, html

from tests.common import schemas

SAML = "urn:oasis:names:tc:SAML:2.0:assertion"
SAMLP = "urn:oasis:names:tc:SAML:2.0:protocol"
DS = "http://www.w3.org/2000/09/xmldsig#"
NS = {
    "saml": SAML,
    "samlp": SAMLP,
    "ds": DS,
    "xenc": "http://www.w3.org/2001/04/xmlenc#",
    "md": "urn:oasis:names:tc:SAML:2.0:metadata",
}
BINDINGS = "urn:oasis:names:tc:SAML:2.0:bindings"
SUCCESS = "urn:oasis:names:tc:SAML:2.0:status:Success"
RSA_SHA256 = "http://www.w3.org/2001/04/xmldsig-more#rsa-sha256"


class Refused(AssertionError):
    """The SP would not accept this Response."""


@dataclass(frozen=True)
class Received:
    """What an accepted Response told the SP."""

    name_id: str
    name_id_format: str
    attributes: dict[str, list[str]]
    session_index: str
    authn_context: str
    authn_instant: datetime
    in_response_to: str | None
    relay_state: str | None
    xml: etree._Element = field(repr=False)


@cache
def key_pair(name: str) -> tuple[bytes, bytes]:
    """A private key (PEM) and its certificate (DER), made once a run."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(datetime(2020, 1, 1, tzinfo=UTC))
        .not_valid_after(datetime(2060, 1, 1, tzinfo=UTC))
        .sign(key, hashes.SHA256())
    )
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    return pem, certificate.public_bytes(Encoding.DER)


class FakeSP:
    """One service provider."""

    def __init__(
        self,
        name: str = "sp",
        *,
        signs: bool = False,
        encrypts: bool = False,
        idp_sso: str = "http://localhost:6543/saml/sso",
        slo: Sequence[str] = (),
    ) -> None:
        """``slo`` are the bindings by which it takes a logout, such as ``HTTP-Redirect``."""
        self.entity_id = f"https://{name}.example/metadata"
        self.acs = f"https://{name}.example/acs"
        self.signs = signs
        self.encrypts = encrypts
        self.idp_sso = idp_sso
        self.slo = {binding: f"https://{name}.example/slo/{binding}" for binding in slo}
        self.private_key, self.certificate = key_pair(name)
        self.seen_assertions: set[str] = set()

    def metadata(self) -> bytes:
        """The SP's EntityDescriptor."""
        certificate = b64encode(self.certificate).decode()
        uses = ["signing"] if self.signs else []
        uses += ["encryption"] if self.encrypts else []
        keys = "".join(
            f'<md:KeyDescriptor use="{use}"><ds:KeyInfo xmlns:ds="{DS}"><ds:X509Data>'
            f"<ds:X509Certificate>{certificate}</ds:X509Certificate></ds:X509Data></ds:KeyInfo>"
            "</md:KeyDescriptor>"
            for use in uses
        )
        services = "".join(
            f'<md:SingleLogoutService Binding="{BINDINGS}:{binding}" Location="{location}"/>'
            for binding, location in self.slo.items()
        )
        return (
            f'<md:EntityDescriptor xmlns:md="{NS["md"]}" entityID="{self.entity_id}">'
            f'<md:SPSSODescriptor protocolSupportEnumeration="{SAMLP}"'
            f' AuthnRequestsSigned="{str(self.signs).lower()}">{keys}{services}'
            '<md:AssertionConsumerService Binding="urn:oasis:names:tc:SAML:2.0:bindings:HTTP-POST"'
            f' Location="{self.acs}" index="0" isDefault="true"/>'
            '<md:AssertionConsumerService Binding="urn:oasis:names:tc:SAML:2.0:bindings:HTTP-POST"'
            f' Location="{self.acs}/other" index="1"/>'
            "</md:SPSSODescriptor></md:EntityDescriptor>"
        ).encode()

    def authn_request(
        self, *children: etree._Element, now: datetime, **attributes: str | None
    ) -> etree._Element:
        """An AuthnRequest; an attribute given as None is left out."""
        values: dict[str, str | None] = {
            "ID": f"_{token_hex(8)}",
            "Version": "2.0",
            "IssueInstant": now.strftime("%Y-%m-%dT%H:%M:%SZ"),
            "Destination": self.idp_sso,
            "AssertionConsumerServiceURL": self.acs,
            **attributes,
        }
        root = etree.Element(f"{{{SAMLP}}}AuthnRequest", nsmap={"samlp": SAMLP, "saml": SAML})
        for name, value in values.items():
            if value is not None:
                root.set(name, value)
        etree.SubElement(root, f"{{{SAML}}}Issuer").text = self.entity_id
        root.extend(children)
        return root

    def redirect_query(
        self, request: etree._Element, relay_state: str | None = None, *, sign: bool | None = None
    ) -> str:
        """The query of a Redirect request, signed when this SP signs."""
        parameter = "SAMLResponse" if request.tag.endswith("Response") else "SAMLRequest"
        compressor = zlib.compressobj(wbits=-15)
        deflated = compressor.compress(etree.tostring(request)) + compressor.flush()
        query = f"{parameter}={quote_plus(b64encode(deflated))}"
        if relay_state is not None:
            query += f"&RelayState={quote_plus(relay_state)}"
        if sign if sign is not None else self.signs:
            query += f"&SigAlg={quote_plus(RSA_SHA256)}"
            context = xmlsec.SignatureContext()
            context.key = xmlsec.Key.from_memory(self.private_key, xmlsec.KeyFormat.PEM)
            signature = context.sign_binary(query.encode(), xmlsec.Transform.RSA_SHA256)
            query += f"&Signature={quote_plus(b64encode(signature))}"
        return query

    def post_form(
        self, request: etree._Element, relay_state: str | None = None, *, sign: bool | None = None
    ) -> dict[str, str]:
        """The form of a POST request, with an enveloped signature when this SP signs."""
        if sign if sign is not None else self.signs:
            self.sign(request)
        parameter = "SAMLResponse" if request.tag.endswith("Response") else "SAMLRequest"
        form = {parameter: b64encode(etree.tostring(request)).decode()}
        if relay_state is not None:
            form["RelayState"] = relay_state
        return form

    def sign(self, request: etree._Element) -> None:
        """Put an enveloped signature after the Issuer. [SAMLCore] 5.4."""
        signature = xmlsec.template.create(
            request, xmlsec.Transform.EXCL_C14N, xmlsec.Transform.RSA_SHA256, ns="ds"
        )
        request.insert(1, signature)
        reference = xmlsec.template.add_reference(
            signature, xmlsec.Transform.SHA256, uri=f"#{request.get('ID')}"
        )
        xmlsec.template.add_transform(reference, xmlsec.Transform.ENVELOPED)
        xmlsec.template.add_transform(reference, xmlsec.Transform.EXCL_C14N)
        xmlsec.tree.add_ids(request, ["ID"])
        context = xmlsec.SignatureContext()
        context.key = xmlsec.Key.from_memory(self.private_key, xmlsec.KeyFormat.PEM)
        context.sign(signature)

    def read_page(self, page: str) -> tuple[str, etree._Element, str | None]:
        """The action, the Response and the RelayState of a hand-over page."""
        form = html.fromstring(page).forms[0]
        fields = dict(form.form_values())
        response = schemas.read(b64decode(fields["SAMLResponse"], validate=True))
        return form.action, response, fields.get("RelayState")

    def consume(
        self,
        page: str,
        *,
        idp_certificate: bytes,
        idp_entity_id: str,
        now: datetime,
        request_id: str | None = None,
        response_signed: bool = True,
        assertion_signed: bool = True,
    ) -> Received:
        """Accept the Response of a hand-over page as a careful SP does. [SAMLProf] 4.1.4.3.

        Raises:
            Refused: any check fails.
        """
        action, response, relay_state = self.read_page(page)
        _require(action == self.acs, "posted elsewhere")
        _require(response.get("Destination") == self.acs, "Destination")
        _require(response.get("InResponseTo") == request_id, "InResponseTo")
        status = response.find("samlp:Status/samlp:StatusCode", NS).get("Value")
        _require(status == SUCCESS, f"status {status}")
        if response_signed:
            verify(response, idp_certificate)
        assertion = self._assertion(response)
        if assertion_signed:
            verify(assertion, idp_certificate)
        else:
            _require(assertion.find("ds:Signature", NS) is None, "assertion signed after all")
        for issuer in (response.find("saml:Issuer", NS), assertion.find("saml:Issuer", NS)):
            _require(issuer is not None and issuer.text == idp_entity_id, "Issuer")
        self._check_conditions(assertion, now, request_id)
        return self._received(assertion, request_id, relay_state)

    def _assertion(self, response: etree._Element) -> etree._Element:
        plain = response.findall("saml:Assertion", NS)
        encrypted = response.findall("saml:EncryptedAssertion", NS)
        _require(len(plain) + len(encrypted) == 1, "not exactly one assertion")
        if plain:
            _require(not self.encrypts, "an encrypted assertion was expected")
            # A document of its own, as it was signed.
            return etree.fromstring(etree.tostring(plain[0], method="c14n", exclusive=True))
        manager = xmlsec.KeysManager()
        manager.add_key(xmlsec.Key.from_memory(self.private_key, xmlsec.KeyFormat.PEM))
        data = encrypted[0].find("xenc:EncryptedData", NS)
        decrypted = xmlsec.EncryptionContext(manager).decrypt(data)
        return schemas.read(etree.tostring(decrypted, method="c14n", exclusive=True))

    def _check_conditions(
        self, assertion: etree._Element, now: datetime, request_id: str | None
    ) -> None:
        audiences = assertion.findall("saml:Conditions/saml:AudienceRestriction/saml:Audience", NS)
        _require([one.text for one in audiences] == [self.entity_id], "Audience")
        conditions = assertion.find("saml:Conditions", NS)
        _require(_time(conditions.get("NotBefore")) <= now, "not valid yet")
        _require(now < _time(conditions.get("NotOnOrAfter")), "no longer valid")
        confirmation = assertion.find("saml:Subject/saml:SubjectConfirmation", NS)
        _require(confirmation.get("Method").endswith(":bearer"), "not bearer")
        data = confirmation.find("saml:SubjectConfirmationData", NS)
        _require(data.get("Recipient") == self.acs, "Recipient")
        _require(data.get("InResponseTo") == request_id, "InResponseTo of the confirmation")
        _require(data.get("NotBefore") is None, "NotBefore in a bearer confirmation")
        end = _time(data.get("NotOnOrAfter"))
        _require(now < end <= now + timedelta(minutes=5, seconds=1), "confirmation's lifetime")
        identifier = assertion.get("ID")
        _require(identifier not in self.seen_assertions, "assertion replayed")
        self.seen_assertions.add(identifier)

    def _received(
        self, assertion: etree._Element, request_id: str | None, relay_state: str | None
    ) -> Received:
        name_id = assertion.find("saml:Subject/saml:NameID", NS)
        statement = assertion.find("saml:AuthnStatement", NS)
        _require(len(assertion.findall("saml:AttributeStatement", NS)) <= 1, "AttributeStatements")
        return Received(
            name_id=name_id.text,
            name_id_format=name_id.get("Format"),
            attributes={
                node.get("Name"): [value.text for value in node]
                for node in assertion.iterfind("saml:AttributeStatement/saml:Attribute", NS)
            },
            session_index=statement.get("SessionIndex"),
            authn_context=statement.find("saml:AuthnContext/saml:AuthnContextClassRef", NS).text,
            authn_instant=_time(statement.get("AuthnInstant")),
            in_response_to=request_id,
            relay_state=relay_state,
            xml=assertion,
        )


def verify(element: etree._Element, certificate: bytes) -> None:
    """Verify the enveloped signature that is a child of this element, and that it covers it."""
    signature = element.find("ds:Signature", NS)
    _require(signature is not None, f"{etree.QName(element).localname} is not signed")
    reference = signature.find("ds:SignedInfo/ds:Reference", NS)
    _require(reference.get("URI") == f"#{element.get('ID')}", "the signature covers something else")
    xmlsec.tree.add_ids(element, ["ID"])
    context = xmlsec.SignatureContext()
    context.key = xmlsec.Key.from_memory(certificate, xmlsec.KeyFormat.CERT_DER)
    try:
        context.verify(signature)
    except xmlsec.Error as error:
        raise Refused("the signature does not verify") from error


def status_of(response: etree._Element) -> tuple[str, str | None]:
    """The top-level status code and the one below it, without their common prefix."""
    codes = [
        code.get("Value").rsplit(":", 1)[1] for code in response.iterfind(".//samlp:StatusCode", NS)
    ]
    return codes[0], codes[1] if len(codes) > 1 else None


def _require(condition: object, why: str) -> None:
    if not condition:
        raise Refused(why)


def _time(text: str) -> datetime:
    return datetime.fromisoformat(text)
