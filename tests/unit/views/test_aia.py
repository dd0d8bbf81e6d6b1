"""Entering the AIA by its tile, and leaving it for the portal."""

from datetime import timedelta

import pytest
from webtest import TestApp, TestResponse

from idp.services import Services
from tests.common.clock import FakeClock
from tests.unit.views.conftest import sign_in
from tests.unit.views.test_pages import check

PORTAL = "http://localhost:6543/"
AIA = "http://localhost:6543/aia"
NAME = "Annuaire des Identités et des Accès"

pytestmark = pytest.mark.usefixtures("agent")


def enter(app: TestApp) -> TestResponse:
    """Sign in, and click the tile."""
    sign_in(app, "agent@ville.example")
    return click(app)


def click(app: TestApp) -> TestResponse:
    """Click the tile."""
    return app.get("/").forms["ouvrir-aia"].submit(status=303)


def menu(page: TestResponse) -> dict[str, str]:
    """Where the header's menu leads."""
    return {link.text.strip(): link["href"] for link in page.html.select(".menu-list a")}


def test_the_tile_is_a_button_that_enters(app: TestApp, services: Services) -> None:
    sign_in(app, "agent@ville.example")
    token = app.cookies["convergences"]
    before = services.sessions.find(token)
    assert before is not None
    assert before.aia_until is None
    portal = app.get("/")
    button = portal.html.select_one(".tile h2 button")
    assert (button.text, button["type"]) == (NAME, "submit")
    form = portal.forms[button["form"]]
    assert (form.method, form.action) == ("post", "/aia")
    answer = form.submit(status=303)
    assert answer.location == AIA
    after = services.sessions.find(token)
    assert after is not None
    assert after.aia_until is not None
    assert answer.follow(status=200).html.h1.text == NAME


@pytest.mark.parametrize("path", ["/aia", "/aia/deconnexion"])
def test_its_addresses_lead_to_the_portal_until_the_tile_is_clicked(
    app: TestApp, services: Services, path: str
) -> None:
    sign_in(app, "agent@ville.example")
    for _ in range(2):
        assert app.get(path, status=303).location == PORTAL
    session = services.sessions.find(app.cookies["convergences"])
    assert session is not None
    assert session.aia_until is None, "a visit changes nothing"
    click(app)
    app.get(path, status=200)


def test_its_time_ends_at_the_moment_that_the_session_says(
    app: TestApp, services: Services, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    enter(app)
    monkeypatch.setattr(services.sessions, "touch", lambda _: None)
    session = services.sessions.find(app.cookies["convergences"])
    assert session is not None
    assert session.aia_until is not None
    monkeypatch.setattr(services.sessions, "find", lambda _: session)
    clock.advance(session.aia_until - clock.now() - timedelta(seconds=1))
    app.get("/aia", status=200)
    clock.advance(timedelta(seconds=1))
    assert app.get("/aia", status=303).location == PORTAL


def test_the_menu_signs_out_of_where_one_is(app: TestApp) -> None:
    inside = enter(app).follow()
    assert menu(inside)["Déconnexion"] == "/aia/deconnexion"
    for path in (menu(inside)["Profil"], "/profil/photo?retour=aia"):
        page = app.get(path, status=200)
        assert "page-aia" in page.html.body["class"], path
        assert menu(page)["Déconnexion"] == "/aia/deconnexion", path
    assert menu(app.get("/"))["Déconnexion"] == "/deconnexion"
    assert menu(app.get("/profil"))["Déconnexion"] == "/deconnexion"


def test_the_photo_stands_in_what_it_was_opened_from(app: TestApp) -> None:
    enter(app)
    inside = app.get("/profil/photo?retour=aia", status=200)
    check(inside)
    assert "page-shell" in inside.html.body["class"]
    crumbs = [each.text for each in inside.html.select(".crumbs li")]
    assert crumbs == ["Annuaire", "Profil", "Photo"]
    outside = app.get("/profil/photo", status=200)
    check(outside)
    assert not outside.html.body["class"]
    assert not outside.html.select(".crumbs")
    for page in (inside, outside):
        styles = [link["href"] for link in page.html.select("link[rel=stylesheet]")]
        assert any("profile.css" in style for style in styles)
        assert page.html.select("form[data-photo]")


def test_leaving_asks_and_returns_to_the_portal_still_signed_in(
    app: TestApp, services: Services
) -> None:
    inside = enter(app).follow()
    page = app.get(menu(inside)["Déconnexion"])
    check(page)
    assert "page-aia" in page.html.body["class"]
    session = services.sessions.find(app.cookies["convergences"])
    assert session is not None
    assert session.aia_until is not None, "asking ends nothing"
    answer = page.forms["quitter"].submit(status=303)
    assert answer.location == PORTAL
    assert "Zoé D'ÉTÉ" in answer.follow(status=200).html.header.text
    session = services.sessions.find(app.cookies["convergences"])
    assert session is not None
    assert session.aia_until is None
    assert app.get("/aia", status=303).location == PORTAL


def test_going_in_and_out_needs_the_forms_of_the_pages(app: TestApp) -> None:
    sign_in(app, "agent@ville.example")
    app.post("/aia", status=400)
    assert app.get("/aia", status=303).location == PORTAL
    click(app)
    app.post("/aia/deconnexion", status=400)
    app.get("/aia", status=200)
