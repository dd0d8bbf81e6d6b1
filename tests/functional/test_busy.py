"""More people sign in at once than a server checks passwords of."""

from collections.abc import Iterator
from datetime import timedelta

import pytest
from sqlalchemy import event
from webtest import TestApp, TestResponse

from idp import passwords
from idp.passwords import Queue
from idp.throttle import FREE_FAILURES
from tests.functional.conftest import PASSWORD, SSO, Visitor, World

LOGINS = ("agent@demo.example", "personne@demo.example")


@pytest.fixture
def full(monkeypatch: pytest.MonkeyPatch) -> Iterator[pytest.MonkeyPatch]:
    """Every place is taken, until the patch is undone."""
    with monkeypatch.context() as patch:
        patch.setattr(passwords, "_queue", Queue(0))
        yield patch


def attempt(app: TestApp, login: str, password: str = PASSWORD) -> TestResponse:
    form = app.get("/connexion").forms["formulaire"]
    form["login"], form["password"], form["keep"] = login, password, True
    return form.submit(status="*")


@pytest.mark.usefixtures("full", "world")
@pytest.mark.parametrize("login", LOGINS)
def test_the_page_says_so_and_keeps_the_address(app: TestApp, login: str) -> None:
    answer = attempt(app, login)
    assert answer.status_int == 503
    assert answer.headers["Retry-After"] == "10"
    assert (
        "Beaucoup de personnes se connectent en ce moment"
        in answer.html.select_one("#erreurs[role=alert]").get_text()
    )
    form = answer.forms["formulaire"]
    assert form["login"].value == login
    assert form["keep"].checked
    assert form["password"].value == ""
    assert "Set-Cookie" not in answer.headers


@pytest.mark.usefixtures("full")
def test_it_is_the_same_for_every_login_and_touches_nothing(app: TestApp, world: World) -> None:
    statements: list[str] = []

    def note(_connection: object, _cursor: object, statement: str, *_rest: object) -> None:
        statements.append(statement)

    app.get("/connexion")
    event.listen(world.services.db.engine, "before_cursor_execute", note)
    pages = []
    for login in LOGINS:
        answer = attempt(app, login)
        page = answer.text.replace(login, "LOGIN").replace(answer.headers["X-Request-Id"], "ID")
        pages.append((answer.status, page))
    event.remove(world.services.db.engine, "before_cursor_execute", note)

    assert pages[0] == pages[1]
    assert statements == []


@pytest.mark.usefixtures("world")
def test_it_counts_as_no_failure(app: TestApp, full: pytest.MonkeyPatch) -> None:
    for _ in range(2 * FREE_FAILURES):
        assert attempt(app, LOGINS[0], "faux").status_int == 503
    full.undo()
    assert attempt(app, LOGINS[0]).status_int == 303


def test_the_application_still_waits_afterwards(
    app: TestApp, world: World, full: pytest.MonkeyPatch
) -> None:
    sp, visitor = world.sps["net-cotisations"], Visitor(app)
    request = sp.authn_request(now=world.now)
    page = visitor.follow(app.get(f"{SSO}?{sp.redirect_query(request)}"))
    form = page.forms["formulaire"]
    form["login"], form["password"] = LOGINS[0], PASSWORD
    busy = form.submit(status=503)
    assert "Net-Cotisations" in busy.text
    full.undo()
    world.clock.advance(timedelta(seconds=10))
    form = busy.forms["formulaire"]
    form["password"] = PASSWORD
    handed_over = visitor.follow(form.submit(status=303))
    assert world.consume(sp, handed_over, request.get("ID"), response_signed=False).attributes


def test_sign_ons_and_pages_go_on(
    app: TestApp, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    visitor = Visitor(app)
    visitor.sign_in("agent")
    monkeypatch.setattr(passwords, "_queue", Queue(0))
    sp = world.sps["net-cotisations"]
    request = sp.authn_request(now=world.now)
    answer = app.get(f"{SSO}?{sp.redirect_query(request)}", status=200)
    assert world.consume(sp, answer, request.get("ID"), response_signed=False).attributes
    assert "Net-Cotisations" in app.get("/", status=200).text
