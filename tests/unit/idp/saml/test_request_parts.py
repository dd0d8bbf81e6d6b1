"""What an AuthnRequest may hold: read, tolerated or refused, part by part. [SAMLCore] 3.4.1."""

import pytest
from lxml import etree

from idp.errors import RequestRefused, UnreadableMessage
from idp.saml import authn_request
from idp.saml.bindings import decode_post
from idp.saml.names import SAML, SAMLP
from idp.types import Binding, NameID
from tests.common.fake_sp import FakeSP
from tests.unit.idp.saml.test_authn_request import NOW, PLAIN, SIGNING, SSO, accept, by_redirect

ENTITY = "urn:oasis:names:tc:SAML:2.0:nameid-format:entity"
XSI = "http://www.w3.org/2001/XMLSchema-instance"


def part(text: str) -> etree._Element:
    """A child of the request, from its XML."""
    wrapped = f'<x xmlns:saml="{SAML}" xmlns:samlp="{SAMLP}" xmlns:xsi="{XSI}">{text}</x>'
    return etree.fromstring(wrapped)[0]


def refused(text: str) -> str:
    """The cause for which a request with this child is refused."""
    with pytest.raises(UnreadableMessage) as caught:
        accept(by_redirect(PLAIN, part(text)))
    return caught.value.cause


# --- the request itself --------------------------------------------------------------------------


def test_an_attribute_that_the_schema_does_not_have_is_refused_and_named() -> None:
    for name in ("ForceAuth", "forceAuthn", "id", "{urn:x}ForceAuthn", f"{{{SAMLP}}}IsPassive"):
        with pytest.raises(UnreadableMessage) as caught:
            accept(by_redirect(**{name: "true"}))
        assert name in caught.value.cause


def test_attributes_of_xml_schema_may_stand_anywhere() -> None:
    assert accept(by_redirect(**{f"{{{XSI}}}schemaLocation": f"{SAMLP} protocol.xsd"})).acs


def test_consent_is_read_over() -> None:
    consent = "urn:oasis:names:tc:SAML:2.0:consent:prior"
    assert accept(by_redirect(ID="_1", Consent=consent)) == accept(by_redirect(ID="_1"))


def test_white_space_around_a_uri_is_not_part_of_it() -> None:
    accepted = accept(
        by_redirect(
            Destination=f" {SSO}\n",
            AssertionConsumerServiceURL=f"\t{PLAIN.acs}/other ",
            ProtocolBinding=f" {Binding.POST} ",
        )
    )
    assert accepted.acs == f"{PLAIN.acs}/other"


@pytest.mark.parametrize("space", ["\u00a0", "\u2003", "\x85"])
def test_only_the_white_space_of_xml_is_white_space(space: str) -> None:
    with pytest.raises(RequestRefused, match="Destination"):
        accept(by_redirect(Destination=SSO + space))
    with pytest.raises(UnreadableMessage, match="boolean"):
        accept(by_redirect(IsPassive=f"true{space}"))


@pytest.mark.parametrize(
    "destination",
    [
        SSO.upper(),
        SSO.replace("localhost", "LOCALHOST"),
        SSO.replace("http:", "HTTP:"),
        f"{SSO}/",
        f"{SSO}?",
        f"{SSO}#",
        SSO.replace(":6543", ""),
        SSO.replace(":6543", ":06543"),
        SSO.replace("/saml", "/./saml"),
        SSO.replace("saml", "%73aml"),
    ],
)
def test_a_destination_is_ours_to_the_byte(destination: str) -> None:
    with pytest.raises(RequestRefused) as caught:
        accept(by_redirect(Destination=destination))
    assert destination in caught.value.cause


def test_an_explicit_default_port_is_another_destination() -> None:
    sp = FakeSP("ported", idp_sso="https://auth.example:443/saml/sso")
    with pytest.raises(RequestRefused, match=":443"):
        accept(by_redirect(sp), sp)


@pytest.mark.parametrize("text", ["0", "1", " 65535 "])
def test_attribute_consuming_service_index_is_kept(text: str) -> None:
    accepted = accept(by_redirect(AttributeConsumingServiceIndex=text))
    assert accepted.attribute_consuming_service_index == int(text)
    assert accept(by_redirect()).attribute_consuming_service_index is None


@pytest.mark.parametrize("text", ["", "-1", "65536", "un", "1.0", "\u0661"])
def test_attribute_consuming_service_index_is_a_number(text: str) -> None:
    with pytest.raises(UnreadableMessage, match="unsigned short"):
        accept(by_redirect(AttributeConsumingServiceIndex=text))


