"""The portal in each of its states, and a request for access from the click to the tile."""

import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import Page, expect
from sqlalchemy import select

from directory import actors
from directory.authorisation import OPERATOR
from directory.models import Account
from directory.services import build as directory_services
from directory.services.accounts.changes import Person
from directory.services.accounts.creation import Creation
from directory.services.memberships.changes import MembershipFields
from directory.services.removal.bin import Bin
from directory.services.removal.binned import MembershipInBin
from directory.services.rights.administered import RoleRef
from directory.services.rights.assignments import Grant
from idp.context import Origin, acting
from idp.services import Services, build, import_models
from idp.settings import from_file
from tests.browser.conftest import Demonstration, Visit, Visitors
from tests.common.processes import REPOSITORY

REFERENT = "referent@demo.example"
EMPTY = "sansdroit@demo.example"
ONE = "cecile.garcon@demo.example"
CLOSED = "noemie.perrin@demo.example"
PENDING = "leila.benali@demo.example"
MANY = "ines.moreau@demo.example"
ADDED = "mathias.herve@demo.example"
WAYS = {
    "desktop": ({"phone": False, "script": True}, "gaetan.lambert"),
    "phone": ({"phone": True, "script": True}, "oceane.petit"),
    "phone-without-script": ({"phone": True, "script": False}, "jean-pierre.roux"),
}


@pytest.fixture(params=["desktop", "phone-dark"])
def looking(request: pytest.FixtureRequest, visitors: Visitors) -> Visit:
    """Wide by day, narrow by night."""
    return visitors(phone="phone" in request.param, dark="dark" in request.param)


@pytest.fixture
def services(demonstration: Demonstration, monkeypatch: pytest.MonkeyPatch) -> Iterator[Services]:
    """Those of the running server's database."""
    for name, value in demonstration.environment.items():
        monkeypatch.setenv(name, value)
    settings = from_file(REPOSITORY / "development.ini")
    import_models(settings)
    services = build(settings)
    yield services
    services.db.dispose()


@pytest.fixture
def added(services: Services) -> str:
    """Somebody of B whom the référent of C added."""
    actor = actors.load(services.core, subject(services, "referent.c@demo.example"))
    assert actor is not None
    person = Person(ADDED, "", "", MembershipFields(function="Renfort paie"))
    roles = [RoleRef("bip", "lecteur"), RoleRef("net-cap", "gestionnaire")]
    with acting(Origin(actor=actor.subject_id)):
        try:
            Creation(services.core).add(actor, person, "c-personnel", roles, known=True)
        except MembershipInBin as error:  # refused in the test before
            Bin(services.core).restore_subject(
                actor, error.binned.subject_id, structure="c-personnel"
            )
    return ADDED


@pytest.fixture
def many(services: Services) -> str:
    """Somebody with twelve applications."""
    directory = directory_services(services.core)
    with services.db.unit_of_work():
        if "app-00" in {tile.code for tile in services.directory.tiles(subject(services, MANY))}:
            return MANY
        for number in range(12):
            code, label = f"app-{number:02}", f"Élections professionnelles {2015 + number}"
            url = f"https://elections{number}.example/"
            directory.applications.add(OPERATOR, code, label, url=url, description="Résultats")
            directory.applications.add_role(OPERATOR, code, "r", "Lecteur")
            grant = Grant(MANY, "a-education", code, "r")
            directory.assignments.assign(OPERATOR, grant)
    return MANY


def subject(services: Services, mail: str) -> str:
    """The subject id of this address."""
    with services.db.reading() as session:
        return str(session.scalar(select(Account.subject_id).where(Account.mail == mail)))


def tiles(page: Page) -> list[str]:
    """The names of the tiles that are to be seen."""
    return [name.strip() for name in page.locator(".tile:visible .tile-name").all_inner_texts()]


def test_each_state_is_accessible(looking: Visit) -> None:
    for name, mail in (
        ("portail-vide", EMPTY),
        ("portail-une-application", ONE),
        ("portail-application-a-venir", CLOSED),
        ("portail-demande-en-attente", PENDING),
        ("portail-referent", REFERENT),
    ):
        looking.context.clear_cookies()
        looking.sign_in(mail)
        looking.look(name)
        if mail == EMPTY:
            looking.open("/demander-un-acces")
            looking.look("demander-un-acces")
            looking.page.get_by_role("button", name="Envoyer la demande").click()
            looking.look("demander-un-acces-incomplet")
            looking.open("/signaler-un-probleme?incident=0123456789abcdef")
            looking.look("signaler-un-probleme")
    looking.page.get_by_role("button", name="Répondre").click()
    looking.look("demandes")
    looking.page.get_by_role("link", name=re.compile("Leïla BENALI")).click()
    looking.look("demande")
    looking.page.get_by_role("button", name="Refuser la demande").click()
    looking.look("demande-refus-sans-motif")
    looking.context.clear_cookies()
    looking.open("/signaler-un-probleme?incident=0123456789abcdef")
    looking.look("signaler-un-probleme-sans-compte")


