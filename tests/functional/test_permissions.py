"""Who gets what at every address: a table, held against the routes that the application has.

A route without a row fails the suite, and so does a row without a route.
"""

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from secrets import token_hex

import pytest
from lxml import etree
from webtest import TestApp, TestResponse

from idp.messages import AcceptedRequest
from idp.settings import Settings
from tests.common.fake_slo import envelope, logout_request
from tests.common.fake_sp import SAML, Received
from tests.functional.conftest import PASSWORD, Visitor, World

pytestmark = pytest.mark.sqlite_only

WHO = ("stranger", "agent", "without_role", "locked")
EVERY_METHOD = {"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE"}
CSRF_COOKIE = "convergences-csrf"
BASE = "http://localhost:6543"

SIGN_IN = "303 /connexion"
EXPIRED = "303 /connexion?avis=session-terminee"
SIGNED_OUT = "303 /deconnexion/terminee"
NEXT = "303 /deconnexion/suite"
ON_THE_WAY = "303 /connexion?flow="
GO_ON = "303 /saml/sso/suite?flow="

Filler = Callable[[World], str]


def a_flow(world: World) -> str:
    """A sign-on at Net-CAP that waits."""
    sp = world.sps["net-cap"]
    return world.services.authn_requests.hold(
        AcceptedRequest(sp.entity_id, sp.acs, world.now, message_id=f"_{token_hex(8)}")
    )


def a_query(world: World) -> str:
    """An AuthnRequest of Net-CAP by Redirect."""
    sp = world.sps["net-cap"]
    return sp.redirect_query(sp.authn_request(now=world.now))


def a_message(world: World) -> str:
    """An AuthnRequest of Net-CAP by POST."""
    sp = world.sps["net-cap"]
    return sp.post_form(sp.authn_request(now=world.now))["SAMLRequest"]


def a_logout_request(world: World, path: str = "/saml/slo") -> etree._Element:
    """A LogoutRequest of BIP's, which signs, for a session that nobody has."""
    nobody = Received("nobody", "", {}, "_0", "", world.now, None, None, etree.Element("x"))
    request = logout_request(
        world.sps["bip"], nobody, now=world.now, indexes=(), Destination=BASE + path
    )
    del request.find(f"{{{SAML}}}NameID").attrib["Format"]
    return request


def a_logout(world: World) -> str:
    """That by Redirect."""
    return world.sps["bip"].redirect_query(a_logout_request(world))


def a_logout_message(world: World) -> str:
    """That by POST."""
    return world.sps["bip"].post_form(a_logout_request(world))["SAMLRequest"]


def a_soap_logout(world: World) -> str:
    """That by SOAP."""
    request = a_logout_request(world, "/saml/slo/soap")
    world.sps["bip"].sign(request)
    return envelope(request).decode()


def a_membership(world: World) -> str:
    """The agent's own."""
    return world.memberships["agent/vitry"]


@dataclass(frozen=True)
class Row:
    """What each person gets: a status, and for a redirection where it leads.

    ``fill`` fills the ``{}`` of the path in; a value of ``form`` may be made the same way.
    ``csrf`` is false where another site's form is the normal case; ``xml`` makes a body that is no
    form. A person whose account was
    locked a moment ago is a stranger.
    """

    route: str
    method: str
    path: str
    stranger: str
    agent: str
    without_role: str
    fill: Filler | None = None
    form: dict[str, str | Filler] = field(default_factory=dict)
    csrf: bool = True
    xml: Filler | None = None

    def expected(self, who: str) -> str:
        """A status, and where it leads."""
        return str(getattr(self, "stranger" if who == "locked" else who))


def open_to_all(route: str, path: str, **more: object) -> Row:
    """The same page for everybody."""
    return Row(route, "GET", path, "200", "200", "200", **more)  # type: ignore[arg-type]


EFFECT = {"saml_sso", "saml_init", "saml_continue"}
"""Where a GET has an effect: a HEAD, whose answer nobody would see, is refused."""

INIT = "/saml/sso/init?sp=https://net-cap.example/metadata"
CONTINUE = "/saml/sso/suite?flow={}"
STRUCTURE = "/saml/sso/structure"
SOMEBODY: dict[str, str | Filler] = {"login": "referent@demo.example", "password": PASSWORD}
CHOICE: dict[str, str | Filler] = {"flow": a_flow, "membership": a_membership}
MESSAGE: dict[str, str | Filler] = {"SAMLRequest": a_message}
FLOW: dict[str, str | Filler] = {"flow": a_flow}
TASK: dict[str, str | Filler] = {"task": "1"}
LOGOUT: dict[str, str | Filler] = {"SAMLRequest": a_logout_message}