def test_provider_name_of_a_signed_request_is_kept_as_it_is() -> None:
    name = " <b>BIP</b> "
    assert accept(by_redirect(SIGNING, ProviderName=name), SIGNING).provider_name == name
    form = SIGNING.post_form(SIGNING.authn_request(now=NOW, ProviderName=name))
    assert accept(decode_post(form.items()), SIGNING).provider_name == name
    assert accept(by_redirect(ProviderName=name)).provider_name is None, "whoever wrote it"
    for name in ("", "   ", "x" * 1025):
        with pytest.raises(UnreadableMessage, match="ProviderName"):
            accept(by_redirect(ProviderName=name))


def test_an_issuer_may_say_that_it_is_an_entity_and_holds_text_alone() -> None:
    request = PLAIN.authn_request(now=NOW)
    request[0].set("Format", f" {ENTITY} ")
    assert authn_request.parse(request).issuer == PLAIN.entity_id
    etree.SubElement(request[0], "b")
    with pytest.raises(UnreadableMessage, match="holds an element"):
        authn_request.parse(request)


@pytest.mark.parametrize("space", ["", " \t\r\n"])
def test_white_space_between_elements_is_none_of_theirs(space: str) -> None:
    request = PLAIN.authn_request(part(conditions(OWN)), part(context(CLASS)), now=NOW)
    request.text = request[0].tail = request[1].text = request[1][0].tail = request[2].text = space
    assert authn_request.parse(request).conditions.audiences


TEXT_BETWEEN = (
    "<samlp:NameIDPolicy>%s</samlp:NameIDPolicy>",
    "<saml:Subject>%s<saml:NameID>v</saml:NameID></saml:Subject>",
    "<saml:Subject><saml:NameID>v</saml:NameID>%s</saml:Subject>",
    "<saml:Conditions>%s</saml:Conditions>",
    "<saml:Conditions><saml:OneTimeUse/>%s</saml:Conditions>",
    "<saml:Conditions><saml:OneTimeUse>%s</saml:OneTimeUse></saml:Conditions>",
    "<saml:Conditions><saml:ProxyRestriction>%s</saml:ProxyRestriction></saml:Conditions>",
    (
        "<saml:Conditions><saml:AudienceRestriction>%s<saml:Audience>urn:a</saml:Audience>"
        "</saml:AudienceRestriction></saml:Conditions>"
    ),
    (
        "<samlp:RequestedAuthnContext>%s<saml:AuthnContextClassRef>urn:a"
        "</saml:AuthnContextClassRef></samlp:RequestedAuthnContext>"
    ),
    (
        "<samlp:RequestedAuthnContext><saml:AuthnContextClassRef>urn:a</saml:AuthnContextClassRef>"
        "%s</samlp:RequestedAuthnContext>"
    ),
    "<samlp:Scoping>%s</samlp:Scoping>",
    (
        '<samlp:Scoping><samlp:IDPList><samlp:IDPEntry ProviderID="x">%s</samlp:IDPEntry>'
        "</samlp:IDPList></samlp:Scoping>"
    ),
)


@pytest.mark.parametrize("text", TEXT_BETWEEN)
def test_text_between_elements_is_refused(text: str) -> None:
    assert "text" in refused(text % "bonjour")
    assert "text" in refused(text % "\u00a0"), "XML's white space alone is none"
    assert accept(by_redirect(PLAIN, part(text % "\n  "))).acs == PLAIN.acs


def test_text_beside_the_parts_of_a_request_is_refused() -> None:
    request = PLAIN.authn_request(now=NOW)
    for node, where in ((request, "text"), (request[0], "tail")):
        setattr(node, where, "bonjour")
        with pytest.raises(UnreadableMessage, match="text"):
            authn_request.parse(request)
        setattr(node, where, None)
    assert authn_request.parse(request)


# --- Extensions, Scoping -------------------------------------------------------------------------


@pytest.mark.parametrize("inside", ["", "<y/>", "<samlp:NameIDPolicy Format='urn:x'/>", "texte"])
def test_extensions_are_read_over(inside: str) -> None:
    accepted = accept(by_redirect(PLAIN, part(f"<samlp:Extensions>{inside}</samlp:Extensions>")))
    assert accepted.name_id_policy is None


def test_extensions_are_there_once() -> None:
    twice = [part("<samlp:Extensions/>"), part("<samlp:Extensions/>")]
    with pytest.raises(UnreadableMessage, match="Extensions"):
        accept(by_redirect(PLAIN, *twice))


ENTRY = '<samlp:IDPEntry ProviderID="https://x" Name="n" Loc="l"/>'


