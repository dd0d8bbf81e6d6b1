"""The portal of the demonstration: tiles, notices, requests for access, problems reported."""

import re
from collections.abc import Callable
from datetime import timedelta
from typing import cast

import pytest
from sqlalchemy import event, select
from webtest import TestApp, TestResponse

from directory import demonstration, demonstration_portal
from directory.authorisation import OPERATOR
from directory.models import Account, Membership
from directory.services import DirectoryServices, build
from directory.services.rights.assignments import Grant
from idp.asking import NoticeLevel
from idp.mail import OutboxMail
from idp.services import Services
from metadata.options import Choice
from metadata.registry import Registry
from tests.common.clock import FakeClock
from tests.common.databases import Filling
from tests.common.fake_sp import FakeSP
from tests.common.fillings import demonstrated
from tests.functional.conftest import text_of

ASK = "/demander-un-acces"
REASON = "Je reprends les écoles."


@pytest.fixture
def directory_plugin() -> str:
    """The SQL directory: these pages are about its rules."""
    return "directory.plugin.build"


@pytest.fixture
def database_filling() -> Filling:
    """The demonstration's people."""
    return demonstrated


@pytest.fixture
def directory(services: Services) -> DirectoryServices:
    """The demonstration's people."""
    return build(services.core)


Visit = Callable[[str], TestApp]


@pytest.fixture
def visit(app: TestApp, directory: DirectoryServices) -> Visit:
    """Opens a browser of its own for a person, signed in at the portal."""
    del directory

    def sign_in(name: str) -> TestApp:
        browser = TestApp(app.app, extra_environ=app.extra_environ)
        form = browser.get("/connexion").forms["formulaire"]
        form["login"], form["password"] = f"{name}@demo.example", demonstration.PASSWORD
        assert form.submit().status_int == 303
        return browser

    return sign_in


def enter_aia(browser: TestApp) -> TestApp:
    """Click the tile."""
    browser.get("/").forms["ouvrir-aia"].submit(status=303)
    return browser


def mails(services: Services, kind: str) -> list[OutboxMail]:
    with services.db.reading() as session:
        rows = session.scalars(
            select(OutboxMail).where(OutboxMail.kind == kind).order_by(OutboxMail.id)
        )
        return list(rows)


def ask(browser: TestApp, application: str = "bip", **more: str) -> TestResponse:
    """Fill the form in and send it."""
    form = browser.get(ASK).forms["formulaire"]
    form["application"].force_value(application)
    form["motif"] = REASON
    for name, value in more.items():
        form[name].force_value(value)
    return cast("TestResponse", form.submit(expect_errors=True))


def request_path(services: Services) -> str:
    """The address in the last mail to a référent."""
    found = re.search(
        r"http://localhost:6543(/aia/demandes/\S+)", mails(services, "access-requested")[-1].text
    )
    assert found
    return found[1]


def statements(services: Services, call: Callable[[], object]) -> int:
    seen: list[str] = []

    def note(*args: object) -> None:
        seen.append(str(args[2]))

    event.listen(services.db.engine, "before_cursor_execute", note)
    try:
        call()
    finally:
        event.remove(services.db.engine, "before_cursor_execute", note)
    return len(seen)


def names(page: TestResponse) -> list[str]:
    """The tiles that are shown, in order."""
    return [
        tile.select_one(".tile-name").text.strip()
        for tile in page.html.select(".tile")
        if not tile.has_attr("hidden")
    ]


# --- tiles -----------------------------------------------------------------------------------


def add_applications(services: Services, directory: DirectoryServices, count: int) -> None:
    """Give the agent so many more applications, each with an SP."""
    for number in range(count):
        code = f"app-{number:02}"
        directory.applications.add(
            OPERATOR, code, f"Élection n° {number:02}", description="Le jour du vote"
        )
        directory.applications.add_role(OPERATOR, code, "r", "Rôle")
        sp = FakeSP(code)
        Registry(services.core).add(sp.metadata(), Choice(), application=code)
        services.directory.attach(sp.entity_id, code)
        grant = Grant("agent@demo.example", "a-carrieres", code, "r")
        directory.assignments.assign(OPERATOR, grant)