TABLE = (
    # route, method, path, what a stranger, the agent, a person without a role there gets
    Row("portal", "GET", "/", SIGN_IN, "200", "200"),
    Row("sign_in", "GET", "/connexion", "200", "303 /", "303 /"),
    Row("sign_in", "POST", "/connexion", "303 /", "303 /", "303 /", form=SOMEBODY),
    Row("sign_out", "GET", "/deconnexion", SIGN_IN, "200", "200"),
    Row("sign_out", "POST", "/deconnexion", EXPIRED, NEXT, NEXT),
    # without the cookie of a sign-out under way, which the form above gives
    Row("sign_out_next", "GET", "/deconnexion/suite", SIGNED_OUT, SIGNED_OUT, SIGNED_OUT),
    Row("sign_out_application", "GET", "/deconnexion/application", NEXT, NEXT, NEXT),
    Row("sign_out_skip", "POST", "/deconnexion/passer", NEXT, NEXT, NEXT, form=TASK),
    Row("signed_out", "GET", "/deconnexion/terminee", "200", "303 /", "303 /"),
    Row("profile", "GET", "/profil", SIGN_IN, "200", "200"),
    # before the tile is clicked, which the last of these does
    Row("aia", "GET", "/aia", SIGN_IN, "303 /", "303 /"),
    Row("aia_sign_out", "GET", "/aia/deconnexion", SIGN_IN, "303 /", "303 /"),
    Row("aia_sign_out", "POST", "/aia/deconnexion", EXPIRED, "303 /", "303 /"),
    Row("aia", "POST", "/aia", EXPIRED, "303 /aia", "303 /aia"),
    Row("saml_sso", "GET", "/saml/sso?{}", GO_ON, "200", "403", a_query),
    Row("saml_sso", "POST", "/saml/sso", GO_ON, GO_ON, GO_ON, form=MESSAGE, csrf=False),
    Row("saml_init", "GET", INIT, GO_ON, "200", "403"),
    Row("saml_continue", "GET", CONTINUE, ON_THE_WAY, "200", "403", a_flow),
    Row("saml_structure", "GET", STRUCTURE + "?flow={}", GO_ON, "200", GO_ON, a_flow),
    Row("saml_structure", "POST", STRUCTURE, GO_ON, GO_ON, GO_ON, form=CHOICE),
    Row("saml_slo", "GET", "/saml/slo?{}", NEXT, NEXT, NEXT, a_logout),
    Row("saml_slo", "POST", "/saml/slo", NEXT, NEXT, NEXT, form=LOGOUT, csrf=False),
    Row(
        "saml_slo_soap",
        "POST",
        "/saml/slo/soap",
        "200",
        "200",
        "200",
        csrf=False,
        xml=a_soap_logout,
    ),
    Row("saml_cancel", "POST", "/saml/sso/annuler", "200", "200", "200", form=FLOW),
    open_to_all("help_failed", "/aide/erreur"),
    open_to_all("logo", "/logo"),
    open_to_all("accessibility", "/accessibilite"),
    open_to_all("personal_data", "/donnees-personnelles"),
    open_to_all("legal", "/mentions-legales"),
    open_to_all("saml_metadata", "/saml/metadata"),
    open_to_all("healthz", "/healthz"),
    open_to_all("readyz", "/readyz"),
    open_to_all("metrics", "/metrics"),
    open_to_all("static", "/static/x/css/site.css"),
    open_to_all("demo_mails", "/demo/courriels"),
)
POSTS = [row for row in TABLE if row.method == "POST" and row.csrf]
ONE_A_ROUTE = {row.route: row for row in TABLE}


def row_id(row: Row) -> str:
    return f"{row.method} {row.route}"


@pytest.fixture
def settings(settings: Settings) -> Settings:
    """Every route exists in the demonstration."""
    return replace(settings, demonstration=True)


@pytest.fixture(params=WHO)
def who(request: pytest.FixtureRequest, world: World, visitor: Visitor) -> str:
    """Who sits in front of the browser; each has a CSRF token."""
    name: str = request.param
    visitor.app.get("/connexion")
    if name != "stranger":
        visitor.sign_in("sansdroit" if name == "without_role" else "agent")
    if name == "locked":
        world.directory.lock(world.people["agent"])
    return name


def ask(visitor: Visitor, row: Row, world: World, **fields: str) -> TestResponse:
    """Send the row's request, whatever comes back."""
    path = row.path.format(row.fill(world)) if row.fill else row.path
    if row.method != "POST":
        return visitor.app.request(path, method=row.method, expect_errors=True)
    if row.xml is not None:
        body = row.xml(world)
        return visitor.app.post(path, body, content_type="text/xml", expect_errors=True)
    form = {name: made if isinstance(made, str) else made(world) for name, made in row.form.items()}
    return visitor.app.post(path, form | fields, expect_errors=True)