@pytest.mark.parametrize(
    "scoping",
    [
        "<samlp:Scoping/>",
        '<samlp:Scoping ProxyCount="0"/>',
        '<samlp:Scoping ProxyCount=" 12 "/>',
        f"<samlp:Scoping><samlp:IDPList>{ENTRY}{ENTRY}</samlp:IDPList></samlp:Scoping>",
        (
            f"<samlp:Scoping><samlp:IDPList>{ENTRY}<samlp:GetComplete>https://l</samlp:GetComplete>"
            "</samlp:IDPList><samlp:RequesterID>https://r</samlp:RequesterID>"
            "<samlp:RequesterID>https://s</samlp:RequesterID></samlp:Scoping>"
        ),
    ],
)
def test_scoping_is_tolerated(scoping: str) -> None:
    assert accept(by_redirect(PLAIN, part(scoping))).unsupported is None


@pytest.mark.parametrize(
    "inside",
    [
        '<samlp:Scoping ProxyCount="-1"/>',
        '<samlp:Scoping ProxyCount="beaucoup"/>',
        '<samlp:Scoping Proxy="1"/>',
        "<samlp:Scoping><samlp:IDPList/></samlp:Scoping>",
        "<samlp:Scoping><samlp:IDPList><samlp:IDPEntry/></samlp:IDPList></samlp:Scoping>",
        (
            f"<samlp:Scoping><samlp:IDPList><samlp:GetComplete>l</samlp:GetComplete>{ENTRY}"
            "</samlp:IDPList></samlp:Scoping>"
        ),
        (
            f"<samlp:Scoping><samlp:RequesterID>r</samlp:RequesterID><samlp:IDPList>{ENTRY}"
            "</samlp:IDPList></samlp:Scoping>"
        ),
        "<samlp:Scoping><samlp:RequesterID/></samlp:Scoping>",
        "<samlp:Scoping><y/></samlp:Scoping>",
        "<samlp:Scoping>" + "<samlp:RequesterID>r</samlp:RequesterID>" * 51 + "</samlp:Scoping>",
    ],
)
def test_a_scoping_out_of_shape_is_refused(inside: str) -> None:
    assert refused(inside)


# --- Subject -------------------------------------------------------------------------------------


def subject(inside: str) -> str:
    return f"<saml:Subject>{inside}</saml:Subject>"


BEARER = '<saml:SubjectConfirmation Method="urn:oasis:names:tc:SAML:2.0:cm:bearer"/>'


def test_a_subject_keeps_its_format_and_its_qualifiers() -> None:
    name_id = '<saml:NameID Format=" urn:f " NameQualifier="a" SPNameQualifier="b">v</saml:NameID>'
    accepted = accept(by_redirect(PLAIN, part(subject(name_id))))
    assert accepted.subject == NameID("v", "urn:f", "a", "b")
    assert accepted.unsupported is None


@pytest.mark.parametrize(
    "inside", ["<saml:EncryptedID><x/></saml:EncryptedID>", '<saml:BaseID xsi:type="x"/>']
)
def test_an_identifier_that_we_cannot_read_matches_nobody(inside: str) -> None:
    assert accept(by_redirect(PLAIN, part(subject(inside)))).subject == NameID("", "")


@pytest.mark.parametrize("inside", [BEARER, f"<saml:NameID>v</saml:NameID>{BEARER}"])
def test_a_subject_confirmation_is_not_supported(inside: str) -> None:
    unsupported = accept(by_redirect(PLAIN, part(subject(inside)))).unsupported
    assert unsupported is not None
    assert "SubjectConfirmation" in unsupported


@pytest.mark.parametrize(
    "inside",
    [
        "",
        "<saml:NameID>a</saml:NameID><saml:NameID>b</saml:NameID>",
        "<saml:NameID/>",
        "<saml:NameID>a<b/></saml:NameID>",
        '<saml:NameID format="x">a</saml:NameID>',
        f"{BEARER}<saml:NameID>a</saml:NameID>",
        "<saml:EncryptedID/><saml:NameID>a</saml:NameID>",
        "<NameID>a</NameID>",
    ],
)
def test_a_subject_out_of_shape_is_refused(inside: str) -> None:
    assert refused(subject(inside))


# --- NameIDPolicy, RequestedAuthnContext ---------------------------------------------------------


@pytest.mark.parametrize(
    "policy",
    [
        '<samlp:NameIDPolicy Format=""/>',
        '<samlp:NameIDPolicy SPNameQualifier=" "/>',
        '<samlp:NameIDPolicy AllowCreate="oui"/>',
        '<samlp:NameIDPolicy AllowCreation="true"/>',
        "<samlp:NameIDPolicy><y/></samlp:NameIDPolicy>",
    ],
)
def test_a_name_id_policy_out_of_shape_is_refused(policy: str) -> None:
    assert refused(policy)


