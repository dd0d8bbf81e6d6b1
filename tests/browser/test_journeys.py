"""What people do with the portal and the demonstration's applications, in a real browser."""

import re
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
from playwright.sync_api import Locator, Page, expect

from directory.demonstration import APPLICATIONS as DEMO_APPLICATIONS
from tests.browser.conftest import Demonstration, Visit, Visitors
from tests.common.demonstration import (
    APPLICATIONS,
    ROLE,
    expected_roles,
    shown_roles,
    shown_structures,
)
from tests.common.fake_sp import FakeSP

AGENT = "agent@demo.example"
AIA = "Annuaire des Identités et des Accès"
LABELS = {code: label for code, label, _ in DEMO_APPLICATIONS}
WAYS = {
    "desktop": {"phone": False, "script": True},
    "phone": {"phone": True, "script": True},
    "phone-without-script": {"phone": True, "script": False},
}


@pytest.fixture(params=WAYS)
def anyhow(request: pytest.FixtureRequest, visitors: Visitors) -> Visit:
    """A wide and a narrow browser, with and without JavaScript."""
    return visitors(**WAYS[request.param])


def listed(page: Page, attribute: str) -> list[str]:
    """The values that an application's page shows for this attribute, sorted."""
    row = page.locator("tr", has=page.locator("th code", has_text=re.compile(f"^{attribute}$")))
    items = row.locator("td li")
    cells = items if items.count() else row.locator("td")
    return sorted(text.strip() for text in cells.all_inner_texts())


def check_application(visit: Visit, name: str, mail: str = AGENT) -> None:
    """The application's page shows this person's roles there, all of them and nothing else."""
    expect(visit.page).to_have_url(visit.demonstration.sp(f"{name}/"))
    expect(visit.page.get_by_role("heading", level=1)).to_contain_text("Vous êtes connecté")
    roles = expected_roles(mail, name)
    assert listed(visit.page, ROLE.get(name, "role")) == roles
    whoami = visit.whoami(name)
    assert whoami is not None
    assert shown_roles(whoami, name) == roles


def tiles_of(page: Page) -> set[str]:
    """The names of the tiles that can be opened."""
    tiles = page.locator(".tile:not(.tile-closed) .tile-name")
    return {name.strip() for name in tiles.all_inner_texts()}


def test_the_main_journey(anyhow: Visit) -> None:
    visit, page = anyhow, anyhow.page
    visit.open("/")
    expect(page).to_have_url(visit.demonstration.url("/connexion"))
    visit.look("connexion")

    visit.fill_in(AGENT, "un mauvais mot de passe")
    alert = page.get_by_role("alert")
    expect(alert).to_contain_text("Adresse mail ou mot de passe incorrect.")
    expect(page).to_have_title(re.compile("^Erreur"))
    assert page.get_by_role("textbox", name="Adresse mail").input_value() == AGENT
    assert page.get_by_role("textbox", name="Mot de passe").input_value() == ""
    if visit.script:
        expect(alert).to_be_focused()
    visit.look("connexion-refusee")

    visit.fill_in(AGENT)
    expect(page).to_have_url(visit.demonstration.url("/"))
    expect(page.get_by_role("heading", name="Applications", level=1)).to_be_visible()
    assert tiles_of(page) == {*LABELS.values(), AIA}
    visit.look("portail")

    for name in APPLICATIONS:
        visit.open("/")
        page.get_by_role("link", name=LABELS[name], exact=True).click()
        visit.hand_over()
        check_application(visit, name)
        expect(page.get_by_text("Connexion commencée depuis le portail")).to_be_visible()
        visit.look(f"application-{name}")

        visit.forget(name)
        assert visit.whoami(name) is None
        visit.open_sp(name)
        check_application(visit, name)
        expect(page.get_by_text("Réponse à la demande que cette application")).to_be_visible()


def test_from_an_application_through_the_sign_in_page(anyhow: Visit) -> None:
    visit, page = anyhow, anyhow.page
    page.goto(visit.demonstration.sp("net-cap/dossiers/7?onglet=pi%C3%A8ces"))
    expect(page.locator(".lead")).to_have_text(f"Pour ouvrir {LABELS['net-cap']}")
    visit.look("connexion-vers-application")
    visit.fill_in(AGENT, "faux")
    expect(page.get_by_role("alert")).to_be_visible()
    visit.fill_in(AGENT)
    visit.hand_over()
    expect(page).to_have_url(visit.demonstration.sp("net-cap/dossiers/7?onglet=pi%C3%A8ces"))


