"""The end of a session: told, asked, put off; and the way back to where one was."""

from datetime import timedelta

import pytest
from webtest import TestApp

from idp.services import Services
from tests.common.clock import FakeClock
from tests.unit.views.conftest import sign_in
from tests.unit.views.test_pages import check

MINUTE = timedelta(minutes=1)
AGENT = "agent@ville.example"

pytestmark = pytest.mark.usefixtures("agent")


def left(app: TestApp) -> int:
    """Seconds, asked as the script does."""
    return int(app.get("/session").json["left"])


def test_asking_is_no_use_of_the_session(app: TestApp, clock: FakeClock) -> None:
    assert app.get("/session").json == {"left": 0, "final": True, "at": ""}
    sign_in(app, AGENT)
    assert left(app) == 3600
    clock.advance(10 * MINUTE)
    assert left(app) == 3000
    assert left(app) == 3000
    app.get("/profil")
    assert left(app) == 3600


def test_a_click_keeps_it_alive(app: TestApp, clock: FakeClock) -> None:
    sign_in(app, AGENT)
    form = app.get("/profil").html.select_one("dialog form")
    clock.advance(59 * MINUTE)
    token = {"csrf_token": form.select_one("[name=csrf_token]")["value"]}
    answer = app.post(form["action"], token)
    assert answer.json["left"] == 3600
    assert answer.headers["Cache-Control"] == "no-store"
    clock.advance(59 * MINUTE)
    assert app.get("/profil").status_int == 200


def test_every_page_tells_when_it_ends(app: TestApp, clock: FakeClock) -> None:
    assert app.get("/connexion").html.select_one("dialog, .foot-session") is None
    sign_in(app, AGENT)
    page = app.get("/profil")
    check(page)
    dialog = page.html.select_one("dialog")
    assert (dialog["data-left"], dialog["data-warning"]) == ("3600", "300")
    assert dialog["data-final"] == "non"
    assert "Sans activité" in page.html.select_one(".foot-session").text
    for _ in range(10):
        clock.advance(55 * MINUTE)
        page = app.get("/profil")
    dialog = page.html.select_one("dialog")
    assert (dialog["data-left"], dialog["data-final"]) == ("3000", "oui")
    told = page.html.select_one(".foot-session").text
    assert "10\N{NO-BREAK SPACE}heures après votre connexion" in told
    assert app.get("/session").json["final"] is True


def test_the_page_of_an_error_tells_nothing_of_it(app: TestApp) -> None:
    sign_in(app, AGENT)
    assert app.get("/nulle-part", status=404).html.select_one("dialog, .foot-session") is None


def test_signing_in_leads_back_to_the_page(app: TestApp, clock: FakeClock) -> None:
    sign_in(app, AGENT)
    way = app.get("/profil?x=1").html.select_one("[data-sign-in]")["href"]
    clock.advance(61 * MINUTE)
    form = app.get(way).forms["formulaire"]
    form["login"], form["password"] = AGENT, "faux"
    form = form.submit(status=400).forms["formulaire"]
    form["login"], form["password"] = AGENT, "les roses du parc 94"
    assert form.submit().location == "http://localhost:6543/profil?x=1"
    assert app.get(way).location == "http://localhost:6543/profil?x=1", "already signed in"


def test_it_leads_nobody_else_there(app: TestApp, services: Services, clock: FakeClock) -> None:
    directory = services.directory
    directory.add_account(  # type: ignore[attr-defined]
        "autre@ville.example", "Max", "Petit", password="les roses du parc 94"
    )
    sign_in(app, AGENT)
    way = app.get("/profil").html.select_one("[data-sign-in]")["href"]
    clock.advance(61 * MINUTE)
    form = app.get(way).forms["formulaire"]
    form["login"], form["password"] = "autre@ville.example", "les roses du parc 94"
    assert form.submit().location == "http://localhost:6543/"


@pytest.mark.parametrize(
    "suite",
    [
        "/profil",
        "x/profil",
        "//evil.example",
        "https://evil.example/",
        "é/profil",
        "\x00/profil",
        "none",
    ],
)
def test_an_address_that_we_did_not_write_leads_nowhere(app: TestApp, suite: str) -> None:
    form = app.get("/connexion", {"suite": suite}).forms["formulaire"]
    form["login"], form["password"] = AGENT, "les roses du parc 94"
    assert form.submit().location == "http://localhost:6543/"


def test_a_token_is_good_for_its_own_path_alone(app: TestApp) -> None:
    suite = app.get("/profil", status=303).location.partition("suite=")[2]
    form = app.get(f"/connexion?suite={suite.replace('%2Fprofil', '%2F%2Fevil.example')}")
    form = form.forms["formulaire"]
    form["login"], form["password"] = AGENT, "les roses du parc 94"
    assert form.submit().location == "http://localhost:6543/"


@pytest.mark.parametrize("path", ["/", "/deconnexion", "/profil?q=" + "a" * 1500])
def test_where_one_does_not_come_back(app: TestApp, path: str) -> None:
    assert app.get(path, status=303).location == "http://localhost:6543/connexion"
