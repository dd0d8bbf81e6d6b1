"""From an AuthnRequest that a stranger wrote to one that every check let through.

Before :func:`accept` returns, no error ever goes to an SP: it is a page here. After it, an error
may be a status Response to the *registered* endpoint.
"""

import re
from datetime import datetime, timedelta

from lxml import etree

from idp.errors import (
    RequestRefused,
    SignatureRefused,
    UnknownEndpoint,
    UnreadableMessage,
)
from idp.saml.bindings import Message
from idp.saml.instants import instant
from idp.saml.names import ENTITY_NAME_ID_FORMAT, q
from idp.saml.signature import verify_element, verify_octets
from idp.saml.xml import text_of
from idp.types import (
    AcceptedRequest,
    AuthnRequest,
    Binding,
    Endpoint,
    NameID,
    NameIDPolicy,
    RequestedAuthnContext,
    ServiceProvider,
)

SKEW = timedelta(seconds=180)
LIFETIME = timedelta(minutes=5)
MAX_STRING = 256
MAX_ENTITY_ID = 1024
MAX_INDEX = 65535

# [SAMLCore] 3.2.1 and 3.4.1: each at most once, in this order.
_CHILDREN = [
    q("saml", "Issuer"),
    q("ds", "Signature"),
    q("samlp", "Extensions"),
    q("saml", "Subject"),
    q("samlp", "NameIDPolicy"),
    q("saml", "Conditions"),
    q("samlp", "RequestedAuthnContext"),
    q("samlp", "Scoping"),
]
_NCNAME = re.compile(r"[^\W\d][\w.\-]*\Z")
_COMPARISONS = {"exact", "minimum", "maximum", "better"}
_BOOLEANS = {"true": True, "1": True, "false": False, "0": False}


def parse(root: etree._Element) -> AuthnRequest:
    """Read an AuthnRequest; nothing is believed yet. [SAMLCore] 3.4.1.

    Raises:
        UnreadableMessage: not an AuthnRequest, or not the schema's shape.
    """
    if root.tag != q("samlp", "AuthnRequest"):
        raise UnreadableMessage(f"{root.tag} is not an AuthnRequest")
    children = _children(root)
    issuer = children.get(q("saml", "Issuer"))
    if issuer is None:
        raise UnreadableMessage("an AuthnRequest without Issuer")
    if issuer.get("Format") not in {None, ENTITY_NAME_ID_FORMAT}:
        raise UnreadableMessage("the Issuer's Format is not entity")
    conditions = children.get(q("saml", "Conditions"))
    return AuthnRequest(
        id=_identifier(root),
        version=root.get("Version", ""),
        issue_instant=instant(root.get("IssueInstant")),
        issuer=_string(text_of(issuer), "Issuer", MAX_ENTITY_ID),
        destination=root.get("Destination"),
        acs_url=root.get("AssertionConsumerServiceURL"),
        acs_index=_index(root, "AssertionConsumerServiceIndex"),
        protocol_binding=root.get("ProtocolBinding"),
        force_authn=_boolean(root, "ForceAuthn"),
        is_passive=_boolean(root, "IsPassive"),
        provider_name=_optional_string(root, "ProviderName"),
        subject=_subject(children.get(q("saml", "Subject"))),
        name_id_policy=_name_id_policy(children.get(q("samlp", "NameIDPolicy"))),
        requested_authn_context=_requested_authn_context(
            children.get(q("samlp", "RequestedAuthnContext"))
        ),
        not_before=_optional_instant(conditions, "NotBefore"),
        not_on_or_after=_optional_instant(conditions, "NotOnOrAfter"),
    )


def accept(
    request: AuthnRequest,
    root: etree._Element,
    message: Message,
    service_provider: ServiceProvider,
    *,
    destination: str,
    now: datetime,
) -> AcceptedRequest:
    """Check everything that makes a request believable. [SAMLProf] 4.1.4.1, [SAMLBind] 3.4.5.

    ``destination`` is our SingleSignOnService's URL. The replay guard is the store's.

    Raises:
        ProtocolError: one of its children, with the exact reason as its cause.
    """
    _check_signature(root, message, service_provider)
    signed = message.signature is not None or root.find(q("ds", "Signature")) is not None
    _check_destination(request.destination, destination, required=signed)
    _check_time(request, now)
    if request.version != "2.0":
        raise RequestRefused(f"the Version is {request.version!r}")
    return AcceptedRequest(
        entity_id=service_provider.entity_id,
        acs=find_acs(
            service_provider,
            url=request.acs_url,
            index=request.acs_index,
            binding=request.protocol_binding,
        ).location,
        received_at=now,
        message_id=request.id,
        relay_state=message.relay_state,
        name_id_policy=request.name_id_policy,
        requested_authn_context=request.requested_authn_context,
        subject=request.subject,
        force_authn=request.force_authn,
        is_passive=request.is_passive,
        provider_name=request.provider_name,
    )


def find_acs(
    service_provider: ServiceProvider,
    *,
    url: str | None = None,
    index: int | None = None,
    binding: str | None = None,
) -> Endpoint:
    """The registered AssertionConsumerService (HTTP-POST) that the request means.

    By URL, by index, else the default one: the first with isDefault true, else the first without
    isDefault false, else the first. [SAMLMeta] 2.2.3, [SAMLProf] 4.1.4.1.

    Raises:
        UnknownEndpoint: none of the SP's metadata matches.
    """
    if index is not None and (url is not None or binding is not None):
        raise UnknownEndpoint("an index together with a URL or a binding")
    if binding not in {None, Binding.POST}:
        raise UnknownEndpoint(f"a response by {binding!r} is not offered")
    endpoints = [
        endpoint
        for endpoint in service_provider.assertion_consumer_services
        if endpoint.binding == Binding.POST
    ]
    if url is not None:
        endpoints = [endpoint for endpoint in endpoints if endpoint.location == url]
    if index is not None:
        endpoints = [endpoint for endpoint in endpoints if endpoint.index == index]
    if not endpoints:
        raise UnknownEndpoint(f"no registered endpoint for URL {url!r}, index {index!r}")
    order = {True: 0, None: 1, False: 2}
    return min(endpoints, key=lambda endpoint: order[endpoint.is_default])


