"""Every page in every state that a person may meet: accessible, readable, usable by keyboard."""

import re

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import Demonstration, Visit, Visitors
from tests.common.browser import cut_off, violations

AGENT = "agent@demo.example"
PUBLIC = {
    "accessibilite": "/accessibilite",
    "donnees-personnelles": "/donnees-personnelles",
    "mentions-legales": "/mentions-legales",
    "aide-erreur": "/aide/erreur",
    "guide-utilisateur": "/guide-utilisateur",
    "guide-referent": "/guide-referent",
    "contact": "/contact",
    "plan-du-site": "/plan-du-site",
    "page-inconnue": "/nulle-part",
    "demande-illisible": "/saml/sso?SAMLRequest=x",
    "connexion-perdue": "/connexion?flow=perdu",
}
PERSONAL = {
    "portail": "/",
    "portail-connexion-perdue": "/?avis=connexion-perdue",
    "profil": "/profil",
    "deconnexion-sans-application": "/deconnexion",
}


def test_the_checks_see_what_they_look_for(visitors: Visitors) -> None:
    visit = visitors()
    visit.open("/connexion")
    assert cut_off(visit.page) == violations(visit.page) == visit.complaints == []
    visit.page.evaluate("""() => {
      const word = "x".repeat(90);
      const lead = document.querySelector(".lead");
      lead.innerHTML = `<img src="/static/x/nothing.png">${word}`;
      lead.style.whiteSpace = "nowrap";
      document.head.append(Object.assign(document.createElement("script"), {text: "1"}));
    }""")
    assert "x" * 90 in cut_off(visit.page)
    assert any("image-alt" in violation for violation in violations(visit.page))
    visit.page.wait_for_load_state("networkidle")
    assert any("Content Security Policy" in complaint for complaint in visit.complaints)
    assert any("404" in complaint for complaint in visit.complaints)
    visit.complaints.clear()


@pytest.fixture(params=["desktop", "phone-dark"])
def looking(request: pytest.FixtureRequest, visitors: Visitors) -> Visit:
    """Wide by day, narrow by night."""
    return visitors(phone="phone" in request.param, dark="dark" in request.param)


def test_every_page_is_accessible(looking: Visit) -> None:
    for name, path in PUBLIC.items():
        looking.open(path)
        looking.look(name)
    looking.page.goto(looking.demonstration.sp(""))
    looking.look("applications")
    looking.page.goto(looking.demonstration.sp("inconnue"))
    looking.look("applications-page-inconnue")
    looking.open("/connexion")
    looking.page.get_by_role("button", name="Se connecter").click()
    expect(looking.page.get_by_role("alert")).to_be_visible()
    looking.look("connexion-incomplete")
    looking.sign_in(AGENT)
    for name, path in PERSONAL.items():
        looking.open(path)
        looking.look(name)
    looking.page.locator("summary").click()
    expect(looking.page.get_by_role("link", name="Profil")).to_be_visible()
    looking.look("menu-ouvert")
    looking.open("/")
    looking.page.get_by_role("button", name="Annuaire").click()
    looking.look("annuaire")
    looking.open("/aia/deconnexion")
    looking.look("annuaire-deconnexion")
    looking.page.goto(looking.demonstration.sp("bip/"))
    expect(looking.page).to_have_url(looking.demonstration.sp("bip/"))
    looking.look("application-bip")


def test_the_hand_over_page_itself(visitors: Visitors) -> None:
    """Without its script, because with it nobody sees it."""
    visit = visitors()
    visit.sign_in(AGENT)
    visit.context.route("**/js/hand_over.js", lambda route: route.fulfill(body=""))
    visit.page.goto(visit.demonstration.sp("bip/"))
    expect(visit.page.get_by_role("button", name="Continuer")).to_be_visible()
    visit.look("remise")


