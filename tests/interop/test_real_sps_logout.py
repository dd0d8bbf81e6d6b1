"""Single logout with mod_auth_mellon and with Shibboleth SP: what they ask, what they are told."""

import re
import time
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from lxml import html

from tests.common import mellon
from tests.common.fake_slo import status_of_logout
from tests.common.fake_sp import NS
from tests.common.interop import HELD, Started, Visitor, World, label, mail
from tests.common.saml_trace import Request, logout_messages
from tests.common.shibboleth import Shibboleth
from tests.common.sp_sites import REDIRECT, SITES, RealSP, Site
from tests.common.web_visitor import Page

PLAIN, SIGNED = SITES["plain"], SITES["signed"]
CLOSED, UNTOLD = "fermée", "ne peut pas être fermée à distance"
UNCONFIRMED = "n'a pas confirmé sa fermeture"
GONE = re.compile("session is not available in the session store")
# mod_auth_mellon looks a session up by the NameID alone, among all the sites of its server: two of
# them that know a person by his address are mistaken for each other.
APART = [site for site in SITES.values() if site.name not in {"posted", "scoped"}]
SITES_WITH_LOGOUT = pytest.mark.parametrize(
    "site", [site for site in SITES.values() if site.logout], ids=lambda site: site.name
)


def sign_on(sp: RealSP, visitor: Visitor, *sites: Site, person: str = "eva") -> None:
    """Open these sites; the first asks for the password."""
    for site in sites:
        page = visitor.go(sp.page(site))
        if urlsplit(page.url).path == "/connexion":
            page = visitor.sign_in(page, person)
        assert sp.read(site, page.body) is not None, (page.url, page.body)


def is_over(sp: RealSP, site: Site, visitor: Visitor) -> bool:
    """Whether the SP, asked again, knows nobody."""
    complaints = sp.complaints()
    page = visitor.go(sp.page(site, session=False))
    assert page.status == 200
    # Shibboleth SP says so of a session that was closed without the browser.
    assert [line for line in complaints + sp.complaints() if not GONE.search(line)] == []
    return sp.read(site, page.body) is None


def told(page: Page) -> dict[str, str]:
    """What our last page says of each application."""
    assert urlsplit(page.url).path == "/deconnexion/terminee", page.url
    lines = html.fromstring(page.body).find_class("told-label")
    return {
        line.text_content().strip(): " ".join(line.getnext().text_content().split())
        for line in lines
    }


def said(visitor: Visitor, sender: str) -> tuple[Request, ...]:
    """What this entityID said about the logout, by the browser."""
    return tuple(logout_messages(visitor.trace, sender))


# --- from the SP ------------------------------------------------------------------------------


@SITES_WITH_LOGOUT
def test_from_the_sp(sp: RealSP, site: Site, visitor: Visitor, world: World) -> None:
    sign_on(sp, visitor, site)
    target = sp.page(site, session=False)
    page = visitor.go(sp.logout(site, target=target))
    if site.asks_by_soap and isinstance(sp, Shibboleth):
        # It closes its own session, asks us, and shows a page of its own.
        assert said(visitor, sp.entity_id(site)) == ()
    else:
        assert (page.url, page.status) == (target, 200)
        (request,) = said(visitor, sp.entity_id(site))
        assert request.signed
        assert request.binding == (site.binding if isinstance(sp, Shibboleth) else REDIRECT)
        (response,) = said(visitor, world.entity_id)
        assert response.signed
        assert status_of_logout(response.xml) == ["Success"]
    assert is_over(sp, site, visitor)
    assert not visitor.is_signed_in()


@pytest.mark.parametrize("site", [PLAIN, SIGNED, SITES["sealed"]], ids=lambda site: site.name)
def test_signed_on_twice_in_one_browser(
    sp: RealSP, site: Site, visitor: Visitor, world: World
) -> None:
    """It lost its cookie in between, names the last of its sessions, and is told of the first."""
    sign_on(sp, visitor, site)
    visitor.forget(sp.page(site))
    sign_on(sp, visitor, site)
    target = sp.page(site, session=False)
    page = visitor.tell(visitor.go(sp.logout(site, target=target)))
    assert page.status == 200
    if not (site.asks_by_soap and isinstance(sp, Shibboleth)):
        assert page.url == target
        assert status_of_logout(said(visitor, world.entity_id)[-1].xml) == ["Success"]
    assert is_over(sp, site, visitor)
    assert not visitor.is_signed_in()


def test_what_it_encrypts_is_read(
    started_shibboleth: Started, visitor: Visitor, world: World
) -> None:
    """An EncryptedID: with our certificate for encryption. Lasso encrypts none."""
    sp, site = started_shibboleth.program, SITES["encrypted"]
    sign_on(sp, visitor, site)
    visitor.go(sp.logout(site, target=sp.page(site, session=False)))
    (request,) = said(visitor, sp.entity_id(site))
    assert request.xml.find("saml:EncryptedID", NS) is not None
    assert request.xml.find("saml:NameID", NS) is None
    (response,) = said(visitor, world.entity_id)
    assert status_of_logout(response.xml) == ["Success"]
    assert not visitor.is_signed_in()


