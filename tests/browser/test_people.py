"""Editing a person in a real browser."""

from playwright.sync_api import expect

from tests.browser.conftest import Visit

WHO = "Gaëtan LAMBERT"


def open_sheet(visit: Visit) -> str:
    """Somebody of the référent's town, by the list; returns the address of the sheet."""
    visit.sign_in("referent@demo.example")
    visit.page.get_by_role("button", name="Annuaire").first.click()
    visit.open("/aia/utilisateurs?nom=lambert")
    visit.page.get_by_role("link", name="Lambert").first.click()
    expect(visit.page.get_by_role("heading", name=WHO)).to_be_visible()
    return visit.page.url


def test_the_keyboard_edits_and_an_overtaken_edit_shows_both(visit: Visit) -> None:
    sheet = open_sheet(visit)
    page = visit.page
    page.get_by_role("link", name="Éditer l'utilisateur").press("Enter")
    other = visit.context.new_page()
    other.goto(f"{sheet}/editer")
    other.get_by_label("Service").fill("Écoles")
    other.get_by_role("button", name="Enregistrer").press("Enter")
    expect(other.get_by_role("status").first).to_contain_text("sont enregistrées")
    page.get_by_label("Service").fill("Cantines")
    page.keyboard.press("Enter")
    expect(page.get_by_role("alert")).to_contain_text("Rien n'a été enregistré")
    expect(page.locator(".both")).to_contain_text("Écoles")
    page.get_by_role("button", name="Enregistrer").press("Enter")
    expect(page.get_by_role("heading", name=WHO)).to_be_visible()
    expect(page.locator("main")).to_contain_text("Cantines")