def test_the_application_opened_last_comes_first(
    services: Services, directory: DirectoryServices, visit: Visit, clock: FakeClock
) -> None:
    add_applications(services, directory, 3)
    agent = visit("agent")
    before = names(agent.get("/"))
    for number in (1, 2, 1):
        clock.advance(timedelta(minutes=1))
        agent.get("/saml/sso/init", {"sp": FakeSP(f"app-{number:02}").entity_id}, status=200)
    first, second, *others = names(agent.get("/"))
    assert (first, second) == ("Élection n° 01", "Élection n° 02")
    assert others == [name for name in before if name not in {first, second}]
    assert names(visit("multi").get("/")) == names(visit("multi").get("/?recherche=vote"))


def test_tiles_can_be_searched_from_twelve_on(
    services: Services, directory: DirectoryServices, visit: Visit
) -> None:
    agent = visit("agent")
    assert "recherche" not in agent.get("/").forms
    assert agent.get("/").html.select_one("#recherche") is None
    add_applications(services, directory, 8)
    page = agent.get("/")
    assert page.html.select_one("#recherche") is not None
    assert len(names(page)) == 13
    found = agent.get("/", {"recherche": "ELECTION vote 3"})
    assert names(found) == ["Élection n° 03"]
    assert "1 application sur 13" in text_of(found)
    assert "0 application sur 13" in text_of(agent.get("/", {"recherche": "<script>"}))
    assert "<script>" not in agent.get("/", {"recherche": "<script>"}).text


def test_a_closed_tile_says_when_and_leads_nowhere(
    services: Services, directory: DirectoryServices, visit: Visit, clock: FakeClock
) -> None:
    waiting = visit("leila.benali").get("/")
    (tile,) = (one for one in waiting.html.select(".tile-closed") if "Bourse" in one.text)
    for said in ("À venir", "Ouvre le ", demonstration_portal.COMING_MESSAGE):
        assert said in tile.text
    assert tile.find("a") is None
    agent = visit("agent")
    add_applications(services, directory, 1)
    later = clock.now() + timedelta(days=2)
    directory.applications.schedule(OPERATOR, "app-00", closes_at=later)
    open_still = agent.get("/")
    assert "Ferme le " in text_of(open_still)
    clock.advance(timedelta(days=2))
    agent = visit("agent")
    assert "Fermée depuis aujourd'hui" in text_of(agent.get("/"))


def test_the_page_costs_the_same_however_much_it_shows(
    services: Services, directory: DirectoryServices, visit: Visit
) -> None:
    agent, referent = visit("agent"), visit("referent")
    for browser in (agent, referent):
        browser.get("/")
    before = statements(services, lambda: agent.get("/"))
    add_applications(services, directory, 9)
    for number in range(3):
        directory.notices.add(OPERATOR, f"avis {number}")
    ask(visit("sansdroit"))
    agent.get("/")
    assert statements(services, lambda: agent.get("/")) <= before + 2, "two read the snapshots"
    assert before <= 12
    assert statements(services, lambda: referent.get("/")) <= 14


# --- notices ---------------------------------------------------------------------------------


def test_a_notice_is_hidden_for_one_session(directory: DirectoryServices, visit: Visit) -> None:
    warning = directory.notices.add(OPERATOR, "Coupure à midi", level=NoticeLevel.WARNING)
    directory.notices.add(OPERATOR, "Pour ceux de BIP", application="bip")
    directory.notices.add(OPERATOR, "Ailleurs", on_sign_in=True)
    agent = visit("agent")
    page = agent.get("/")
    assert "Attention : Coupure à midi" in text_of(page)
    assert "Pour ceux de BIP" in page.text
    assert "Pour ceux de BIP" not in visit("sansdroit").get("/").text
    token = page.forms["ouvrir-aia"]["csrf_token"].value
    for number in ("x", "9999", str(warning), str(warning)):
        agent.post("/avis/masquer", {"csrf_token": token, "avis": number}, status=303)
    page = agent.get("/")
    assert "Coupure à midi" not in page.text
    assert "Pour ceux de BIP" in page.text
    assert "Coupure à midi" in visit("agent").get("/").text, "another session"
    kept = agent.cookies["avis"]
    other = visit("agent")
    other.set_cookie("avis", kept)
    assert "Coupure à midi" in other.get("/").text, "the cookie is of no use elsewhere"