def test_backing_out_leads_back_to_the_application(anyhow: Visit) -> None:
    visit, page = anyhow, anyhow.page
    page.goto(visit.demonstration.sp("net-cap/"))
    page.get_by_role("button", name="Annuler et revenir à l'application").click()
    visit.hand_over()
    expect(page.get_by_role("heading", level=1)).to_have_text("Vous n'êtes pas connecté à Net-CAP")
    visit.look("application-annulee")
    assert visit.whoami("net-cap") is None


def test_backing_out_ends_here_when_the_application_does_not_want_to_know(anyhow: Visit) -> None:
    visit, page = anyhow, anyhow.page
    page.goto(visit.demonstration.sp("bip/"))
    page.get_by_role("button", name="Annuler", exact=True).focus()
    page.keyboard.press("Enter")
    heading = page.get_by_role("heading", level=1)
    expect(heading).to_have_text("Vous avez annulé l'ouverture de BIP")
    visit.look("annulation")
    assert visit.whoami("bip") is None
    page.get_by_role("link", name="Se connecter au portail").focus()
    page.keyboard.press("Enter")
    expect(page).to_have_url(visit.demonstration.url("/connexion"))


def test_without_a_role_the_person_may_go_back_to_an_application_that_wants_to_know(
    anyhow: Visit,
) -> None:
    visit, page = anyhow, anyhow.page
    visit.sign_in("sansdroit@demo.example")
    page.goto(visit.demonstration.sp("net-cap/"))
    button = page.get_by_role("button", name="Retourner à l'application Net-CAP")
    expect(button).to_be_visible()
    visit.look("refus-avec-retour")
    button.focus()
    page.keyboard.press("Enter")
    expect(page).to_have_url(visit.demonstration.sp("net-cap/acs"))
    expect(page.get_by_role("heading", level=1)).to_have_text("Vous n'êtes pas connecté à Net-CAP")
    visit.look("application-refusee")
    assert visit.whoami("net-cap") is None


def test_an_application_that_presents_itself_under_another_name(anyhow: Visit) -> None:
    visit, page = anyhow, anyhow.page
    sp = FakeSP("bip", signs=True, idp_sso=visit.demonstration.url("/saml/sso"))
    sp.entity_id, sp.acs = (visit.demonstration.sp(f"bip/{name}") for name in ("metadata", "acs"))
    sp.private_key = (visit.demonstration.var / "demo" / "bip" / "key.pem").read_bytes()
    name = "Espace réservé <b>« été »</b> " + "très long " * 20
    request = sp.authn_request(now=datetime.now(UTC), ProviderName=name)
    page.goto(visit.demonstration.url(f"/saml/sso?{sp.redirect_query(request)}"))
    expect(page.get_by_text("L'application se présente ainsi")).to_be_visible()
    assert page.locator("bdi b").count() == 0
    visit.look("connexion-nom-presente")


def test_a_sign_on_that_is_over_leads_on_with_a_sentence(anyhow: Visit) -> None:
    visit, page = anyhow, anyhow.page
    lost = page.get_by_text("La connexion que vous aviez commencée n'")
    visit.open("/saml/sso/suite?flow=perdue")
    expect(page).to_have_url(visit.demonstration.url("/connexion?avis=connexion-perdue"))
    expect(lost).to_be_visible()
    visit.look("connexion-perdue")
    visit.sign_in(AGENT)
    visit.open("/saml/sso/suite?flow=perdue")
    expect(page).to_have_url(visit.demonstration.url("/?avis=connexion-perdue"))
    expect(lost).to_be_visible()
    visit.look("portail-connexion-perdue")