CLASS = "<saml:AuthnContextClassRef> urn:a </saml:AuthnContextClassRef>"
DECLARATION = "<saml:AuthnContextDeclRef>urn:d</saml:AuthnContextDeclRef>"


def context(inside: str, comparison: str = "exact") -> str:
    return (
        f'<samlp:RequestedAuthnContext Comparison="{comparison}">{inside}'
        "</samlp:RequestedAuthnContext>"
    )


def test_classes_and_declarations_are_read() -> None:
    requested = accept(by_redirect(PLAIN, part(context(CLASS * 2, "better"))))
    assert requested.requested_authn_context is not None
    assert requested.requested_authn_context.class_refs == ("urn:a", "urn:a")
    assert requested.requested_authn_context.comparison == "better"
    declared = accept(by_redirect(PLAIN, part(context(DECLARATION)))).requested_authn_context
    assert declared is not None
    assert (declared.class_refs, declared.declaration_refs) == ((), ("urn:d",))


@pytest.mark.parametrize(
    "inside",
    [
        "",
        CLASS + DECLARATION,
        f"<y>{CLASS}</y>",
        f"<saml:AuthnContextClassRef>{CLASS}</saml:AuthnContextClassRef>",
        "<saml:AuthnContextClassRef/>",
        "<samlp:AuthnContextClassRef>urn:a</samlp:AuthnContextClassRef>",
    ],
)
def test_a_requested_authn_context_out_of_shape_is_refused(inside: str) -> None:
    assert refused(context(inside))


# --- Conditions ----------------------------------------------------------------------------------


def conditions(inside: str, attributes: str = "") -> str:
    return f"<saml:Conditions {attributes}>{inside}</saml:Conditions>"


def audience(*names: str) -> str:
    each = "".join(f"<saml:Audience>{name}</saml:Audience>" for name in names)
    return f"<saml:AudienceRestriction>{each}</saml:AudienceRestriction>"


OWN = audience("https://other", PLAIN.entity_id)


@pytest.mark.parametrize(
    "inside",
    [
        "",
        OWN,
        OWN + OWN,
        "<saml:OneTimeUse/>",
        "<saml:ProxyRestriction/>",
        (
            '<saml:ProxyRestriction Count="0"><saml:Audience>x</saml:Audience>'
            f"</saml:ProxyRestriction>{OWN}<saml:OneTimeUse/>"
        ),
    ],
)
def test_conditions_that_our_assertion_meets_anyhow(inside: str) -> None:
    window = 'NotBefore="2026-11-20T08:00:00Z" NotOnOrAfter="2026-11-20T10:00:00Z"'
    assert accept(by_redirect(PLAIN, part(conditions(inside, window)))).unsupported is None


@pytest.mark.parametrize(
    ("inside", "why"),
    [
        (audience("https://other"), "AudienceRestriction"),
        (OWN + audience("https://other"), "AudienceRestriction"),
        (audience(PLAIN.entity_id.upper()), "AudienceRestriction"),
        ('<saml:Condition xsi:type="x:Later"/>', "unknown kind"),
    ],
)
def test_conditions_that_nobody_can_meet_are_not_supported(inside: str, why: str) -> None:
    unsupported = accept(by_redirect(PLAIN, part(conditions(inside)))).unsupported
    assert unsupported is not None
    assert why in unsupported


@pytest.mark.parametrize(
    "text",
    [
        conditions("<saml:AudienceRestriction/>"),
        conditions("<saml:AudienceRestriction><saml:Audience/></saml:AudienceRestriction>"),
        conditions("<saml:AudienceRestriction><y/></saml:AudienceRestriction>"),
        conditions("<saml:OneTimeUse/><saml:OneTimeUse/>"),
        conditions("<saml:OneTimeUse><y/></saml:OneTimeUse>"),
        conditions("<saml:ProxyRestriction/><saml:ProxyRestriction/>"),
        conditions('<saml:ProxyRestriction Count="-1"/>'),
        conditions("<y/>"),
        conditions("<samlp:OneTimeUse/>"),
        conditions("", 'NotAfter="2026-11-20T10:00:00Z"'),
        conditions("", 'NotBefore="2026-11-20T10:00:00Z" NotOnOrAfter="2026-11-20T10:00:00Z"'),
    ],
)
def test_conditions_out_of_shape_are_refused(text: str) -> None:
    assert refused(text)