def test_the_sign_in_page_shows_what_is_for_strangers(
    app: TestApp, directory: DirectoryServices
) -> None:
    directory.notices.add(OPERATOR, "Portail fermé dimanche", on_sign_in=True)
    directory.notices.add(OPERATOR, "Interne")
    page = app.get("/connexion")
    assert "Portail fermé dimanche" in page.text
    assert "Interne" not in page.text
    assert "Masquer" not in page.text


# --- requests for access ---------------------------------------------------------------------


def test_a_request_from_the_portal_to_the_tile(services: Services, visit: Visit) -> None:
    person = visit("sansdroit")
    assert "Rémi LEFÈVRE" in person.get("/").html.select_one(".empty").text
    asked = ask(person)
    assert asked.location == "http://localhost:6543/?avis=demande-envoyee"
    page = asked.follow()
    assert "Votre demande est envoyée" in text_of(page)
    assert "en attente d'une réponse" in text_of(page)
    mail = mails(services, "access-requested")[-1]
    assert mail.recipient == "referent@demo.example"
    for said in (REASON, "Sylvain DROÜET", "BIP"):
        assert said in mail.text

    referent, path = visit("referent"), request_path(services)
    assert referent.get(path, status=303).location.startswith("http://localhost:6543/?suite=")
    portal = referent.get("/")
    assert "2 demandes d'accès attendent votre réponse" in text_of(portal)
    token = portal.forms["ouvrir-aia"]["csrf_token"].value
    entered = referent.post("/aia", {"csrf_token": token, "demandes": "1"}, status=303)
    assert entered.location == "http://localhost:6543/aia/demandes"
    assert "Sylvain DROÜET : BIP" in text_of(entered.follow())
    shown = referent.get(path)
    assert mails(services, "access-granted") == [], "reading decides nothing"
    assert text_of(person.get("/")).count("en attente d'une réponse") == 1

    form = shown.forms["formulaire"]
    form.fields["checkbox"][0].checked = True
    done = form.submit("accepter", status=303).follow()
    assert "Demande acceptée le" in text_of(done)
    assert "Accepter la demande" not in done.text
    assert "BIP" in names(person.get("/"))
    assert "Acceptée le" in text_of(person.get("/"))
    assert mails(services, "access-granted")[0].recipient == "sansdroit@demo.example"


def test_a_refusal_says_why(services: Services, visit: Visit) -> None:
    person = visit("sansdroit")
    ask(person)
    referent = enter_aia(visit("referent"))
    form = referent.get(request_path(services)).forms["formulaire"]
    refused = form.submit("refuser", status=400)
    assert "Pour refuser, écrivez un message" in text_of(refused)
    form = refused.forms["formulaire"]
    form["message"] = "Ce poste n'en a pas besoin."
    form.submit("refuser", status=303)
    assert "Ce poste n'en a pas besoin." in text_of(person.get("/"))
    assert "Ce poste n'en a pas besoin." in mails(services, "access-refused")[0].text


def test_without_a_press_on_either_button_nothing_is_decided(
    services: Services, visit: Visit
) -> None:
    ask(visit("sansdroit"))
    page = enter_aia(visit("referent")).get(request_path(services))
    form = page.forms["formulaire"]
    form.fields["checkbox"][0].checked = True
    form["message"] = "Ce poste n'en a pas"
    answer = form.submit(status=400)
    assert "Rien n'est décidé" in text_of(answer)
    assert answer.forms["formulaire"]["message"].value == "Ce poste n'en a pas"
    assert page.html.select_one("#formulaire button[type=submit]").has_attr("disabled")
    assert mails(services, "access-granted") == []
    assert mails(services, "access-refused") == []


def test_the_second_answer_reads_who_was_faster(services: Services, visit: Visit) -> None:
    ask(visit("sansdroit"))
    path = request_path(services)
    first, second = enter_aia(visit("referent")), enter_aia(visit("correspondant"))
    late = second.get(path).forms["formulaire"]
    quick = first.get(path).forms["formulaire"]
    quick["message"] = "Non."
    quick.submit("refuser", status=303)
    late.fields["checkbox"][0].checked = True
    answer = late.submit("accepter", status=409)
    assert "déjà été refusée par Rémi LEFÈVRE" in text_of(answer)
    assert "Votre réponse n'a pas été enregistrée" in text_of(answer)
    assert mails(services, "access-granted") == []


