"""From an AuthnRequest as written to an accepted one: every check, one at a time."""

from base64 import b64encode
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
from lxml import etree

from idp.errors import (
    ProtocolError,
    RequestRefused,
    SignatureRefused,
    UnknownEndpoint,
    UnreadableMessage,
)
from idp.messages import AcceptedRequest
from idp.saml import authn_request, xml
from idp.saml.bindings import Message, decode_post, decode_redirect
from idp.types import Binding, Endpoint, NameID, ServiceProvider
from tests.common.fake_sp import SAML, SAMLP, FakeSP

NOW = datetime(2026, 11, 20, 9, 0, tzinfo=UTC)
SSO = "http://localhost:6543/saml/sso"
PLAIN = FakeSP("plain")
SIGNING = FakeSP("signing", signs=True)


def registered(sp: FakeSP, **changes: object) -> ServiceProvider:
    values: dict[str, object] = {
        "entity_id": sp.entity_id,
        "display_name": "SP",
        "assertion_consumer_services": (
            Endpoint(Binding.POST, sp.acs, 0),
            Endpoint(Binding.POST, f"{sp.acs}/other", 1),
            Endpoint(Binding.POST, f"{sp.acs}/default", 2, is_default=True),
            Endpoint(Binding.ARTIFACT, f"{sp.acs}/artifact", 3),
        ),
        "signing_certificates": (sp.certificate,),
        "authn_requests_signed": sp.signs,
    }
    return ServiceProvider(**(values | changes))


def accept(
    message: Message, sp: FakeSP = PLAIN, now: datetime = NOW, **changes: object
) -> AcceptedRequest:
    root = xml.parse(message.xml)
    request = authn_request.parse(root)
    return authn_request.accept(
        request, root, message, registered(sp, **changes), destination=SSO, now=now
    )


def by_redirect(sp: FakeSP = PLAIN, *children: etree._Element, **attributes: str | None) -> Message:
    request = sp.authn_request(*children, now=NOW, **attributes)
    return decode_redirect(sp.redirect_query(request, "état"))


def node(tag: str, text: str | None = None, **attributes: str) -> etree._Element:
    prefix, _, name = tag.partition(":")
    made = etree.Element(f"{{{ {'saml': SAML, 'samlp': SAMLP}[prefix] }}}{name}", attributes)
    made.text = text
    return made


def test_a_plain_request_is_accepted() -> None:
    accepted = accept(by_redirect(ID="_1"))
    assert accepted == AcceptedRequest(
        entity_id=PLAIN.entity_id,
        acs=PLAIN.acs,
        received_at=NOW,
        message_id="_1",
        relay_state="état",
    )


@pytest.mark.parametrize("text", ["1", "true"])
def test_force_authn_and_is_passive_are_booleans_of_xml_schema(text: str) -> None:
    accepted = accept(by_redirect(ForceAuthn=text, IsPassive=text))
    assert accepted.force_authn
    assert accepted.is_passive
    with pytest.raises(UnreadableMessage, match="boolean"):
        accept(by_redirect(ForceAuthn="yes"))


@pytest.mark.parametrize(
    ("attributes", "suffix"),
    [
        ({"AssertionConsumerServiceURL": None}, "/default"),
        ({"AssertionConsumerServiceURL": f"{PLAIN.acs}/other"}, "/other"),
        ({"AssertionConsumerServiceURL": None, "AssertionConsumerServiceIndex": "1"}, "/other"),
        ({"ProtocolBinding": Binding.POST}, ""),
    ],
)
def test_the_endpoint_comes_from_the_metadata(
    attributes: dict[str, str | None], suffix: str
) -> None:
    assert accept(by_redirect(**attributes)).acs == PLAIN.acs + suffix


@pytest.mark.parametrize(
    "attributes",
    [
        {"AssertionConsumerServiceURL": "https://evil.example/acs"},
        {"AssertionConsumerServiceURL": f"{PLAIN.acs}?x"},
        {"AssertionConsumerServiceURL": f"{PLAIN.acs}/artifact"},
        {"AssertionConsumerServiceURL": None, "AssertionConsumerServiceIndex": "9"},
        {"AssertionConsumerServiceURL": None, "AssertionConsumerServiceIndex": "3"},
        {"AssertionConsumerServiceIndex": "1"},
        {"ProtocolBinding": Binding.ARTIFACT},
        {"ProtocolBinding": Binding.REDIRECT},
    ],
)
def test_an_endpoint_that_the_metadata_does_not_hold_is_refused(
    attributes: dict[str, str | None],
) -> None:
    with pytest.raises(UnknownEndpoint):
        accept(by_redirect(**attributes))


