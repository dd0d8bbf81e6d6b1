"""An identity provider for the demonstration SPs: it signs what it is told to, wrong or not."""

from base64 import b64encode
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import uuid4

import xmlsec
from lxml import etree

from views.demo.applications import DemoApplication
from views.demo.credentials import Credentials, credentials

PORT = 7654
IDP = "https://idp.example/saml/metadata"
SSO = "https://idp.example/saml/sso"
SLO = "https://idp.example/saml/slo"
SAML = "urn:oasis:names:tc:SAML:2.0:assertion"
SAMLP = "urn:oasis:names:tc:SAML:2.0:protocol"
SUCCESS = "urn:oasis:names:tc:SAML:2.0:status:Success"

METADATA = """<md:EntityDescriptor xmlns:md="urn:oasis:names:tc:SAML:2.0:metadata"
 xmlns:ds="http://www.w3.org/2000/09/xmldsig#" entityID="{idp}"><md:IDPSSODescriptor
 protocolSupportEnumeration="urn:oasis:names:tc:SAML:2.0:protocol"><md:KeyDescriptor
 use="signing"><ds:KeyInfo><ds:X509Data><ds:X509Certificate>{certificate}</ds:X509Certificate>
 </ds:X509Data></ds:KeyInfo></md:KeyDescriptor><md:SingleLogoutService
 Binding="urn:oasis:names:tc:SAML:2.0:bindings:HTTP-Redirect" Location="{slo}"/>
 <md:SingleSignOnService
 Binding="urn:oasis:names:tc:SAML:2.0:bindings:HTTP-Redirect" Location="{sso}"/>
 </md:IDPSSODescriptor></md:EntityDescriptor>"""

RESPONSE = """<samlp:Response xmlns:samlp="urn:oasis:names:tc:SAML:2.0:protocol"
 xmlns:saml="urn:oasis:names:tc:SAML:2.0:assertion" ID="{response_id}" Version="2.0"
 IssueInstant="{now}" Destination="{destination}"{answers}><saml:Issuer>{issuer}</saml:Issuer>
 <samlp:Status><samlp:StatusCode Value="{status}">{sub_status}</samlp:StatusCode>{message}
 </samlp:Status>{assertion}</samlp:Response>"""

ASSERTION = """<saml:Assertion xmlns:saml="urn:oasis:names:tc:SAML:2.0:assertion"
 xmlns:xs="http://www.w3.org/2001/XMLSchema" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"
 ID="{assertion_id}" Version="2.0" IssueInstant="{now}"><saml:Issuer>{issuer}</saml:Issuer>
 <saml:Subject><saml:NameID>{name_id}</saml:NameID><saml:SubjectConfirmation
 Method="urn:oasis:names:tc:SAML:2.0:cm:bearer"><saml:SubjectConfirmationData
 Recipient="{recipient}" NotOnOrAfter="{end}"{answers}/></saml:SubjectConfirmation></saml:Subject>
 <saml:Conditions NotBefore="{begin}" NotOnOrAfter="{end}"><saml:AudienceRestriction>
 <saml:Audience>{audience}</saml:Audience></saml:AudienceRestriction></saml:Conditions>
 <saml:AuthnStatement AuthnInstant="{now}" SessionIndex="{session_index}"><saml:AuthnContext>
 <saml:AuthnContextClassRef>urn:oasis:names:tc:SAML:2.0:ac:classes:Password
 </saml:AuthnContextClassRef></saml:AuthnContext></saml:AuthnStatement>
 {attributes}</saml:Assertion>"""

ATTRIBUTE = """<saml:Attribute Name="{name}"
 NameFormat="urn:oasis:names:tc:SAML:2.0:attrname-format:basic">{values}</saml:Attribute>"""
VALUE = '<saml:AttributeValue xsi:type="xs:string">{}</saml:AttributeValue>'


@dataclass(frozen=True)
class Wish:
    """What the identity provider of this file answers."""

    application: DemoApplication
    in_response_to: str | None = None
    confirmation_in_response_to: str | None = None
    attributes: dict[str, list[str]] = field(default_factory=lambda: {"role": ["GEST"]})
    audience: str = ""
    recipient: str = ""
    destination: str = ""
    issuer: str = IDP
    age: timedelta = timedelta()
    sign_response: bool = True
    sign_assertion: bool = True
    encrypt: bool = False
    assertions: int = 1
    sub_status: str = ""
    session_index: str = "s1"


