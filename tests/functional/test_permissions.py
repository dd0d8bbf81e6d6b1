"""Who gets what at every address: a table, held against the routes that the application has.

A route without a row fails the suite, and so does a row without a route. One application serves
all rows: what a row changed is put back.
"""

from collections import Counter
from collections.abc import Iterator
from dataclasses import replace

import pytest
from webtest import TestApp, TestResponse

from tests.common.databases import Databases
from tests.common.routes import EVERY_METHOD, views_of
from tests.functional.aia_realm import Realm, realm_on
from tests.functional.conftest import Visitor, World, peopled
from tests.functional.permission_row import CSRF_COOKIE, INSIDE, SIGNS_IN, WHO, Row
from tests.functional.permission_table import (
    BEFORE_SIGN_IN,
    DONE,
    EFFECT,
    ONE_A_ROUTE,
    POSTS,
    READ,
    TABLE,
    refuses,
    row_id,
)
from tests.functional.rows import BASE, add_administrators

pytestmark = [pytest.mark.sqlite_only, pytest.mark.uncovered]


class Stage:
    """The application, and one browser in which each person sits down in turn."""

    def __init__(self, realm: Realm) -> None:
        self.realm = realm
        self.world = peopled(realm.services, realm.clock)
        self.visitor = Visitor(realm.app)
        add_administrators(self.world)
        self.visitor.app.get("/connexion")
        realm.keep("stranger")
        for name, login in SIGNS_IN.items():
            realm.put_back("stranger")
            self.visitor.sign_in(login)
            if name in INSIDE:
                token = {"csrf_token": self.visitor.app.cookies[CSRF_COOKIE]}
                self.visitor.app.post("/aia", token, status=303)
            realm.keep(name)


