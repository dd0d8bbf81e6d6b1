"""What an AuthnRequest may ask: each option, as an SP and a browser see it.

[SAMLCore] 3.4.1, [SAMLProf] 4.1.4.1.
"""

from datetime import timedelta

import pytest
from lxml import etree
from webtest import TestResponse

from idp.types import AuthnContext, NameIDFormat
from tests.common.fake_sp import NS, SAML, SAMLP, FakeSP, status_of
from tests.functional.conftest import IDP, Visitor, World, text_of

XSI = "http://www.w3.org/2001/XMLSchema-instance"
AGENT = "agent@demo.example"
NET_CAP = "https://net-cap.example/metadata"
ENCRYPTED = "urn:oasis:names:tc:SAML:2.0:nameid-format:encrypted"
CLASSES = "urn:oasis:names:tc:SAML:2.0:ac:classes"


@pytest.fixture
def sp(world: World) -> FakeSP:
    """Net-CAP: unsigned requests, transient names."""
    return world.sps["net-cap"]


def part(text: str) -> etree._Element:
    """A child of the request, from its XML."""
    wrapped = f'<x xmlns:saml="{SAML}" xmlns:samlp="{SAMLP}" xmlns:xsi="{XSI}">{text}</x>'
    return etree.fromstring(wrapped)[0]


def ask(
    world: World, visitor: Visitor, sp: FakeSP, *children: str, **attributes: str
) -> tuple[str, TestResponse]:
    """Send a request with these children; its ID and our page."""
    request = sp.authn_request(*map(part, children), now=world.now, **attributes)
    answer = visitor.app.get(f"/saml/sso?{sp.redirect_query(request)}", status="*")
    return request.get("ID"), visitor.follow(answer)


def told(sp: FakeSP, page: TestResponse) -> tuple[str | None, str]:
    """The second status code and the message of the Response on this page."""
    assert page.status_int == 200, page.text
    _, response, _ = sp.read_page(page.text)
    assert response.find("saml:Assertion", NS) is None
    assert response.find("saml:EncryptedAssertion", NS) is None
    message = response.findtext("samlp:Status/samlp:StatusMessage", namespaces=NS)
    assert message
    assert AGENT not in message
    return status_of(response)[1], message


# --- Subject -----------------------------------------------------------------------------------


def subject(inside: str) -> str:
    return f"<saml:Subject>{inside}</saml:Subject>"


def name_id(value: str, **attributes: str) -> str:
    written = "".join(f' {name}="{text}"' for name, text in attributes.items())
    return subject(f"<saml:NameID{written}>{value}</saml:NameID>")


EMAIL = NameIDFormat.EMAIL_ADDRESS


@pytest.mark.parametrize(
    "wanted",
    [
        name_id(AGENT),
        name_id(AGENT.upper()),
        name_id(AGENT, Format=EMAIL),
        name_id(AGENT, Format=NameIDFormat.UNSPECIFIED),
        name_id(AGENT, NameQualifier=IDP, SPNameQualifier=NET_CAP),
    ],
)
def test_the_person_whom_the_subject_names_may_answer(
    wanted: str, world: World, visitor: Visitor, sp: FakeSP
) -> None:
    visitor.sign_in("agent")
    request_id, page = ask(world, visitor, sp, wanted)
    assert world.consume(sp, page, request_id)


@pytest.mark.parametrize(
    "wanted",
    [
        name_id("multi@demo.example"),
        name_id(AGENT, Format=NameIDFormat.TRANSIENT),
        name_id(AGENT, Format=NameIDFormat.PERSISTENT),
        name_id(AGENT, Format="urn:oasis:names:tc:SAML:2.0:nameid-format:kerberos"),
        name_id(AGENT, Format=EMAIL, SPNameQualifier="https://bip.example/metadata"),
        name_id(AGENT, Format=EMAIL, NameQualifier="https://other.example"),
    ],
)
def test_nobody_else_may(wanted: str, world: World, visitor: Visitor, sp: FakeSP) -> None:
    visitor.sign_in("agent")
    status, message = told(sp, ask(world, visitor, sp, wanted)[1])
    assert status == "UnknownPrincipal"
    assert "Subject" in message


@pytest.mark.parametrize(
    "inside", ["<saml:EncryptedID><x/></saml:EncryptedID>", '<saml:BaseID xsi:type="x"/>']
)
def test_an_identifier_that_is_not_read_here_is_answered_before_anybody_signs_in(
    inside: str, world: World, visitor: Visitor, sp: FakeSP
) -> None:
    status, message = told(sp, ask(world, visitor, sp, subject(inside))[1])
    assert (status, "not read" in message) == ("UnknownPrincipal", True)