@pytest.mark.parametrize("binding", [None, Binding.POST])
def test_without_any_default_the_first_that_is_not_denied_is_taken(binding: str | None) -> None:
    endpoints = (
        Endpoint(Binding.POST, "https://a.example", 0, is_default=False),
        Endpoint(Binding.POST, "https://b.example", 1),
    )
    provider = registered(PLAIN, assertion_consumer_services=endpoints)
    assert authn_request.find_acs(provider, binding=binding).location == "https://b.example"


@pytest.mark.parametrize(
    "offset", [timedelta(seconds=179), timedelta(minutes=-5, seconds=-179), timedelta()]
)
def test_clocks_may_differ_by_three_minutes(offset: timedelta) -> None:
    instant = (NOW + offset).strftime("%Y-%m-%dT%H:%M:%S.123Z")
    assert accept(by_redirect(IssueInstant=instant)).message_id


@pytest.mark.parametrize(
    "attributes",
    [
        {"IssueInstant": "2026-11-20T09:03:01Z"},
        {"IssueInstant": "2026-11-20T08:51:59Z"},
        {"IssueInstant": "2001-01-01T00:00:00Z"},
        {"IssueInstant": "2099-01-01T00:00:00Z"},
        {"Version": "1.1"},
        {"Destination": "http://localhost:6543/saml/slo"},
        {"Destination": "https://evil.example/saml/sso"},
    ],
)
def test_a_stale_future_or_misdirected_request_is_refused(attributes: dict[str, str]) -> None:
    with pytest.raises(RequestRefused):
        accept(by_redirect(**attributes))


@pytest.mark.parametrize(
    "attributes",
    [
        {"ID": None},
        {"ID": ""},
        {"ID": "1abc"},
        {"ID": "a b"},
        {"ID": "_" + "a" * 256},
        {"IssueInstant": None},
        {"IssueInstant": "yesterday"},
        {"IssueInstant": "2026-11-20T09:00:00"},
        {"IssueInstant": "2026-13-20T09:00:00Z"},
        {"IssueInstant": "0001-01-01T00:00:00+14:00"},
        {"AssertionConsumerServiceIndex": "-1"},
        {"AssertionConsumerServiceIndex": "65536"},
        {"AssertionConsumerServiceIndex": "\u0661"},
        {"ProviderName": ""},
    ],
)
def test_attributes_out_of_shape_are_refused(attributes: dict[str, str | None]) -> None:
    with pytest.raises(UnreadableMessage):
        accept(by_redirect(**attributes))


@pytest.mark.parametrize(
    "children",
    [
        [node("saml:Issuer", "other")],
        [node("samlp:NameIDPolicy"), node("samlp:NameIDPolicy")],
        [node("samlp:NameIDPolicy"), node("saml:Subject")],
        [node("samlp:Status")],
        [node("samlp:RequestedAuthnContext")],
        [node("samlp:RequestedAuthnContext", Comparison="about")],
        [node("saml:Conditions", NotBefore="soon")],
    ],
)
def test_children_out_of_shape_are_refused(children: list[etree._Element]) -> None:
    with pytest.raises(UnreadableMessage):
        accept(by_redirect(PLAIN, *children))


def test_another_message_is_no_authn_request() -> None:
    for text in (f'<x:LogoutRequest xmlns:x="{SAMLP}"/>', "<AuthnRequest/>"):
        with pytest.raises(UnreadableMessage, match="not an AuthnRequest"):
            authn_request.parse(xml.parse(text.encode()))
    with pytest.raises(UnreadableMessage, match="without Issuer"):
        authn_request.parse(xml.parse(f'<x:AuthnRequest xmlns:x="{SAMLP}"/>'.encode()))


def test_an_issuer_of_another_format_is_refused() -> None:
    request = PLAIN.authn_request(now=NOW)
    request[0].set("Format", "urn:oasis:names:tc:SAML:1.1:nameid-format:emailAddress")
    with pytest.raises(UnreadableMessage, match="Format"):
        authn_request.parse(request)


