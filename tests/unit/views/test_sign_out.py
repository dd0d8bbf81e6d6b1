"""The pages of signing out: the question, the way through the applications, what each one said."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from webtest import TestApp, TestResponse

from idp.messages import Logout
from idp.security import CONTENT_SECURITY_POLICY
from idp.services import Services
from idp.types import NameID, SpSession
from metadata.options import Choice
from metadata.registry import Registry
from tests.common.clock import FakeClock
from tests.common.fake_sp import FakeSP
from tests.common.memory_directory import MemoryDirectory
from tests.unit.views.conftest import ENTITY_ID, sign_in
from tests.unit.views.test_pages import check
from views.times import in_words

BASE = "http://localhost:6543"
DONE = f"{BASE}/deconnexion/terminee"
REDIRECT, POST = "HTTP-Redirect", "HTTP-POST"
PARIS = ZoneInfo("Europe/Paris")
CANNOT = "ne peut pas être fermée à distance"
UNCONFIRMED = "n'a pas confirmé sa fermeture"

pytestmark = pytest.mark.usefixtures("agent")


def add_sp(
    services: Services,
    directory: MemoryDirectory,
    code: str,
    label: str,
    *bindings: str,
    address: str | None = None,
) -> str:
    """An application that takes a logout by these bindings; its entityID."""
    sp = FakeSP(code, signs=True, slo=bindings)
    if address is not None:
        sp.slo = dict.fromkeys(sp.slo, address)
    directory.add_application(code, label, entity_id=sp.entity_id)
    Registry(services.core).add(sp.metadata(), Choice(), application=code)
    return sp.entity_id


def open_at(
    app: TestApp, services: Services, clock: FakeClock, entity_id: str, index: str = "_1"
) -> None:
    """The signed-in person opened this SP."""
    session = services.sessions.find(app.cookies["convergences"])
    assert session is not None
    held = SpSession(entity_id, NameID(index, "y"), index, clock.now(), session.expires_at)
    services.sessions.record(session, held)


def sign_out(app: TestApp) -> TestResponse:
    """Press the button of the page, and arrive where it leads."""
    page = app.get("/deconnexion").forms["formulaire"].submit(status=303)
    while page.status_int == 303:
        page = page.follow()
    return page


def states(page: TestResponse) -> dict[str, str]:
    """What the page says of each application."""
    return {
        line.select_one(".told-label").text: line.select_one(".told-state").text.strip()
        for line in page.html.select(".told > li")
    }


def connect_src(page: TestResponse) -> str:
    parts = page.headers["Content-Security-Policy"].split("; ")
    return next(part for part in parts if part.startswith("connect-src"))


def test_without_applications_it_is_done_at_once(app: TestApp) -> None:
    sign_in(app, "agent@ville.example")
    page = sign_out(app)
    assert page.request.url == DONE
    check(page)
    assert page.html.h1.text == "Vous êtes déconnecté du portail"
    assert page.html.select_one(".menu") is None
    assert states(page) == {}
    app.get("/profil", status=303)


def test_the_question_names_each_application_once(
    app: TestApp, services: Services, clock: FakeClock, directory: MemoryDirectory
) -> None:
    other = add_sp(services, directory, "cap", "Net-<CAP>", REDIRECT)
    sign_in(app, "agent@ville.example")
    for entity_id, index in ((other, "_1"), (ENTITY_ID, "_1"), (ENTITY_ID, "_2")):
        open_at(app, services, clock, entity_id, index)
    page = app.get("/deconnexion")
    check(page)
    assert page.html.h1.text == "Voulez-vous vous déconnecter\N{NO-BREAK SPACE}?"
    lists = [[line.text for line in each("li")] for each in page.html.select(".plain-list")]
    assert lists == [["Net-<CAP>"], ["BIP"]], "what will close, and what cannot be told"
    assert "Cette autre application, que vous avez ouverte, ne peut pas être fermée" in page.text


@pytest.mark.parametrize(
    ("labels", "said"),
    [
        ([], "Cette application, que vous avez ouverte, ne peut pas être fermée à distance"),
        (["Paie"], "Ces applications, que vous avez ouvertes, ne peuvent pas être fermées à"),
    ],
)
def test_a_question_about_what_cannot_be_told_names_what_it_speaks_of(
    app: TestApp, services: Services, clock: FakeClock, directory: MemoryDirectory,
    labels: list[str], said: str,
) -> None:  # fmt: skip
    sign_in(app, "agent@ville.example")
    open_at(app, services, clock, ENTITY_ID)
    for label in labels:
        open_at(app, services, clock, add_sp(services, directory, label.lower(), label))
    page = app.get("/deconnexion")
    check(page)
    assert said in page.text
    assert "Celle" not in page.text
    assert [line.text for line in page.html.select(".plain-list li")] == ["BIP", *labels]


def test_what_cannot_be_told_may_stay_open_until_its_hour(
    app: TestApp, services: Services, clock: FakeClock
) -> None:
    sign_in(app, "agent@ville.example")
    open_at(app, services, clock, ENTITY_ID)
    open_at(app, services, clock, ENTITY_ID, "_2")
    page = sign_out(app)
    check(page)
    assert states(page) == {"BIP": CANNOT}, "opened twice, named once"
    more = page.html.select_one(".told-more").text
    end = clock.now() + services.settings.session_lifetime
    assert f"jusqu'{in_words(end, clock.now(), PARIS)}." in more
    assert page.html.select_one(".told-again") is None, "there is no address to try"
    assert states(app.get(DONE)) == {"BIP": CANNOT}, "a reload says it again"
    clock.advance(timedelta(minutes=16))
    assert states(app.get(DONE)) == {}


def test_the_page_in_between_leads_to_the_next_one(
    app: TestApp, services: Services, clock: FakeClock, directory: MemoryDirectory
) -> None:
    other = add_sp(services, directory, "cap", "Net-<CAP>", REDIRECT)
    sign_in(app, "agent@ville.example")
    for entity_id in (other, ENTITY_ID):
        open_at(app, services, clock, entity_id)
    page = sign_out(app)
    assert page.request.path == "/deconnexion/suite"
    check(page)
    assert states(page) == {"BIP": CANNOT, "Net-<CAP>": "à fermer"}
    assert page.html.select_one("[aria-current=step] .told-label").text == "Net-<CAP>"
    assert connect_src(page) == "connect-src 'self' https://cap.example"
    assert page.html.select_one("[data-sign-out]")["data-origin"] == "https://cap.example"
    assert page.html.select_one("[role=status]").text == ""
    away = app.get(page.html.select_one("[data-next]")["href"], status=303)
    assert away.location.startswith("https://cap.example/slo/")

    again = app.get("/deconnexion/suite", status=303).follow()
    assert states(again) == {"BIP": CANNOT, "Net-<CAP>": UNCONFIRMED}
    assert connect_src(again) == "connect-src 'self'"
    link = again.html.select_one(".told-again")
    assert link.text == "Fermer Net-<CAP>"
    assert app.get(link["href"], status=303).location.startswith("https://cap.example/slo/")


@pytest.mark.parametrize(
    "address", ["https://user@cap.example/slo", "https://café.example/slo", "https://x:9999999/slo"]
)
def test_an_address_that_fits_in_no_policy_changes_none(
    address: str, monkeypatch: pytest.MonkeyPatch, app: TestApp, services: Services,
    clock: FakeClock, directory: MemoryDirectory,
) -> None:  # fmt: skip
    other = add_sp(services, directory, "cap", "Net-CAP", REDIRECT)
    monkeypatch.setattr(type(services.teller), "front_address", lambda *_: address)
    sign_in(app, "agent@ville.example")
    open_at(app, services, clock, other)
    page = sign_out(app)
    if "9999999" in address:
        assert connect_src(page) == "connect-src 'self' https://x:9999999"
        return
    assert page.headers["Content-Security-Policy"] == CONTENT_SECURITY_POLICY
    assert page.html.select_one("[data-sign-out]")["data-origin"] == ""


def test_a_hand_over_of_a_sign_out_has_a_way_back(
    app: TestApp, services: Services, clock: FakeClock, directory: MemoryDirectory
) -> None:
    other = add_sp(services, directory, "cap", "Net-CAP", POST)
    sign_in(app, "agent@ville.example")
    open_at(app, services, clock, other)
    sign_out(app)
    page = app.get("/deconnexion/application", status=200)
    assert page.html.form["action"] == "https://cap.example/slo/HTTP-POST"
    assert page.html.form["data-back"] == "/deconnexion/suite"
    assert page.html.select_one("main a")["href"] == "/deconnexion/suite"
    assert "form-action" not in page.headers["Content-Security-Policy"]


def test_every_other_page_offers_to_finish(
    app: TestApp, services: Services, clock: FakeClock, directory: MemoryDirectory
) -> None:
    notice = "[aria-label='Déconnexion en cours']"
    for code in ("cap", "paie"):
        add_sp(services, directory, code, code, REDIRECT)
    sign_in(app, "agent@ville.example")
    for code in ("cap", "paie"):
        open_at(app, services, clock, f"https://{code}.example/metadata")
    assert app.get("/").html.select_one(notice) is None
    page = sign_out(app)
    assert page.html.select_one(notice) is None
    app.get("/deconnexion/application", status=303)
    for path, status in (("/connexion", 200), ("/accessibilite", 200), ("/nulle-part", 404)):
        aside = app.get(path, status=status).html.select_one(notice)
        assert aside.a.text == "Terminer la déconnexion"
    last = app.get(DONE)
    assert last.html.select_one(notice) is None
    assert last.html.select_one("main a.button")["href"] == "/deconnexion/suite"
    form = app.get(aside.a["href"]).forms["passer"]
    done = form.submit(status=303).follow(status=303).follow()
    assert set(states(done).values()) == {UNCONFIRMED}
    assert app.get("/connexion").html.select_one(notice) is None


@pytest.mark.parametrize("task", ["", "0", "999999999999999999999", "-1", "x", "é"])
def test_a_task_that_does_not_wait_is_neither_skipped_nor_told(
    app: TestApp, services: Services, clock: FakeClock, directory: MemoryDirectory, task: str
) -> None:
    other = add_sp(services, directory, "cap", "Net-CAP", REDIRECT)
    sign_in(app, "agent@ville.example")
    open_at(app, services, clock, other)
    page = sign_out(app)
    page.forms["passer"]["task"] = task
    page = page.forms["passer"].submit(status=303).follow()
    assert states(page) == {"Net-CAP": "à fermer"}
    page = app.get("/deconnexion/application", {"application": task}, status=303).follow()
    assert states(page) == {"Net-CAP": "à fermer"}


@pytest.mark.parametrize(
    "value", ["", "x", "é", "W10", "a" * 100, "WzAsIFsiPGI+Il1d", "...", "a.b"]
)
def test_nobody_else_writes_on_the_last_page(app: TestApp, value: str) -> None:
    clean = app.get("/deconnexion/terminee")
    app.set_cookie("depart", value.encode().decode("latin-1"))
    app.set_cookie("convergences-csrf", "x")
    page = app.get("/deconnexion/terminee?applications=BIP&depart=BIP", status=200)
    assert states(page) == {}
    assert page.html.main == clean.html.main


@pytest.mark.parametrize(
    ("value", "looked_for"),
    [("a.b", 2), (".".join("abcdefgh"), 4), ("a" * 401, 0), ("a." * 2000, 0), ("a" * 400, 1)],
)
def test_of_a_spoilt_cookie_few_flows_are_looked_for(
    app: TestApp, services: Services, monkeypatch: pytest.MonkeyPatch, value: str, looked_for: int
) -> None:
    asked: list[str] = []
    find = services.sign_out.find

    def counted(flow: str) -> Logout:
        asked.append(flow)
        return find(flow)

    monkeypatch.setattr(services.sign_out, "find", counted)
    app.set_cookie("depart", value)
    app.get("/deconnexion/terminee", status=200)
    assert len(asked) == looked_for


def test_the_next_sign_out_names_its_own(
    app: TestApp, services: Services, clock: FakeClock
) -> None:
    sign_in(app, "agent@ville.example")
    open_at(app, services, clock, ENTITY_ID)
    sign_out(app)
    sign_in(app, "agent@ville.example")
    assert states(sign_out(app)) == {}


def test_who_is_signed_in_is_not_told_that_he_is_not(app: TestApp) -> None:
    sign_in(app, "agent@ville.example")
    assert app.get("/deconnexion/terminee", status=303).location == f"{BASE}/"


@pytest.mark.parametrize(
    ("moment", "words"),
    [
        (datetime(2026, 11, 20, 17, 30, tzinfo=UTC), "à 18 h 30"),
        (datetime(2026, 11, 20, 8, 5, tzinfo=UTC), "à 9 h 05"),
        (datetime(2026, 11, 20, 23, 30, tzinfo=UTC), "au 21/11/2026 à 0 h 30"),
    ],
)
def test_an_hour_is_written_as_people_read_it(moment: datetime, words: str) -> None:
    now = datetime(2026, 11, 20, 8, 0, tzinfo=UTC)
    said = in_words(moment, now, PARIS)
    assert said.replace("\N{NO-BREAK SPACE}", " ") == words
    assert "h\N{NO-BREAK SPACE}" in said
