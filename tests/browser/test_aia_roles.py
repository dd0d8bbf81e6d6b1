"""*Applications* in a real browser: by the keyboard alone, and without scripts."""

from playwright.sync_api import Locator, expect

from tests.browser.conftest import Visit, Visitors

ROLE = "/aia/applications/site/employeur"
LOADED = f"{ROLE}?charger=oui"
SYLVAIN = "Sylvain DROÜET"
ASSIGNED = (
    "L'utilisateur Sylvain DROÜET a été affecté au rôle Recruteur, bourse de l'emploi "
    "de l'application Site www.cig929394.fr."
)


def enter(visit: Visit, mail: str = "referent@demo.example") -> None:
    """Rémi, if nobody else, inside the AIA."""
    visit.sign_in(mail)
    visit.page.get_by_role("button", name="Annuaire").click()
    expect(visit.page.get_by_role("heading", level=1)).to_contain_text("Annuaire")


def row(visit: Visit, name: str) -> Locator:
    return visit.page.locator("#membres tbody tr", has_text=name)


def toast(visit: Visit) -> Locator:
    return visit.page.locator(".toast").last


def withdraw(visit: Visit) -> None:
    """Leave nothing behind: the demonstration is everybody's."""
    visit.open(LOADED)
    member = row(visit, "Droüet")
    member.locator("summary").click()
    member.get_by_role("link", name="Désaffecter le membre sélectionné").click()
    visit.page.get_by_role("button", name="Désaffecter", exact=True).click()
    expect(toast(visit)).to_contain_text(f"L'utilisateur {SYLVAIN} a été désaffecté du rôle")
    expect(row(visit, "Droüet")).to_have_count(0)


def test_affecter_with_the_keyboard_alone(visit: Visit) -> None:
    enter(visit)
    visit.open(LOADED)
    page = visit.page
    page.get_by_role("link", name="Affecter", exact=True).focus()
    page.keyboard.press("Enter")
    dialog = page.get_by_role("dialog")
    expect(dialog.get_by_label("Rechercher", exact=True)).to_be_focused()
    page.keyboard.type("droue")
    expect(dialog.get_by_text("Utilisateurs (1)")).to_be_visible()
    expect(dialog.get_by_label("Rechercher", exact=True)).to_be_focused()
    tab_to(visit, dialog.locator("tbody input"))
    page.keyboard.press("Space")
    expect(dialog.get_by_text("1 utilisateur sélectionné")).to_be_visible()
    # another search, with the tick kept, in the field from which one came
    dialog.get_by_label("Rechercher", exact=True).focus()
    page.keyboard.press("Control+a")
    page.keyboard.type("budget")
    # its buttons stay in sight in a dialog that scrolls
    page.set_viewport_size({"width": 1280, "height": 500})
    expect(dialog.get_by_text("1 utilisateur sélectionné")).to_be_in_viewport()
    expect(dialog.get_by_role("button", name="Affecter", exact=True)).to_be_in_viewport()
    expect(dialog.get_by_role("group", name="Déjà cochés")).to_contain_text(SYLVAIN)
    tab_to(visit, dialog.get_by_role("button", name="Affecter", exact=True))
    page.keyboard.press("Enter")
    expect(toast(visit)).to_contain_text(ASSIGNED)
    expect(page.get_by_role("status").first).to_contain_text(ASSIGNED)
    expect(page.get_by_role("link", name="Affecter", exact=True)).to_be_focused()
    expect(row(visit, "Droüet")).to_be_visible()
    withdraw(visit)


def tab_to(visit: Visit, wanted: Locator, most: int = 25) -> None:
    """Press Tab until this has the focus."""
    for _ in range(most):
        visit.page.keyboard.press("Tab")
        if wanted.evaluate("one => one === document.activeElement"):
            return
    raise AssertionError(f"{wanted} is not reached by {most} presses on Tab")


def test_who_is_ticked_in_two_places_is_counted_once(visit: Visit) -> None:
    enter(visit, "correspondant@demo.example")
    visit.open(f"{ROLE}/affecter")
    page = visit.page
    page.get_by_label("Rechercher", exact=True).fill("multi@demo")
    boxes = page.locator("tbody input")
    expect(boxes).to_have_count(2)
    boxes.first.check()
    expect(page.locator("[data-selected]")).to_have_text("1 utilisateur sélectionné")
    boxes.last.check()
    one = "1 utilisateur sélectionné (2 rattachements)"
    expect(page.locator("[data-selected]")).to_have_text(one)
    # another search: both are kept, and still one person
    page.get_by_label("Rechercher", exact=True).fill("droue")
    expect(page.get_by_role("group", name="Déjà cochés").get_by_role("checkbox")).to_have_count(2)
    expect(page.locator("[data-selected]")).to_have_text(one)
    boxes.first.check()
    expect(page.locator("[data-selected]")).to_have_text(
        "2 utilisateurs sélectionnés (3 rattachements)"
    )


def test_a_field_that_something_else_has_styled_is_replaced_without_a_complaint(
    visit: Visit,
) -> None:
    """As password managers do, and Playwright when it takes a picture; the CSP stays strict."""
    enter(visit)
    visit.open(f"{ROLE}/affecter")
    page = visit.page
    page.get_by_label("Rechercher", exact=True).fill("droue")
    styled = page.locator("#affecter-filtre")
    styled.evaluate("field => { field.style.caretColor = 'red'; }")
    page.get_by_label("Rechercher", exact=True).fill("droue sylvain")
    expect(page.locator("#affecter-filtre[style]")).to_have_count(0)
    expect(page.locator("tbody input")).to_have_count(1)
    assert visit.complaints == []


def test_the_same_without_scripts(visitors: Visitors) -> None:
    visit = visitors(script=False)
    enter(visit)
    visit.open(LOADED)
    page = visit.page
    page.get_by_role("link", name="Affecter", exact=True).click()
    page.get_by_label("Rechercher", exact=True).fill("droue")
    page.keyboard.press("Enter")
    page.locator("tbody input").check()
    page.get_by_label("Rechercher", exact=True).fill("budget")
    page.get_by_role("button", name="Rechercher").click()
    expect(page.get_by_role("group", name="Déjà cochés")).to_contain_text(SYLVAIN)
    page.get_by_role("button", name="Affecter", exact=True).click()
    expect(toast(visit)).to_contain_text(ASSIGNED)
    withdraw(visit)