def test_a_subject_confirmation_is_not_supported(
    world: World, visitor: Visitor, sp: FakeSP
) -> None:
    holder = "urn:oasis:names:tc:SAML:2.0:cm:holder-of-key"
    confirmation = f'<saml:SubjectConfirmation Method="{holder}"/>'
    status, message = told(sp, ask(world, visitor, sp, subject(confirmation))[1])
    assert (status, "SubjectConfirmation" in message) == ("RequestUnsupported", True)


@pytest.mark.parametrize("code", ["bip", "net-cap"])
def test_a_pseudonym_names_the_person_to_the_sp_that_received_it(
    code: str, world: World, visitor: Visitor
) -> None:
    visitor.sign_in("agent")
    sp = world.sps[code]
    request_id, page = visitor.open(sp, now=world.now)
    received = world.consume(sp, page, request_id)
    wanted = name_id(received.name_id, Format=received.name_id_format)
    again_id, again = ask(world, visitor, sp, wanted)
    assert world.consume(sp, again, again_id)
    world.clock.advance(timedelta(seconds=5))

    forced_id, challenge = ask(world, visitor, sp, wanted, ForceAuthn="true")
    world.clock.advance(timedelta(seconds=5))
    assert world.consume(sp, visitor.sign_in("agent", challenge), forced_id), "after a challenge"

    other = world.sps["net-cap" if code == "bip" else "bip"]
    assert told(other, ask(world, visitor, other, wanted)[1])[0] == "UnknownPrincipal"
    visitor.app.reset()
    world.directory.assign(world.memberships["sansdroit/vitry"], code, "gest")
    visitor.sign_in("sansdroit")
    assert told(sp, ask(world, visitor, sp, wanted)[1])[0] == "UnknownPrincipal"


# --- NameIDPolicy ------------------------------------------------------------------------------


def policy(**attributes: str) -> str:
    written = "".join(f' {name}="{text}"' for name, text in attributes.items())
    return f"<samlp:NameIDPolicy{written}/>"


@pytest.mark.parametrize(
    "wanted",
    [
        "",
        policy(),
        policy(AllowCreate="false"),
        policy(Format=NameIDFormat.UNSPECIFIED),
        policy(Format=NameIDFormat.UNSPECIFIED, AllowCreate="false"),
        policy(Format=NameIDFormat.TRANSIENT, AllowCreate="false"),
        policy(Format=f" {NameIDFormat.TRANSIENT} ", SPNameQualifier=NET_CAP),
    ],
)
def test_a_policy_that_leaves_the_format_to_the_registration(
    wanted: str, world: World, visitor: Visitor, sp: FakeSP
) -> None:
    visitor.sign_in("agent")
    request_id, page = ask(world, visitor, sp, *filter(None, [wanted]))
    assert world.consume(sp, page, request_id).name_id_format == NameIDFormat.TRANSIENT


@pytest.mark.parametrize(
    ("wanted", "word"),
    [
        (policy(Format=ENCRYPTED), "Format"),
        (policy(Format=EMAIL), "Format"),
        (policy(SPNameQualifier="https://bip.example/metadata"), "SPNameQualifier"),
        (policy(SPNameQualifier="https://affiliation.example"), "SPNameQualifier"),
        (policy(SPNameQualifier=f" {NET_CAP}"), "SPNameQualifier"),
        (policy(Format=NameIDFormat.PERSISTENT, AllowCreate="false"), "AllowCreate"),
        (policy(Format=NameIDFormat.PERSISTENT), "AllowCreate"),
    ],
)
def test_a_policy_that_cannot_be_met_is_told_with_what_is_wrong(
    wanted: str, word: str, world: World, visitor: Visitor, sp: FakeSP
) -> None:
    visitor.sign_in("agent")
    status, message = told(sp, ask(world, visitor, sp, wanted)[1])
    assert (status, word in message) == ("InvalidNameIDPolicy", True), message


def test_a_persistent_name_that_exists_needs_no_allow_create(
    world: World, visitor: Visitor, sp: FakeSP
) -> None:
    visitor.sign_in("agent")
    names = set()
    for create in ("true", "false"):
        wanted = policy(Format=NameIDFormat.PERSISTENT, AllowCreate=create)
        request_id, page = ask(world, visitor, sp, wanted)
        names.add(world.consume(sp, page, request_id).name_id)
    assert len(names) == 1


# --- RequestedAuthnContext, ForceAuthn and IsPassive -------------------------------------------


def context(comparison: str, *classes: str, kind: str = "Class") -> str:
    refs = "".join(
        f"<saml:AuthnContext{kind}Ref>{name}</saml:AuthnContext{kind}Ref>" for name in classes
    )
    return (
        f'<samlp:RequestedAuthnContext Comparison="{comparison}">{refs}'
        "</samlp:RequestedAuthnContext>"
    )


