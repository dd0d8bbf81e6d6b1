"""Single logout of a demonstration application: its requests, and its answers to the portal's.

[SAMLProf] 4.4. pysaml2's client writes the messages; what decides whether one is believed is here:
the signature, who speaks to whom, when, and once.
"""

import calendar
import zlib
from base64 import b64decode
from collections.abc import Mapping
from dataclasses import dataclass
from time import time
from urllib.parse import unquote_plus

from lxml import etree
from saml2 import BINDING_HTTP_POST, BINDING_HTTP_REDIRECT, BINDING_SOAP, time_util
from saml2.client import Saml2Client
from saml2.s_utils import UnsupportedBinding
from saml2.saml import NameID
from saml2.samlp import (
    STATUS_PARTIAL_LOGOUT,
    STATUS_REQUESTER,
    STATUS_SUCCESS,
    STATUS_UNKNOWN_PRINCIPAL,
    LogoutRequest,
    Status,
    StatusCode,
    logout_request_from_string,
)
from saml2.sigver import RSASigner, SignatureError, extract_rsa_key_from_x509_cert
from saml2.xmldsig import DIGEST_SHA256, SIG_RSA_SHA256

from views.demo.acceptance import Received, Refused
from views.demo.crypto import SIGNATURES, parse

SAML = "{urn:oasis:names:tc:SAML:2.0:assertion}"
SAMLP = "{urn:oasis:names:tc:SAML:2.0:protocol}"
ENVELOPE = "{http://schemas.xmlsoap.org/soap/envelope/}"
SOAP_ANSWER = (
    '<S:Envelope xmlns:S="http://schemas.xmlsoap.org/soap/envelope/"><S:Body>{}</S:Body>'
    "</S:Envelope>"
)
MAX_XML = 1 << 20
MAX_AGE = 300
SKEW = 60


@dataclass(frozen=True, slots=True)
class Carried:
    """A message as it came: its document, and what the query of a Redirect says it is signed by."""

    root: etree._Element
    binding: str
    octets: bytes = b""
    algorithm: str = ""
    signature: bytes = b""

    @property
    def is_answer(self) -> bool:
        """Whether it answers a request; otherwise it is one."""
        return bool(self.root.tag == f"{SAMLP}LogoutResponse")


@dataclass(frozen=True, slots=True)
class EndRequest:
    """An accepted LogoutRequest; without ``session_indexes`` it means all of this name."""

    message_id: str
    name_id: str
    session_indexes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Ended:
    """An accepted LogoutResponse; ``outcome``: ``whole``, ``partial`` or ``failed``."""

    in_response_to: str
    outcome: str


def from_redirect(query: str) -> Carried:
    """Read a message out of a query. [SAMLBind] 3.4.4.

    Raises:
        Refused: it cannot be read.
    """
    raw = dict(part.partition("=")[::2] for part in query.split("&"))
    name = "SAMLResponse" if "SAMLResponse" in raw else "SAMLRequest"
    names = (name, "RelayState", "SigAlg")
    # As it was sent: encoding the values anew may give other octets than those that were signed.
    octets = "&".join(f"{each}={raw[each]}" for each in names if each in raw).encode()
    try:
        packed = b64decode(unquote_plus(raw.get(name, "")), validate=True)
        inflater = zlib.decompressobj(-15)
        text = inflater.decompress(packed, MAX_XML)
        signature = b64decode(unquote_plus(raw.get("Signature", "")))
    except (ValueError, zlib.error) as error:
        raise Refused(f"unreadable: {type(error).__name__}") from error
    algorithm = unquote_plus(raw.get("SigAlg", ""))
    return Carried(_root(text), BINDING_HTTP_REDIRECT, octets, algorithm, signature)