@pytest.fixture(scope="module")
def stage(databases: Databases, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    """Every route exists in the demonstration."""
    changes = {
        "idp__directory": "tests.common.memory_directory.build",
        "convergences__demonstration": "true",
    }
    with realm_on(databases, tmp_path_factory.mktemp("permissions"), **changes) as realm:
        yield Stage(realm)


@pytest.fixture
def world(stage: Stage) -> World:
    return stage.world


@pytest.fixture
def visitor(stage: Stage) -> Visitor:
    return stage.visitor


@pytest.fixture
def app(stage: Stage) -> TestApp:
    return stage.realm.app


@pytest.fixture(params=WHO)
def who(request: pytest.FixtureRequest, stage: Stage) -> Iterator[str]:
    """Who sits in front of the browser; each has a CSRF token."""
    name: str = request.param
    stage.realm.put_back(name)
    agent = stage.world.people["agent"]
    if name == "locked":
        stage.world.directory.lock(agent)
    yield name
    stage.world.directory.unlock(agent)


def ask(visitor: Visitor, row: Row, world: World, **fields: str) -> TestResponse:
    """Send the row's request, whatever comes back."""
    path = row.path.format(row.fill(world)) if row.fill else row.path
    if row.method != "POST":
        return visitor.app.request(path, method=row.method, expect_errors=True)
    if row.xml is not None:
        body = row.xml(world)
        return visitor.app.post(path, body, content_type="text/xml", expect_errors=True)
    form = {name: made if isinstance(made, str) else made(world) for name, made in row.form.items()}
    files = [("photo", "", b"")] if row.upload else None
    return visitor.app.post(path, form | fields, upload_files=files, expect_errors=True)


def do(visitor: Visitor, row: Row, world: World) -> TestResponse:
    """The same with our token; where a GET has an effect, a HEAD is refused before."""
    if row.method == "GET":
        assert ask(visitor, replace(row, method="HEAD"), world).status_int == 405
    return ask(visitor, row, world, csrf_token=visitor.app.cookies[CSRF_COOKIE])


def test_every_route_has_a_row_and_every_row_a_route(app: TestApp) -> None:
    introspector = app.app.registry.introspector
    routes = {route["introspectable"]["name"] for route in introspector.get_category("routes")}
    assert routes == set(ONE_A_ROUTE), "a route without a view is a page that nobody thought of"
    rows = Counter((row.route, row.method) for row in TABLE)
    assert rows == Counter(views_of(app))


def test_no_view_is_reached_without_a_route(app: TestApp) -> None:
    for view in app.app.registry.introspector.get_category("views"):
        introspectable = view["introspectable"]
        if introspectable["route_name"] is None:
            context = introspectable["context"]
            assert context.__name__ == "IExceptionResponse" or issubclass(context, Exception)


def test_each_person_reads_what_the_table_says(who: str, world: World, visitor: Visitor) -> None:
    """A page that is only read changes nothing: one world serves them all."""
    wrong = []
    for row in READ:
        head = ask(visitor, replace(row, method="HEAD"), world)
        answer = ask(visitor, row, world)
        if not (_as_told(row, who, answer) and head.status_int == answer.status_int):
            wrong.append(f"{row_id(row)}: {answer.status} {answer.headers.get('Location')}")
        assert head.body == b""
    assert not wrong, "\n".join(wrong)


def test_each_person_does_what_the_table_says(who: str, stage: Stage) -> None:
    wrong = []
    for row in (each for each in DONE if not refuses(each, who)):
        answer = do(stage.visitor, row, stage.world)
        if not _as_told(row, who, answer):
            location = answer.headers.get("Location")
            wrong.append(f"{row_id(row)}: {answer.status} {location}\n{answer.text}")
        stage.realm.put_back(who)
    assert not wrong, "\n".join(wrong)


def test_each_person_is_refused_what_the_table_says(
    who: str, world: World, visitor: Visitor
) -> None:
    """What is refused changes nothing, so one world serves it all; each with the cookies of now."""
    wrong, jar = [], visitor.app.cookiejar
    cookies = list(jar)
    for row in (each for each in DONE if refuses(each, who)):
        answer = do(visitor, row, world)
        if not _as_told(row, who, answer):
            wrong.append(f"{row_id(row)}: {answer.status} {answer.headers.get('Location')}")
        jar.clear()
        for cookie in cookies:
            jar.set_cookie(cookie)
    assert not wrong, "\n".join(wrong)


def _as_told(row: Row, who: str, answer: TestResponse) -> bool:
    """Whether this is the status of the table, and leads where it says."""
    status, _, place = row.expected(who).partition(" ")
    location = answer.headers.get("Location", "").removeprefix(BASE)
    leads = location == place
    if place.endswith(("=", "…")):
        leads = bool(location) and location.startswith(place.removesuffix("…"))
    return answer.status_int == int(status) and leads


@pytest.mark.parametrize("who", ["stranger", "agent"], indirect=True)
def test_every_other_method_is_refused(who: str, visitor: Visitor) -> None:
    header = {"X-CSRF-Token": visitor.app.cookies[CSRF_COOKIE]}
    for row in ONE_A_ROUTE.values():
        answered = {each.method for each in TABLE if each.route == row.route}
        answered |= {"HEAD"} if "GET" in answered and row.route not in EFFECT else set()
        for method in sorted(EVERY_METHOD - answered):
            answer = visitor.app.request(
                row.path.format("1"), method=method, headers=header, expect_errors=True
            )
            assert answer.status_int == 405, f"{who}: {method} {row.path}: {answer.status}"
            assert set(answer.headers["Allow"].replace(" ", "").split(",")) == answered


def test_a_form_without_our_token_changes_nothing(who: str, world: World, visitor: Visitor) -> None:
    """It changes nothing, so one world serves them all."""
    before = dict(visitor.app.cookies)
    for row in POSTS:
        # What an address carries ends in logs and histories: a token counts in the form alone.
        in_the_address = replace(row, path=f"{row.path}?csrf_token={before[CSRF_COOKIE]}")
        for wrong, fields in (
            (row, {}),
            (row, {"csrf_token": ""}),
            (row, {"csrf_token": "a" * 40}),
            (in_the_address, {}),
        ):
            _check_refused(row, ask(visitor, wrong, world, **fields), f"{wrong.path} {fields}")
            assert dict(visitor.app.cookies) == before, wrong.path
    if who not in {"stranger", "locked"}:
        assert visitor.app.get("/profil").status_int == 200, "still signed in"


def _check_refused(row: Row, answer: TestResponse, sent: str) -> None:
    if row.route in BEFORE_SIGN_IN:
        assert answer.status_int == 303, f"{sent}: {answer.status}"
        assert answer.location.endswith("?avis=recommencer")
    else:
        assert answer.status_int == 400, f"{sent}: {answer.status}"
        assert "Ce formulaire n'est plus valable" in answer.html.h1.text
    assert "SAMLResponse" not in answer.text


def test_an_unknown_address_is_the_same_for_everybody(who: str, visitor: Visitor) -> None:
    for path in ("/inconnu", "/aia/inconnu", "/saml", "/saml/sso/", "/static/x/y"):
        answer = visitor.app.get(path, expect_errors=True)
        assert answer.status_int == 404, f"{who}: {path}"


@pytest.mark.parametrize("who", ["agent", "without_role"], indirect=True)
@pytest.mark.usefixtures("who")
def test_the_aia_is_open_between_its_tile_and_its_own_sign_out(visitor: Visitor) -> None:
    token = {"csrf_token": visitor.app.cookies[CSRF_COOKIE]}
    for opens in ("/aia", "/aia/deconnexion"):
        inside = 200 if opens == "/aia" else 303
        visitor.app.post(opens, token, status=303)
        assert visitor.app.get("/aia").status_int == inside
        assert visitor.app.get("/aia/deconnexion").status_int == inside
    assert visitor.app.get("/").status_int == 200, "still signed in at the portal"