@pytest.mark.parametrize(
    "conditions",
    [{"NotBefore": "2026-11-20T09:03:01Z"}, {"NotOnOrAfter": "2026-11-20T08:57:00Z"}],
)
def test_conditions_are_kept(conditions: dict[str, str]) -> None:
    with pytest.raises(RequestRefused, match="Conditions"):
        accept(by_redirect(PLAIN, node("saml:Conditions", **conditions)))


def test_the_subject_the_policy_and_the_context_are_read() -> None:
    subject = node("saml:Subject")
    subject.append(node("saml:NameID", " lea@x.example ", Format="f", SPNameQualifier="q"))
    context = node("samlp:RequestedAuthnContext", Comparison="minimum")
    context.append(node("saml:AuthnContextClassRef", "urn:a"))
    policy = node("samlp:NameIDPolicy", Format="urn:f", AllowCreate="1", SPNameQualifier="q")
    scoping = node("samlp:Scoping", ProxyCount="0")
    accepted = accept(by_redirect(PLAIN, subject, policy, context, scoping))
    assert accepted.subject == NameID("lea@x.example", "f", None, "q")
    assert accepted.name_id_policy is not None
    assert (accepted.name_id_policy.format, accepted.name_id_policy.allow_create) == ("urn:f", True)
    assert accepted.requested_authn_context is not None
    assert accepted.requested_authn_context.class_refs == ("urn:a",)


def test_a_subject_that_cannot_be_read_matches_nobody() -> None:
    subject = node("saml:Subject")
    subject.append(node("saml:EncryptedID"))
    assert accept(by_redirect(PLAIN, subject)).subject == NameID("", "")


def test_a_signed_redirect_is_verified_over_its_own_octets() -> None:
    assert accept(by_redirect(SIGNING), SIGNING).entity_id == SIGNING.entity_id


def test_a_signed_post_is_verified() -> None:
    message = decode_post(SIGNING.post_form(SIGNING.authn_request(now=NOW)).items())
    assert accept(message, SIGNING).entity_id == SIGNING.entity_id


def _unsigned() -> Message:
    query = SIGNING.redirect_query(SIGNING.authn_request(now=NOW), sign=False)
    return decode_redirect(query)


def _other_relay_state() -> Message:
    query = SIGNING.redirect_query(SIGNING.authn_request(now=NOW), "a")
    return decode_redirect(query.replace("RelayState=a", "RelayState=b"))


def _other_s_key() -> Message:
    stranger = FakeSP("stranger", signs=True)
    stranger.entity_id, stranger.acs = SIGNING.entity_id, SIGNING.acs
    return decode_redirect(stranger.redirect_query(stranger.authn_request(now=NOW)))


def _changed_post() -> Message:
    form = SIGNING.post_form(SIGNING.authn_request(now=NOW))
    root = etree.fromstring(decode_post(form.items()).xml)
    root.set("ForceAuthn", "false")
    return decode_post([("SAMLRequest", b64encode(etree.tostring(root)).decode())])


def _both_signatures() -> Message:
    request = SIGNING.authn_request(now=NOW)
    SIGNING.sign(request)
    return decode_redirect(SIGNING.redirect_query(request))


@pytest.mark.parametrize(
    "make", [_unsigned, _other_relay_state, _other_s_key, _changed_post, _both_signatures]
)
def test_an_sp_that_signs_is_believed_only_with_its_signature(make: Callable[[], Message]) -> None:
    with pytest.raises(SignatureRefused):
        accept(make(), SIGNING)


def test_a_signature_that_is_present_is_verified_even_where_none_is_asked() -> None:
    with pytest.raises(SignatureRefused):
        accept(_other_s_key(), SIGNING, authn_requests_signed=False)
    assert accept(_unsigned(), SIGNING, authn_requests_signed=False).acs == SIGNING.acs


def test_a_signed_request_without_destination_is_refused() -> None:
    request = SIGNING.authn_request(now=NOW, Destination=None)
    with pytest.raises(RequestRefused, match="Destination"):
        accept(decode_redirect(SIGNING.redirect_query(request)), SIGNING)
    assert accept(by_redirect(Destination=None)).acs == PLAIN.acs


def test_every_refusal_is_a_protocol_error_with_two_texts() -> None:
    with pytest.raises(ProtocolError) as refused:
        accept(by_redirect(AssertionConsumerServiceURL="https://evil.example/"))
    assert "evil.example" in refused.value.cause
    assert "evil.example" not in refused.value.public
