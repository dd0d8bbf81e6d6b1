"""*Exporter* and *Historique* in a real browser."""

import re

from playwright.sync_api import expect

from tests.browser.conftest import Visitors

REFERENT = "referent@demo.example"


def test_a_file_from_the_dialog_and_the_history_of_a_structure(visitors: Visitors) -> None:
    visit = visitors()
    visit.sign_in(REFERENT)
    page = visit.page
    page.get_by_role("button", name="Annuaire des Identités et des Accès").click()
    visit.open("/aia/structures")
    page.locator(".node-name").first.click()
    page.locator(".page-actions summary").click()
    page.get_by_role("link", name="Historique").click()
    page.get_by_role("link", name="Retour à la structure").click()
    page.get_by_role("button", name="Charger tous les utilisateurs").click()
    exporter = page.locator("#membres-exporter")
    expect(exporter).to_have_attribute("href", re.compile("membres=1"))
    # Only the list is fetched as one types; what leads to the file follows.
    page.get_by_label("Filtrer").fill("a")
    expect(exporter).to_have_attribute("href", re.compile("filtre=a"))
    page.locator(".page-actions summary").click()
    exporter.click()
    with page.expect_download() as fetched:
        page.get_by_role("button", name="Exporter").click()
    assert fetched.value.suggested_filename.endswith(".csv")
    with page.expect_download():
        page.get_by_role("button", name="Exporter").click()  # again: the page is still there
    expect(page.get_by_role("heading", level=1)).to_contain_text("Exporter")
