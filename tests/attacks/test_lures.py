"""What a link or a form on another site may make a signed-in person's browser do here."""

from collections.abc import Callable
from urllib.parse import quote

import pytest
from markupsafe import escape
from webtest import TestApp, TestResponse

from tests.attacks.conftest import Street, check_refusal
from tests.functional.conftest import PASSWORD, Visitor

BASE = "http://localhost:6543"
NET_CAP = "https://net-cap.example/metadata"
CSRF_COOKIE = "convergences-csrf"

HTML = [
    '"><script>alert(1)</script>',
    "' onmouseover='alert(1)' x='",
    "</form><form action=https://evil.example>",
    '"/><input name="SAMLResponse" value="x',
    "&lt;b&gt;&#x22;&quot;&amp;amp;",
    "{{ 7 * 7 }}{% raw %}${7*7}<%= 7 %>",
    "javascript:alert(document.cookie)",
    "--></title><style>*{}</style><!--",
    "é € 𝄞 \u202e \u2028 \u200b",
    "  espaces  \t autour  ",
    "%22%3E%3Cscript%3E",
    "a+b c%20d&RelayState=x",
    "<" * 340,
]


def check_relay_state(page: TestResponse, acs: str, relay_state: str) -> None:
    """The SP gets it back to the byte, and the browser sees nothing but a value."""
    assert page.status_int == 200
    forms = page.html.find_all("form")
    assert [form["action"] for form in forms] == [acs]
    fields = {field["name"]: field["value"] for field in forms[0].find_all("input")}
    assert set(fields) == {"SAMLResponse", "RelayState"}
    assert fields["RelayState"] == relay_state
    assert f'name="RelayState" value="{escape(relay_state)}"' in page.text
    assert len(page.html.find_all("script")) == 1
    assert page.text.count("<script") == page.text.count("<form") == 1
    assert not page.html.find_all("style")


@pytest.mark.parametrize("relay_state", HTML)
def test_html_in_relay_state(street: Street, relay_state: str) -> None:
    sp, now = street.world.sps["net-cap"], street.world.now
    query = sp.redirect_query(sp.authn_request(now=now), relay_state)
    check_relay_state(street.app.get(f"/saml/sso?{query}", status="*"), sp.acs, relay_state)
    form = sp.post_form(sp.authn_request(now=now), relay_state)
    page = street.app.post("/saml/sso", form, status=303).follow(status="*")
    check_relay_state(page, sp.acs, relay_state)
    link = f"/saml/sso/init?sp={NET_CAP}&RelayState={quote(relay_state)}"
    check_relay_state(street.app.get(link, status="*"), sp.acs, relay_state)


def test_html_in_relay_state_of_a_refused_sign_on(
    street: Street, another_visitor: Callable[[], Visitor]
) -> None:
    visitor, relay_state = another_visitor(), HTML[0]
    sp = street.world.sps["net-cap"]
    query = sp.redirect_query(sp.authn_request(now=street.world.now), relay_state)
    page = visitor.follow(visitor.app.get(f"/saml/sso?{query}", status=303))
    cancel = next(form for form in page.forms.values() if form.action.endswith("/annuler"))
    check_relay_state(cancel.submit(), sp.acs, relay_state)