@pytest.mark.parametrize("name", ["agent", "referent.b", "sansdroit"])
def test_who_may_not_answer_finds_no_page(services: Services, visit: Visit, name: str) -> None:
    ask(visit("sansdroit"))
    path, browser = request_path(services), enter_aia(visit(name))
    token = browser.get("/").forms["ouvrir-aia"]["csrf_token"].value
    assert browser.get(path, status=404)
    form = {"csrf_token": token, "__start__": "roles:sequence", "checkbox": "lecteur"}
    browser.post(path, {**form, "__end__": "roles:sequence"}, status=404)
    browser.get("/aia/demandes", status=200 if name == "referent.b" else 404)
    browser.get("/aia/demandes/inconnue", status=404)
    assert mails(services, "access-granted") == []


def foreign_membership(services: Services) -> str:
    with services.db.reading() as session:
        found = session.scalar(
            select(Membership.public_id)
            .join(Account)
            .where(Account.mail == "zoe.lemaitre@demo.example")
        )
    return str(found)


def test_nothing_that_is_posted_widens_what_may_be_asked_for(
    services: Services, visit: Visit
) -> None:
    person, count = visit("sansdroit"), len(mails(services, "access-requested"))
    for application in ("inconnue", "emploi", "aia", "é" * 190):
        assert ask(person, application).status_int == 404, application
    multi = visit("multi")
    place = multi.get(ASK).html.select_one("a.choice")["href"]
    multi.get(place, status=200)
    token = multi.get("/").forms["ouvrir-aia"]["csrf_token"].value
    posted = {"csrf_token": token, "application": "bip", "motif": REASON}
    answer = multi.post(ASK, posted, status=303)
    assert answer.location == "http://localhost:6543" + ASK
    token = person.get("/").forms["ouvrir-aia"]["csrf_token"].value
    for stranger in (foreign_membership(services), "x"):
        for browser, own in ((multi, posted), (person, {**posted, "csrf_token": token})):
            answer = browser.post(ASK, {**own, "rattachement": stranger}, status=404)
            assert "Vous n'êtes pas rattaché" in text_of(answer)
            browser.get(ASK, {"rattachement": stranger}, status=404)
    assert len(mails(services, "access-requested")) == count


def test_an_incomplete_request_says_what_is_missing(visit: Visit) -> None:
    person = visit("sansdroit")
    page = person.get(ASK).forms["formulaire"].submit(status=400)
    for said in ("Choisissez une application.", "Dites pourquoi"):
        assert said in text_of(page)
    long = ask(person, motif="x" * 501)
    assert long.status_int == 400
    assert "500 caractères" in text_of(long)


def test_a_request_is_withdrawn_from_the_portal(services: Services, visit: Visit) -> None:
    person, other = visit("sansdroit"), visit("agent")
    ask(person)
    page = person.get("/")
    wanted = page.html.select_one("button[name=demande]")["value"]
    token = other.get("/").forms["ouvrir-aia"]["csrf_token"].value
    path = f"{ASK}/retirer"
    other.post(path, {"csrf_token": token, "demande": wanted}, status=404)
    own = {"csrf_token": page.forms["retirer"]["csrf_token"].value, "demande": wanted}
    assert person.post(path, own).location.endswith("?avis=demande-retiree")
    assert person.post(path, own).location == "http://localhost:6543/"
    assert "en attente" not in text_of(person.get("/"))
    referent = enter_aia(visit("referent"))
    assert "a retiré cette demande" in text_of(referent.get(request_path(services)))


def test_the_pages_of_a_referent_cost_a_bounded_number_of_statements(
    services: Services, visit: Visit
) -> None:
    ask(visit("sansdroit"))
    referent = enter_aia(visit("referent"))
    for path, most in (("/aia/demandes", 6), (request_path(services), 16), (ASK, 6)):
        referent.get(path)
        assert statements(services, lambda path=path: referent.get(path)) <= most, path