def test_several_structures_are_chosen_from(looking: Visit) -> None:
    looking.sign_in("multi@demo.example")
    looking.page.get_by_role("link", name="Demander un accès").click()
    looking.look("demander-un-acces-structures")
    looking.page.get_by_role("link", name=re.compile("Direction du personnel")).click()
    expect(looking.page.get_by_role("heading", level=1)).to_have_text("Demander un accès")
    looking.look("demander-un-acces-rien")


def test_another_structure_asks(looking: Visit, added: str) -> None:
    page = looking.page
    looking.open("/connexion")
    looking.fill_in(added)
    expect(page.get_by_role("heading", level=1)).to_have_text("Une autre structure vous a ajouté")
    looking.look("rattachement")
    page.get_by_role("link", name="Plus tard").click()
    expect(page).to_have_url(looking.demonstration.url("/"))
    looking.look("portail-rattachement")
    looking.open("/profil/acces")
    looking.look("mes-acces-rattachement")
    page.get_by_role("link", name="Répondre").click()
    page.get_by_role("link", name="Refuser").click()
    looking.look("rattachement-refus")
    page.get_by_role("button", name="Refuser le rattachement").click()
    expect(page.get_by_role("status").first).to_contain_text("est refusé")
    looking.look("rattachement-refuse")


@pytest.mark.parametrize("script", [True, False], ids=["script", "no-script"])
def test_many_tiles_are_searched(visitors: Visitors, many: str, script: bool) -> None:  # noqa: FBT001 - pytest's own
    visit = visitors(script=script)
    visit.sign_in(many)
    page = visit.page
    assert len(tiles(page)) == 13
    visit.look("portail-recherche")
    box = page.get_by_role("searchbox", name="Rechercher une application")
    count = page.get_by_role("status").filter(has_text="application")
    expect(count).to_have_text("13 applications")
    if script:
        box.press_sequentially("elections 2017")
        expect(page.get_by_role("button", name="Rechercher", exact=True)).to_be_hidden()
        box.press("Enter")
        expect(page).to_have_url(visit.demonstration.url("/"))
    else:
        box.fill("elections 2017")
        page.get_by_role("button", name="Rechercher", exact=True).click()
        expect(page).to_have_url(re.compile("recherche="))
    expect(count).to_have_text("1 application sur 13")
    assert tiles(page) == ["Élections professionnelles 2017"]
    visit.look("portail-recherche-trouvee")
    if script:
        box.fill("rien de tel")
        expect(count).to_have_text("0 application sur 13")
        box.fill("")
        expect(count).to_have_text("13 applications")
    else:
        page.get_by_role("link", name="Voir toutes les applications").click()
    assert len(tiles(page)) == 13


@pytest.mark.parametrize("way", WAYS)
def test_a_request_from_the_click_to_the_tile(visitors: Visitors, way: str) -> None:
    how, name = WAYS[way]
    person, referent = visitors(**how), visitors(**how)
    person.sign_in(f"{name}@demo.example")
    person.page.get_by_role("link", name="Demander un accès").click()
    person.page.get_by_role("radio", name="BIP").check()
    person.page.get_by_role("textbox", name="Pourquoi en avez-vous besoin").fill("Pour lire.")
    person.page.get_by_role("button", name="Envoyer la demande").click()
    expect(person.page.get_by_text("Votre demande est envoyée")).to_be_visible()
    expect(
        person.page.get_by_role("button", name="Retirer la demande d'accès à BIP")
    ).to_be_visible()

    referent.sign_in(REFERENT)
    referent.page.get_by_role("button", name="Répondre").click()
    who = name.split(".")[-1].capitalize()
    referent.page.get_by_role("link", name=re.compile(f"{who.upper()}.*BIP")).first.click()
    referent.page.get_by_role("checkbox", name="Lecteur").check()
    referent.page.get_by_role("button", name="Accepter la demande").click()
    expect(referent.page.get_by_text("Demande acceptée le")).to_be_visible()
    referent.look("demande-acceptee")

    person.open("/")
    assert "BIP" in tiles(person.page)
    expect(person.page.get_by_text(re.compile("Acceptée le .* par Rémi LEFÈVRE"))).to_be_visible()
    person.look("portail-demande-acceptee")


@pytest.mark.parametrize("script", [True, False], ids=["script", "no-script"])
def test_a_notice_is_hidden_with_the_keyboard(visitors: Visitors, script: bool) -> None:  # noqa: FBT001 - pytest's own
    visit = visitors(script=script)
    visit.sign_in(ONE)
    notice = visit.page.get_by_role("region", name="Avis")
    expect(notice).to_be_visible()
    notice.get_by_role("button", name=re.compile("^Masquer")).press("Enter")
    expect(visit.page).to_have_url(visit.demonstration.url("/"))
    expect(notice).to_have_count(0)
    visit.page.reload()
    expect(notice).to_have_count(0)


def test_an_error_page_leads_to_a_report(visitors: Visitors) -> None:
    visit = visitors()
    visit.sign_in(ONE)
    visit.open("/nulle-part")
    visit.look("page-inconnue-connecte")
    visit.page.get_by_role("link", name="Signaler un problème").click()
    visit.page.get_by_role("button", name="Envoyer le signalement").click()
    expect(visit.page.get_by_text("Votre signalement est envoyé")).to_be_visible()