@pytest.mark.parametrize("size", [1025, 5000])
def test_a_relay_state_that_is_too_long(street: Street, size: int) -> None:
    sp, now = street.world.sps["net-cap"], street.world.now
    for relay_state in ("x" * size, "é" * (size // 2 + 1)):
        street.redirect(sp.redirect_query(sp.authn_request(now=now), relay_state))
        street.post(sp.post_form(sp.authn_request(now=now), relay_state))
        link = f"/saml/sso/init?sp={NET_CAP}&RelayState={quote(relay_state)}"
        check_refusal(street.app.get(link, status="*"))


def test_a_relay_state_that_is_not_utf_8(street: Street) -> None:
    sp = street.world.sps["net-cap"]
    query = sp.redirect_query(sp.authn_request(now=street.world.now))
    for octets in ("%ff", "%ed%a0%80", "%c0%af", "%f4%90%80%80"):
        street.redirect(f"{query}&RelayState={octets}")


# --- open redirect -----------------------------------------------------------------------------

PLACES = [
    "https://evil.example/",
    "//evil.example/",
    "/\\evil.example/",
    "\\\\evil.example",
    "/%09/evil.example",
    "///evil.example",
    "http:evil.example",
    "https://localhost:6543@evil.example/",
    "javascript:alert(1)",
    "data:text/html,x",
    "/\r\nLocation: https://evil.example/",
    ".evil.example",
]
NAMES = "flow next url return_to redirect came_from continue RelayState TARGET goto avis sp"


def check_stays_here(answer: TestResponse) -> TestResponse:
    """Wherever it leads is one of our own pages; the last one is returned.

    A query may repeat what was asked: the way back, which is signed, is no address for a browser.
    """
    for _ in range(6):
        assert answer.status_int < 500
        for header, value in answer.headerlist:
            assert "evil" not in value.partition("?")[0] or header == "Set-Cookie"
        if "Location" not in answer.headers:
            break
        assert answer.location.startswith(f"{BASE}/")
        answer = answer.follow(status="*")
    assert "http-equiv" not in answer.text
    for element in answer.html.find_all(["a", "form", "link", "script"]):
        for name in ("href", "action", "src"):
            assert "evil" not in element.get(name, "").partition("?")[0]
    return answer


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("signed_in", [True, False])
def test_open_redirect(
    visitor: Visitor,
    place: str,
    signed_in: bool,  # noqa: FBT001
) -> None:
    if signed_in:
        visitor.sign_in("agent")
    query = "&".join(f"{name}={quote(place, safe='')}" for name in NAMES.split())
    for path in (
        "/",
        "/connexion",
        "/deconnexion",
        "/profil",
        "/aia",
        "/saml/sso",
        "/saml/sso/init",
        "/saml/sso/suite",
        "/saml/sso/structure",
    ):
        check_stays_here(visitor.app.get(f"{path}?{query}", status="*"))


@pytest.mark.parametrize("place", PLACES)
def test_open_redirect_of_a_form(visitor: Visitor, place: str) -> None:
    fields = dict.fromkeys(NAMES.split(), place)
    visitor.app.get("/connexion")
    fields["csrf_token"] = visitor.app.cookies[CSRF_COOKIE]
    credentials = {"login": "agent@demo.example", "password": PASSWORD}
    page = check_stays_here(visitor.app.post("/connexion", fields | credentials, status=303))
    assert page.request.url.startswith(f"{BASE}/?avis="), "the portal says that a flow was lost"
    for path in ("/saml/sso/annuler", "/saml/sso/structure", "/saml/sso", "/deconnexion"):
        check_stays_here(visitor.app.post(path, fields, status="*"))


# --- reflected -----------------------------------------------------------------------------------


@pytest.mark.parametrize("text", HTML)
def test_html_in_what_the_sign_in_page_repeats(visitor: Visitor, text: str) -> None:
    form = visitor.app.get("/connexion").forms["formulaire"]
    form["login"], form["password"], form["flow"] = f"{text.strip()}@x", "x", text
    page = form.submit(status="*")
    assert page.status_int == 400
    assert page.text.count("<script") == 1
    assert [form["action"] for form in page.html.find_all("form")] == ["/connexion"]
    if len(text) < 250 and text.isprintable():
        assert page.html.select_one("[name=login]")["value"] == f"{text.strip()}@x"


def test_html_in_an_address_or_a_cookie(visitor: Visitor) -> None:
    app = visitor.app
    for path in ("/<script>alert(1)</script>", "/?avis=<script>", "/connexion?flow=<script>"):
        page = app.get(path, status="*")
        assert "<script>" not in page.text
    app.set_cookie("adresse", "<script>alert(1)</script>")
    assert "<script>" not in app.get("/connexion").text


# --- forms that no page of ours sends ------------------------------------------------------------

FORMS = ("/connexion", "/deconnexion", "/saml/sso", "/saml/sso/structure", "/saml/sso/annuler")
FIELDS = ("SAMLRequest", "RelayState", "flow", "login", "password", "csrf_token", "membership")


def send(app: TestApp, path: str, content_type: str, body: bytes) -> TestResponse:
    header = {"X-CSRF-Token": app.cookies[CSRF_COOKIE]}
    return app.post(path, body, headers=header, content_type=content_type, status="*")


@pytest.mark.parametrize("path", FORMS)
def test_a_file_where_text_is_expected(path: str, street: Street) -> None:
    header = {"X-CSRF-Token": street.app.cookies[CSRF_COOKIE]}
    for name in FIELDS:
        file = [(name, "x.txt", b"abc")]
        answer = street.app.post(path, {}, headers=header, upload_files=file, status="*")
        check_refusal(answer)
    assert street.app.get("/profil").status_int == 200, "still signed in"


PART = b'--x\r\nContent-Disposition: form-data; name="flow"\r\n'
BODIES = {
    "no boundary": ("multipart/form-data", b"abc"),
    "cut short": ("multipart/form-data; boundary=x", b"--x\r\nContent-Disposition: form-data; na"),
    "an unknown charset": ("application/x-www-form-urlencoded; charset=nonsense", b"flow=b"),
    "another charset": ("application/x-www-form-urlencoded; charset=utf-16", b"flow=b"),
    "a part in an unknown charset": (
        "multipart/form-data; boundary=x",
        PART + b"Content-Type: text/plain; charset=nonsense\r\n\r\na\r\n--x--\r\n",
    ),
    "a part that is not base64": (
        "multipart/form-data; boundary=x",
        PART + b"Content-Transfer-Encoding: base64\r\n\r\nA\r\n--x--\r\n",
    ),
    "not utf-8": ("application/x-www-form-urlencoded", b"SAMLRequest=%ff&flow=%ff&login=%ff"),
    "raw octets": ("application/x-www-form-urlencoded", b"\xff\xfe=\xff"),
    "json": ("application/json", b'{"flow": 1}'),
    "text": ("text/plain", b"flow=x"),
    "no type at all": ("", b"flow=x"),
    "many fields": ("application/x-www-form-urlencoded", b"&".join([b"a=1"] * 50_000)),
}


@pytest.mark.parametrize("name", BODIES)
def test_a_body_that_is_no_form_of_ours(name: str, street: Street) -> None:
    for path in ("/connexion", "/saml/sso", "/saml/sso/structure", "/saml/sso/annuler"):
        check_refusal_or_form(send(street.app, path, *BODIES[name]))


def check_refusal_or_form(answer: TestResponse) -> None:
    """Refused; the sign-in page shows its form again; a sign-on that nobody named is over."""
    if answer.status_int == 303:
        assert answer.location == f"{BASE}/?avis=connexion-perdue"
        return
    assert 400 <= answer.status_int < 500, answer.status
    assert answer.html.html["lang"] == "fr"
    assert "SAMLResponse" not in answer.text


def test_a_form_that_is_too_large(street: Street) -> None:
    body = b"flow=" + b"x" * (4 * 1024 * 1024)
    for path in FORMS:
        answer = send(street.app, path, "application/x-www-form-urlencoded", body)
        check_refusal(answer, status=413)


def test_somebody_elses_membership_or_flow(
    street: Street, another_visitor: Callable[[], Visitor]
) -> None:
    """Ids in a form are looked for among the person's own."""
    other = another_visitor()
    other.sign_in("multi")
    sp = street.world.sps["net-cap"]
    _, page = other.open(sp, now=street.world.now)
    flow = page.request.params["flow"]
    for membership in ("multi/vitry", "multi/ivry"):
        fields = {"csrf_token": street.app.cookies[CSRF_COOKIE], "flow": flow}
        fields["membership"] = street.world.memberships[membership]
        answer = street.app.post("/saml/sso/structure", fields, status=303)
        assert answer.location.startswith(f"{BASE}/saml/sso/structure?")