@pytest.mark.parametrize("signed_in", [True, False])
def test_the_link_of_a_mail_leads_to_its_request_by_one_press(
    services: Services, visit: Visit, app: TestApp, *, signed_in: bool
) -> None:
    ask(visit("sansdroit"))
    path = request_path(services)
    browser = visit("referent") if signed_in else TestApp(app.app, extra_environ=app.extra_environ)
    portal = browser.get(path, status=303)
    if not signed_in:
        form = portal.follow().forms["formulaire"]
        form["login"], form["password"] = "referent@demo.example", demonstration.PASSWORD
        portal = form.submit(status=303).follow(status=303)
    portal = portal.follow()
    assert portal.request.path == "/"
    assert "mène à une demande d'accès" in text_of(portal)
    browser.get("/aia", status=303)
    press = portal.html.select_one("button[name=suite]")
    assert press.text == "Répondre"
    token = portal.forms["ouvrir-aia"]["csrf_token"].value
    suite = press["value"]
    stranger = visit("referent.b")
    assert "mène à une demande" not in text_of(stranger.get("/", {"suite": suite}))
    other = {"csrf_token": stranger.get("/").forms["ouvrir-aia"]["csrf_token"].value}
    assert stranger.post("/aia", {**other, "suite": suite}).location.endswith(":6543/aia")
    entered = browser.post("/aia", {"csrf_token": token, "suite": suite}, status=303)
    assert entered.location == "http://localhost:6543" + path
    assert entered.follow().forms["formulaire"]["message"].value == ""


def test_other_pages_of_the_directory_wait_for_one_press_too(visit: Visit) -> None:
    browser = visit("agent")
    portal = browser.get("/aia/profil", status=303).follow()
    assert portal.html.select_one("button[name=suite]").text == "Ouvrir la page"
    for forged in ("/aia/profil", "x/aia/profil", "é/"):
        assert browser.get("/", {"suite": forged}).html.select_one("button[name=suite]") is None
    assert browser.get("/aia", status=303).location == "http://localhost:6543/"


def test_what_refusing_needs_is_not_called_optional(services: Services, visit: Visit) -> None:
    ask(visit("sansdroit"))
    page = enter_aia(visit("referent")).get(request_path(services))
    assert "(obligatoire pour refuser)" in text_of(page)
    assert "(facultatif)" not in text_of(page)


def test_who_works_in_two_towns_chooses_by_the_town(visit: Visit) -> None:
    names = [each.text for each in visit("multi").get(ASK).html.select(".choice-name")]
    assert sorted(names) == ["Ville de Montrieux-sur-Seine", "Ville de Saint-Évrard"]


# --- problems --------------------------------------------------------------------------------


def test_an_error_page_leads_to_a_report(services: Services, visit: Visit) -> None:
    agent = visit("agent")
    error = agent.get("/inconnu", status=404)
    incident = error.headers["X-Request-Id"]
    form = error.click("Signaler un problème").forms["formulaire"]
    form["message"] = "Je cherchais mes fiches."
    sent = form.submit(status=303).follow()
    assert "Votre signalement est envoyé" in text_of(sent)
    (mail,) = mails(services, "problem-reported")
    assert mail.recipient == "referent@demo.example"
    for said in (incident, "Je cherchais mes fiches.", "agent@demo.example"):
        assert said in mail.text


def test_a_refusal_leads_to_a_report_that_names_the_application(
    services: Services, directory: DirectoryServices, visit: Visit
) -> None:
    add_applications(services, directory, 1)
    person = visit("sansdroit")
    entity_id = FakeSP("app-00").entity_id
    refused = person.get("/saml/sso/init", {"sp": entity_id}, status=403)
    refused.click("Signaler un problème").forms["formulaire"].submit(status=303)
    (mail,) = mails(services, "problem-reported")
    assert "Élection n° 00" in mail.text
    assert mail.recipient == services.settings.organization.correspondant, "nobody administers it"


def test_too_many_reports_are_refused_in_words(services: Services, visit: Visit) -> None:
    agent = visit("agent")
    for _ in range(10):
        agent.get("/signaler-un-probleme").forms["formulaire"].submit(status=303)
    answer = agent.get("/signaler-un-probleme").forms["formulaire"].submit(status=429)
    assert "Vous avez déjà signalé 10 problèmes" in text_of(answer)
    assert len(mails(services, "problem-reported")) == 10


def test_a_stranger_reads_whom_to_write_to(app: TestApp, services: Services) -> None:
    page = app.get("/signaler-un-probleme", {"incident": '"><b>x'})
    assert services.settings.organization.correspondant in page.text
    assert "<b>x" not in page.text
    assert "formulaire" not in page.forms
    assert "Signaler un problème" not in app.get("/inconnu", status=404).text