def views_of(app: TestApp) -> Iterator[tuple[str, str]]:
    """Every route with every method that a view of it answers; GET includes HEAD."""
    for view in app.app.registry.introspector.get_category("views"):
        introspectable = view["introspectable"]
        name, said = introspectable["route_name"], introspectable["request_methods"]
        if name is not None and not _of_an_error(introspectable["context"]):
            methods = {said} if isinstance(said, str) else set(said or EVERY_METHOD)
            yield from ((name, method) for method in methods - {"HEAD"})


def _of_an_error(context: object) -> bool:
    """Whether a view is asked for how an error reads, and for nothing else."""
    return isinstance(context, type) and issubclass(context, Exception)


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


@pytest.mark.parametrize("row", TABLE, ids=row_id)
def test_each_person_gets_what_the_table_says(
    row: Row, who: str, world: World, visitor: Visitor
) -> None:
    status, _, place = row.expected(who).partition(" ")
    if row.method == "GET":
        head = ask(visitor, replace(row, method="HEAD"), world)
        assert head.status_int == (405 if row.route in EFFECT else int(status))
        assert head.body == b""
    answer = ask(visitor, row, world, csrf_token=visitor.app.cookies[CSRF_COOKIE])
    assert answer.status_int == int(status), answer.text
    if place.endswith("="):
        assert answer.location.removeprefix(BASE).startswith(place)
    elif place:
        assert answer.location == BASE + place
    else:
        assert "Location" not in answer.headers


@pytest.mark.parametrize("who", ["stranger", "agent"], indirect=True)
def test_every_other_method_is_refused(who: str, visitor: Visitor) -> None:
    header = {"X-CSRF-Token": visitor.app.cookies[CSRF_COOKIE]}
    for row in ONE_A_ROUTE.values():
        answered = {each.method for each in TABLE if each.route == row.route}
        answered |= {"HEAD"} if "GET" in answered and row.route not in EFFECT else set()
        for method in sorted(EVERY_METHOD - answered):
            answer = visitor.app.request(
                row.path.format("x"), method=method, headers=header, expect_errors=True
            )
            assert answer.status_int == 405, f"{who}: {method} {row.path}: {answer.status}"
            assert set(answer.headers["Allow"].replace(" ", "").split(",")) == answered


@pytest.mark.parametrize("row", POSTS, ids=row_id)
def test_a_form_without_our_token_changes_nothing(
    row: Row, who: str, world: World, visitor: Visitor
) -> None:
    before = dict(visitor.app.cookies)
    # What an address carries ends in logs and histories: a token counts in the form alone.
    in_the_address = replace(row, path=f"{row.path}?csrf_token={before[CSRF_COOKIE]}")
    for wrong, fields in (
        (row, {}),
        (row, {"csrf_token": ""}),
        (row, {"csrf_token": "a" * 40}),
        (in_the_address, {}),
    ):
        answer = ask(visitor, wrong, world, **fields)
        assert answer.status_int == 400, f"{wrong.path} {fields}: {answer.status}"
        assert "Ce formulaire n'est plus valable" in answer.html.h1.text
        assert "SAMLResponse" not in answer.text
        assert dict(visitor.app.cookies) == before
    if who in {"agent", "without_role"}:
        assert visitor.app.get("/profil").status_int == 200, "still signed in"


def test_an_unknown_address_is_the_same_for_everybody(who: str, visitor: Visitor) -> None:
    for path in ("/inconnu", "/aia/inconnu", "/saml", "/saml/sso/", "/static/x/y"):
        answer = visitor.app.get(path, expect_errors=True)
        assert answer.status_int == 404, f"{who}: {path}"


@pytest.mark.parametrize("name", ["agent", "sansdroit"])
@pytest.mark.usefixtures("world")
def test_the_aia_is_open_between_its_tile_and_its_own_sign_out(name: str, visitor: Visitor) -> None:
    visitor.sign_in(name)
    token = {"csrf_token": visitor.app.cookies[CSRF_COOKIE]}
    for opens in ("/aia", "/aia/deconnexion"):
        inside = 200 if opens == "/aia" else 303
        visitor.app.post(opens, token, status=303)
        assert visitor.app.get("/aia").status_int == inside
        assert visitor.app.get("/aia/deconnexion").status_int == inside
    assert visitor.app.get("/").status_int == 200, "still signed in at the portal"
