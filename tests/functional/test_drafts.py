"""A form that is sent after the session ended: kept for its person, and for nobody else."""

from collections.abc import Callable
from datetime import timedelta
from urllib.parse import parse_qs, urlsplit

import pytest
from sqlalchemy import func, select
from webtest import TestResponse

from idp.sessions.tables import DraftRow
from idp.types import Subject
from tests.functional.conftest import PASSWORD, Visitor, World, text_of

pytestmark = pytest.mark.sqlite_only

OVER = timedelta(minutes=61)
PAGE = "/signaler-un-probleme"
TEXT = "La liste des agents <reste> vide"


def send_too_late(world: World, visitor: Visitor, **fields: str) -> TestResponse:
    """Fill the form in, wait until the session is over, send it."""
    form = visitor.app.get(PAGE).forms["formulaire"]
    form["message"] = fields.pop("message", TEXT)
    world.clock.advance(OVER)
    return form.submit(**fields)


def sign_in_again(visitor: Visitor, answer: TestResponse, name: str) -> TestResponse:
    """On the page to which the form led; where that leads."""
    return visitor.sign_in(name, answer.follow())


def drafts(world: World) -> int:
    with world.services.db.reading() as reading:
        return reading.scalar(select(func.count()).select_from(DraftRow)) or 0


def test_the_same_person_finds_what_he_typed(
    world: World, visitor: Visitor, reports: list[str]
) -> None:
    visitor.sign_in("agent")
    answer = send_too_late(world, visitor)
    assert answer.status_int == 303
    assert "avis=saisie-conservee" in answer.location
    assert "conservé pendant 24 heures" in text_of(answer.follow())
    page = sign_in_again(visitor, answer, "agent")
    assert page.request.path == PAGE
    assert page.forms["formulaire"]["message"].value == TEXT
    assert "rien n'a été envoyé" in page.html.select_one("form .note").text
    assert visitor.app.get(PAGE).forms["formulaire"]["message"].value == TEXT, "until it is sent"
    assert reports == []
    page.forms["formulaire"].submit("envoyer", status=303)
    assert reports == [TEXT]
    assert drafts(world) == 0
    assert visitor.app.get(PAGE).forms["formulaire"]["message"].value == ""


def test_another_person_at_that_browser_sees_nothing(world: World, visitor: Visitor) -> None:
    visitor.sign_in("agent")
    answer = send_too_late(world, visitor)
    page = sign_in_again(visitor, answer, "multi")
    assert page.request.path == "/", "nor is he led to the other's page"
    page = visitor.app.get(PAGE)
    assert page.forms["formulaire"]["message"].value == ""
    assert TEXT.partition("<")[0] not in page.text
    assert page.html.select_one("form .note") is None
    token = page.forms["formulaire"]["csrf_token"].value
    fields = {"csrf_token": token, "brouillon": PAGE}
    assert visitor.app.post("/session/brouillon", fields).location.endswith(":6543/")
    assert drafts(world) == 1, "nor can he throw it away"


def test_the_person_may_begin_anew(world: World, visitor: Visitor) -> None:
    visitor.sign_in("agent")
    page = sign_in_again(visitor, send_too_late(world, visitor), "agent")
    first = page.html.select_one("form#formulaire button[type=submit]:not([form])")
    assert first.text == "Envoyer le signalement", "what the Enter key presses"
    page = page.forms["repartir"].submit(status=303).follow()
    assert page.request.path == PAGE
    assert page.forms["formulaire"]["message"].value == ""
    assert drafts(world) == 0


def set_aside(visitor: Visitor, old: TestResponse, *, status: int = 303) -> TestResponse:
    """What the script of that page does once the session is over."""
    form = old.forms["formulaire"]
    form["message"] = TEXT
    back = parse_qs(urlsplit(old.html.select_one("[data-sign-in]")["href"]).query)
    fields = {"brouillon-seul": back["suite"][0]}
    return visitor.app.post(PAGE, dict(form.submit_fields()) | fields, status=status)