def test_a_request_that_is_refused_says_whether_to_begin_again(anyhow: Visit) -> None:
    visit, page = anyhow, anyhow.page
    sp = FakeSP("site", idp_sso=visit.demonstration.url("/saml/sso"))
    sp.entity_id, sp.acs = (visit.demonstration.sp(f"site/{name}") for name in ("metadata", "acs"))

    def refused(when: datetime, **attributes: str) -> Locator:
        query = sp.redirect_query(sp.authn_request(now=when, **attributes))
        visit.open(f"/saml/sso?{query}")
        return page.get_by_role("main")

    now = datetime.now(UTC)
    elsewhere = refused(now, Destination="https://ailleurs.example/saml/sso")
    expect(elsewhere).to_contain_text("Recommencer n'y changera rien")
    visit.look("demande-refusee")
    expect(refused(now - timedelta(hours=1))).to_contain_text("trop ancien")
    expect(page.get_by_text("Revenez à l'application et recommencez")).to_be_visible()
    visit.look("demande-trop-ancienne")


def test_without_a_role_the_person_learns_why_and_whom_to_ask(anyhow: Visit) -> None:
    visit, page = anyhow, anyhow.page
    visit.sign_in("sansdroit@demo.example")
    assert tiles_of(page) == {AIA}
    expect(page.get_by_text("Rémi LEFÈVRE", exact=True)).to_be_visible()
    visit.look("portail-sans-droit")
    for name in APPLICATIONS:
        page.goto(visit.demonstration.sp(f"{name}/"))
        heading = page.get_by_role("heading", level=1)
        expect(heading).to_have_text(f"Vous n'avez pas accès à l'application {LABELS[name]}")
        expect(page.get_by_text("Rémi LEFÈVRE", exact=True)).to_be_visible()
        expect(page.get_by_role("link", name="referent@demo.example")).to_be_visible()
        assert visit.whoami(name) is None
    visit.look("refus")


def test_the_person_of_two_structures_is_asked_which(anyhow: Visit) -> None:
    visit, page = anyhow, anyhow.page
    mail = "multi@demo.example"
    visit.sign_in(mail)
    page.goto(visit.demonstration.sp("net-cap/"))
    question = page.get_by_role("heading", name="Pour quelle structure travaillez-vous ?")
    expect(question).to_be_visible()
    visit.look("choix-de-structure")
    page.get_by_role("button", name=re.compile("Direction du personnel")).click()
    visit.hand_over()
    expect(page).to_have_url(visit.demonstration.sp("net-cap/"))
    whoami = visit.whoami("net-cap")
    assert whoami is not None
    assert shown_roles(whoami, "net-cap") == expected_roles(mail, "net-cap", "b-rh")
    assert shown_structures(whoami, "net-cap") == ["b-rh"]
    for foreign in ("a-formation", "Montrieux", *expected_roles(mail, "net-cap", "a-formation")):
        assert foreign not in str(whoami)

    visit.forget("net-cap")
    visit.open_sp("net-cap")
    expect(page).to_have_url(visit.demonstration.sp("net-cap/"))
    again = visit.whoami("net-cap")
    assert again is not None
    assert shown_structures(again, "net-cap") == ["b-rh"], "remembered for the session"

    visit.forget("net-cap")
    visit.context.clear_cookies(name="convergences")
    visit.sign_in(mail)
    page.goto(visit.demonstration.sp("net-cap/"))
    page.get_by_role("button", name=re.compile("Service formation")).click()
    visit.hand_over()
    expect(page).to_have_url(visit.demonstration.sp("net-cap/"))
    other = visit.whoami("net-cap")
    assert other is not None
    assert shown_structures(other, "net-cap") == ["a-formation"]


def test_the_directory_is_entered_and_left_by_itself(anyhow: Visit) -> None:
    visit, page = anyhow, anyhow.page
    visit.sign_in(AGENT)
    visit.open("/aia")
    expect(page).to_have_url(visit.demonstration.url("/"))
    page.get_by_role("button", name=AIA).click()
    expect(page).to_have_url(visit.demonstration.url("/aia"))
    expect(page.get_by_role("heading", name="Applications et Rôles")).to_be_visible()
    visit.look("annuaire")
    page.locator("summary").click()
    page.get_by_role("link", name="Déconnexion").click()
    visit.look("annuaire-deconnexion")
    page.get_by_role("button", name="Se déconnecter de l'annuaire").click()
    expect(page).to_have_url(visit.demonstration.url("/"))
    visit.open("/aia")
    expect(page).to_have_url(visit.demonstration.url("/"))


