"""What every answer carries: policies, cookies, ids; and what no answer depends on: Host."""

import re
from collections.abc import Callable
from dataclasses import replace
from http.cookies import Morsel, SimpleCookie
from itertools import pairwise

import pytest
from sqlalchemy import create_engine, select
from structlog.testing import capture_logs
from webtest import TestApp, TestResponse

from idp import make_app
from idp.audit import AuditEvent
from idp.db import Database
from idp.services import Services
from idp.sessions.tables import SsoSessionRow
from idp.settings import Settings
from tests.functional.conftest import PASSWORD, Visitor, World, text_of
from tests.functional.rows import add_administrators
from tests.functional.test_permissions import CSRF_COOKIE, TABLE, Row, ask, row_id

pytestmark = pytest.mark.sqlite_only

EVIL = "no-page-may-name-me.example"
STORED = {
    "static": "no-cache",
    "logo": "public, max-age=3600",
    "saml_metadata": "public, max-age=300",
}
REQUEST_ID = re.compile(r"[0-9a-f]{16}")


@pytest.fixture
def settings(settings: Settings) -> Settings:
    """Every route exists in the demonstration."""
    return replace(settings, demonstration=True)


@pytest.fixture
def https(settings: Settings, services: Services) -> TestApp:
    """The same application known under an https address, behind TLS."""
    secure = replace(settings, public_url="https://auth.example")
    core = replace(services.core, settings=secure)
    environ = {"HTTP_HOST": "auth.example", "wsgi.url_scheme": "https", "REMOTE_ADDR": "127.0.0.1"}
    return TestApp(make_app(secure, replace(services, core=core)), extra_environ=environ)


def policy_of(answer: TestResponse) -> dict[str, str]:
    """The Content-Security-Policy by directive."""
    parts = answer.headers["Content-Security-Policy"].split(";")
    return dict(part.strip().partition(" ")[::2] for part in parts)


def check(answer: TestResponse, *, cache: str = "no-store", secure: bool = False) -> None:
    """What holds for every answer, whatever its status."""
    policy = policy_of(answer)
    assert policy["default-src"] == policy["frame-ancestors"] == policy["base-uri"] == "'none'"
    assert policy["script-src"] == policy["style-src"] == "'self'"
    assert policy.get("form-action", "'self'") == "'self'"
    assert "unsafe" not in str(policy)
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert answer.headers["X-Frame-Options"] == "DENY"
    assert answer.headers["Referrer-Policy"] == "no-referrer"
    assert answer.headers["Cache-Control"] == cache
    assert REQUEST_ID.fullmatch(answer.headers["X-Request-Id"])
    hsts = answer.headers.get("Strict-Transport-Security", "")
    assert (int(re.sub(r"max-age=(\d+).*", r"\1", hsts or "0")) >= 31_536_000) is secure


def check_error(answer: TestResponse, status: int, *, secure: bool = False) -> None:
    """A French page that is no dead end and names the id that the log knows."""
    assert answer.status_int == status
    check(answer, secure=secure)
    assert answer.html.html["lang"] == "fr"
    assert answer.headers["X-Request-Id"] in answer.html.main.text
    assert "/" in [way["href"] for way in answer.html.select("main a.button")]


def sit_down(visitor: Visitor, who: str, last: Row | None) -> None:
    """Sign in, again where the last row changed who sits there."""
    if last is None or last.route in {"sign_in", "sign_out"}:
        visitor.app.reset()
        visitor.app.get("/connexion")
        if who != "stranger":
            visitor.sign_in("agent" if who == "agent" else "sansdroit")


@pytest.mark.parametrize("who", ["stranger", "agent", "without_role"])
def test_every_answer_carries_the_protecting_headers(
    who: str, world: World, visitor: Visitor
) -> None:
    add_administrators(world)
    seen = set()
    for last, row in pairwise((None, *TABLE)):
        sit_down(visitor, who, last)
        answer = ask(visitor, row, world, csrf_token=visitor.app.cookies[CSRF_COOKIE])
        check(answer, cache=STORED.get(row.route, "no-store"))
        hands_over = "SAMLResponse" in answer.text
        assert ("form-action" in policy_of(answer)) is not hands_over, row_id(row)
        seen.add(answer.headers["X-Request-Id"])
    assert len(seen) == len(TABLE)


def test_static_files_of_today_are_kept_for_ever(visitor: Visitor) -> None:
    sheet = visitor.app.get("/connexion").html.select_one("link[rel=stylesheet]")["href"]
    answer = visitor.app.get(sheet)
    assert "immutable" in answer.headers["Cache-Control"]
    assert "Set-Cookie" not in answer.headers


