"""Named scenarios, each with mod_auth_mellon and with Shibboleth SP as Debian ships them."""

import re
from urllib.parse import parse_qsl, urlencode, urljoin, urlsplit

import pytest

from idp.errors import AuthnFailed, NoPassive, RequestDenied, StatusError
from idp.names import of
from tests.common.fake_sp import status_of
from tests.common.interop import Started, Visitor, World, expected, label, mail, sorted_values
from tests.common.saml_trace import inflated, requests, responses, with_request
from tests.common.shibboleth import Shibboleth
from tests.common.sp_sites import SITES, Names, RealSP, Session, Site
from tests.common.web_visitor import Page

PLAIN, SIGNED, POSTED, SEALED = (SITES[name] for name in ("plain", "signed", "posted", "sealed"))
BOTH_BINDINGS = pytest.mark.parametrize("site", [PLAIN, POSTED], ids=["redirect", "post"])
BOTH_TOLD = pytest.mark.parametrize("site", [SIGNED, SEALED], ids=["redirect", "post"])
TOLD_NO = re.compile(r"status:(NoPassive|RequestDenied|AuthnFailed)|reported an IdP error")
QUERY = {"q": "é & œ"}  # Lasso warns of a RelayState longer than 80 bytes
URI = "urn:oasis:names:tc:SAML:2.0:attrname-format:uri"
BASIC = "urn:oasis:names:tc:SAML:2.0:attrname-format:basic"


def received(sp: RealSP, site: Site, page: Page) -> Session:
    """The session that a protected page of this site shows."""
    assert page.status == 200, (page.url, page.body)
    assert page.url.startswith(f"{sp.base}/{site.name}/"), page.url
    session = sp.read(site, page.body)
    assert session is not None
    return session


def assert_no_session(sp: RealSP, site: Site, visitor: Visitor) -> None:
    page = visitor.go(sp.page(site, session=False))
    assert page.status == 200
    assert sp.read(site, page.body) is None


def assert_told_no(sp: RealSP, error: type[StatusError], page: Page) -> None:
    """The program understood that the answer is no, says why, and complains of nothing else.

    mod_auth_mellon logs why; Shibboleth SP shows it on its error page, and has none for NoPassive.
    """
    lines = sp.complaints()
    assert lines
    assert all(TOLD_NO.search(line) for line in lines), lines
    assert not any("(null)" in line for line in lines), lines
    if not isinstance(sp, Shibboleth):
        assert any(error.status_message in line for line in lines), lines
    elif error is not NoPassive:
        assert error.status_message in page.text


def asked_to_sign_in(visitor: Visitor) -> bool:
    return any("/connexion" in page.url for page in visitor.trace)


# --- what the programs make of us, and we of them ---------------------------------------------


def test_it_starts_on_our_metadata_without_a_complaint(started: Started) -> None:
    assert started.complaints == []


def test_its_own_metadata_is_registered(sp: RealSP, world: World) -> None:
    for site in SITES.values():
        shown = world.run("sp", "show", sp.entity_id(site))
        assert sp.acs(site) in shown
    assert world.run("sp", "check")


# --- sign-on from the SP ----------------------------------------------------------------------


@pytest.mark.parametrize("site", SITES.values(), ids=list(SITES))
def test_sign_on_from_the_sp(sp: RealSP, site: Site, visitor: Visitor) -> None:
    target = sp.page(site, query=QUERY)
    page = visitor.reach(target, "lea")
    assert page.url == target
    session = received(sp, site, page)
    wanted = expected(site, "lea", "vitry")
    assert sorted_values(site, session.attributes) == sorted_values(site, wanted)
    assert (session.name_id == mail("lea")) is (site.names in {Names.EMAIL, Names.UNSPECIFIED})

    (request,) = requests(visitor.trace)
    assert (request.binding, request.signed) == (site.binding, site.signs)
    (response,) = responses(visitor.trace)
    assert response.response_signed is (site.sign != "assertion")
    assert response.encrypted is (site.encrypt != "never")
    if not response.encrypted:
        assert response.assertion_signed is (site.sign != "response")
        assert response.name_id_format == site.names.urn
        assert response.name_formats == {URI if site.attributes == "uri" else BASIC}


def test_a_person_signs_in_once_for_every_site(sp: RealSP, visitor: Visitor) -> None:
    received(sp, PLAIN, visitor.reach(sp.page(PLAIN), "lea"))
    visitor.trace.clear()
    for site in (SIGNED, POSTED, SITES["encrypted"], SITES["posted-signed"]):
        received(sp, site, visitor.go(sp.page(site)))
    assert not asked_to_sign_in(visitor)


def test_a_signature_that_was_stripped_is_missed(
    sp: RealSP, visitor: Visitor, world: World
) -> None:
    url = first_redirect(visitor, sp.page(SIGNED))
    query = [(name, value) for name, value in parse_qsl(urlsplit(url).query) if name[:3] != "Sig"]
    page = visitor.go(urlsplit(url)._replace(query=urlencode(query)).geturl())
    assert page.status == 400
    assert "signed" in world.causes()[-1]
    assert_no_session(sp, SIGNED, visitor)


