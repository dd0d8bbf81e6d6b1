"""The Back button after a form that was refused once, and what is printed."""

import re

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import Visit, Visitors

ONE = "cecile.garcon@demo.example"
MULTI = "multi@demo.example"


def test_back_after_a_wrong_password_is_no_error(visit: Visit) -> None:
    visit.open("/connexion")
    visit.fill_in(ONE, "ce n'est pas le bon")
    expect(visit.page.locator("#erreurs")).to_be_visible()
    visit.page.reload()
    expect(visit.page.locator("#erreurs")).to_have_count(0)
    visit.fill_in(ONE, "encore un autre")
    expect(visit.page.locator("#erreurs")).to_be_visible()
    visit.fill_in(ONE)
    expect(visit.page).to_have_url(visit.demonstration.url("/"))
    visit.page.go_back()
    expect(visit.page.get_by_role("heading", level=1)).to_have_text("Applications")


def test_back_after_an_incomplete_request_is_its_form(visit: Visit) -> None:
    visit.sign_in(ONE)
    page = visit.page
    visit.open("/signaler-un-probleme?incident=a1")
    page.get_by_role("textbox").first.evaluate("box => box.removeAttribute('maxlength')")
    page.get_by_role("textbox").first.fill("x" * 1001)
    page.get_by_role("button", name="Envoyer le signalement").click()
    expect(page.locator("#erreurs")).to_contain_text("À corriger")
    page.get_by_role("textbox").first.fill("Rien ne s'ouvre.")
    page.get_by_role("button", name="Envoyer le signalement").click()
    expect(page.get_by_text("Votre signalement est envoyé")).to_be_visible()
    page.go_back()
    expect(page.get_by_role("heading", level=1)).to_have_text("Signaler un problème")


def test_a_form_that_is_over_leads_back_to_its_page(visit: Visit) -> None:
    visit.sign_in(ONE)
    page = visit.page
    visit.open("/signaler-un-probleme")
    visit.context.clear_cookies(name="convergences-csrf")
    page.get_by_role("button", name="Envoyer le signalement").click()
    visit.look("formulaire-plus-valable")
    page.get_by_role("link", name="Aller au portail").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Applications")
    page.go_back()
    expect(page.get_by_role("heading", level=1)).to_have_text("Signaler un problème")


@pytest.mark.parametrize("dark", [False, True])
def test_the_profile_of_the_directory_stays_in_it(visitors: Visitors, *, dark: bool) -> None:
    visit = visitors(dark=dark)
    visit.sign_in(MULTI)
    page = visit.page
    page.get_by_role("button", name=re.compile("Annuaire des Identités")).click()
    page.locator("summary").first.click()
    page.get_by_role("link", name="Profil").click()
    expect(page).to_have_url(visit.demonstration.url("/aia/profil"))
    visit.look("aia-profil")
    page.get_by_role("link", name="Éditer ma photo").click()
    visit.look("aia-photo")
    page.get_by_role("link", name="Annuler").click()
    expect(page).to_have_url(visit.demonstration.url("/aia/profil"))
    visit.open("/profil/acces")
    visit.look("acces-deux-structures")


@pytest.mark.parametrize("script", [True, False])
def test_a_page_of_the_directory_waits_for_one_press(visitors: Visitors, *, script: bool) -> None:
    visit = visitors(script=script)
    visit.sign_in("referent@demo.example")
    visit.open("/aia/demandes/x")
    visit.look("portail-lien-demande")
    visit.open("/aia/profil")
    visit.page.get_by_role("button", name="Ouvrir la page").click()
    expect(visit.page).to_have_url(visit.demonstration.url("/aia/profil"))


def test_a_choice_of_structures_shows_the_towns_and_paper_says_whose_it_is(visit: Visit) -> None:
    visit.sign_in(MULTI)
    visit.open("/demander-un-acces")
    visit.look("choix-de-structure-villes")
    visit.open("/profil/acces")
    paper = visit.page.locator(".paper")
    expect(paper).to_be_hidden()
    visit.page.emulate_media(media="print")
    expect(paper).to_be_visible()
    expect(paper).to_contain_text(re.compile(r"Mélanie MÉNARD, le \d\d/\d\d/\d{4}\..*CIG"))
    expect(visit.page.get_by_text("Retour aux applications")).to_be_hidden()
    visit.page.emulate_media(media="screen")


def test_a_refused_application_offers_to_ask_for_it(visit: Visit) -> None:
    visit.sign_in("sansdroit@demo.example")
    visit.open_sp("bip")
    visit.look("refus-et-demande")
    visit.page.get_by_role("link", name="Demander un accès").click()
    expect(visit.page.get_by_role("heading", level=1)).to_have_text("Demander un accès")
