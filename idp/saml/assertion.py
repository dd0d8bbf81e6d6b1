"""Builds Responses: pure, no database, no clock, no HTTP request. [SAMLProf] 4.1.4.2.

Every value arrives in a draft; the only collaborator is the signer. What leaves is canonical text.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

from idp.errors import MetadataError
from idp.interfaces import ISigner
from idp.saml.canonical import Canonical, Node, element, render
from idp.saml.instants import write_instant
from idp.saml.names import BEARER, SUCCESS
from idp.saml.signature import encrypt_assertion
from idp.types import (
    AcceptedRequest,
    Encrypt,
    NameID,
    ReleasedAttribute,
    ReleasedIdentity,
    ServiceProvider,
    Sign,
)

CONFIRMATION_LIFETIME = timedelta(minutes=5)
"""How long the bearer may present the assertion. [SAMLProf] 4.1.4.2."""
SKEW = timedelta(seconds=180)
_END_OF_ISSUER = "</saml:Issuer>"


@dataclass(frozen=True, slots=True)
class ResponseDraft:
    """All that a Response says. Ids are fresh and random; ``issuer`` is the IdP's entityID."""

    issuer: str
    response_id: str
    assertion_id: str
    session_index: str
    now: datetime
    authn_instant: datetime
    authn_context: str
    session_not_on_or_after: datetime
    identity: ReleasedIdentity


def build_response(
    accepted: AcceptedRequest,
    service_provider: ServiceProvider,
    draft: ResponseDraft,
    signer: ISigner,
) -> str:
    """A Success Response with one assertion, signed and encrypted as the registration says.

    Raises:
        MetadataError: encryption is demanded and the SP has no usable encryption certificate.
    """
    sign = service_provider.sign
    plain = _assertion(accepted, service_provider, draft)
    if sign in {Sign.BOTH, Sign.ASSERTION}:
        assertion = _signed(plain, draft.assertion_id, signer)
    else:
        assertion = Canonical(render(plain))
    if _encrypts(service_provider):
        assertion = encrypt_assertion(
            assertion.text,
            service_provider.encryption_certificates[0],
            service_provider.encryption_methods,
        )
    response = _response(accepted, draft.issuer, draft.response_id, draft.now, _SUCCESS, assertion)
    if sign in {Sign.BOTH, Sign.RESPONSE}:
        return _signed(response, draft.response_id, signer).text
    return render(response)


def build_status_response(
    accepted: AcceptedRequest,
    *,
    issuer: str,
    response_id: str,
    now: datetime,
    status: str,
    sub_status: str,
    signer: ISigner,
) -> str:
    """A signed Response that is not a Success, and carries no assertion. [SAMLCore] 3.2.2.2."""
    codes = element(
        "samlp:Status",
        None,
        element(
            "samlp:StatusCode",
            {"Value": status},
            element("samlp:StatusCode", {"Value": sub_status}),
        ),
    )
    response = _response(accepted, issuer, response_id, now, codes)
    return _signed(response, response_id, signer).text


_SUCCESS = element("samlp:Status", None, element("samlp:StatusCode", {"Value": SUCCESS}))


def _encrypts(service_provider: ServiceProvider) -> bool:
    has_key = bool(service_provider.encryption_certificates)
    if service_provider.encrypt is Encrypt.ALWAYS and not has_key:
        raise MetadataError(f"{service_provider.entity_id} has no encryption certificate")
    return has_key and service_provider.encrypt is not Encrypt.NEVER


def _signed(node: Node, element_id: str, signer: ISigner) -> Canonical:
    """The element with its Signature after its Issuer, where the schema wants it."""
    text = render(node)
    signature = signer.sign_element(text, element_id)
    return Canonical(text.replace(_END_OF_ISSUER, _END_OF_ISSUER + signature, 1))


def _response(
    accepted: AcceptedRequest,
    issuer: str,
    response_id: str,
    now: datetime,
    status: Node,
    *assertions: Node | Canonical,
) -> Node:
    return element(
        "samlp:Response",
        {
            "Destination": accepted.acs,
            "ID": response_id,
            "InResponseTo": accepted.message_id,
            "IssueInstant": write_instant(now),
            "Version": "2.0",
        },
        element("saml:Issuer", None, issuer),
        status,
        *assertions,
    )


def _assertion(
    accepted: AcceptedRequest, service_provider: ServiceProvider, draft: ResponseDraft
) -> Node:
    now = draft.now
    return element(
        "saml:Assertion",
        {"ID": draft.assertion_id, "IssueInstant": write_instant(now), "Version": "2.0"},
        element("saml:Issuer", None, draft.issuer),
        _subject(accepted, draft.identity.name_id, now),
        element(
            "saml:Conditions",
            {
                "NotBefore": write_instant(now - SKEW),
                "NotOnOrAfter": write_instant(now + CONFIRMATION_LIFETIME),
            },
            element(
                "saml:AudienceRestriction",
                None,
                element("saml:Audience", None, service_provider.entity_id),
            ),
        ),
        element(
            "saml:AuthnStatement",
            {
                "AuthnInstant": write_instant(draft.authn_instant),
                "SessionIndex": draft.session_index,
                "SessionNotOnOrAfter": write_instant(draft.session_not_on_or_after),
            },
            element(
                "saml:AuthnContext",
                None,
                element("saml:AuthnContextClassRef", None, draft.authn_context),
            ),
        ),
        *_attribute_statement(draft.identity.attributes),
    )


def _subject(accepted: AcceptedRequest, name_id: NameID, now: datetime) -> Node:
    return element(
        "saml:Subject",
        None,
        element(
            "saml:NameID",
            {
                "Format": name_id.format,
                "NameQualifier": name_id.name_qualifier,
                "SPNameQualifier": name_id.sp_name_qualifier,
            },
            name_id.value,
        ),
        element(
            "saml:SubjectConfirmation",
            {"Method": BEARER},
            element(
                "saml:SubjectConfirmationData",
                {
                    "InResponseTo": accepted.message_id,
                    "NotOnOrAfter": write_instant(now + CONFIRMATION_LIFETIME),
                    "Recipient": accepted.acs,
                },
            ),
        ),
    )


def _attribute_statement(attributes: tuple[ReleasedAttribute, ...]) -> tuple[Node, ...]:
    """No empty AttributeStatement: the schema wants at least one Attribute. [SAMLCore] 2.7.3."""
    if not attributes:
        return ()
    return (element("saml:AttributeStatement", None, *map(_attribute, attributes)),)


def _attribute(attribute: ReleasedAttribute) -> Node:
    return element(
        "saml:Attribute",
        {
            "FriendlyName": attribute.friendly_name,
            "Name": attribute.name,
            "NameFormat": attribute.name_format,
        },
        *[element("saml:AttributeValue", None, value) for value in attribute.values],
    )