def test_a_relay_state_that_was_changed_breaks_the_signature(sp: RealSP, visitor: Visitor) -> None:
    url = first_redirect(visitor, sp.page(SIGNED))
    assert "&RelayState=" in url
    page = visitor.go(url.replace("&RelayState=", "&RelayState=x"))
    assert page.status == 400
    assert_no_session(sp, SIGNED, visitor)


def first_redirect(visitor: Visitor, url: str) -> str:
    """Where the SP sends the browser with its AuthnRequest."""
    page = visitor.request("GET", url)
    while "SAMLRequest=" not in page.headers["Location"]:
        page = visitor.request("GET", urljoin(page.url, page.headers["Location"]))
    return str(page.headers["Location"])


# --- several structures -----------------------------------------------------------------------


def test_the_structure_is_asked_and_the_other_one_stays_here(sp: RealSP, visitor: Visitor) -> None:
    page = visitor.reach(sp.page(PLAIN), "ali")
    assert "Pour quelle structure travaillez-vous" in page.text
    number = page.form_number("/structure")
    buttons = page.forms[number].iter("button")
    (chosen,) = [each.get("value") for each in buttons if "Ivry" in each.text_content()]
    page = visitor.submit(page, {"membership": str(chosen)}, number=number)
    session = received(sp, PLAIN, page)
    assert dict(session.attributes) == expected(PLAIN, "ali", "ivry")


@pytest.mark.parametrize("name", ["scoped", "parallel"])
def test_all_structures_arrive_together(sp: RealSP, visitor: Visitor, name: str) -> None:
    site = SITES[name]
    session = received(sp, site, visitor.reach(sp.page(site), "ali"))
    wanted = expected(site, "ali", "ivry", "vitry")
    assert sorted_values(site, session.attributes) == sorted_values(site, wanted)


# --- ForceAuthn, IsPassive --------------------------------------------------------------------


def forced(sp: RealSP, visitor: Visitor, site: Site) -> Page:
    """Sign on with ForceAuthn, up to the page that this leads to.

    mod_auth_mellon cannot ask for it; its request is not signed, so the browser can.
    """
    target = sp.page(site)
    if isinstance(sp, Shibboleth):
        return visitor.go(sp.login(site, target=target, force=True))
    url = first_redirect(visitor, sp.login(site, target=target))
    message = inflated(dict(parse_qsl(urlsplit(url).query))["SAMLRequest"])
    asking = message.replace(b'ForceAuthn="false"', b'ForceAuthn="true"')
    assert asking != message
    return visitor.go(with_request(url, asking))


def test_force_authn_asks_for_the_password_again(
    sp: RealSP, world: World, visitor: Visitor
) -> None:
    received(sp, PLAIN, visitor.reach(sp.page(PLAIN), "lea"))
    with world.ahead(10):
        page = forced(sp, visitor, PLAIN)
        assert "Confirmez votre identité" in page.text
        received(sp, PLAIN, visitor.sign_in(page, "lea"))
    first, second = responses(visitor.trace)
    assert second.authn_instant > first.authn_instant


@BOTH_BINDINGS
def test_passive_and_nobody_is_signed_in(sp: RealSP, site: Site, visitor: Visitor) -> None:
    target = sp.page(site, session=False)
    page = visitor.go(sp.login(site, target=target, passive=True))
    assert (page.status, page.url) == (200, target)
    assert sp.read(site, page.body) is None
    assert not asked_to_sign_in(visitor)
    (response,) = responses(visitor.trace)
    assert status_of(response.xml) == ("Responder", "NoPassive")
    assert_told_no(sp, NoPassive, page)


@BOTH_BINDINGS
def test_passive_and_signed_in(sp: RealSP, site: Site, visitor: Visitor) -> None:
    visitor.reach(sp.page(SIGNED), "lea")
    visitor.trace.clear()
    target = sp.page(site, session=False)
    page = visitor.go(sp.login(site, target=target, passive=True))
    assert page.url == target
    assert received(sp, site, page).attributes["mail"] == [mail("lea")]
    assert not asked_to_sign_in(visitor)
    assert requests(visitor.trace)[0].xml.get("IsPassive") in {"true", "1"}


# --- sign-on from us --------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["plain", "posted-signed", "encrypted"])
def test_sign_on_from_the_tile(sp: RealSP, world: World, visitor: Visitor, name: str) -> None:
    site = SITES[name]
    target = sp.page(site, query=QUERY)
    page = visitor.reach(world.init(sp.entity_id(site), target), "lea")
    assert page.url == target
    session = received(sp, site, page)
    assert dict(session.attributes) == expected(site, "lea", "vitry")
    (response,) = responses(visitor.trace)
    assert response.relay_state == target
    assert response.xml.get("InResponseTo") is None