def from_post(form: Mapping[str, str]) -> Carried:
    """Read a message out of a form. [SAMLBind] 3.5.4.

    Raises:
        Refused: it cannot be read.
    """
    value = form.get("SAMLResponse") or form.get("SAMLRequest") or ""
    try:
        text = b64decode(value)
    except ValueError as error:
        raise Refused("unreadable") from error
    return Carried(_root(text), BINDING_HTTP_POST)


def from_soap(body: bytes) -> Carried:
    """Read a message out of an envelope. [SAMLBind] 3.2.

    Raises:
        Refused: it cannot be read.
    """
    content = _root(body).find(f"{ENVELOPE}Body")
    if content is None or len(content) != 1:
        raise Refused("one message in an envelope is wanted")
    # With the prefixes as they are, which a signature may cover.
    return Carried(_root(etree.tostring(content[0], with_tail=False)), BINDING_SOAP)


def end_request(client: Saml2Client, carried: Carried, here: str) -> EndRequest:
    """What a LogoutRequest of the portal asks, once every check let it through.

    ``here``: the address that it came to.

    Raises:
        Refused: anything that is wrong.
    """
    root = carried.root
    _check(client, carried, "LogoutRequest", here)
    end = root.get("NotOnOrAfter")
    if end is not None and _seconds(end) <= time() - SKEW:
        raise Refused("it is over")
    name_id = (root.findtext(f"{SAML}NameID") or "").strip()
    if not name_id:
        raise Refused("no NameID")
    indexes = tuple((each.text or "").strip() for each in root.findall(f"{SAMLP}SessionIndex"))
    return EndRequest(root.get("ID", ""), name_id, indexes)


def ended(client: Saml2Client, carried: Carried, here: str) -> Ended:
    """What a LogoutResponse of the portal says, once every check let it through.

    Raises:
        Refused: anything that is wrong.
    """
    _check(client, carried, "LogoutResponse", here)
    codes = [each.get("Value", "") for each in carried.root.iter(f"{SAMLP}StatusCode")]
    outcomes = {(STATUS_SUCCESS,): "whole", (STATUS_SUCCESS, STATUS_PARTIAL_LOGOUT): "partial"}
    outcome = outcomes.get(tuple(codes), "failed")
    return Ended(carried.root.get("InResponseTo", ""), outcome)


def logout_request(client: Saml2Client, received: Received) -> tuple[str, str] | None:
    """A LogoutRequest for this session: its ID, and the address that carries it by Redirect.

    None when the portal has no SingleLogoutService for it.
    """
    service = _single_logout_service(client)
    if service is None:
        return None
    location = service["location"]
    message_id, request = client.create_logout_request(
        location,
        _idp(client),
        name_id=NameID(text=received.name_id, format=received.name_id_format or None),
        session_indexes=[received.session_index] if received.session_index else None,
        expire=time_util.in_a_while(seconds=MAX_AGE),
        sign=False,
    )
    return message_id, _carried_by_redirect(client, str(request), location, response=False)


def answer_by_redirect(client: Saml2Client, request: EndRequest, *, found: bool) -> str:
    """The address that carries the LogoutResponse, whichever binding the request came by.

    By Redirect alone: an application without scripts has no page that posts itself.

    Raises:
        Refused: the portal takes none by Redirect.
    """
    service = _single_logout_service(client)
    if service is None:
        raise Refused("the identity provider has no address for the answer")
    location = service.get("response_location") or service["location"]
    response = client.create_logout_response(
        _as_pysaml2(client, request), [BINDING_HTTP_REDIRECT], _status(found=found), sign=False
    )
    response.destination = location
    return _carried_by_redirect(client, str(response), location, response=True)


def answer_by_soap(client: Saml2Client, request: EndRequest, *, found: bool) -> str:
    """The envelope with the signed LogoutResponse."""
    response = client.create_logout_response(
        _as_pysaml2(client, request), [BINDING_SOAP], _status(found=found), sign=False
    )
    response.destination = None  # it goes back on the connection that it came by
    text = client.sign(response, response.id, sign_alg=SIG_RSA_SHA256, digest_alg=DIGEST_SHA256)
    return SOAP_ANSWER.format(etree.tostring(parse(str(text)), encoding="unicode"))