def _check_signature(
    root: etree._Element, message: Message, service_provider: ServiceProvider
) -> None:
    enveloped = any(True for _ in root.iter(q("ds", "Signature")))
    if message.signature is not None:
        if enveloped:
            raise SignatureRefused("a Redirect message with an enveloped signature as well")
        verify_octets(
            message.signature.octets,
            message.signature.algorithm,
            message.signature.value,
            service_provider.signing_certificates,
        )
    elif enveloped:
        verify_element(root, service_provider.signing_certificates)
    elif service_provider.authn_requests_signed:
        raise SignatureRefused("this SP signs its requests and this one is not signed")


def _check_destination(given: str | None, expected: str, *, required: bool) -> None:
    if given is None and required:
        raise RequestRefused("a signed request without Destination")
    if given is not None and given != expected:
        raise RequestRefused(f"the Destination is {given[:MAX_STRING]!r}")


def _check_time(request: AuthnRequest, now: datetime) -> None:
    if request.issue_instant > now + SKEW:
        raise RequestRefused(f"issued in the future: {request.issue_instant.isoformat()}")
    if request.issue_instant < now - LIFETIME - SKEW:
        raise RequestRefused(f"issued too long ago: {request.issue_instant.isoformat()}")
    if request.not_before is not None and request.not_before > now + SKEW:
        raise RequestRefused("its Conditions are not valid yet")
    if request.not_on_or_after is not None and request.not_on_or_after <= now - SKEW:
        raise RequestRefused("its Conditions are no longer valid")


def _children(root: etree._Element) -> dict[str, etree._Element]:
    found: dict[str, etree._Element] = {}
    last = -1
    for child in root:
        if child.tag not in _CHILDREN:
            raise UnreadableMessage(f"an AuthnRequest has no child {child.tag}")
        position = _CHILDREN.index(child.tag)
        if position <= last:
            raise UnreadableMessage(f"{child.tag} is repeated or out of order")
        last = position
        found[child.tag] = child
    return found


def _identifier(root: etree._Element) -> str:
    value = root.get("ID", "")
    if not _NCNAME.match(value) or len(value) > MAX_STRING:
        raise UnreadableMessage("the ID is absent, too long or not an xs:ID")
    return value


def _string(value: str, name: str, longest: int = MAX_STRING) -> str:
    if not value or len(value) > longest:
        raise UnreadableMessage(f"{name} is empty or longer than {longest} characters")
    return value


def _optional_string(node: etree._Element, name: str) -> str | None:
    value = node.get(name)
    return None if value is None else _string(value, name, MAX_ENTITY_ID)


def _boolean(node: etree._Element, name: str) -> bool:
    """An xs:boolean: ``1`` is as true as ``true``. [XMLSchema] 3.2.2."""
    text = node.get(name, "false").strip()
    if text not in _BOOLEANS:
        raise UnreadableMessage(f"{name} is not a boolean")
    return _BOOLEANS[text]


def _index(node: etree._Element, name: str) -> int | None:
    text = node.get(name)
    if text is None:
        return None
    # int() would take digits of other scripts, signs and underscores.
    if not re.fullmatch(r"[0-9]{1,5}", text.strip()) or int(text) > MAX_INDEX:
        raise UnreadableMessage(f"{name} is not an unsigned short")
    return int(text)


def _optional_instant(node: etree._Element | None, name: str) -> datetime | None:
    value = None if node is None else node.get(name)
    return None if value is None else instant(value)


def _subject(node: etree._Element | None) -> NameID | None:
    """The person that the SP wants; an identifier that we cannot read matches nobody."""
    if node is None:
        return None
    name_id = node.find(q("saml", "NameID"))
    if name_id is None:
        return NameID(value="", format="")
    return NameID(
        value=_string(text_of(name_id), "NameID", MAX_ENTITY_ID),
        format=name_id.get("Format", ""),
        name_qualifier=name_id.get("NameQualifier"),
        sp_name_qualifier=name_id.get("SPNameQualifier"),
    )


def _name_id_policy(node: etree._Element | None) -> NameIDPolicy | None:
    if node is None:
        return None
    return NameIDPolicy(
        format=_optional_string(node, "Format"),
        sp_name_qualifier=_optional_string(node, "SPNameQualifier"),
        allow_create=_boolean(node, "AllowCreate"),
    )


def _requested_authn_context(node: etree._Element | None) -> RequestedAuthnContext | None:
    if node is None:
        return None
    comparison = node.get("Comparison", "exact")
    classes = tuple(text_of(child) for child in node.iter(q("saml", "AuthnContextClassRef")))
    declarations = tuple(text_of(child) for child in node.iter(q("saml", "AuthnContextDeclRef")))
    if comparison not in _COMPARISONS:
        raise UnreadableMessage("an unknown Comparison")
    if bool(classes) == bool(declarations) or len(classes) + len(declarations) != len(node):
        raise UnreadableMessage("a RequestedAuthnContext holds class or declaration references")
    return RequestedAuthnContext(classes, comparison, declarations)