def test_sign_on_from_the_tile_without_a_relay_state(
    sp: RealSP, world: World, visitor: Visitor
) -> None:
    page = visitor.reach(world.init(sp.entity_id(PLAIN)), "lea")
    assert page.url == sp.page(PLAIN, session=False)
    assert received(sp, PLAIN, page).attributes["mail"] == [mail("lea")]


# --- NameIDs ----------------------------------------------------------------------------------


def test_a_persistent_name_stays_and_is_another_one_elsewhere(
    sp: RealSP, visitor: Visitor, another_visitor: Visitor
) -> None:
    first = received(sp, SIGNED, visitor.reach(sp.page(SIGNED), "lea"))
    again = received(sp, SIGNED, another_visitor.reach(sp.page(SIGNED), "lea"))
    elsewhere = received(sp, SITES["encrypted"], visitor.go(sp.page(SITES["encrypted"])))
    assert again.name_id == first.name_id
    assert elsewhere.name_id != first.name_id
    assert "lea" not in first.name_id


def test_a_transient_name_is_new_each_time(
    sp: RealSP, visitor: Visitor, another_visitor: Visitor
) -> None:
    first = received(sp, PLAIN, visitor.reach(sp.page(PLAIN), "lea"))
    again = received(sp, PLAIN, another_visitor.reach(sp.page(PLAIN), "lea"))
    assert again.name_id != first.name_id


# --- no ---------------------------------------------------------------------------------------


@BOTH_BINDINGS
def test_without_a_role_nothing_leaves(sp: RealSP, site: Site, visitor: Visitor) -> None:
    page = visitor.reach(sp.page(site), "zoe")
    assert page.status == 403
    assert f"Vous n'avez pas accès à l'application {label(sp, site)}" in page.text
    assert responses(visitor.trace) == []
    assert_no_session(sp, site, visitor)


@BOTH_TOLD
def test_without_a_role_a_button_takes_the_answer_to_an_sp_that_wants_to_know(
    sp: RealSP, site: Site, visitor: Visitor
) -> None:
    page = visitor.reach(sp.page(site), "zoe")
    assert page.status == 403
    assert f"Vous n'avez pas accès à l'application {label(sp, site)}" in page.text
    assert responses(visitor.trace) == []
    page = visitor.submit(page, {})
    assert page.url.startswith(sp.base)
    (response,) = responses(visitor.trace)
    assert status_of(response.xml) == ("Responder", "RequestDenied")
    assert_told_no(sp, RequestDenied, page)
    assert_no_session(sp, site, visitor)


def test_passive_without_a_role_is_a_status(sp: RealSP, visitor: Visitor) -> None:
    visitor.reach(sp.page(PLAIN), "zoe")
    page = visitor.go(sp.login(PLAIN, target=sp.page(PLAIN, session=False), passive=True))
    assert page.url.startswith(sp.base)
    (response,) = responses(visitor.trace)
    assert status_of(response.xml) == ("Responder", "RequestDenied")
    assert_told_no(sp, RequestDenied, page)
    assert_no_session(sp, PLAIN, visitor)


@BOTH_BINDINGS
def test_backing_out_ends_here(sp: RealSP, site: Site, visitor: Visitor) -> None:
    page = visitor.go(sp.page(site))
    page = visitor.submit(page, {}, number=page.form_number("/annuler"))
    assert f"Vous avez annulé l'ouverture {of(label(sp, site))}" in page.text
    assert responses(visitor.trace) == []
    assert_no_session(sp, site, visitor)


@BOTH_TOLD
def test_backing_out_leads_back_to_an_sp_that_wants_to_know(
    sp: RealSP, site: Site, visitor: Visitor
) -> None:
    page = visitor.go(sp.page(site))
    page = visitor.submit(page, {}, number=page.form_number("/annuler"))
    assert page.url.startswith(sp.base)
    (response,) = responses(visitor.trace)
    assert status_of(response.xml) == ("Responder", "AuthnFailed")
    assert_told_no(sp, AuthnFailed, page)
    assert_no_session(sp, site, visitor)


# --- clocks -----------------------------------------------------------------------------------


@pytest.mark.parametrize("seconds", [-150, 150], ids=["behind", "ahead"])
@BOTH_BINDINGS
def test_clocks_may_differ_by_two_minutes_and_a_half(
    sp: RealSP, site: Site, world: World, visitor: Visitor, seconds: float
) -> None:
    with world.ahead(seconds):
        received(sp, site, visitor.reach(sp.page(site), "lea"))


def test_an_sp_believes_no_assertion_from_the_future(
    sp: RealSP, world: World, visitor: Visitor
) -> None:
    with world.ahead(450):
        page = visitor.reach(sp.page(PLAIN), "lea")
    assert page.status >= 400
    assert len(responses(visitor.trace)) == 1
    assert sp.complaints()
    assert_no_session(sp, PLAIN, visitor)
