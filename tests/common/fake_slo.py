"""The logout side of ``FakeSP``: what it sends, and what it makes of what we send."""

import zlib
from base64 import b64decode
from datetime import datetime, timedelta
from secrets import token_hex
from urllib.parse import parse_qs, urlsplit

import xmlsec
from lxml import etree, html

from tests.common import schemas
from tests.common.fake_sp import NS, RSA_SHA256, SAML, SAMLP, FakeSP, Received, verify

STATUS = "urn:oasis:names:tc:SAML:2.0:status"
SLO = "http://localhost:6543/saml/slo"
SOAP = "http://schemas.xmlsoap.org/soap/envelope/"


def logout_request(
    sp: FakeSP,
    received: Received,
    *,
    now: datetime,
    indexes: tuple[str, ...] | None = None,
    **attributes: str | None,
) -> etree._Element:
    """A LogoutRequest for the session of this sign-on; an attribute given as None is left out."""
    values: dict[str, str | None] = {
        "ID": f"_{token_hex(8)}",
        "Version": "2.0",
        "IssueInstant": now.strftime("%Y-%m-%dT%H:%M:%SZ"),
        "Destination": SLO,
        "NotOnOrAfter": (now + timedelta(minutes=5)).strftime("%Y-%m-%dT%H:%M:%SZ"),
        **attributes,
    }
    root = _message("LogoutRequest", sp, values)
    name_id = etree.SubElement(root, f"{{{SAML}}}NameID", Format=received.name_id_format)
    name_id.text = received.name_id
    for index in (received.session_index,) if indexes is None else indexes:
        etree.SubElement(root, f"{{{SAMLP}}}SessionIndex").text = index
    return root


def logout_response(
    sp: FakeSP,
    request: etree._Element,
    *,
    now: datetime,
    status: str = "Success",
    **attributes: str,
) -> etree._Element:
    """The SP's answer to a LogoutRequest of ours."""
    values = {
        "ID": f"_{token_hex(8)}",
        "Version": "2.0",
        "IssueInstant": now.strftime("%Y-%m-%dT%H:%M:%SZ"),
        "Destination": SLO,
        "InResponseTo": request.get("ID"),
        **attributes,
    }
    root = _message("LogoutResponse", sp, values)
    node = etree.SubElement(root, f"{{{SAMLP}}}Status")
    etree.SubElement(node, f"{{{SAMLP}}}StatusCode", Value=f"{STATUS}:{status}")
    return root


def envelope(message: etree._Element) -> bytes:
    """The message in a SOAP envelope."""
    root = etree.Element(f"{{{SOAP}}}Envelope", nsmap={"S": SOAP})
    etree.SubElement(root, f"{{{SOAP}}}Body").append(message)
    return etree.tostring(root)


def opened(data: bytes) -> etree._Element:
    """The message in a SOAP envelope, as a document of its own."""
    body = schemas.read(data).find(f"{{{SOAP}}}Body")
    assert len(body) == 1
    return schemas.read(etree.tostring(body[0]))


def read_redirect(url: str, parameter: str, certificate: bytes) -> etree._Element:
    """The message in a URL of ours, its signature verified over the query as it stands."""
    query = urlsplit(url).query
    values = {name: found[0] for name, found in parse_qs(query).items()}
    assert values["SigAlg"] == RSA_SHA256
    signed = query[query.index(f"{parameter}=") : query.index("&Signature=")]
    context = xmlsec.SignatureContext()
    context.key = xmlsec.Key.from_memory(certificate, xmlsec.KeyFormat.CERT_DER)
    context.verify_binary(
        signed.encode(), xmlsec.Transform.RSA_SHA256, b64decode(values["Signature"])
    )
    return schemas.read(zlib.decompress(b64decode(values[parameter]), wbits=-15))


def read_post(page: str, certificate: bytes) -> tuple[str, etree._Element]:
    """The action and the message of a page that posts itself, its signature verified."""
    form = html.fromstring(page).forms[0]
    fields = dict(form.form_values())
    value = fields.get("SAMLRequest") or fields["SAMLResponse"]
    message = schemas.read(b64decode(value))
    verify(message, certificate)
    return form.action, message


def status_of_logout(message: etree._Element) -> list[str]:
    """The status codes of a LogoutResponse, without their prefix."""
    codes = message.iterfind(".//samlp:StatusCode", NS)
    return [code.get("Value").rsplit(":", 1)[1] for code in codes]


def _message(name: str, sp: FakeSP, values: dict[str, str | None]) -> etree._Element:
    root = etree.Element(f"{{{SAMLP}}}{name}", nsmap={"samlp": SAMLP, "saml": SAML})
    for key, value in values.items():
        if value is not None:
            root.set(key, value)
    etree.SubElement(root, f"{{{SAML}}}Issuer").text = sp.entity_id
    return root
