"""Signing out of the portal: a redirection, then a page that names what stays open."""

from datetime import timedelta

import pytest
from webtest import TestApp, TestResponse

from idp.services import Services
from idp.types import NameID, SpSession
from tests.common.clock import FakeClock
from tests.common.memory_directory import MemoryDirectory
from tests.unit.views.conftest import ENTITY_ID, sign_in
from tests.unit.views.test_pages import check

DONE = "http://localhost:6543/deconnexion/terminee"

pytestmark = pytest.mark.usefixtures("agent")


def open_at(app: TestApp, services: Services, clock: FakeClock, entity_id: str) -> None:
    """The signed-in person opened this SP."""
    session = services.sessions.find(app.cookies["convergences"])
    assert session is not None
    held = SpSession(entity_id, NameID("x", "y"), "_1", clock.now(), session.expires_at)
    services.sessions.record(session, held)


def sign_out(app: TestApp) -> TestResponse:
    """Press the button of the page."""
    return app.get("/deconnexion").forms[0].submit(status=303)


def named(page: TestResponse) -> list[str]:
    """The applications that the page says are still open."""
    return [line.text for line in page.html.select(".plain-list li")]


def test_it_leads_to_a_page_that_a_reload_does_not_post_again(app: TestApp) -> None:
    sign_in(app, "agent@ville.example")
    answer = sign_out(app)
    assert answer.location == DONE
    page = answer.follow(status=200)
    check(page)
    assert page.html.h1.text == "Vous êtes déconnecté du portail"
    assert page.html.select_one(".menu") is None
    assert named(page) == []
    app.get("/profil", status=303)


def test_it_names_what_stays_open_for_some_minutes(
    app: TestApp, services: Services, clock: FakeClock, directory: MemoryDirectory
) -> None:
    directory.add_application("cap", "Net-<CAP>", entity_id="https://cap.example")
    sign_in(app, "agent@ville.example")
    for entity_id in (ENTITY_ID, "https://cap.example"):
        open_at(app, services, clock, entity_id)
    answer = sign_out(app)
    for _ in range(2):
        page = answer.follow()
        check(page)
        assert named(page) == ["BIP", "Net-<CAP>"]
    clock.advance(timedelta(minutes=6))
    assert named(answer.follow()) == []


def test_the_next_sign_out_names_its_own(
    app: TestApp, services: Services, clock: FakeClock
) -> None:
    sign_in(app, "agent@ville.example")
    open_at(app, services, clock, ENTITY_ID)
    sign_out(app)
    sign_in(app, "agent@ville.example")
    assert named(sign_out(app).follow()) == []


def test_very_many_are_not_all_named(
    app: TestApp, services: Services, clock: FakeClock, directory: MemoryDirectory
) -> None:
    sign_in(app, "agent@ville.example")
    for number in range(60):
        label = f"Application {number:02} " + "é" * 60
        directory.add_application(f"a{number}", label, entity_id=f"https://a{number}.example")
        open_at(app, services, clock, f"https://a{number}.example")
    answer = sign_out(app)
    assert all(len(line) < 4096 for line in answer.headers.getall("Set-Cookie"))
    names = named(answer.follow())
    assert len(names) > 3
    assert names[0].startswith("Application 00")
    assert names[-1] == "d'autres applications"


@pytest.mark.parametrize("value", ["", "x", "é", "W10", "a" * 100, "WzAsIFsiPGI+Il1d"])
def test_nobody_else_writes_on_that_page(app: TestApp, value: str) -> None:
    clean = app.get("/deconnexion/terminee")
    app.set_cookie("depart", value.encode().decode("latin-1"))
    app.set_cookie("convergences-csrf", "x")
    page = app.get("/deconnexion/terminee?applications=BIP&depart=BIP", status=200)
    assert named(page) == []
    assert page.html.main == clean.html.main


def test_a_forged_list_is_not_shown(app: TestApp, services: Services, clock: FakeClock) -> None:
    sign_in(app, "agent@ville.example")
    open_at(app, services, clock, ENTITY_ID)
    answer = sign_out(app)
    genuine = app.cookies["depart"]
    app.set_cookie("depart", genuine[:-8] + "AAAAAAAA")
    assert named(answer.follow()) == []
    app.set_cookie("depart", genuine)
    assert named(answer.follow()) == ["BIP"]


def test_who_is_signed_in_is_not_told_that_he_is_not(app: TestApp) -> None:
    sign_in(app, "agent@ville.example")
    assert app.get("/deconnexion/terminee", status=303).location == "http://localhost:6543/"
