"""Several SPs that ask, several tabs, several browsers of one person: each SP has its answer."""

from collections.abc import Callable
from contextlib import suppress
from datetime import timedelta
from threading import Barrier, BrokenBarrierError
from typing import Any

import pytest
from webtest import TestApp, TestResponse

from idp.sessions.sso import SsoSessions
from idp.types import NameIDFormat
from metadata.options import Choice
from metadata.registry import Registry
from tests.common.fake_slo import logout_request, read_redirect, status_of_logout
from tests.common.fake_sp import FakeSP, Received
from tests.common.threads import all_at_once
from tests.functional.conftest import Visitor, World, text_of
from tests.functional.test_slo import enter, states

REDIRECT, POST, SOAP = "HTTP-Redirect", "HTTP-POST", "SOAP"
BINDINGS = {"one": (REDIRECT,), "two": (REDIRECT,), "three": (REDIRECT,), "soap": (SOAP,)}
DONE, NEXT = "/deconnexion/terminee", "/deconnexion/suite"
NOTICE = "[aria-label='Déconnexion en cours']"


@pytest.fixture
def world(world: World) -> World:
    """Four more SPs; the last publishes nothing that a browser could reach."""
    for code, slo in BINDINGS.items():
        choice = Choice(name_id_format=NameIDFormat.PERSISTENT)
        world.add_sp(code, code.title(), choice, signs=True, slo=slo)
        world.directory.assign(world.memberships["agent/vitry"], code, "gest")
    return world


def ask(
    world: World, visitor: Visitor, code: str, own: Received, indexes: tuple[str, ...] | None = None
) -> TestResponse:
    """This SP asks, by the browser; where that leads."""
    sp = world.sps[code]
    query = sp.redirect_query(logout_request(sp, own, now=world.now, indexes=indexes))
    return visitor.app.get(f"/saml/slo?{query}", status=303)


def answered(world: World, answer: TestResponse, code: str) -> list[str]:
    """The browser is on its way to this SP with a LogoutResponse: its status."""
    sp: FakeSP = world.sps[code]
    assert answer.location.startswith(sp.slo[REDIRECT]), answer.location
    certificate = world.services.signer.certificates()[0]
    return status_of_logout(read_redirect(answer.location, "SAMLResponse", certificate))


def skip(page: TestResponse) -> TestResponse:
    """Go on without the application of this page."""
    return page.forms["passer"].submit(status=303).follow(status="*")


def test_two_sps_that_ask_in_one_browser_are_both_answered(world: World, visitor: Visitor) -> None:
    """The second one asks in another tab while the first one's sign-out is at an application."""
    visitor.sign_in("agent")
    own = {code: enter(world, visitor, code) for code in ("one", "two", "three")}
    page = ask(world, visitor, "one", own["one"]).follow(status=200)
    second = ask(world, visitor, "two", own["two"])
    assert answered(world, second.follow(), "two") == ["Success"], "its session was over"
    # The first tab goes on where it was.
    page = visitor.app.get(NEXT, status=200)
    assert set(states(page)) == {"Two", "Three"}
    assert visitor.app.get("/connexion").html.select_one(NOTICE) is not None
    last = skip(skip(page))
    assert answered(world, last, "one") == ["Success", "PartialLogout"]
    assert visitor.app.get("/connexion").html.select_one(NOTICE) is None
    assert visitor.app.get(NEXT, status=303).location.endswith(DONE)


def test_one_after_the_other_neither_is_forgotten(world: World, visitor: Visitor) -> None:
    """The person left the first sign-out, signed in again, and left from another SP."""
    for code, other in (("one", "three"), ("two", "three")):
        visitor.sign_in("agent")
        own = enter(world, visitor, code)
        enter(world, visitor, other)
        ask(world, visitor, code, own)
        world.clock.advance(timedelta(minutes=1))
    page = visitor.app.get(NEXT, status=200)
    assert answered(world, skip(page), "two") == ["Success", "PartialLogout"]
    page = visitor.app.get(NEXT, status=200)
    assert answered(world, skip(page), "one") == ["Success", "PartialLogout"]


@pytest.mark.parametrize("why", ["no address", "disabled"])
def test_an_sp_that_cannot_be_answered_leaves_a_true_last_page(
    why: str, world: World, visitor: Visitor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(world.services.teller, "tell", lambda *_, **__: None)
    code = "soap" if why == "no address" else "one"
    visitor.sign_in("agent")
    own = enter(world, visitor, code)
    enter(world, visitor, "two")
    page = ask(world, visitor, code, own).follow(status=200)
    if why == "disabled":
        Registry(world.services.core).disable(world.sps[code].entity_id)
        world.services.service_providers._snapshot.forget()  # type: ignore[attr-defined]
    last = skip(page).follow(status=200)
    assert last.request.path == DONE
    assert states(last) == {"Two": "n'a pas confirmé sa fermeture"}
    assert "pas encore toutes fermées" not in text_of(last)
    assert last.html.select_one(f"a[href='{NEXT}']") is None
    assert visitor.app.get("/connexion").html.select_one(NOTICE) is None
    assert visitor.app.get(NEXT, status=303).location.endswith(DONE)


def test_nothing_but_what_cannot_be_answered_is_done_at_once(
    world: World, visitor: Visitor
) -> None:
    visitor.sign_in("agent")
    own = enter(world, visitor, "soap")
    last = visitor.follow(ask(world, visitor, "soap", own))
    assert last.request.path == DONE
    assert states(last) == {}
    assert last.html.select_one("main a.button").text == "Se connecter de nouveau"


def test_another_browsers_applications_are_not_told_by_this_one(
    world: World, visitor: Visitor, another_visitor: Callable[[], Visitor]
) -> None:
    """Its cookies are missing here: an SP would find no session and call that closed."""
    other = another_visitor()
    for each in (visitor, other):
        each.sign_in("agent")
    own = enter(world, visitor, "one")
    enter(world, visitor, "two")
    enter(world, other, "one")
    enter(world, other, "three")
    page = ask(world, visitor, "one", own, indexes=()).follow(status=200)
    other.app.get("/profil", status=303)
    assert states(page) == {"Two": "à fermer", "Three": "ne peut pas être fermée à distance"}
    away = visitor.app.get("/deconnexion/application", status=303)
    assert away.location.startswith(world.sps["two"].slo[REDIRECT])
    last = visitor.app.get(NEXT, status=303)
    assert answered(world, last, "one") == ["Success", "PartialLogout"]


def test_two_tabs_that_open_applications_at_once(
    world: World, visitor: Visitor, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Both share the session's row, and both note that it was used."""
    visitor.sign_in("agent")
    world.clock.advance(timedelta(minutes=2))
    met, codes, received = Barrier(2), iter(("one", "two")), []
    record = SsoSessions.record

    def recorded(*args: Any) -> None:  # noqa: ANN401
        record(*args)
        # Where the other one waits for our row, it does not come: then go on.
        with suppress(BrokenBarrierError):
            met.wait(0.5)

    monkeypatch.setattr(SsoSessions, "record", recorded)

    def open_one() -> None:
        sp = world.sps[next(codes)]
        tab = Visitor(TestApp(visitor.app.app, cookiejar=visitor.app.cookiejar))
        request_id, page = tab.open(sp, now=world.now)
        received.append(world.consume(sp, page, request_id))

    all_at_once(open_one, 2)
    assert len(received) == 2