@SITES_WITH_LOGOUT
def test_from_one_sp_the_other_is_closed_too(
    sp: RealSP, site: Site, visitor: Visitor, world: World
) -> None:
    first = PLAIN if site is not PLAIN else SIGNED
    sign_on(sp, visitor, first, site)
    page = visitor.tell(visitor.go(sp.logout(first, target=sp.page(first, session=False))))
    assert page.url == sp.page(first, session=False)
    last = said(visitor, world.entity_id)[-1]
    assert status_of_logout(last.xml) == ["Success"]
    assert is_over(sp, site, visitor)
    assert is_over(sp, first, visitor)
    assert not visitor.is_signed_in()
    page = visitor.go(sp.page(site))
    assert urlsplit(page.url).path == "/connexion", "a person must sign in again"


def test_across_the_two_programs(
    started_mellon: Started, started_shibboleth: Started, visitor: Visitor
) -> None:
    programs = [started_mellon.program, started_shibboleth.program]
    for asking, other in (programs, reversed(programs)):
        for site in (PLAIN, SIGNED):
            sign_on(asking, visitor, site)
            sign_on(other, visitor, site)
        page = visitor.tell(
            visitor.go(asking.logout(PLAIN, target=asking.page(PLAIN, session=False)))
        )
        assert page.url == asking.page(PLAIN, session=False)
        for program in (asking, other):
            for site in (PLAIN, SIGNED):
                assert is_over(program, site, visitor)
        assert not visitor.is_signed_in()


def test_another_browser_of_the_same_person_stays_signed_in(
    sp: RealSP, visitor: Visitor, another_visitor: Visitor
) -> None:
    """The NameID is the same in both; the SessionIndex is not."""
    for each in (visitor, another_visitor):
        sign_on(sp, each, SIGNED, PLAIN)
    visitor.tell(visitor.go(sp.logout(SIGNED, target=sp.page(SIGNED, session=False))))
    assert is_over(sp, PLAIN, visitor)
    assert another_visitor.is_signed_in()
    assert not is_over(sp, SIGNED, another_visitor)
    assert not is_over(sp, PLAIN, another_visitor)


# --- from the portal --------------------------------------------------------------------------


def test_from_the_portal(sp: RealSP, visitor: Visitor) -> None:
    sites = list(SITES.values()) if isinstance(sp, Shibboleth) else APART
    sign_on(sp, visitor, *sites)
    page = visitor.sign_out()
    assert told(page) == {label(sp, site): CLOSED if site.logout else UNTOLD for site in sites}
    for site in sites:
        assert is_over(sp, site, visitor) is bool(site.logout), site.name
    assert not visitor.is_signed_in()


def test_a_session_that_the_sp_lost_is_closed(sp: RealSP, visitor: Visitor) -> None:
    """It knows of none any more (its cookie is gone): nothing of it is left."""
    sign_on(sp, visitor, PLAIN)
    visitor.forget(sp.base)
    page = visitor.sign_out()
    assert told(page) == {label(sp, PLAIN): CLOSED}


# --- without a browser ------------------------------------------------------------------------


def test_a_locked_account_has_no_session_left(sp: RealSP, world: World, visitor: Visitor) -> None:
    sign_on(sp, visitor, PLAIN, SIGNED)
    try:
        world.run("account", "lock", mail("eva"))
        world.run("worker", "--once")
        assert is_over(sp, SIGNED, visitor), "told by SOAP"
        assert not is_over(sp, PLAIN, visitor), "nobody can tell it"
    finally:
        world.run("account", "unlock", mail("eva"))


def test_the_last_role_withdrawn_closes_that_application_alone(
    sp: RealSP, world: World, visitor: Visitor
) -> None:
    generated = SITES["generated"]
    sign_on(sp, visitor, SIGNED, generated)
    code = f"{sp.name}-{SIGNED.name}"
    words = [mail("eva"), "--structure", "vitry", "--role"]
    roles = [f"{code}:{role}" for role in HELD["eva", "vitry"]]
    try:
        for role in roles:
            world.run("unassign", *words, role)
        world.run("worker", "--once")
        assert is_over(sp, SIGNED, visitor)
        assert not is_over(sp, generated, visitor)
        assert visitor.is_signed_in()
    finally:
        for role in roles:
            world.run("assign", *words, role)


# --- when one is stopped ----------------------------------------------------------------------


def test_one_that_is_stopped_is_named_and_the_others_are_closed(
    sp: RealSP, world: World, visitor: Visitor, tmp_path: Path
) -> None:
    """By SOAP and by the browser; the SP that asked is told PartialLogout."""
    with mellon.running(world.services.metadata.document(), "127.0.0.4") as dead:
        dead.name = f"dead-{sp.name}"
        world.register(dead, tmp_path)
        sign_on(dead, visitor, PLAIN, SIGNED)
        sign_on(sp, visitor, PLAIN, SIGNED)
    started = time.monotonic()
    page = visitor.go(sp.logout(SIGNED, target=sp.page(SIGNED, session=False)))
    while urlsplit(page.url).path == "/deconnexion/suite":
        named = html.fromstring(page.body).xpath("//a[@data-next]")[0].text_content()
        if label(dead, PLAIN) in named or label(dead, SIGNED) in named:
            page = visitor.submit(page, {}, number=page.form_number("/passer"))
        else:
            page = visitor.click(page, "/deconnexion/application")
    assert time.monotonic() - started < 10
    assert page.url.startswith(sp.base)
    last = said(visitor, world.entity_id)[-1]
    assert status_of_logout(last.xml) == ["Success", "PartialLogout"]
    assert is_over(sp, SIGNED, visitor)
    assert is_over(sp, PLAIN, visitor)
    assert told(visitor.go(f"{world.url}/deconnexion/terminee")) == {}
