"""LogoutRequest and LogoutResponse: read, checked, written. [SAMLCore] 3.7, [SAMLProf] 4.4.

Both are believed only when signed, but for an answer over TLS that we asked for. As with sign-on,
what a stranger wrote changes type once every check let it through; before that, nothing is told to
any SP.
"""

from datetime import datetime, timedelta
from urllib.parse import urlsplit

from lxml import etree

from idp.errors import RequestRefused, UnknownEndpoint, UnreadableMessage
from idp.interfaces import IDecrypter
from idp.messages import AcceptedLogout, LogoutRequest, LogoutResponse
from idp.saml.bindings import Message, check_relay_state
from idp.saml.canonical import Node, element, render
from idp.saml.checks import SKEW, check_age, check_destination, check_signature, check_version
from idp.saml.instants import instant, write_instant
from idp.saml.names import PARTIAL_LOGOUT, SUCCESS, UNKNOWN_PRINCIPAL, USER_LOGOUT, q
from idp.saml.request_parts import issuer, name_id
from idp.saml.shape import (
    check_attributes,
    check_leaf,
    identifier,
    optional_instant,
    sequence,
    string,
    uri,
)
from idp.saml.xml import text_of
from idp.settings import LOOPBACK_HOSTS
from idp.types import Binding, Endpoint, NameID, ServiceProvider

LIFETIME = timedelta(minutes=5)
"""How long an SP may take a LogoutRequest of ours. [SAMLCore] 3.7.1, NotOnOrAfter."""
MAX_SESSION_INDEXES = 100
FRONT_CHANNEL = (Binding.REDIRECT, Binding.POST)

_REQUEST = (
    (q("saml", "Issuer"), 1, 1),
    (q("ds", "Signature"), 0, 1),
    (q("samlp", "Extensions"), 0, 1),
    (q("saml", "NameID"), 0, 1),
    (q("saml", "EncryptedID"), 0, 1),
    (q("samlp", "SessionIndex"), 0, MAX_SESSION_INDEXES),
)
_RESPONSE = (
    (q("saml", "Issuer"), 1, 1),
    (q("ds", "Signature"), 0, 1),
    (q("samlp", "Extensions"), 0, 1),
    (q("samlp", "Status"), 1, 1),
)
_ATTRIBUTES = {"ID", "Version", "IssueInstant", "Destination", "Consent"}


def parse_request(root: etree._Element) -> LogoutRequest:
    """Read a LogoutRequest; nothing is believed yet. [SAMLCore] 3.7.1.

    ``name_id`` is None when the SP encrypted it; :func:`accept_request` decrypts it.

    Raises:
        UnreadableMessage: not a LogoutRequest, or not the schema's shape.
    """
    if root.tag != q("samlp", "LogoutRequest"):
        raise UnreadableMessage(f"{root.tag} is not a LogoutRequest")
    check_attributes(root, _ATTRIBUTES | {"NotOnOrAfter", "Reason"})
    issuers, _, _, plain, encrypted, indexes = sequence(root, *_REQUEST)
    if len(plain) + len(encrypted) != 1:
        raise UnreadableMessage("a LogoutRequest names one person")
    return LogoutRequest(
        id=identifier(root),
        version=root.get("Version", ""),
        issue_instant=instant(root.get("IssueInstant")),
        issuer=issuer(issuers[0]),
        destination=uri(root, "Destination"),
        not_on_or_after=optional_instant(root, "NotOnOrAfter"),
        name_id=name_id(plain[0]) if plain else None,
        session_indexes=tuple(_session_index(each) for each in indexes),
    )


def accept_request(
    request: LogoutRequest,
    root: etree._Element,
    message: Message,
    service_provider: ServiceProvider,
    *,
    destination: str,
    now: datetime,
    decrypter: IDecrypter,
) -> AcceptedLogout:
    """Check everything that makes a LogoutRequest believable, its signature first.

    [SAMLProf] 4.4.4.1. Whether it was used before, and whose session it means, is the store's.

    Raises:
        ProtocolError: one of its children, with the exact reason as its cause.
    """
    why = "a LogoutRequest must be"
    check_signature(root, message, service_provider, demanded=why)
    # Shibboleth SP leaves it out where no browser carries the message: SOAP demands none.
    carried = message.binding is not Binding.SOAP
    check_destination(request.destination, destination, signed=carried)
    check_version(request.version)
    check_age(request.issue_instant, now)
    if request.not_on_or_after is not None and request.not_on_or_after <= now - SKEW:
        raise RequestRefused(f"it ended at {request.not_on_or_after.isoformat()}")
    return AcceptedLogout(
        entity_id=service_provider.entity_id,
        message_id=request.id,
        binding=message.binding,
        name_id=request.name_id or _decrypted(root, decrypter),
        session_indexes=request.session_indexes,
        relay_state=check_relay_state(message.relay_state, service_provider.exceptions),
    )


