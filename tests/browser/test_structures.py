"""*Structures* in a real browser: the tree with the keyboard, and everything without JavaScript."""

from playwright.sync_api import Locator, Page, expect

from tests.browser.conftest import Visit, Visitors

REFERENT, OTHER = "referent@demo.example", "referent.b@demo.example"


def enter(visit: Visit, mail: str) -> Page:
    """Into the AIA, to *Structures*."""
    visit.sign_in(mail)
    visit.page.get_by_role("button", name="Annuaire").click()
    visit.page.get_by_role("navigation", name="Annuaire").get_by_role(
        "link", name="Structures"
    ).click()
    expect(visit.page.get_by_role("heading", level=1, name="Structures")).to_be_visible()
    return visit.page


def branch(page: Page, label: str) -> Locator:
    return page.get_by_role("button", name=f"Structures de {label}", exact=True)


def test_the_tree_and_a_list_by_keyboard(visit: Visit) -> None:
    page = enter(visit, REFERENT)
    tree = page.locator(".places-scroll")
    human = branch(page, "Direction des ressources humaines")
    expect(human).to_have_attribute("aria-expanded", "false")
    human.focus()
    page.keyboard.press("Enter")
    expect(human).to_have_attribute("aria-expanded", "true")
    expect(human).to_be_focused()
    page.keyboard.press("ArrowDown")
    page.keyboard.press("ArrowUp")
    expect(tree.get_by_role("link", name="Direction des ressources humaines")).to_be_focused()
    page.keyboard.press("ArrowLeft")
    expect(human).to_have_attribute("aria-expanded", "false")
    page.keyboard.press("ArrowRight")
    page.keyboard.press("Enter")
    expect(
        page.get_by_role("heading", level=1, name="Direction des ressources humaines")
    ).to_be_visible()
    expect(tree.locator("[aria-current]")).to_have_text("Direction des ressources humaines")
    page.get_by_role("button", name="Charger tous les utilisateurs").click()
    expect(page.get_by_role("table")).to_be_visible()
    filtered(visit)
    closing = asked_to_close(page, "Direction des ressources humaines")
    expect(closing).to_contain_text("Vous êtes vous-même rattaché à cette structure")
    page.keyboard.press("Escape")
    page.get_by_role("searchbox", name="Rechercher une structure").fill("EDUCATION")
    page.keyboard.press("Enter")
    expect(page.get_by_text("1 structure trouvée")).to_be_visible()
    page.get_by_role("link", name="Direction de l'éducation et de l'enfance").click()
    closing = asked_to_close(page, "Direction de l'éducation et de l'enfance")
    expect(closing).to_contain_text("perdront les accès")
    page.keyboard.press("Escape")
    expect(closing).to_have_count(0)


def filtered(visit: Visit) -> None:
    """The filter narrows the list as one types; the box brings back those below."""
    page = visit.page
    lines = page.get_by_role("table").locator("tbody tr")
    every = lines.count()
    page.get_by_role("searchbox", name="Filtrer").fill("zzz")
    expect(page.get_by_role("heading", name="Aucun utilisateur ne correspond")).to_be_visible()
    page.get_by_role("searchbox", name="Filtrer").fill("")
    expect(lines).to_have_count(every)
    below = page.get_by_role("checkbox", name="Inclure les sous-structures")
    below.uncheck()
    page.wait_for_url(lambda url: "sous=" not in url)
    expect(below).to_be_focused()
    below.check()
    page.wait_for_url(lambda url: "sous=1" in url)
    expect(lines).to_have_count(every)


def asked_to_close(page: Page, label: str) -> Locator:
    """The dialog of *Fermer la structure*; *Annuler*, or what stands for it, has the focus."""
    menu = page.get_by_text(f"Autres actions pour {label}")
    page.locator("summary").filter(has=menu).click()
    page.get_by_role("link", name="Fermer la structure").click()
    dialog = page.get_by_role("dialog")
    expect(dialog.locator("[data-close]")).to_be_focused()
    return dialog


def test_without_scripts_a_structure_is_created_renamed_closed_and_opened(
    visitors: Visitors,
) -> None:
    visit = visitors(script=False)
    page = enter(visit, OTHER)
    page.locator(".places-scroll").get_by_role("link").first.click()
    town = page.get_by_role("heading", level=1).inner_text()
    page.get_by_role("link", name="Créer une sous-structure").click()
    page.get_by_label("Nom de la structure").fill("Service des essais")
    page.get_by_role("button", name="Créer").click()
    expect(page.get_by_role("status").first).to_contain_text(f"est créée dans « {town} »")
    page.get_by_role("link", name="Éditer").click()
    page.get_by_label("Nom de la structure").fill("Service d'essai")
    page.get_by_role("button", name="Enregistrer").click()
    expect(page.get_by_role("heading", level=1, name="Service d'essai")).to_be_visible()
    for verb, state in (("Fermer", "fermée"), ("Rouvrir", "rouverte"), ("Fermer", "fermée")):
        page.locator(".page-actions summary").click()
        page.get_by_role("link", name=f"{verb} la structure").click()
        expect(page.get_by_text("Personne n'y est rattaché.")).to_be_visible()
        page.get_by_role("button", name=f"{verb} la structure").click()
        expect(page.get_by_role("status").first).to_contain_text(f"est {state}.")
    branch(page, town).click()
    expect(page.locator(".places-scroll").get_by_role("link")).to_have_count(1)
    branch(page, town).click()
    expect(page.get_by_role("link", name="Service d'essai fermée")).to_be_visible()
