"""From an AuthnRequest that a stranger wrote to one that every check let through.

Before :func:`accept` returns, no error ever goes to an SP: it is a page here. After it, an error
may be a status Response to the *registered* endpoint.
"""

from datetime import datetime

from lxml import etree

from idp.errors import (
    RequestRefused,
    RequestTooOld,
    UnknownEndpoint,
    UnreadableMessage,
)
from idp.messages import AcceptedRequest, AuthnRequest
from idp.saml import request_parts
from idp.saml.bindings import Message, check_relay_state
from idp.saml.checks import SKEW, check_age, check_destination, check_signature, check_version
from idp.saml.instants import instant
from idp.saml.names import q
from idp.saml.shape import (
    boolean,
    check_attributes,
    identifier,
    index,
    optional_string,
    sequence,
    uri,
)
from idp.types import Binding, Endpoint, Requests, ServiceProvider

# [SAMLCore] 3.2.1 and 3.4.1: each at most once, in this order.
_CHILDREN = tuple(
    (name, 0, 1)
    for name in (
        q("saml", "Issuer"),
        q("ds", "Signature"),
        q("samlp", "Extensions"),
        q("saml", "Subject"),
        q("samlp", "NameIDPolicy"),
        q("saml", "Conditions"),
        q("samlp", "RequestedAuthnContext"),
        q("samlp", "Scoping"),
    )
)
_ATTRIBUTES = frozenset(
    {
        "ID",
        "Version",
        "IssueInstant",
        "Destination",
        "Consent",
        "ForceAuthn",
        "IsPassive",
        "ProtocolBinding",
        "AssertionConsumerServiceIndex",
        "AssertionConsumerServiceURL",
        "AttributeConsumingServiceIndex",
        "ProviderName",
    }
)


def parse(root: etree._Element) -> AuthnRequest:
    """Read an AuthnRequest; nothing is believed yet. [SAMLCore] 3.4.1.

    Raises:
        UnreadableMessage: not an AuthnRequest, or not the schema's shape.
    """
    if root.tag != q("samlp", "AuthnRequest"):
        raise UnreadableMessage(f"{root.tag} is not an AuthnRequest")
    check_attributes(root, _ATTRIBUTES)
    parts = {one[0].tag: one[0] for one in sequence(root, *_CHILDREN) if one}
    request_parts.check_scoping(parts.get(q("samlp", "Scoping")))
    subject, confirmed = request_parts.subject(parts.get(q("saml", "Subject")))
    return AuthnRequest(
        issuer=request_parts.issuer(parts.get(q("saml", "Issuer"))),
        id=identifier(root),
        version=root.get("Version", ""),
        issue_instant=instant(root.get("IssueInstant")),
        destination=uri(root, "Destination"),
        acs_url=uri(root, "AssertionConsumerServiceURL"),
        acs_index=index(root, "AssertionConsumerServiceIndex"),
        attribute_consuming_service_index=index(root, "AttributeConsumingServiceIndex"),
        protocol_binding=uri(root, "ProtocolBinding"),
        force_authn=boolean(root, "ForceAuthn"),
        is_passive=boolean(root, "IsPassive"),
        provider_name=optional_string(root, "ProviderName"),
        subject=subject,
        confirmed=confirmed,
        name_id_policy=request_parts.name_id_policy(parts.get(q("samlp", "NameIDPolicy"))),
        requested_authn_context=request_parts.requested_authn_context(
            parts.get(q("samlp", "RequestedAuthnContext"))
        ),
        conditions=request_parts.conditions(parts.get(q("saml", "Conditions"))),
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

    URIs are compared to the byte ([SAMLCore] 1.3.1): another case or an explicit port is another
    Destination.

    ``destination`` is our SingleSignOnService's URL. The replay guard is the store's.

    Raises:
        ProtocolError: one of its children, with the exact reason as its cause.
    """
    check_signature(root, message, service_provider, demanded=_why_signed(service_provider))
    signed = message.signature is not None or root.find(q("ds", "Signature")) is not None
    check_destination(request.destination, destination, signed=signed)
    _check_time(request, now)
    check_version(request.version)
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
        relay_state=check_relay_state(message.relay_state, service_provider.exceptions),
        name_id_policy=request.name_id_policy,
        requested_authn_context=request.requested_authn_context,
        subject=request.subject,
        force_authn=request.force_authn,
        is_passive=request.is_passive,
        # People read it above the password's field: no text of a stranger's there.
        provider_name=request.provider_name if signed else None,
        attribute_consuming_service_index=request.attribute_consuming_service_index,
        unsupported=_unsupported(request),
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


def _why_signed(service_provider: ServiceProvider) -> str | None:
    if service_provider.authn_requests_signed:
        return "this SP's metadata says that its requests are (AuthnRequestsSigned)"
    if service_provider.requests is Requests.SIGNED:
        return "this SP's registration demands signed requests"
    return None


def _check_time(request: AuthnRequest, now: datetime) -> None:
    check_age(request.issue_instant, now)
    conditions = request.conditions
    if conditions.not_before is not None and conditions.not_before > now + SKEW:
        raise RequestRefused("its Conditions are not valid yet")
    if conditions.not_on_or_after is not None and conditions.not_on_or_after <= now - SKEW:
        raise RequestTooOld("its Conditions are no longer valid")


def _unsupported(request: AuthnRequest) -> str | None:
    """What nobody gets here, asked of the assertion: the SP is told with a status.

    [SAMLProf] 4.1.4.1 on confirmations, [SAMLCore] 2.5.1 and 3.4.1.4 on conditions: our assertion
    names its requester as an audience, so one that must not do so cannot be made.
    """
    if request.confirmed:
        return "The request's Subject holds a SubjectConfirmation, which the profile forbids."
    if request.conditions.unknown:
        return "The request's Conditions hold a Condition of an unknown kind."
    if any(request.issuer not in each for each in request.conditions.audiences):
        return "The request's AudienceRestriction does not name the service provider that asks."
    return None