def test_the_keyboard_alone_does_everything(visit: Visit, demonstration: Demonstration) -> None:
    page = visit.page
    visit.open("/connexion")
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Aller au contenu")).to_be_focused()
    page.keyboard.press("Enter")
    page.keyboard.press("Tab")
    expect(page.get_by_role("textbox", name="Adresse mail")).to_be_focused()
    page.keyboard.type(AGENT)
    page.keyboard.press("Tab")
    page.keyboard.type("Convergences-2026-demo")
    page.keyboard.press("Enter")
    expect(page).to_have_url(demonstration.url("/"))

    toggle = page.locator("summary")
    toggle.focus()
    page.keyboard.press("Enter")
    profile = page.get_by_role("link", name="Profil")
    expect(profile).to_be_visible()
    page.keyboard.press("Escape")
    expect(profile).to_be_hidden()
    expect(toggle).to_be_focused()
    page.keyboard.press("Enter")
    page.keyboard.press("Tab")
    expect(profile).to_be_focused()
    page.keyboard.press("Enter")
    expect(page).to_have_url(demonstration.url("/profil"))

    visit.open("/")
    page.get_by_role("link", name="BIP").focus()
    page.keyboard.press("Enter")
    expect(page).to_have_url(demonstration.sp("bip/"))


def test_the_password_can_be_shown(visit: Visit) -> None:
    page = visit.page
    visit.open("/connexion")
    password = page.get_by_role("textbox", name="Mot de passe")
    password.fill("une phrase")
    button = page.get_by_role("button", name="Afficher le mot de passe")
    expect(button).to_have_attribute("aria-pressed", "false")
    button.click()
    expect(button).to_have_attribute("aria-pressed", "true")
    expect(password).to_have_attribute("type", "text")
    visit.look("connexion-mot-de-passe-visible")
    button.click()
    expect(password).to_have_attribute("type", "password")


def test_the_errors_of_a_form_lead_to_their_fields(visit: Visit) -> None:
    page = visit.page
    visit.open("/connexion")
    page.get_by_role("button", name="Se connecter").click()
    page.get_by_role("link", name="Saisissez votre mot de passe.").click()
    expect(page.get_by_role("textbox", name="Mot de passe")).to_be_focused()


def test_two_tabs_and_an_old_bookmark_end_on_the_portal(visit: Visit) -> None:
    page, first = visit.page, visit.context.new_page()
    first.goto(visit.demonstration.sp("bip/"))
    expect(first).to_have_url(re.compile("flow="))
    bookmark = first.url
    visit.sign_in(AGENT)
    first.reload()
    expect(first).to_have_url(visit.demonstration.sp("bip/"))
    page.goto(bookmark)
    expect(page).to_have_url(visit.demonstration.url("/?avis=connexion-perdue"))
    expect(page.get_by_text("n'était plus en attente")).to_be_visible()


def test_the_back_button_after_signing_out_shows_nothing_personal(visit: Visit) -> None:
    page = visit.page
    visit.sign_in(AGENT)
    visit.open("/profil")
    visit.open("/deconnexion")
    page.get_by_role("button", name="Se déconnecter").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Vous êtes déconnecté du portail")
    for _ in range(2):
        page.go_back()
    expect(page).to_have_url(re.compile(re.escape(visit.demonstration.url("/connexion?suite="))))


def test_paper_shows_what_was_asked_for_and_nothing_to_press(visitors: Visitors) -> None:
    visit = visitors(dark=True)
    visit.sign_in(AGENT)
    visit.open("/profil")
    page = visit.page
    page.emulate_media(media="print")
    for gone in ("header.banner", "footer", "main nav", "main .button"):
        for place in page.locator(gone).all():
            expect(place).to_be_hidden()
    expect(page.get_by_role("heading", level=1)).to_be_visible()
    expect(page.get_by_role("table")).to_be_visible()
    colors = (
        "() => { const s = getComputedStyle(document.body); return [s.color, s.backgroundColor] }"
    )
    assert page.evaluate(colors) == ["rgb(0, 0, 0)", "rgb(255, 255, 255)"]
    assert page.locator("main a[href]").first.evaluate(
        "a => getComputedStyle(a, '::after').content"
    ) in {
        "none",
        "normal",
    }
    assert page.pdf().startswith(b"%PDF-")


def test_moving_and_colours_are_the_persons_own(visitors: Visitors) -> None:
    visit = visitors()
    visit.page.emulate_media(forced_colors="active", reduced_motion="reduce")
    visit.sign_in(AGENT)
    visit.look("portail-couleurs-forcees")
    tile = visit.page.locator(".tile").first
    style = "e => [getComputedStyle(e).transitionDuration, getComputedStyle(e).borderTopStyle]"
    assert tile.evaluate(style) == ["0s", "solid"]