@pytest.mark.parametrize(
    ("path", "status"),
    [("/connexion?flow=%ff", 400), ("/saml/sso", 400), ("/nulle-part", 404), ("/aia/x", 404)],
)
def test_error_pages_are_french_and_name_their_id(
    path: str, status: int, app: TestApp, https: TestApp
) -> None:
    check_error(app.get(path, status=status), status)
    check_error(https.get(path, status=status), status, secure=True)


def test_the_refusal_page_is_an_error_page_like_the_others(visitor: Visitor, world: World) -> None:
    visitor.sign_in("sansdroit")
    check_error(visitor.open(world.sps["bip"], now=world.now)[1], 403)


def test_a_wrong_method_and_a_form_from_elsewhere_read_the_same_way(app: TestApp) -> None:
    check_error(app.put("/connexion", status=405), 405)
    check_error(app.post("/deconnexion", status=400), 400)


def test_a_defect_of_ours_is_a_500_that_keeps_its_cause(
    visitor: Visitor, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(world.directory, "tiles", None)
    with capture_logs() as lines:
        page = visitor.sign_in("agent")
    check_error(page, 500)
    assert "NoneType" not in page.text
    assert [line["cause"] for line in lines if line["event"] == "unexpected"] == ["TypeError"]


def test_a_database_that_is_gone_is_a_503_everywhere(
    world: World, visitor: Visitor, monkeypatch: pytest.MonkeyPatch
) -> None:
    add_administrators(world)
    visitor.app.get("/connexion")
    visitor.sign_in("agent")
    visitor.app.get("/saml/metadata")
    visitor.app.set_cookie("depart", "a-sign-out")
    rows = [filled(row, world) for row in TABLE]
    gone = create_engine("sqlite:////nowhere/at/all.sqlite")
    monkeypatch.setattr(world.services.db, "engine", gone)
    monkeypatch.setattr(world.services.db, "_readers", gone)
    for row in rows:
        # Captured: drawing this many tracebacks takes a minute.
        with capture_logs() as lines:
            answer = ask(visitor, row, world, csrf_token=visitor.app.cookies[CSRF_COOKIE])
        if row.route in {"healthz", "metrics", "static", "logo"}:
            assert answer.status_int == 200
        elif row.route == "readyz":
            assert answer.status_int == 503
        elif row.route == "saml_metadata" and answer.status_int == 200:
            assert b"EntityDescriptor" in answer.body, "from memory, for a second"
        elif row.route == "demo_mail":
            assert answer.status_int == 404, "the demonstration's mails are files"
        else:
            check_error(answer, 503)
            assert int(answer.headers["Retry-After"]) > 0
            events = [line["event"] for line in lines if line["event"] != "snapshot.stale"]
            assert events == ["database-gone"], row_id(row)


def filled(row: Row, world: World) -> Row:
    """The row with everything made that needs a database."""
    form = {name: made if isinstance(made, str) else made(world) for name, made in row.form.items()}
    path = row.path.format(row.fill(world)) if row.fill else row.path
    body = row.xml(world) if row.xml else None
    xml = (lambda _: body) if body else None
    return replace(row, path=path, fill=None, form=form, xml=xml)


# --- cookies -----------------------------------------------------------------------------------


def cookies_of(answer: TestResponse) -> dict[str, Morsel[str]]:
    """The cookies that this answer sets, by name."""
    found: dict[str, Morsel[str]] = {}
    for header in answer.headers.getall("Set-Cookie"):
        found |= SimpleCookie(header)
    return found


def sign_in(app: TestApp, *, keep: bool = True, name: str = "agent") -> TestResponse:
    """As a browser does it from a page that sends no referrer: ``Origin`` is ``null``."""
    form = app.get("/connexion").forms["formulaire"]
    form["login"], form["password"], form["keep"] = f"{name}@demo.example", PASSWORD, keep
    return form.submit(headers={"Origin": "null"}, status=303)


@pytest.mark.usefixtures("world")
def test_cookies_behind_https_are_bound_to_the_host(https: TestApp) -> None:
    before = https.get("/connexion")
    answer = sign_in(https)
    assert answer.location == "https://auth.example/"
    check(answer, secure=True)
    cookies = cookies_of(before) | cookies_of(answer)
    names = {"convergences", "csrf", "appareil", "adresse"}
    assert set(cookies) == {f"__Host-{name}" for name in names}
    forgetting = sign_in_again(https)
    leaving = https.get("/deconnexion").forms[0].submit(headers={"Origin": "null"}, status=303)
    for morsel in (*cookies.values(), *forgetting.values(), *cookies_of(leaving).values()):
        assert morsel["secure"], f"{morsel.key}: browsers refuse the prefix without it"
        assert morsel["httponly"]
        assert morsel["samesite"] == "Lax"
        assert (morsel["path"], morsel["domain"]) == ("/", "")
    assert forgetting["__Host-adresse"]["max-age"] == "0"
    assert cookies_of(leaving)["__Host-convergences"]["max-age"] == "0"


def sign_in_again(app: TestApp) -> dict[str, Morsel[str]]:
    """Signed out, and in again without keeping the address."""
    app.get("/deconnexion").forms[0].submit(headers={"Origin": "null"}, status=303)
    return cookies_of(sign_in(app, keep=False))


@pytest.mark.usefixtures("world")
def test_cookies_on_the_loopback_have_neither_prefix_nor_secure(app: TestApp) -> None:
    cookies = cookies_of(app.get("/connexion")) | cookies_of(sign_in(app))
    assert set(cookies) == {"convergences", CSRF_COOKIE, "appareil", "adresse"}
    for morsel in cookies.values():
        assert not morsel["secure"]
        assert morsel["httponly"]
        assert morsel["samesite"] == "Lax"
    assert not cookies["convergences"]["max-age"], "it ends with the browser"


@pytest.mark.usefixtures("world")
def test_a_session_planted_before_sign_in_opens_nothing_after(
    app: TestApp, services: Services, another_visitor: Callable[[], Visitor]
) -> None:
    planted = "A" * 43
    app.set_cookie("convergences", planted)
    sign_in(app)
    own = app.cookies["convergences"]
    assert own != planted
    assert len(own) >= 43, "256 random bits"
    attacker = another_visitor().app
    attacker.set_cookie("convergences", planted)
    assert attacker.get("/profil").status_int == 303
    with services.db.reading() as session:
        keys = list(session.scalars(select(SsoSessionRow.key)))
    assert len(keys) == 1
    assert own not in keys, "the database keeps its hash alone"


@pytest.mark.usefixtures("world")
def test_each_sign_in_has_a_session_of_its_own_and_sign_out_ends_it(
    app: TestApp, another_visitor: Callable[[], Visitor]
) -> None:
    tokens = []
    for _ in range(2):
        sign_in(app)
        tokens.append(app.cookies["convergences"])
        app.get("/deconnexion").forms[0].submit()
    assert len(set(tokens)) == 2
    thief = another_visitor().app
    for token in tokens:
        thief.set_cookie("convergences", token)
        assert thief.get("/profil").status_int == 303


# --- what the browser claims -------------------------------------------------------------------


@pytest.mark.parametrize("who", ["stranger", "agent", "without_role"])
def test_the_host_header_reaches_neither_a_page_nor_a_redirection(
    who: str, world: World, app: TestApp
) -> None:
    add_administrators(world)
    visitor = Visitor(app)
    claims = {"HTTP_HOST": EVIL, "HTTP_X_FORWARDED_HOST": EVIL, "SERVER_NAME": EVIL}
    for last, row in pairwise((None, *TABLE)):
        sit_down(visitor, who, last)
        cookies = "; ".join(f"{key}={value}" for key, value in app.cookies.items())
        environ = {**claims, "REMOTE_ADDR": "127.0.0.1", "HTTP_COOKIE": cookies}
        lured = Visitor(TestApp(app.app, extra_environ=environ))
        answer = ask(lured, row, world, csrf_token=app.cookies[CSRF_COOKIE])
        assert answer.status_int == int(row.expected(who)[:3]), row_id(row)
        assert EVIL not in str(answer.headers) + answer.text, row_id(row)


def test_the_request_id_is_ours_and_joins_the_page_with_the_journal(
    world: World, visitor: Visitor, database: Database
) -> None:
    chosen = "0123456789abcdef"
    page = visitor.app.get("/connexion", headers={"X-Request-Id": chosen})
    assert page.headers["X-Request-Id"] != chosen
    visitor.sign_in("sansdroit")
    refused = visitor.open(world.sps["bip"], now=world.now)[1]
    with database.reading() as session:
        event = session.scalars(select(AuditEvent).order_by(AuditEvent.id.desc())).first()
    assert event is not None
    assert event.code == "sign-on.refused"
    assert event.request_id == refused.headers["X-Request-Id"]
    assert event.request_id in text_of(refused)


def test_the_address_of_the_journal_is_not_what_the_browser_claims(
    world: World, app: TestApp, database: Database
) -> None:
    form = app.get("/connexion").forms["formulaire"]
    form["login"], form["password"] = "agent@demo.example", PASSWORD
    form.submit(headers={"X-Forwarded-For": "203.0.113.9", "Forwarded": "for=203.0.113.9"})
    with database.reading() as session:
        addresses = set(session.scalars(select(AuditEvent.address)))
    assert world.services.settings.proxies == 0
    assert "203.0.113.9" not in addresses
    assert "127.0.0.1" in addresses
