"""Who gets what at every address: a table, held against the routes that the application has.

A route without a row fails the suite, and so does a row without a route.
"""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field, replace

import pytest
from webtest import TestApp, TestResponse

from idp.settings import Settings
from tests.functional.conftest import PASSWORD, Visitor, World
from tests.functional.rows import (
    BASE,
    Filler,
    a_dead_mail,
    a_flow,
    a_logout,
    a_logout_message,
    a_membership,
    a_message,
    a_query,
    a_soap_logout,
    add_administrators,
    an_access_request,
)

pytestmark = pytest.mark.sqlite_only

SIGNS_IN = {
    "agent": "agent",
    "without_role": "sansdroit",
    "locked": "agent",
    "inside": "agent",
    "referent": "referent",
    "correspondant": "correspondant",
}
"""As whom; the last three have clicked the AIA's tile."""
INSIDE = {"inside", "referent", "correspondant"}
WHO = ("stranger", *SIGNS_IN)
EVERY_METHOD = {"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE"}
CSRF_COOKIE = "convergences-csrf"

SIGN_IN = "303 /connexion…"
EXPIRED = "303 /connexion?avis=session-terminee…"
LATE = "303 /connexion?avis=s…"
SIGNED_OUT = "303 /deconnexion/terminee"
NEXT = "303 /deconnexion/suite"
ON_THE_WAY = "303 /connexion?flow="
GO_ON = "303 /saml/sso/suite?flow="


