"""Whether a Response is accepted: pysaml2's checks, and those whose result it drops.

[SAMLProf] 4.1.4.3, 4.1.4.5.
"""

import calendar
import logging
from base64 import b64decode
from collections.abc import Mapping
from dataclasses import dataclass

from saml2 import BINDING_HTTP_POST, time_util
from saml2.client import Saml2Client
from saml2.response import AuthnResponse, StatusError
from saml2.saml import Assertion
from saml2.saml import Attribute as SamlAttribute
from saml2.samlp import Response

from views.demo.crypto import encryption_methods, parse

log = logging.getLogger(__name__)

LONGEST_CAUSE = 120
SAMLP = "{urn:oasis:names:tc:SAML:2.0:protocol}"


@dataclass(frozen=True, slots=True)
class Attribute:
    """One attribute as it was received, values in order, duplicates kept."""

    name: str
    friendly_name: str
    values: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Received:
    """An accepted assertion. Times are seconds since 1970, UTC; ``encryption`` names algorithms."""

    name_id: str
    name_id_format: str
    attributes: tuple[Attribute, ...]
    assertion_id: str
    in_response_to: str | None
    not_on_or_after: int
    session_until: int | None
    session_index: str
    signature: str
    encryption: tuple[str, str] | None
    authn_context: str


class Refused(Exception):
    """The Response is not accepted; the text is for the log."""


class SignOnRefused(Refused):
    """A genuine Response whose status is not Success. [SAMLCore] 3.2.2.2."""

    def __init__(self, status: str, sub_status: str, message: str) -> None:
        super().__init__(f"{status} {sub_status}")
        self.status = status
        self.sub_status = sub_status
        self.message = message


def accept(
    client: Saml2Client, encoded: str, outstanding: Mapping[str, str], address: str
) -> Received:
    """What this Response (base64, from HTTP-POST) says, once every check let it through.

    ``outstanding``: IDs of the requests that wait for an answer.

    Raises:
        SignOnRefused: signed, and the status is not Success.
        Refused: anything else that is wrong.
    """
    try:
        xml = b64decode(encoded, validate=False)
        response = client.parse_authn_request_response(
            encoded,
            BINDING_HTTP_POST,
            outstanding=dict(outstanding),
            conv_info={"remote_addr": address, "entity_id": client.config.entityid},
        )
    except StatusError as error:
        raise _status(xml) from error
    except Exception as error:
        # pysaml2 raises its own errors, ValueError, and bare Exception alike.
        raise Refused(_cause(error)) from error
    if response is None or response.response is None or len(response.assertions) != 1:
        raise Refused("no Response with one assertion for this address")
    return _checked(client, response, outstanding, xml)


def _cause(error: Exception) -> str:
    """What went wrong, without the message that pysaml2 puts into its errors whole."""
    said = error.args[0] if error.args else ""
    if isinstance(said, dict):
        said = said.get("message", "")
    return f"{type(error).__name__}: {str(said)[:LONGEST_CAUSE]}"


def _checked(
    client: Saml2Client, response: AuthnResponse, outstanding: Mapping[str, str], xml: bytes
) -> Received:
    assertion = response.assertions[0]
    message = response.response
    _check_parties(client, message, assertion)
    _check_answer(message, assertion, outstanding)
    if not assertion.conditions or not assertion.conditions.not_on_or_after:
        raise Refused("an assertion without an end")
    if response.name_id is None or not response.name_id.text:
        raise Refused("no NameID")
    client.users.remove_person(response.name_id)
    statement = assertion.authn_statement[0]
    context = statement.authn_context.authn_context_class_ref
    until = statement.session_not_on_or_after
    return Received(
        name_id=response.name_id.text.strip(),
        name_id_format=response.name_id.format or "",
        attributes=_attributes(assertion),
        assertion_id=assertion.id,
        in_response_to=message.in_response_to,
        not_on_or_after=_seconds(assertion.conditions.not_on_or_after),
        session_until=_seconds(until) if until else None,
        session_index=statement.session_index or "",
        signature=assertion.signature.signed_info.signature_method.algorithm,
        encryption=encryption_methods(xml),
        authn_context=context.text.strip() if context is not None else "",
    )


def _check_parties(client: Saml2Client, message: Response, assertion: Assertion) -> None:
    """Who speaks, to whom: pysaml2 lets a missing Destination or Audience pass."""
    idp = next(iter(client.metadata.with_descriptor("idpsso")))
    if any(said.issuer is None or said.issuer.text.strip() != idp for said in (message, assertion)):
        raise Refused("another issuer than the identity provider")
    here = client.service_urls(BINDING_HTTP_POST)
    if message.destination not in here:
        raise Refused("another Destination")
    if not assertion.conditions or not assertion.conditions.audience_restriction:
        raise Refused("no AudienceRestriction")
    recipients = {
        confirmation.subject_confirmation_data.recipient
        for confirmation in assertion.subject.subject_confirmation
    }
    if not recipients <= set(here):
        raise Refused("another Recipient")


def _check_answer(message: Response, assertion: Assertion, outstanding: Mapping[str, str]) -> None:
    """A Response that answers, answers a request of ours, and its assertion the same one."""
    answered = message.in_response_to
    if answered is not None and answered not in outstanding:
        raise Refused("an answer to a request that does not wait")
    for confirmation in assertion.subject.subject_confirmation:
        if confirmation.subject_confirmation_data.in_response_to != answered:
            raise Refused("Response and assertion answer different requests")


def _attributes(assertion: Assertion) -> tuple[Attribute, ...]:
    return tuple(
        Attribute(attribute.name, attribute.friendly_name or "", _values(attribute))
        for statement in assertion.attribute_statement
        for attribute in statement.attribute
    )


def _values(attribute: SamlAttribute) -> tuple[str, ...]:
    return tuple((value.text or "") for value in attribute.attribute_value)


def _seconds(instant: str) -> int:
    return calendar.timegm(time_util.str_to_time(instant))


def _status(xml: bytes) -> SignOnRefused:
    """Read from the document whose signature pysaml2 has verified by now."""
    status = parse(xml).find(f"{SAMLP}Status")
    codes = [code.get("Value") or "" for code in status.iter(f"{SAMLP}StatusCode")]
    message = status.findtext(f"{SAMLP}StatusMessage") or ""
    return SignOnRefused(codes[0], codes[1] if len(codes) > 1 else "", message.strip())
