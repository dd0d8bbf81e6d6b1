"""First visit and forgotten password, as a person lives them: pages, a real mail, its link."""

import re
import time
from email import message_from_bytes, policy

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import SLOW, Demonstration, Visit, Visitors

PHRASE = "le thé vert du jardin"


def newcomer(demonstration: Demonstration, name: str) -> str:
    """Somebody whom a référent has just added, with a role on BIP."""
    mail = f"{name}@demo.example"
    person = ("--name", "Venue", "--first-name", "Nouvelle", "--structure", "a-rh", "--no-mail")
    demonstration.commands(
        ("account", "add", mail, *person),
        ("assign", mail, "--structure", "a-rh", "--role", "bip:lecteur"),
    )
    return mail


def mailed_link(demonstration: Demonstration, mail: str) -> str:
    """The link of the newest mail to this address, as a mail reader finds it."""
    end = time.monotonic() + SLOW / 1000
    while time.monotonic() < end:
        for file in sorted((demonstration.var / "mails").glob("*.eml"), reverse=True):
            message = message_from_bytes(file.read_bytes(), policy=policy.default)
            body = message.get_body(("plain",))
            found = re.search(r"\S+/mot-de-passe/[\w-]{43}", body.get_content() if body else "")
            if message["To"] == mail and found:
                return found[0]
        time.sleep(0.2)
    message = f"no mail to {mail}"
    raise AssertionError(message)


def choose(visit: Visit, password: str, again: str | None = None) -> None:
    """Both fields, and the button."""
    visit.page.get_by_role("textbox", name="Nouveau mot de passe").fill(password)
    visit.page.get_by_role("textbox", name="Le même").fill(again or password)
    visit.page.get_by_role("button", name="Enregistrer et me connecter").click()


@pytest.mark.parametrize("script", [True, False], ids=["script", "no-script"])
@pytest.mark.parametrize("phone", [True, False], ids=["phone", "desktop"])
def test_a_first_visit_ends_in_the_application(
    visitors: Visitors,
    demonstration: Demonstration,
    phone: bool,  # noqa: FBT001 - a parameter
    script: bool,  # noqa: FBT001 - a parameter
) -> None:
    mail = newcomer(demonstration, f"visite-{phone:d}{script:d}")
    visit = visitors(phone=phone, script=script)
    page = visit.page
    visit.open_sp("bip")
    expect(page.locator(".lead")).to_contain_text("BIP")
    page.get_by_role("link", name="Première visite").click()
    expect(page.locator(".lead")).to_contain_text("BIP")
    visit.look("premiere-visite")
    page.get_by_role("textbox", name="Adresse mail").fill(mail)
    page.get_by_role("button", name="Recevoir le lien").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Consultez votre messagerie")
    visit.look("lien-envoye")
    link = mailed_link(demonstration, mail)
    page.goto(link)
    visit.look("mot-de-passe-choisir")
    choose(visit, PHRASE, "autre chose encore")
    expect(page.get_by_role("alert")).to_contain_text("ne sont pas les mêmes")
    visit.look("mot-de-passe-different")
    choose(visit, PHRASE)
    visit.hand_over()
    expect(page).to_have_url(demonstration.sp("bip/"))
    assert visit.whoami("bip") is not None
    page.goto(link)
    expect(page.get_by_role("heading", level=1)).to_have_text("Ce lien a déjà servi")
    visit.look("lien-servi")
    page.get_by_role("button", name="Recevoir un nouveau lien").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Consultez votre messagerie")


def test_the_policy_is_told_while_one_types(
    visitors: Visitors, demonstration: Demonstration
) -> None:
    mail = newcomer(demonstration, "regles")
    demonstration.command("account", "send-link", mail)
    visit = visitors()
    page = visit.page
    page.goto(mailed_link(demonstration, mail))
    field = page.get_by_role("textbox", name="Nouveau mot de passe")
    spoken = page.locator("[data-strength-said]")
    for typed, said in (
        ("bonjour", "Encore 5 caractères au moins."),
        ("Nouvelle-Venue-1", "Trop facile à deviner."),
        ("soleil123456789", "Assez long ; un ou deux mots de plus le rendraient plus sûr."),
        (PHRASE, "Semble solide ; reste à vérifier qu'il n'est pas courant."),
    ):
        field.fill("")
        field.press_sequentially(typed)
        expect(spoken).to_have_text(said)
    visit.look("mot-de-passe-solide")
    assert page.locator(".rule-held").count() == 3
    assert page.locator(".rules li").count() == 4, "the dictionary is the server's alone"
    page.keyboard.press("Tab")
    expect(page.get_by_role("button", name="Afficher").first).to_be_focused()
    page.keyboard.press("Enter")
    expect(field).to_have_attribute("type", "text")


def test_a_first_visit_that_ends_in_a_refusal_says_that_the_password_is_kept(
    visit: Visit, demonstration: Demonstration
) -> None:
    mail = newcomer(demonstration, "refusee")
    page = visit.page
    visit.open_sp("net-cotisations")
    page.get_by_role("link", name="Première visite").click()
    page.get_by_role("textbox", name="Adresse mail").fill(mail)
    page.get_by_role("button", name="Recevoir le lien").click()
    page.goto(mailed_link(demonstration, mail))
    choose(visit, PHRASE)
    expect(page.get_by_role("heading", level=1)).to_contain_text("Vous n'avez pas accès")
    expect(page.get_by_role("status").first).to_contain_text("Votre mot de passe est enregistré")
    visit.look("refus-apres-premiere-visite")


@pytest.mark.parametrize("script", [True, False], ids=["script", "no-script"])
def test_who_changes_his_password_stays_signed_in(
    visitors: Visitors,
    demonstration: Demonstration,
    script: bool,  # noqa: FBT001 - a parameter
) -> None:
    """On a server whose clock runs: the session that goes on is not older than the password."""
    mail = newcomer(demonstration, f"change-{script:d}")
    demonstration.command("account", "send-link", mail)
    visit = visitors(script=script)
    page = visit.page
    page.goto(mailed_link(demonstration, mail))
    choose(visit, PHRASE)
    visit.open("/profil/mot-de-passe")
    page.get_by_role("textbox", name="Mot de passe actuel").fill(PHRASE)
    page.get_by_role("textbox", name="Nouveau mot de passe").fill("les tilleuls de la cour")
    page.get_by_role("textbox", name="Le même").fill("les tilleuls de la cour")
    page.get_by_role("button", name="Changer mon mot de passe").click()
    expect(page.locator("main")).to_contain_text("Votre mot de passe est modifié")
    visit.open("/profil")
    expect(page).to_have_url(demonstration.url("/profil"))


def test_a_page_of_yesterday_begins_again(visitors: Visitors) -> None:
    """A restored tab has lost the form's cookie; the same form follows, with a sentence."""
    visit = visitors()
    visit.open("/connexion")
    visit.context.clear_cookies()
    visit.fill_in("agent@demo.example")
    expect(visit.page.locator(".note").first).to_contain_text("restée ouverte trop longtemps")
    visit.look("connexion-recommencer")
    visit.fill_in("agent@demo.example")
    expect(visit.page).to_have_url(visit.demonstration.url("/"))
