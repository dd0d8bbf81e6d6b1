"""*Créer un utilisateur* in a real browser: by keyboard alone, and without JavaScript."""

from uuid import uuid4

from playwright.sync_api import Locator, expect

from tests.browser.conftest import Visit, Visitors

REFERENT = "referent@demo.example"
MOST_TABS = 60


def enter(visit: Visit) -> None:
    """Into the AIA, as the référent of collectivité A."""
    visit.sign_in(REFERENT)
    visit.page.get_by_role("button", name="Annuaire des Identités et des Accès").click()
    expect(visit.page.get_by_role("link", name="Créer un utilisateur").last).to_be_visible()


def tab_to(visit: Visit, wanted: Locator) -> None:
    """Press Tab until this has the focus."""
    expect(wanted).to_be_visible()
    for _ in range(MOST_TABS):
        if wanted.evaluate("element => element === document.activeElement"):
            return
        visit.page.keyboard.press("Tab")
    raise AssertionError(f"out of reach by keyboard: {wanted}")


def press(visit: Visit, wanted: Locator, key: str = "Enter") -> None:
    tab_to(visit, wanted)
    visit.page.keyboard.press(key)


def write(visit: Visit, label: str, text: str) -> None:
    tab_to(visit, visit.page.get_by_label(label, exact=True))
    visit.page.keyboard.type(text)


def test_the_wizard_by_keyboard_alone(visit: Visit) -> None:
    enter(visit)
    page, mail = visit.page, f"clavier.{uuid4().hex[:8]}@demo.example"
    press(visit, page.locator("a.door").first)
    expect(page.get_by_role("heading", level=1)).to_have_text("Créer un utilisateur")
    write(visit, "Adresse mail *", mail)
    page.keyboard.press("Enter")
    expect(page.get_by_role("status").first).to_contain_text("Aucun compte utilisateur n'existe")
    press(visit, page.get_by_role("button", name="Suivant"))
    expect(page.get_by_role("heading", name=f"Saisir les informations de {mail}")).to_be_visible()
    press(visit, page.get_by_role("button", name="Suivant"))
    expect(page.get_by_role("alert")).to_contain_text("Saisissez le nom.")
    write(visit, "Nom *", "Clavier")
    write(visit, "Prénom *", "Ana")
    write(visit, "Structure d'appartenance *", "Ville")
    press(visit, page.get_by_role("button", name="Suivant"))
    press(visit, page.locator("summary", has_text="BIP"))
    press(visit, page.get_by_role("checkbox").first, "Space")
    press(visit, page.get_by_role("button", name="Suivant"))
    expect(page.get_by_role("heading", name="Récapitulatif des informations")).to_be_visible()
    press(visit, page.get_by_role("button", name="Ajouter"))
    expect(page.get_by_role("status").first).to_contain_text("L'utilisateur Ana CLAVIER est créé")


def test_typing_another_address_hides_what_was_said_of_the_first(visit: Visit) -> None:
    enter(visit)
    page = visit.page
    visit.open("/aia/utilisateurs/nouveau")
    page.get_by_label("Adresse mail").fill("multi@demo.example")
    page.get_by_role("button", name="Vérifier l'adresse mail").click()
    expect(page.get_by_text("existe déjà dans la structure").first).to_be_visible()
    page.get_by_label("Adresse mail").press_sequentially("x")
    expect(page.get_by_role("button", name="Suivant")).to_be_hidden()


def test_a_refusal_is_a_toast_that_the_keyboard_closes(visitors: Visitors) -> None:
    """A page of an older creation is refused."""
    visit = visitors(phone=True, dark=True)
    enter(visit)
    page = visit.page
    for _ in range(2):
        visit.open("/aia/utilisateurs/nouveau")
        page.get_by_label("Adresse mail").fill(f"{uuid4().hex[:8]}@demo.example")
        page.get_by_role("button", name="Vérifier l'adresse mail").click()
        expect(page.get_by_role("button", name="Suivant")).to_be_visible()
        page.evaluate("document.querySelector('#suite [name=dossier]').value += 'x'")
        page.get_by_role("button", name="Suivant").click()
    toast = page.get_by_role("dialog")
    expect(toast).to_contain_text("Cette page n'était plus à jour")
    expect(page.get_by_role("alert")).to_contain_text("Cette page n'était plus à jour")
    toast.get_by_role("button", name="Fermer ce message").press("Enter")
    expect(toast).to_have_count(0)
    page.reload()
    expect(page.get_by_role("alert")).to_have_count(0)


def test_without_scripts_it_works_as_well(visitors: Visitors) -> None:
    visit = visitors(script=False)
    enter(visit)
    page, mail = visit.page, f"sans.script.{uuid4().hex[:8]}@demo.example"
    visit.open("/aia/utilisateurs/nouveau")
    page.get_by_label("Adresse mail").fill(mail)
    page.get_by_role("button", name="Vérifier l'adresse mail").click()
    page.get_by_role("button", name="Suivant").click()
    page.get_by_label("Nom *", exact=True).fill("Sobre")
    page.get_by_label("Prénom *").fill("Luc")
    page.get_by_label("Structure d'appartenance").select_option(index=1)
    page.get_by_role("button", name="Suivant").click()
    page.locator("summary", has_text="Net-CAP").click()
    page.get_by_label("Gestionnaire CAP coll./EP").check()
    page.get_by_role("button", name="Suivant").click()
    expect(page.get_by_role("cell", name="Gestionnaire CAP coll./EP")).to_be_visible()
    page.get_by_role("button", name="Ajouter").click()
    expect(page.get_by_role("link", name="Ajouter un autre utilisateur")).to_be_visible()
