"""The end of a session in a real browser: warned, put off in every tab, over, and nothing lost.

The server's clock cannot be turned on: what it answers to the page's question is, where time would
have to pass, said in its place; what a press does is real.
"""

import re

import pytest
from playwright.sync_api import Page, Route, expect
from sqlalchemy import create_engine, text

from tests.browser.conftest import Visit, Visitors
from tests.common.browser import violations

AGENT = "agent@demo.example"
REPORT = "/signaler-un-probleme"
TEXT = "La liste reste vide"
SAY = """([left, final]) => {
  new BroadcastChannel("session").postMessage({left, final, at: "à 10 h 12"});
}"""

SILENT = "window.BroadcastChannel = class { postMessage() {} addEventListener() {} }"


def nearly_over(page: Page, *, left: float, final: bool = False) -> None:
    """So much is left, says the server; the page learns that it is time to ask."""

    def answer(route: Route) -> None:
        if route.request.method == "GET":
            route.fulfill(json={"left": left, "final": final, "at": "à 10 h 12"})
        else:
            route.continue_()

    page.route("**/session", answer)
    page.evaluate(SAY, [left, final])


def end_session(visit: Visit) -> None:
    """On the server: nobody has used it for long."""
    name = f"sqlite:///{visit.demonstration.var / 'convergences.sqlite'}"
    engine = create_engine(name)
    with engine.begin() as connection:
        long_ago = {"then": "2020-01-01 00:00:00.000000"}
        connection.execute(text("UPDATE sso_session SET last_seen_at = :then"), long_ago)
    engine.dispose()


def dialog_is_seen(page: Page, heading: str) -> None:
    expect(page.get_by_role("alertdialog")).to_be_visible()
    expect(page.get_by_role("heading", name=heading)).to_be_visible()


def test_one_press_keeps_the_session_in_every_tab(visit: Visit) -> None:
    visit.sign_in(AGENT)
    visit.open("/profil")
    page, other = visit.page, visit.context.new_page()
    other.goto(visit.demonstration.url("/contact"))
    summary = page.locator("summary").first
    summary.focus()
    nearly_over(other, left=200)
    dialog_is_seen(other, "Voulez-vous rester connecté")
    nearly_over(page, left=200)
    dialog_is_seen(page, "Voulez-vous rester connecté")
    expect(page.get_by_role("button", name="Rester connecté")).to_be_focused()
    expect(page.get_by_role("alertdialog")).to_contain_text("à 10 h 12")
    visit.look("session-rester")
    for tab in (page, other):
        tab.unroute("**/session")
    page.keyboard.press("Enter")
    for tab in (page, other):
        expect(tab.get_by_role("alertdialog")).to_be_hidden()
    expect(summary).to_be_focused()
    expect(page).to_have_url(visit.demonstration.url("/profil"))


def test_what_cannot_be_put_off_says_so_and_comes_again(visit: Visit) -> None:
    visit.sign_in(AGENT)
    page = visit.page
    nearly_over(page, left=200, final=True)
    dialog_is_seen(page, "Votre session se termine bientôt")
    expect(page.get_by_role("alertdialog")).to_contain_text("ne peut pas être prolongée")
    expect(page.get_by_role("button", name="Rester connecté")).to_be_hidden()
    expect(page.get_by_role("status").last).to_have_text("")
    visit.look("session-fin-proche")
    page.keyboard.press("Escape")
    expect(page.get_by_role("alertdialog")).to_be_hidden()
    nearly_over(page, left=50, final=True)
    dialog_is_seen(page, "Votre session se termine bientôt")
    expect(page.get_by_text("Il reste moins d'une minute.")).to_be_visible()
    page.unroute_all(behavior="wait")


def test_after_the_end_one_signs_in_and_is_back(visit: Visit) -> None:
    visit.sign_in(AGENT)
    visit.open("/contact?x=1")
    end_session(visit)
    visit.page.evaluate(SAY, [0.1, False])
    dialog_is_seen(visit.page, "Votre session est terminée")
    visit.look("session-terminee")
    visit.page.keyboard.press("Escape")
    dialog_is_seen(visit.page, "Votre session est terminée")
    visit.page.get_by_role("link", name="Se connecter de nouveau").click()
    visit.fill_in(AGENT)
    expect(visit.page).to_have_url(visit.demonstration.url("/contact?x=1"))


@pytest.mark.parametrize("script", [True, False])
def test_what_was_typed_is_there_after_signing_in_again(
    visitors: Visitors, *, script: bool
) -> None:
    visit = visitors(script=script)
    page = visit.page
    visit.sign_in(AGENT)
    visit.open(REPORT)
    expect(page.locator(".foot-session")).to_contain_text("votre session se termine")
    page.get_by_role("textbox").first.fill(TEXT)
    end_session(visit)
    if script:
        page.evaluate(SAY, [0.1, False])
        expect(page.get_by_text("Ce que vous avez saisi sera conservé")).to_be_visible()
        page.get_by_role("link", name="Se connecter de nouveau").click()
    else:
        page.get_by_role("button", name="Envoyer le signalement").click()
    expect(page).to_have_url(re.compile("avis=saisie-conservee"))
    expect(page.get_by_text("conservé pendant 24 heures")).to_be_visible()
    visit.look("connexion-saisie-conservee")
    visit.fill_in(AGENT)
    expect(page).to_have_url(visit.demonstration.url(REPORT))
    expect(page.get_by_role("textbox").first).to_have_value(TEXT)
    visit.look("saisie-retrouvee")
    if script:
        assert violations(page) == []
    page.get_by_role("button", name="Repartir d'un formulaire vide").click()
    expect(page.get_by_role("textbox").first).to_have_value("")


def test_who_signed_in_again_in_another_tab_sends_nothing_by_mistake(visit: Visit) -> None:
    visit.sign_in(AGENT)
    visit.open(REPORT)
    page, other = visit.page, visit.context.new_page()
    page.get_by_role("textbox").first.fill(TEXT)
    end_session(visit)
    page.evaluate(SAY, [0.1, False])
    dialog_is_seen(page, "Votre session est terminée")
    other.add_init_script(SILENT)  # a tab that the browser froze hears nothing
    visit.page = other
    visit.sign_in(AGENT)
    page.get_by_role("link", name="Se connecter de nouveau").click()
    expect(page).to_have_url(visit.demonstration.url(REPORT))
    expect(page.get_by_role("textbox").first).to_have_value(TEXT)
    expect(page.get_by_text("rien n'a été envoyé")).to_be_visible()
