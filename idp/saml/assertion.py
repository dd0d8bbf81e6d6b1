"""Builds Responses: pure, no database, no clock, no HTTP request. [SAMLProf] 4.1.4.2.

Every value arrives in a draft; the only collaborator is the signer. What leaves is canonical text:
attributes in alphabetical order, a namespace where its prefix is first used, no empty-element tags.
Every value that is not our own goes through ``text`` or ``attribute``.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

from idp.errors import StatusError, UnusableServiceProvider
from idp.interfaces import ISigner
from idp.messages import AcceptedRequest
from idp.saml.canonical import attribute, check_characters, text
from idp.saml.enveloped import signed
from idp.saml.instants import write_instant
from idp.saml.names import BEARER, SAML, SAMLP, SUCCESS
from idp.saml.signature import encrypt_assertion
from idp.types import (
    Encrypt,
    Legacy,
    NameID,
    ReleasedAttribute,
    ReleasedIdentity,
    ServiceProvider,
    Sign,
)

CONFIRMATION_LIFETIME = timedelta(minutes=5)
"""How long the bearer may present the assertion. [SAMLProf] 4.1.4.2."""
SKEW = timedelta(seconds=180)


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
        UnusableServiceProvider: encryption is demanded, and there is no certificate for it.
    """
    sign = service_provider.sign
    if Legacy.UNSIGNED_RESPONSE in service_provider.exceptions:
        sign = Sign.ASSERTION
    assertion = check_characters(_assertion(accepted, service_provider, draft))
    if sign in {Sign.BOTH, Sign.ASSERTION}:
        assertion = signed(assertion, draft.assertion_id, signer)
    if _encrypts(service_provider):
        assertion = encrypt_assertion(
            assertion,
            service_provider.encryption_certificates[0],
            service_provider.encryption_methods,
        )
    response = _response(accepted, draft.issuer, draft.response_id, draft.now, _SUCCESS + assertion)
    if sign in {Sign.BOTH, Sign.RESPONSE}:
        return signed(response, draft.response_id, signer)
    return response


def build_status_response(
    accepted: AcceptedRequest,
    error: StatusError,
    *,
    issuer: str,
    response_id: str,
    now: datetime,
    signer: ISigner,
) -> str:
    """A signed Response that is not a Success, and carries no assertion. [SAMLCore] 3.2.2.2."""
    codes = (
        f'<samlp:Status><samlp:StatusCode Value="{attribute(error.status)}">'
        f'<samlp:StatusCode Value="{attribute(error.sub_status)}"></samlp:StatusCode>'
        f"</samlp:StatusCode><samlp:StatusMessage>{text(error.message)}</samlp:StatusMessage>"
        "</samlp:Status>"
    )
    response = _response(accepted, issuer, response_id, now, codes)
    return signed(response, response_id, signer)


_SUCCESS = f'<samlp:Status><samlp:StatusCode Value="{SUCCESS}"></samlp:StatusCode></samlp:Status>'


def _encrypts(service_provider: ServiceProvider) -> bool:
    if Legacy.UNENCRYPTED in service_provider.exceptions:
        return False
    has_key = bool(service_provider.encryption_certificates)
    if service_provider.encrypt is Encrypt.ALWAYS and not has_key:
        raise UnusableServiceProvider(f"{service_provider.entity_id} has no encryption certificate")
    return has_key and service_provider.encrypt is not Encrypt.NEVER


def _response(
    accepted: AcceptedRequest, issuer: str, response_id: str, now: datetime, content: str
) -> str:
    return check_characters(
        f'<samlp:Response xmlns:samlp="{SAMLP}" Destination="{attribute(accepted.acs)}"'
        f' ID="{response_id}"{_optional("InResponseTo", accepted.message_id)}'
        f' IssueInstant="{write_instant(now)}" Version="2.0">'
        f'<saml:Issuer xmlns:saml="{SAML}">{text(issuer)}</saml:Issuer>'
        f"{content}</samlp:Response>"
    )


def _assertion(
    accepted: AcceptedRequest, service_provider: ServiceProvider, draft: ResponseDraft
) -> str:
    now = draft.now
    end = write_instant(now + CONFIRMATION_LIFETIME)
    return (
        f'<saml:Assertion xmlns:saml="{SAML}" ID="{draft.assertion_id}"'
        f' IssueInstant="{write_instant(now)}" Version="2.0">'
        f"<saml:Issuer>{text(draft.issuer)}</saml:Issuer>"
        f"<saml:Subject>{_name_id(draft.identity.name_id)}"
        f'<saml:SubjectConfirmation Method="{BEARER}"><saml:SubjectConfirmationData'
        f"{_optional('InResponseTo', accepted.message_id)}"
        f' NotOnOrAfter="{end}" Recipient="{attribute(accepted.acs)}">'
        "</saml:SubjectConfirmationData></saml:SubjectConfirmation></saml:Subject>"
        f'<saml:Conditions NotBefore="{write_instant(now - SKEW)}" NotOnOrAfter="{end}">'
        f"<saml:AudienceRestriction><saml:Audience>{text(service_provider.entity_id)}"
        "</saml:Audience></saml:AudienceRestriction></saml:Conditions>"
        f'<saml:AuthnStatement AuthnInstant="{write_instant(draft.authn_instant)}"'
        f' SessionIndex="{draft.session_index}"'
        f' SessionNotOnOrAfter="{write_instant(draft.session_not_on_or_after)}">'
        f"<saml:AuthnContext><saml:AuthnContextClassRef>{text(draft.authn_context)}"
        "</saml:AuthnContextClassRef></saml:AuthnContext></saml:AuthnStatement>"
        f"{_attribute_statement(draft.identity.attributes)}</saml:Assertion>"
    )


def _name_id(name_id: NameID) -> str:
    return (
        f'<saml:NameID Format="{attribute(name_id.format)}"'
        f"{_optional('NameQualifier', name_id.name_qualifier)}"
        f"{_optional('SPNameQualifier', name_id.sp_name_qualifier)}>"
        f"{text(name_id.value)}</saml:NameID>"
    )


def _attribute_statement(attributes: tuple[ReleasedAttribute, ...]) -> str:
    """No empty AttributeStatement: the schema wants at least one Attribute. [SAMLCore] 2.7.3."""
    if not attributes:
        return ""
    statement = "".join(map(_attribute, attributes))
    return f"<saml:AttributeStatement>{statement}</saml:AttributeStatement>"


def _attribute(released: ReleasedAttribute) -> str:
    values = "</saml:AttributeValue><saml:AttributeValue>".join(map(text, released.values))
    return (
        f"<saml:Attribute{_optional('FriendlyName', released.friendly_name)}"
        f' Name="{attribute(released.name)}" NameFormat="{attribute(released.name_format)}">'
        f"<saml:AttributeValue>{values}</saml:AttributeValue></saml:Attribute>"
    )


def _optional(name: str, value: str | None) -> str:
    return "" if value is None else f' {name}="{attribute(value)}"'
