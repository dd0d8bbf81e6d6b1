"""The same SP programs in a real browser, whose rules for cookies and forms are its own."""

import re

import pytest
from playwright.sync_api import Browser, Page

from tests.common.interop import PASSWORD, World, expected, label, mail
from tests.common.sp_sites import SITES, RealSP, Session, Site

pytestmark = pytest.mark.browser


def sign_in(page: Page, person: str) -> None:
    page.get_by_label("Adresse mail").fill(mail(person))
    page.get_by_label("Mot de passe", exact=True).fill(PASSWORD)
    page.get_by_role("button", name="Se connecter").click()


def session_of(sp: RealSP, site: Site, page: Page) -> Session | None:
    """What the SP's page shows to this browser, to the byte."""
    return sp.read(site, page.request.get(sp.page(site, session=False)).body())


@pytest.mark.parametrize("name", ["signed", "posted-signed", "encrypted"])
def test_sign_on_from_the_sp(sp: RealSP, page: Page, name: str) -> None:
    site = SITES[name]
    page.goto(sp.page(site))
    sign_in(page, "lea")
    page.wait_for_url(sp.page(site))
    session = session_of(sp, site, page)
    assert session is not None
    assert dict(session.attributes) == expected(site, "lea", "vitry")


def test_a_click_on_the_tile(sp: RealSP, world: World, page: Page) -> None:
    site = SITES["plain"]
    page.goto(f"{world.url}/connexion")
    sign_in(page, "lea")
    page.get_by_role("link", name=re.compile(re.escape(label(sp, site)))).click()
    page.wait_for_url(f"{sp.base}/**")
    session = session_of(sp, site, page)
    assert session is not None
    assert session.attributes["mail"] == [mail("lea")]


def test_without_javascript(sp: RealSP, browser: Browser) -> None:
    site = SITES["encrypted"]
    context = browser.new_context(java_script_enabled=False, locale="fr-FR")
    try:
        page = context.new_page()
        page.goto(sp.page(site))
        sign_in(page, "lea")
        page.get_by_role("button", name="Continuer").click()
        page.wait_for_url(sp.page(site))
        assert session_of(sp, site, page) is not None
    finally:
        context.close()