@pytest.fixture
def reports(world: World, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What was sent."""
    sent: list[str] = []
    problems = type(world.services.self_service.problems)
    monkeypatch.setattr(problems, "report", lambda *_, text, **__: sent.append(text))
    return sent


def test_what_is_only_to_be_kept_is_never_done(
    world: World, visitor: Visitor, reports: list[str]
) -> None:
    visitor.sign_in("agent")
    old = visitor.app.get(f"{PAGE}?incident=x")
    world.clock.advance(OVER)
    visitor.sign_in("agent")
    answer = set_aside(visitor, old)
    assert answer.location.endswith(f"{PAGE}?incident=x")
    page = answer.follow()
    assert page.forms["formulaire"]["message"].value == TEXT
    assert "rien n'a été envoyé" in page.html.select_one("form .note").text
    assert reports == []


def test_another_person_who_is_signed_in_meanwhile_is_left_nothing(
    world: World, visitor: Visitor, reports: list[str]
) -> None:
    visitor.sign_in("agent")
    old = visitor.app.get(PAGE)
    world.clock.advance(OVER)
    visitor.sign_in("multi")
    assert "quelqu'un d'autre s'est connecté depuis" in text_of(set_aside(visitor, old, status=400))
    assert (drafts(world), reports) == (0, [])
    assert visitor.app.get(PAGE).forms["formulaire"]["message"].value == ""


def test_nobody_is_signed_in_and_it_is_kept_as_ever(world: World, visitor: Visitor) -> None:
    visitor.sign_in("agent")
    old = visitor.app.get(PAGE)
    world.clock.advance(OVER)
    assert "avis=saisie-conservee" in set_aside(visitor, old).location
    assert drafts(world) == 1


def closed_elsewhere(world: World, visitor: Visitor) -> None:
    """The person closed the session that a thief has."""
    person, token = world.people["agent"], visitor.app.cookies["convergences"]
    sessions = world.services.sessions
    mine = sessions.find(sessions.start(find(world), "x", user_agent="")[0])
    stolen = sessions.find(token)
    assert mine is not None
    assert stolen is not None
    sessions.close_others(mine)
    assert sessions.owner(token) == person


def locked(world: World, visitor: Visitor) -> None:
    """By an administrator."""
    del visitor
    world.services.sessions.end(world.people["agent"], reason="account-locked")


def find(world: World) -> Subject:
    """The agent."""
    subject = world.directory.find_subject(world.people["agent"])
    assert subject is not None
    return subject


@pytest.mark.parametrize("ended", [closed_elsewhere, locked])
def test_of_a_session_that_was_ended_nothing_is_kept(
    world: World, visitor: Visitor, ended: Callable[[World, Visitor], None]
) -> None:
    visitor.sign_in("agent")
    form = visitor.app.get(PAGE).forms["formulaire"]
    form["message"] = TEXT
    ended(world, visitor)
    assert "avis=session-terminee" in form.submit(status=303).location
    assert drafts(world) == 0


def test_only_the_fields_that_the_view_names_are_kept(world: World, visitor: Visitor) -> None:
    visitor.sign_in("agent")
    form = visitor.app.get(PAGE).forms["formulaire"]
    token = form["csrf_token"].value
    world.clock.advance(OVER)
    fields = {"csrf_token": token, "message": TEXT, "password": PASSWORD, "envoyer": "envoyer"}
    visitor.app.post(PAGE, fields, status=303)
    kept = world.services.drafts.find(world.people["agent"], PAGE)
    assert kept is not None
    assert set(kept) <= {"message", "incident", "sp"}


def test_the_application_of_a_report_is_kept_too(world: World, visitor: Visitor) -> None:
    visitor.sign_in("agent")
    entity_id = world.sps["bip"].entity_id
    form = visitor.app.get(PAGE, {"sp": entity_id, "incident": "a1"}).forms["formulaire"]
    form["message"] = TEXT
    world.clock.advance(OVER)
    page = sign_in_again(visitor, form.submit(), "agent")
    found = page.forms["formulaire"]
    assert (found["sp"].value, found["incident"].value) == (entity_id, "a1")


def test_without_our_token_nothing_is_kept(world: World, visitor: Visitor) -> None:
    visitor.sign_in("agent")
    world.clock.advance(OVER)
    visitor.app.post(PAGE, {"message": TEXT}, status=400)
    assert drafts(world) == 0


def test_a_stranger_leaves_nothing(world: World, another_visitor: Callable[[], Visitor]) -> None:
    visitor = another_visitor()
    token = visitor.app.get("/connexion").forms["formulaire"]["csrf_token"].value
    for cookie in (None, "planted"):
        if cookie:
            visitor.app.set_cookie("convergences", cookie)
        answer = visitor.app.post(PAGE, {"csrf_token": token, "message": TEXT}, status=303)
        assert "avis=session-terminee" in answer.location
    assert drafts(world) == 0


def test_a_form_of_which_nothing_is_kept_says_so(world: World, visitor: Visitor) -> None:
    visitor.sign_in("agent")
    form = visitor.app.get("/deconnexion").forms["formulaire"]
    world.clock.advance(OVER)
    answer = form.submit(status=303)
    assert answer.location == "http://localhost:6543/connexion?avis=session-terminee"
    assert drafts(world) == 0


@pytest.mark.parametrize("leaves", ["/deconnexion", "/aia/deconnexion"])
def test_who_signs_out_leaves_nothing_behind(world: World, visitor: Visitor, leaves: str) -> None:
    visitor.sign_in("agent")
    sign_in_again(visitor, send_too_late(world, visitor), "agent")
    assert drafts(world) == 1
    token = visitor.app.get("/profil").forms[0]["csrf_token"].value
    visitor.app.post(leaves, {"csrf_token": token}, status=303)
    assert drafts(world) == 0