@dataclass(frozen=True)
class Row:
    """What each person gets: a status, and for a redirection where it leads.

    ``fill`` fills the ``{}`` of the path in; a value of ``form`` may be made the same way.
    ``csrf`` is false where another site's form is the normal case; ``xml`` makes a body that is no
    form; ``upload``: the form comes in parts, with a file that was not chosen. A person whose
    account was locked a moment ago is a stranger. ``inside``: the agent within the AIA, if not as
    outside of it; ``referent`` and ``correspondant``: there as well, else as without a role.
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
    upload: bool = False
    inside: str = ""
    referent: str = ""
    correspondant: str = ""

    def expected(self, who: str) -> str:
        """A status, and where it leads."""
        like = {"locked": "stranger", "inside": "agent"}.get(who, "without_role")
        return str(getattr(self, who, "") or getattr(self, like))


def open_to_all(route: str, path: str, **more: object) -> Row:
    """The same page for everybody."""
    return Row(route, "GET", path, "200", "200", "200", **more)  # type: ignore[arg-type]


EFFECT = {"saml_sso", "saml_init", "saml_continue", "my_data_file"}
"""Where a GET has an effect: a HEAD, whose answer nobody would see, is refused."""

INIT = "/saml/sso/init?sp=https://net-cap.example/metadata"
CONTINUE = "/saml/sso/suite?flow={}"
STRUCTURE = "/saml/sso/structure"
MAILS = "/aia/administration/courriels"
AGAIN, ABANDON = MAILS + "/{}/renvoyer", MAILS + "/{}/abandonner"
GONE: tuple[str, str, Filler] = ("404", "404", a_dead_mail)
REQUESTS = "/aia/demandes"
REQUEST = REQUESTS + "/{}"
OUT, TILE = "303 /", "303 /?suite=…"
LATER = "303 /?suite=…"
EVERYBODY = dict.fromkeys(("inside", "referent", "correspondant"), "200")
ADMINISTRATORS = EVERYBODY | {"inside": "404"}
PHOTO = "/profil/photo"
SESSIONS = "/profil/sessions"
SOMEBODY: dict[str, str | Filler] = {"login": "referent@demo.example", "password": PASSWORD}
CHOICE: dict[str, str | Filler] = {"flow": a_flow, "membership": a_membership}
MESSAGE: dict[str, str | Filler] = {"SAMLRequest": a_message}
FLOW: dict[str, str | Filler] = {"flow": a_flow}
TASK: dict[str, str | Filler] = {"task": "1"}
LOGOUT: dict[str, str | Filler] = {"SAMLRequest": a_logout_message}

SENT = ("303 …",) * 3
UNASKED = ("303 /mot-de-passe-oublie",) * 3
ASK, ASKED = "/demander-un-acces", "303 /?avis=demande-envoyee"
WANTED: dict[str, str | Filler] = {"application": "bip", "motif": "x", "demande": "1"}

TABLE = (
    # route, method, path, what a stranger, the agent, a person without a role there gets
    Row("portal", "GET", "/", SIGN_IN, "200", "200"),
    Row("sign_in", "GET", "/connexion", "200", "303 /", "303 /"),
    Row("sign_in", "POST", "/connexion", "303 /", "303 /", "303 /", form=SOMEBODY),
    open_to_all("first_visit", "/premiere-visite"),
    Row("first_visit", "POST", "/premiere-visite", *SENT, form=SOMEBODY),
    open_to_all("forgotten_password", "/mot-de-passe-oublie"),
    Row("forgotten_password", "POST", "/mot-de-passe-oublie", *SENT, form=SOMEBODY),
    # a link that nobody was sent; tests/functional/test_passwords.py has others
    Row("password_link", "GET", "/mot-de-passe/x", "404", "404", "404"),
    Row("password_link", "POST", "/mot-de-passe/x", "404", "404", "404"),
    Row("password_link_again", "POST", "/mot-de-passe/x/nouveau", *UNASKED),
    Row("sign_out", "GET", "/deconnexion", SIGN_IN, "200", "200"),
    Row("sign_out", "POST", "/deconnexion", EXPIRED, NEXT, NEXT),
    # without the cookie of a sign-out under way, which the form above gives
    Row("sign_out_next", "GET", "/deconnexion/suite", SIGNED_OUT, SIGNED_OUT, SIGNED_OUT),
    Row("sign_out_application", "GET", "/deconnexion/application", NEXT, NEXT, NEXT),
    Row("sign_out_skip", "POST", "/deconnexion/passer", NEXT, NEXT, NEXT, form=TASK),
    Row("signed_out", "GET", "/deconnexion/terminee", "200", "303 /", "303 /"),
    Row("profile", "GET", "/profil", SIGN_IN, "200", "200"),
    Row("profile_photo", "GET", PHOTO, SIGN_IN, "200", "200"),
    # without a file; tests/functional/test_profile.py has some
    Row("profile_photo", "POST", PHOTO, EXPIRED, "400", "400", upload=True),
    Row("profile_photo_save", "POST", PHOTO + "/enregistrer", EXPIRED, "400", "400"),
    Row("profile_photo_remove", "GET", PHOTO + "/supprimer", SIGN_IN, *(f"303 {PHOTO}",) * 2),
    Row("profile_photo_remove", "POST", PHOTO + "/supprimer", EXPIRED, *("303 /profil?…",) * 2),
    Row("photo", "GET", "/photos/" + "0" * 40, SIGN_IN, "404", "404"),
    Row("accesses", "GET", "/profil/acces", SIGN_IN, "200", "200"),
    Row("received", "GET", "/profil/acces/bip", SIGN_IN, "200", "404"),
    Row("change_password", "GET", "/profil/mot-de-passe", SIGN_IN, "200", "200"),
    Row("change_password", "POST", "/profil/mot-de-passe", EXPIRED, "400", "400"),
    Row("sessions", "GET", SESSIONS, SIGN_IN, "200", "200"),
    Row("close_session", "POST", SESSIONS + "/fermer", EXPIRED, "404", "404"),
    Row(
        "close_other_sessions",
        "POST",
        SESSIONS + "/fermer-les-autres",
        EXPIRED,
        *(f"303 {SESSIONS}?…",) * 2,
    ),
    Row("my_data", "GET", "/profil/donnees", SIGN_IN, "200", "200"),
    Row("my_data_file", "GET", "/profil/donnees/fichier", SIGN_IN, "200", "200"),
    Row("hide_notice", "POST", "/avis/masquer", EXPIRED, "303 /", "303 /", form={"avis": "1"}),
    Row("ask_access", "GET", ASK, SIGN_IN, "200", "200"),
    # what somebody typed whose account was locked meanwhile is kept
    Row("ask_access", "POST", ASK, LATE, ASKED, ASKED, form=WANTED),
    Row("withdraw_request", "POST", f"{ASK}/retirer", EXPIRED, "404", "404", form=WANTED),
    open_to_all("report_problem", "/signaler-un-probleme"),
    Row("report_problem", "POST", "/signaler-un-probleme", EXPIRED, *("303 /?avis=…",) * 2),
    Row("aia_requests", "GET", REQUESTS, SIGN_IN, LATER, LATER, **ADMINISTRATORS),
    Row("aia_request", "GET", REQUEST, SIGN_IN, LATER, LATER, an_access_request, **ADMINISTRATORS),
    Row(
        "aia_request",
        "POST",
        REQUEST,
        LATE,
        OUT,
        OUT,
        an_access_request,
        form={"refuser": "1", "message": "Non."},
        inside="404",
        referent=f"303 {REQUESTS}/…",
        correspondant=f"303 {REQUESTS}/…",
    ),
    open_to_all("session", "/session"),
    Row("session", "POST", "/session", EXPIRED, "200", "200"),
    Row("forget_draft", "POST", "/session/brouillon", EXPIRED, "303 /", "303 /"),
    Row("aia", "GET", "/aia", SIGN_IN, OUT, OUT, **EVERYBODY),
    Row("aia_profile", "GET", "/aia/profil", SIGN_IN, LATER, LATER, **EVERYBODY),
    Row("aia_sign_out", "GET", "/aia/deconnexion", SIGN_IN, OUT, OUT, **EVERYBODY),
    Row("aia_sign_out", "POST", "/aia/deconnexion", EXPIRED, OUT, OUT),
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
    open_to_all("guide", "/guide-utilisateur"),
    open_to_all("contact", "/contact"),
    open_to_all("site_map", "/plan-du-site"),
    open_to_all("saml_metadata", "/saml/metadata"),
    open_to_all("healthz", "/healthz"),
    open_to_all("readyz", "/readyz"),
    open_to_all("metrics", "/metrics"),
    open_to_all("static", "/static/x/css/site.css"),
    open_to_all("demo_mails", "/demo/courriels"),
    # there is no such mail; tests/unit/views/test_demo_mails.py has some
    Row("demo_mail", "GET", "/demo/courriels/aucun", "404", "404", "404"),
    # the correspondant alone; who is not inside is nobody here
    Row("central_mails", "GET", MAILS, SIGN_IN, "404", "404", correspondant="200"),
    Row("central_mail_again", "POST", AGAIN, EXPIRED, *GONE, correspondant=f"303 {MAILS}…"),
    Row("central_mail_abandon", "POST", ABANDON, EXPIRED, *GONE, correspondant=f"303 {MAILS}…"),
)
BEFORE_SIGN_IN = {
    *("sign_in", "first_visit", "forgotten_password", "password_link", "password_link_again"),
}
"""Forms that are shown anew: nobody is told of an error before he is even signed in."""
READ = [row for row in TABLE if row.method == "GET" and row.route not in EFFECT]
DONE = [row for row in TABLE if row not in READ]
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
    add_administrators(world)
    visitor.app.get("/connexion")
    if name in SIGNS_IN:
        visitor.sign_in(SIGNS_IN[name])
    if name in INSIDE:
        token = {"csrf_token": visitor.app.cookies[CSRF_COOKIE]}
        visitor.app.post("/aia", token, status=303)
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
    files = [("photo", "", b"")] if row.upload else None
    return visitor.app.post(path, form | fields, upload_files=files, expect_errors=True)


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


@pytest.mark.parametrize("row", DONE, ids=row_id)
def test_each_person_does_what_the_table_says(
    row: Row, who: str, world: World, visitor: Visitor
) -> None:
    if row.method == "GET":
        assert ask(visitor, replace(row, method="HEAD"), world).status_int == 405
    answer = ask(visitor, row, world, csrf_token=visitor.app.cookies[CSRF_COOKIE])
    location = answer.headers.get("Location")
    assert _as_told(row, who, answer), f"{answer.status} {location}\n{answer.text}"


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