def _root(text: bytes) -> etree._Element:
    try:
        return parse(text)
    except SignatureError as error:
        raise Refused(str(error)) from error


def _check(client: Saml2Client, carried: Carried, name: str, here: str) -> None:
    """Signed by the portal, from it, for this address, of now."""
    root = carried.root
    if root.tag != f"{SAMLP}{name}":
        raise Refused(f"not a {name}")
    if (root.findtext(f"{SAML}Issuer") or "").strip() != _idp(client):
        raise Refused("another issuer than the identity provider")
    if root.get("Destination") != here:
        raise Refused("another Destination")
    if root.get("Version") != "2.0":
        raise Refused("another version")
    if abs(time() - _seconds(root.get("IssueInstant", ""))) > MAX_AGE + SKEW:
        raise Refused("not of now")
    _check_signature(client, carried, name)


def _check_signature(client: Saml2Client, carried: Carried, name: str) -> None:
    certificates = client.sec.metadata.certs(_idp(client), "any", "signing")
    verify = _verify_query if carried.binding == BINDING_HTTP_REDIRECT else _verify_element
    for _, certificate in certificates:
        if verify(client, carried, certificate.name, name):
            return
    raise Refused("not signed by the identity provider")


def _verify_query(client: Saml2Client, carried: Carried, certificate: str, name: str) -> bool:
    del client, name
    digest = SIGNATURES.get(carried.algorithm)
    if digest is None:
        raise Refused("not signed by an accepted algorithm")
    key = extract_rsa_key_from_x509_cert(certificate.encode())
    return bool(RSASigner(digest()).verify(carried.octets, carried.signature, key))


def _verify_element(client: Saml2Client, carried: Carried, certificate: str, name: str) -> bool:
    text = etree.tostring(carried.root)
    node_name = f"{SAMLP.strip('{}')}:{name}"
    message_id = carried.root.get("ID", "")
    try:
        verified = client.sec.crypto.validate_signature(
            text, certificate, "pem", node_name, message_id
        )
    except SignatureError:
        return False
    return bool(verified)


def _carried_by_redirect(
    client: Saml2Client, message: str, location: str, *, response: bool
) -> str:
    info = client.apply_binding(
        BINDING_HTTP_REDIRECT,
        message,
        location,
        response=response,
        sign=True,
        sigalg=SIG_RSA_SHA256,
    )
    return str(dict(info["headers"])["Location"])


def _as_pysaml2(client: Saml2Client, request: EndRequest) -> LogoutRequest:
    """As much of it as pysaml2 wants to answer."""
    text = f'<r:LogoutRequest xmlns:r="{SAMLP.strip("{}")}"/>'
    message = logout_request_from_string(text)
    message.id = request.message_id
    message.issuer = client._issuer(_idp(client))  # noqa: SLF001 - its only maker of one
    return message


def _status(*, found: bool) -> Status:
    if found:
        return Status(status_code=StatusCode(value=STATUS_SUCCESS))
    below = StatusCode(value=STATUS_UNKNOWN_PRINCIPAL)
    return Status(status_code=StatusCode(value=STATUS_REQUESTER, status_code=below))


def _single_logout_service(client: Saml2Client) -> dict[str, str] | None:
    try:
        found = client.metadata.single_logout_service(_idp(client), BINDING_HTTP_REDIRECT, "idpsso")
    except UnsupportedBinding:
        return None
    return dict(found[0])


def _idp(client: Saml2Client) -> str:
    return str(next(iter(client.metadata.with_descriptor("idpsso"))))


def _seconds(instant: str) -> int:
    try:
        return calendar.timegm(time_util.str_to_time(instant))
    except Exception as error:  # pysaml2 raises whatever its parser does
        raise Refused("a date that cannot be read") from error