def test_signing_out_asks_first(anyhow: Visit) -> None:
    visit, page = anyhow, anyhow.page
    visit.sign_in(AGENT)
    visit.open("/deconnexion")
    expect(page.get_by_text("Aucune application n'a été ouverte")).to_be_visible()
    for name in ("bip", "site"):
        visit.open_sp(name)
        expect(page).to_have_url(visit.demonstration.sp(f"{name}/"))
    visit.open("/deconnexion")
    visit.look("deconnexion")
    assert page.locator("main li").all_inner_texts() == [LABELS["bip"], LABELS["site"]]
    page.get_by_role("link", name="Annuler").click()
    expect(page).to_have_url(visit.demonstration.url("/"))
    for name in ("bip", "site"):
        assert visit.whoami(name) is not None, "nothing was closed"


# --- what the operator changes shows at once -----------------------------------------------------


def sign_on_again(visit: Visit, name: str) -> list[str] | None:
    """The roles of a new assertion; None when there is none."""
    visit.forget(name)
    visit.page.goto(visit.demonstration.sp(f"{name}/"))
    visit.page.wait_for_load_state()
    if visit.page.url.startswith(visit.demonstration.url("/saml/")):
        refused = visit.page.get_by_role("heading", name="Vous n'avez pas accès")
        landed = visit.page.get_by_role("heading", name="Vous êtes connecté")
        expect(refused.or_(landed)).to_be_visible()
    whoami = visit.whoami(name)
    return None if whoami is None else shown_roles(whoami, name)


def test_a_withdrawn_role_is_gone_from_the_next_assertion(
    visit: Visit, demonstration: Demonstration
) -> None:
    mail, name = "amelie.faure@demo.example", "net-cotisations"
    visit.sign_in(mail)
    assert sign_on_again(visit, name) == expected_roles(mail, name)
    remaining = expected_roles(mail, name)
    for code, label in (("valideur", "Valideur des déclarations"), ("consultant", "Consultation")):
        role = f"{name}:{code}"
        demonstration.command("unassign", mail, "--structure", "a-budget", "--role", role)
        done = time.monotonic()
        remaining.remove(f"{label}@a-budget")
        while (roles := sign_on_again(visit, name)) != (remaining or None):
            assert time.monotonic() - done < 2, roles
    visit.open("/")
    assert LABELS[name] not in tiles_of(visit.page), "a tile is open only where sign-on succeeds"


@pytest.fixture
def lockable(demonstration: Demonstration) -> Iterator[str]:
    """Somebody who is unlocked again afterwards."""
    mail = "raphael.coeur@demo.example"
    yield mail
    demonstration.command("account", "unlock", mail)


def test_a_locked_account_is_out_at_its_next_request(
    visit: Visit, demonstration: Demonstration, lockable: str
) -> None:
    page = visit.page
    visit.sign_in(lockable)
    demonstration.command("account", "lock", lockable)
    page.goto(demonstration.sp("bip/"))
    expect(page).to_have_url(re.compile(re.escape(demonstration.url("/connexion?flow="))))
    assert visit.whoami("bip") is None
    visit.open("/profil")
    expect(page).to_have_url(re.compile(re.escape(demonstration.url("/connexion?suite="))))
    visit.fill_in(lockable)
    expect(page.get_by_role("alert")).to_contain_text("Votre compte est verrouillé.")
    visit.look("connexion-compte-verrouille")
    demonstration.command("account", "unlock", lockable)
    visit.fill_in(lockable)
    expect(page).to_have_url(demonstration.url("/profil"))


def test_a_new_account_gets_its_mail(visit: Visit, demonstration: Demonstration) -> None:
    page = visit.page
    visit.open("/demo/courriels")
    expect(page.get_by_role("heading", name="Mails")).to_be_visible()
    visit.look("courriels-vides")
    demonstration.command(
        *("account", "add", "nouvelle@demo.example", "--name", "Élan", "--first-name", "Zoé"),
        *("--structure", "a-rh"),
    )
    deadline = time.monotonic() + 20
    # other tests of this run have created people too
    created = page.get_by_role("article", name=re.compile("Création de votre profil utilisateur"))
    mail = created.filter(has_text="nouvelle@demo.example")
    while not mail.count() and time.monotonic() < deadline:
        page.wait_for_timeout(500)
        page.reload()
    expect(mail).to_be_visible()
    visit.look("courriels")
