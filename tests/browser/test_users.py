"""*Utilisateurs* in a real browser: the list, a selection over pages, the keyboard, no script."""

import re

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import Demonstration, Visit, Visitors

REFERENT = "referent@demo.example"
USERS = "/aia/utilisateurs"
TEN = USERS + "?charger=tous&taille=10"

SENT_TWICE = """() => {
  const form = document.getElementById("selection");
  const stay = (event) => event.preventDefault();
  form.addEventListener("submit", stay);
  form.requestSubmit();
  form.requestSubmit();
  form.removeEventListener("submit", stay);
  delete form.dataset.sent;
  return form.querySelectorAll("[type=hidden][name=subject_id]").length;
}"""


def enter(visit: Visit) -> Page:
    """Sign in, and click the AIA's tile."""
    visit.sign_in(REFERENT)
    visit.page.get_by_role("button", name="Annuaire des Identités").click()
    visit.open(USERS)
    return visit.page


def add(demonstration: Demonstration, mail: str, name: str) -> None:
    """Somebody of collectivité A whom no other test knows."""
    words = ("--name", name, "--first-name", "Ulysse", "--structure", "a-budget", "--no-mail")
    demonstration.command("account", "add", mail, *words)


def restore(visit: Visit, name: str) -> None:
    """Leave the demonstration's people as they were."""
    visit.open(USERS + "/corbeille")
    visit.page.get_by_role("button", name=f"Rétablir Ulysse {name}").click()
    expect(visit.page.get_by_role("status").first).to_contain_text("Le compte est rétabli")


def asked_until_done(page: Page) -> None:
    """Where no script asks how far it is, one asks oneself."""
    done = page.get_by_text("C'est terminé").first
    again = page.get_by_role("link", name="Actualiser")
    for _ in range(40):
        expect(done.or_(again).first).to_be_visible()
        if done.is_visible():
            return
        page.wait_for_timeout(500)
        again.click()
    raise AssertionError("not done after 20 seconds")


def test_a_selection_stays_over_pages_and_is_acted_upon_at_once(visitors: Visitors) -> None:
    visit = visitors()
    page = enter(visit)
    page.get_by_role("button", name=re.compile("Charger tous les utilisateurs")).click()
    visit.open(TEN)
    menu = page.locator("tbody details").last
    menu.evaluate("menu => menu.scrollIntoView({ block: 'end' })")
    menu.locator("summary").click()
    expect(menu.get_by_role("link").last).to_be_in_viewport(ratio=1)
    menu.locator("summary").click()
    delete = page.get_by_role("button", name="Supprimer les utilisateurs sélectionnés")
    expect(delete).to_be_disabled()
    page.get_by_label("Sélectionner Leïla BENALI").check()
    page.get_by_role("link", name="Suivante").click()
    last = page.get_by_label("Sélectionner Jean-Pierre ROUX")
    last.check()
    expect(page.locator("[data-selected]")).to_contain_text("2 utilisateurs sélectionnés")
    page.get_by_role("link", name="Prénom").click()
    expect(page.locator("[aria-sort]")).to_contain_text("Prénom")
    expect(page.locator("[data-selected]")).to_contain_text("2 utilisateurs sélectionnés")
    page.get_by_role("link", name="50", exact=True).click()
    expect(page.get_by_role("link", name="50", exact=True)).to_have_attribute(
        "aria-current", "true"
    )
    page.get_by_label("Filtrer").fill("benali")
    expect(page.locator("[data-said]")).to_have_text("1 - 1 sur 1")
    assert re.search(r"\?(?=.*tri=prenom)(?=.*taille=50)(?=.*filtre=benali)", page.url)
    expect(page.locator("[data-selected]")).to_have_text(
        "2 utilisateurs sélectionnés, dont 1 hors de cette page"
    )
    expect(page.get_by_label("Sélectionner Leïla BENALI")).to_be_checked()
    assert page.evaluate(SENT_TWICE) == 1, "Back and again: nobody is sent along twice"
    delete.click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Supprimer 2 utilisateurs ?")
    page.get_by_role("button", name="Verrouiller plutôt").click()
    page.get_by_role("button", name="Verrouiller 2 utilisateurs").click()
    expect(page.get_by_text("C'est terminé").first).to_be_visible()
    visit.open(TEN)
    expect(page.get_by_role("button", name="Tout désélectionner")).to_be_hidden()
    for name in ("Leïla BENALI", "Jean-Pierre ROUX"):
        visit.open(f"{USERS}?nom={name.split()[-1]}")
        page.get_by_label(f"Sélectionner {name}").check()
        page.get_by_role("button", name="Déverrouiller").click()
        page.get_by_role("button", name="Déverrouiller 1 utilisateur").click()
        expect(page.get_by_text("C'est terminé").first).to_be_visible()