def parse_response(root: etree._Element) -> LogoutResponse:
    """Read a LogoutResponse; nothing is believed yet. [SAMLCore] 3.7.2.

    Raises:
        UnreadableMessage: not a LogoutResponse, or not the schema's shape.
    """
    if root.tag != q("samlp", "LogoutResponse"):
        raise UnreadableMessage(f"{root.tag} is not a LogoutResponse")
    check_attributes(root, _ATTRIBUTES | {"InResponseTo"})
    issuers, _, _, statuses = sequence(root, *_RESPONSE)
    codes = [uri(each, "Value") or "" for each in statuses[0].iter(q("samlp", "StatusCode"))]
    if not codes:
        raise UnreadableMessage("a LogoutResponse without StatusCode")
    return LogoutResponse(
        id=identifier(root),
        version=root.get("Version", ""),
        issue_instant=instant(root.get("IssueInstant")),
        issuer=issuer(issuers[0]),
        destination=uri(root, "Destination"),
        in_response_to=string(root.get("InResponseTo", ""), "InResponseTo"),
        status=codes[0],
        sub_status=codes[1] if len(codes) > 1 else None,
    )


def check_response(
    response: LogoutResponse,
    root: etree._Element,
    message: Message,
    service_provider: ServiceProvider,
    *,
    destination: str | None = None,
    came_back_from: str = "",
    now: datetime,
) -> None:
    """Check that a LogoutResponse is its sender's, and meant for us. [SAMLProf] 4.4.4.2.

    ``destination``: where the browser brought it; or ``came_back_from``: the SP's address (SOAP)
    that answered on the connection that we opened. Not signed, it is believed where that
    connection showed who answers. A forged one could only make us say that an application closed.

    Raises:
        ProtocolError: one of its children, with the exact reason as its cause.
    """
    why = None if _shows_who_answers(came_back_from) else "a LogoutResponse without TLS must be"
    if destination is not None:
        why = "a LogoutResponse by the browser must be"
    check_signature(root, message, service_provider, demanded=why)
    if destination is not None:
        check_destination(response.destination, destination, signed=True)
    check_version(response.version)
    check_age(response.issue_instant, now)


def succeeded(response: LogoutResponse) -> bool:
    """Whether the SP says that nothing of the session is left there, or that it knew of none."""
    if response.status == SUCCESS:
        return response.sub_status != PARTIAL_LOGOUT
    return response.sub_status == UNKNOWN_PRINCIPAL


def find_endpoint(
    service_provider: ServiceProvider, bindings: tuple[Binding, ...]
) -> Endpoint | None:
    """The SP's SingleLogoutService of the first of these bindings that it registered, or None."""
    for binding in bindings:
        for endpoint in service_provider.single_logout_services:
            if endpoint.binding == binding:
                return endpoint
    return None


def response_endpoint(service_provider: ServiceProvider) -> Endpoint:
    """Where the SP takes a LogoutResponse by the browser. [SAMLMeta] 2.2.2, ResponseLocation.

    Raises:
        UnknownEndpoint: the SP's metadata has none.
    """
    endpoint = find_endpoint(service_provider, FRONT_CHANNEL)
    if endpoint is None:
        raise UnknownEndpoint("no SingleLogoutService by Redirect or POST is registered")
    return Endpoint(endpoint.binding, endpoint.response_location or endpoint.location)


def logout_request(
    *,
    idp: str,
    request_id: str,
    now: datetime,
    destination: str,
    person: NameID,
    session_indexes: tuple[str, ...],
    reason: str = USER_LOGOUT,
) -> str:
    """A LogoutRequest as canonical text, not yet signed. [SAMLCore] 3.7.1."""
    return render(
        element(
            "samlp:LogoutRequest",
            {
                "Destination": destination,
                "ID": request_id,
                "IssueInstant": write_instant(now),
                "NotOnOrAfter": write_instant(now + LIFETIME),
                "Reason": reason,
                "Version": "2.0",
            },
            element("saml:Issuer", {}, idp),
            _name_id(person),
            *(element("samlp:SessionIndex", {}, each) for each in session_indexes),
        )
    )


def logout_response(
    *,
    idp: str,
    response_id: str,
    now: datetime,
    destination: str | None,
    in_response_to: str,
    status: str = SUCCESS,
    sub_status: str | None = None,
) -> str:
    """A LogoutResponse as canonical text, not yet signed. [SAMLCore] 3.7.2."""
    below = [] if sub_status is None else [element("samlp:StatusCode", {"Value": sub_status})]
    return render(
        element(
            "samlp:LogoutResponse",
            {
                "Destination": destination,
                "ID": response_id,
                "InResponseTo": in_response_to,
                "IssueInstant": write_instant(now),
                "Version": "2.0",
            },
            element("saml:Issuer", {}, idp),
            element("samlp:Status", {}, element("samlp:StatusCode", {"Value": status}, *below)),
        )
    )


def _shows_who_answers(location: str) -> bool:
    """By TLS; on the loopback nobody is on the way."""
    parts = urlsplit(location)
    return parts.scheme == "https" or parts.hostname in LOOPBACK_HOSTS


def _session_index(node: etree._Element) -> str:
    check_leaf(node)
    return string(text_of(node), "SessionIndex")


def _decrypted(root: etree._Element, decrypter: IDecrypter) -> NameID:
    """The NameID of the EncryptedID. [SAMLCore] 2.2.4."""
    encrypted = root.find(q("saml", "EncryptedID"))
    if encrypted is None:
        raise UnreadableMessage("a LogoutRequest names one person")
    found = decrypter.decrypt(encrypted)
    if found.tag != q("saml", "NameID"):
        raise UnreadableMessage(f"the EncryptedID holds {found.tag}")
    return name_id(found)


def _name_id(told: NameID) -> Node:
    attributes = {
        "Format": told.format or None,
        "NameQualifier": told.name_qualifier,
        "SPNameQualifier": told.sp_name_qualifier,
    }
    return element("saml:NameID", attributes, told.value)