PPT, PASSWORD = AuthnContext.PASSWORD_PROTECTED_TRANSPORT, AuthnContext.PASSWORD


@pytest.mark.parametrize(
    ("wanted", "stated"),
    [
        (context("exact", f"{CLASSES}:X509", "urn:unknown", PPT), PPT),
        (context("exact", PASSWORD), PASSWORD),
        (context("minimum", PASSWORD), PPT),
        (context("maximum", f"{CLASSES}:X509"), PPT),
        (context("better", PASSWORD), PPT),
    ],
)
def test_a_context_that_is_met_is_stated(
    wanted: str, stated: str, world: World, visitor: Visitor, sp: FakeSP
) -> None:
    visitor.sign_in("agent")
    request_id, page = ask(world, visitor, sp, wanted)
    assert world.consume(sp, page, request_id).authn_context == stated


@pytest.mark.parametrize(
    "wanted",
    [
        context("exact", "urn:unknown"),
        context("minimum", f"{CLASSES}:X509"),
        context("maximum", PASSWORD),
        context("better", PPT),
        context("exact", "urn:declaration", kind="Decl"),
    ],
)
def test_a_context_that_cannot_be_met_is_told_before_anybody_signs_in(
    wanted: str, world: World, visitor: Visitor, sp: FakeSP
) -> None:
    status, message = told(sp, ask(world, visitor, sp, wanted)[1])
    assert (status, "RequestedAuthnContext" in message) == ("NoAuthnContext", True)


@pytest.mark.parametrize("signed_in", [False, True], ids=["stranger", "signed in"])
def test_a_new_challenge_without_a_page_is_impossible(
    signed_in: bool,  # noqa: FBT001
    world: World,
    visitor: Visitor,
    sp: FakeSP,
) -> None:
    if signed_in:
        visitor.sign_in("agent")
        world.clock.advance(timedelta(seconds=1))
    status, message = told(sp, ask(world, visitor, sp, ForceAuthn="1", IsPassive="1")[1])
    assert (status, "IsPassive" in message) == ("NoPassive", True)


# --- Conditions --------------------------------------------------------------------------------


def audience(name: str) -> str:
    return (
        f"<saml:Conditions><saml:AudienceRestriction><saml:Audience>{name}</saml:Audience>"
        "</saml:AudienceRestriction><saml:OneTimeUse/></saml:Conditions>"
    )


def test_conditions_that_our_assertion_meets(world: World, visitor: Visitor, sp: FakeSP) -> None:
    visitor.sign_in("agent")
    request_id, page = ask(world, visitor, sp, audience(NET_CAP))
    assert world.consume(sp, page, request_id)


@pytest.mark.parametrize(
    ("wanted", "word"),
    [
        (audience("https://bip.example/metadata"), "AudienceRestriction"),
        ('<saml:Conditions><saml:Condition xsi:type="x"/></saml:Conditions>', "Condition"),
    ],
)
def test_conditions_that_nobody_can_meet(
    wanted: str, word: str, world: World, visitor: Visitor, sp: FakeSP
) -> None:
    visitor.sign_in("agent")
    status, message = told(sp, ask(world, visitor, sp, wanted)[1])
    assert (status, word in message) == ("RequestUnsupported", True)


# --- ProviderName ------------------------------------------------------------------------------


def test_the_provider_name_is_shown_as_what_the_application_says_of_itself(
    world: World, visitor: Visitor
) -> None:
    name = 'Net-CAP <script>alert(1)</script> \u202e de "l\'été" ' + "x" * 200
    page = ask(world, visitor, world.sps["bip"], ProviderName=name)[1]
    (shown,) = page.html.find_all("bdi")
    assert shown.text == f"{name[:79]}…"
    assert "<script>alert" not in page.text
    assert "L'application se présente ainsi" in text_of(page)


def test_the_provider_name_of_whoever_wrote_the_request_is_not_shown(
    world: World, visitor: Visitor, sp: FakeSP
) -> None:
    page = ask(world, visitor, sp, ProviderName="Téléphonez au 01 02 03")[1]
    assert "Pour ouvrir Net-CAP" in text_of(page)
    assert "01 02 03" not in page.text
    posted = sp.authn_request(now=world.now, ProviderName="Téléphonez au 01 02 03")
    shown = visitor.follow(visitor.app.post("/saml/sso", sp.post_form(posted)))
    assert "01 02 03" not in shown.text


@pytest.mark.parametrize("name", ["BIP", " bip "])
def test_a_provider_name_that_says_nothing_new_is_not_repeated(
    name: str, world: World, visitor: Visitor
) -> None:
    page = ask(world, visitor, world.sps["bip"], ProviderName=name)[1]
    assert "Pour ouvrir BIP" in text_of(page)
    assert not page.html.find_all("bdi")