def test_deleting_needs_no_mouse(visitors: Visitors, demonstration: Demonstration) -> None:
    add(demonstration, "sansouris@demo.example", "Sansouris")
    visit = visitors(dark=True)
    page = enter(visit)
    visit.open(f"{USERS}?nom=sansouris")
    page.locator("tbody summary").focus()
    page.keyboard.press("Enter")
    page.keyboard.press("ArrowUp")
    expect(page.get_by_role("link", name="Supprimer l'utilisateur")).to_be_focused()
    page.keyboard.press("Enter")
    dialog = page.get_by_role("dialog")
    expect(dialog).to_contain_text("Supprimer Ulysse SANSOURIS ?")
    expect(dialog.get_by_role("link", name="Annuler")).to_be_focused()
    page.keyboard.press("Escape")
    expect(page.locator("tbody summary")).to_be_focused()
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    delete = page.get_by_role("link", name="Supprimer l'utilisateur", include_hidden=True)
    delete.evaluate("link => { link.click(); link.click(); }")
    expect(dialog.get_by_role("link", name="Annuler")).to_be_focused()
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    expect(page.get_by_role("status").first).to_contain_text("Ulysse SANSOURIS est supprimé.")
    expect(page.get_by_role("heading", level=1)).to_be_focused()
    assert len([url for url in asked if "/supprimer" in url]) == 2, "one question, one answer"
    restore(visit, "Sansouris")


def test_the_bin_says_once_what_its_button_does(
    visitors: Visitors, demonstration: Demonstration
) -> None:
    add(demonstration, "unefois@demo.example", "Unefois")
    demonstration.command("account", "delete", "unefois@demo.example")
    visit = visitors()
    page = enter(visit)
    visit.open(USERS + "/corbeille")
    cell = page.locator("td", has=page.get_by_role("button", name="Rétablir Ulysse Unefois"))
    for width in (390, 800, 1280):
        page.set_viewport_size({"width": width, "height": 844})
        before = cell.evaluate("cell => getComputedStyle(cell, '::before').content")
        assert before in {"none", "normal"}, f"{before} beside its button at {width}"
    restore(visit, "Unefois")


@pytest.mark.parametrize("many", [False, True])
def test_deleting_needs_no_script(
    visitors: Visitors, demonstration: Demonstration, *, many: bool
) -> None:
    name = "Groupe" if many else "Seul"
    add(demonstration, f"{name.lower()}@demo.example", name)
    visit = visitors(script=False, phone=True)
    page = enter(visit)
    entry = page.get_by_role("navigation", name="Annuaire").get_by_role("link", name="Utilisateurs")
    expect(entry).to_be_hidden()
    page.locator("summary", has_text="Menu").click()
    expect(entry).to_be_visible()
    page.locator("summary", has_text="Recherche par critères").click()
    page.get_by_role("searchbox", name="Nom", exact=True).fill(name)
    page.get_by_role("button", name="Rechercher", exact=True).click()
    expect(page.get_by_role("heading", name="1 utilisateur trouvé")).to_be_in_viewport()
    if many:
        page.get_by_label(f"Sélectionner Ulysse {name.upper()}").check()
        page.get_by_role("button", name="Supprimer les utilisateurs sélectionnés").click()
        page.get_by_role("button", name="Supprimer 1 utilisateur").click()
        asked_until_done(page)
    else:
        page.locator("tbody summary").click()
        page.get_by_role("link", name="Supprimer l'utilisateur").click()
        page.get_by_role("button", name=f"Supprimer Ulysse {name.upper()}").click()
        expect(page.get_by_role("status").first).to_contain_text("est supprimé.")
    restore(visit, name)