class FakeIdp:
    """Signs what it is told to sign, with python-xmlsec."""

    def __init__(self, var: Path) -> None:
        self.var = var
        self.pair = credentials(var, "idp")

    def metadata(self) -> str:
        return METADATA.format(
            idp=IDP, sso=SSO, slo=SLO, certificate=self.pair.certificate_base64()
        )

    def response(self, wish: Wish) -> str:
        """Base64 of the Response."""
        root = self.document(wish)
        return b64encode(etree.tostring(root)).decode()

    def document(self, wish: Wish) -> etree._Element:
        now = datetime.now(UTC) - wish.age
        assertion = "" if wish.sub_status else self._assertion(wish, now)
        root = etree.fromstring(
            RESPONSE.format(
                response_id=f"_{uuid4().hex}",
                now=_instant(now),
                destination=wish.destination or wish.application.acs(PORT),
                answers=_answers(wish.in_response_to),
                issuer=wish.issuer,
                status=SUCCESS.replace("Success", "Responder") if wish.sub_status else SUCCESS,
                sub_status=f'<samlp:StatusCode Value="{wish.sub_status}"/>'
                if wish.sub_status
                else "",
                message="<samlp:StatusMessage>Non.</samlp:StatusMessage>"
                if wish.sub_status
                else "",
                assertion=assertion * wish.assertions,
            ).encode()
        )
        for element in root.findall(f"{{{SAML}}}Assertion"):
            if wish.sign_assertion:
                sign(element, self.pair)
            if wish.encrypt:
                _encrypt(element, credentials(self.var, wish.application.name))
        if wish.sign_response:
            sign(root, self.pair)
        return root

    @staticmethod
    def _assertion(wish: Wish, now: datetime) -> str:
        answered = wish.confirmation_in_response_to or wish.in_response_to
        return ASSERTION.format(
            assertion_id=f"_{uuid4().hex}",
            now=_instant(now),
            begin=_instant(now),
            end=_instant(now + timedelta(minutes=5)),
            issuer=wish.issuer,
            name_id="agent@demo.example",
            recipient=wish.recipient or wish.application.acs(PORT),
            audience=wish.audience or wish.application.entity_id(PORT),
            answers=_answers(answered),
            attributes=_statement(wish.attributes),
            session_index=wish.session_index,
        )


def _statement(attributes: dict[str, list[str]]) -> str:
    if not attributes:
        return ""
    inside = "".join(
        ATTRIBUTE.format(name=name, values="".join(VALUE.format(each) for each in values))
        for name, values in attributes.items()
    )
    return f"<saml:AttributeStatement>{inside}</saml:AttributeStatement>"


def _answers(message_id: str | None) -> str:
    return f' InResponseTo="{message_id}"' if message_id else ""


def _instant(when: datetime) -> str:
    return when.strftime("%Y-%m-%dT%H:%M:%SZ")


def sign(element: etree._Element, pair: Credentials) -> None:
    signature = xmlsec.template.create(
        element, xmlsec.Transform.EXCL_C14N, xmlsec.Transform.RSA_SHA256, ns="ds"
    )
    element.insert(1, signature)
    reference = xmlsec.template.add_reference(
        signature, xmlsec.Transform.SHA256, uri=f"#{element.get('ID')}"
    )
    xmlsec.template.add_transform(reference, xmlsec.Transform.ENVELOPED)
    xmlsec.template.add_transform(reference, xmlsec.Transform.EXCL_C14N)
    xmlsec.tree.add_ids(element, ["ID"])
    context = xmlsec.SignatureContext()
    context.key = xmlsec.Key.from_file(str(pair.key_file), xmlsec.KeyFormat.PEM)
    context.sign(signature)


def _encrypt(assertion: etree._Element, pair: Credentials) -> None:
    # As text: lxml would drop the namespace declarations that the wrapper repeats.
    inner = etree.tostring(assertion, method="c14n").decode()
    wrapper = etree.fromstring(
        f'<saml:EncryptedAssertion xmlns:saml="{SAML}">{inner}</saml:EncryptedAssertion>'
    )
    data = xmlsec.template.encrypted_data_create(
        wrapper, xmlsec.Transform.AES256_GCM, type=xmlsec.EncryptionType.ELEMENT, ns="xenc"
    )
    xmlsec.template.encrypted_data_ensure_cipher_value(data)
    info = xmlsec.template.encrypted_data_ensure_key_info(data, ns="ds")
    key = xmlsec.template.add_encrypted_key(info, xmlsec.Transform.RSA_OAEP)
    xmlsec.template.encrypted_data_ensure_cipher_value(key)
    manager = xmlsec.KeysManager()
    manager.add_key(xmlsec.Key.from_file(str(pair.certificate_file), xmlsec.KeyFormat.CERT_PEM))
    context = xmlsec.EncryptionContext(manager)
    context.key = xmlsec.Key.generate(xmlsec.KeyData.AES, 256, xmlsec.KeyDataType.SESSION)
    context.encrypt_xml(data, wrapper[0])
    assertion.getparent().replace(assertion, wrapper)
