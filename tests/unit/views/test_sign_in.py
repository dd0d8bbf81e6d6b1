from dataclasses import replace
from datetime import timedelta

import pytest
from webtest import TestApp

from idp.messages import AcceptedRequest
from idp.services import Services
from tests.common.clock import FakeClock
from tests.common.memory_directory import MemoryDirectory
from tests.unit.views.conftest import ENTITY_ID, PASSWORD, sign_in

WRONG = "Adresse mail ou mot de passe incorrect."


def hold(services: Services, clock: FakeClock, **changes: object) -> str:
    """A sign-on that waits; its flow id."""
    accepted = AcceptedRequest(
        entity_id=ENTITY_ID,
        acs="https://bip.example/acs",
        received_at=clock.now(),
        message_id="_1",
    )
    return services.authn_requests.hold(replace(accepted, **changes))


@pytest.mark.usefixtures("agent")
def test_the_right_password_leads_to_the_portal(app: TestApp) -> None:
    response = sign_in(app, "Agent@Ville.example")
    assert (response.status_int, response.location) == (303, "http://localhost:6543/")
    cookies = {line.split("=")[0]: line.lower() for line in response.headers.getall("Set-Cookie")}
    for name in ("convergences", "appareil"):
        assert "httponly" in cookies[name]
        assert "samesite=lax" in cookies[name]
    assert "max-age=31536000" in cookies["appareil"]
    assert "adresse" not in cookies


@pytest.mark.usefixtures("agent")
@pytest.mark.parametrize(
    ("login", "password"),
    [("agent@ville.example", "wrong"), ("nobody@ville.example", PASSWORD)],
)
def test_a_wrong_password_and_an_unknown_address_read_the_same(
    app: TestApp, login: str, password: str
) -> None:
    response = sign_in(app, login, password)
    assert response.status_int == 400
    html = response.html
    assert html.select_one("#erreurs").text.strip() == WRONG
    assert html.select_one("[name=login]")["value"] == login
    assert "value" not in html.select_one("[name=password]").attrs
    assert html.title.text.startswith("Erreur")


def test_an_empty_form_says_what_is_missing_and_where(app: TestApp) -> None:
    response = app.get("/connexion").forms["formulaire"].submit(status=400)
    html = response.html
    links = html.select("#erreurs a")
    assert [link.text for link in links] == [
        "Saisissez votre adresse mail.",
        "Saisissez votre mot de passe.",
    ]
    for link in links:
        field = html.select_one(link["href"])
        assert field["aria-invalid"] == "true"
        described = [html.select_one(f"#{name}") for name in field["aria-describedby"].split()]
        assert link.text in described[-1].text


def test_the_form_helps_password_managers_and_browsers(app: TestApp) -> None:
    html = app.get("/connexion").html
    login, password = html.select_one("[name=login]"), html.select_one("[name=password]")
    assert (login["autocomplete"], login["type"]) == ("username", "email")
    assert (password["autocomplete"], password["type"]) == ("current-password", "password")
    assert "novalidate" in html.select_one("#formulaire").attrs
    for field in (login, password):
        assert "required" in field.attrs
        assert html.select_one(f"label[for={field['id']}]") is not None


@pytest.mark.parametrize(
    ("login", "password"),
    [
        ("a" * 300 + "@b.example", "x"),
        ("a\x00b@c.example", "x"),
        ("a@b.example", "x" * 4000 + "é" * 60),
    ],
)
def test_what_no_account_can_have_is_refused_in_words(
    app: TestApp, login: str, password: str
) -> None:
    response = sign_in(app, login, password)
    assert response.status_int == 400
    assert response.html.select_one("#erreurs a") is not None


@pytest.mark.usefixtures("agent")
def test_a_password_keeps_its_spaces(app: TestApp, directory: MemoryDirectory) -> None:
    directory.add_account("espaces@ville.example", password="  deux espaces  ")
    assert sign_in(app, "espaces@ville.example", "deux espaces").status_int == 400
    assert sign_in(app, "espaces@ville.example", "  deux espaces  ").status_int == 303


def test_an_unusable_account_reads_whom_to_ask(
    app: TestApp, agent: str, directory: MemoryDirectory
) -> None:
    directory.lock(agent)
    text = sign_in(app, "agent@ville.example").html.select_one("#erreurs").text
    assert "Votre compte n'est pas utilisable." in text
    assert "référent administrateur" in text


@pytest.mark.usefixtures("agent")
def test_too_many_failures_say_when_to_come_back(app: TestApp) -> None:
    for _ in range(30):
        response = sign_in(app, "agent@ville.example", "wrong")
        if response.status_int == 429:
            break
    assert response.status_int == 429
    assert int(response.headers["Retry-After"]) > 0
    assert "Trop d'essais" in response.html.select_one("#erreurs").text


@pytest.mark.usefixtures("agent")
def test_the_address_is_kept_only_when_asked(app: TestApp) -> None:
    form = app.get("/connexion").forms["formulaire"]
    form["login"], form["password"], form["keep"] = "agent@ville.example", PASSWORD, True
    form.submit(status=303)
    app.get("/deconnexion").forms[0].submit()
    form = app.get("/connexion").forms["formulaire"]
    assert (form["login"].value, form["keep"].checked) == ("agent@ville.example", True)
    form["password"], form["keep"] = PASSWORD, False
    form.submit(status=303)
    app.get("/deconnexion").forms[0].submit()
    assert app.get("/connexion").forms["formulaire"]["login"].value == ""


@pytest.mark.usefixtures("agent")
def test_a_waiting_sign_on_is_named_and_goes_on(
    app: TestApp, services: Services, clock: FakeClock
) -> None:
    flow = hold(services, clock)
    html = app.get("/connexion", {"flow": flow}).html
    assert "Pour ouvrir BIP" in html.select_one(".lead").text
    cancel = html.select_one("form.gate-cancel")
    assert cancel["action"] == "/saml/sso/annuler"
    assert cancel.select_one("[name=flow]")["value"] == flow
    assert cancel.select_one("[name=csrf_token]")["value"]
    response = sign_in(app, "agent@ville.example", flow=flow)
    assert response.location == f"http://localhost:6543/saml/sso/suite?flow={flow}"


@pytest.mark.usefixtures("agent")
def test_the_flow_survives_a_wrong_password(
    app: TestApp, services: Services, clock: FakeClock
) -> None:
    flow = hold(services, clock)
    response = sign_in(app, "agent@ville.example", "wrong", flow=flow)
    assert response.forms["formulaire"]["flow"].value == flow
    assert "Pour ouvrir" in response.text


@pytest.mark.usefixtures("agent")
@pytest.mark.parametrize("flow", ["lost", "a\x00b", "x" * 5000, "https://evil.example/"])
def test_a_lost_flow_falls_back_to_the_portal_with_a_sentence(app: TestApp, flow: str) -> None:
    page = app.get("/connexion", {"flow": flow})
    assert "n'est plus en attente" in page.html.select_one(".note").text
    response = sign_in(app, "agent@ville.example", flow=flow)
    assert response.location == "http://localhost:6543/?avis=connexion-perdue"
    assert "n'était plus en attente" in response.follow().html.select_one(".note").text


@pytest.mark.usefixtures("agent")
def test_who_is_signed_in_goes_straight_on(
    app: TestApp, services: Services, clock: FakeClock
) -> None:
    sign_in(app, "agent@ville.example")
    assert app.get("/connexion", status=303).location == "http://localhost:6543/"
    flow = hold(services, clock)
    assert app.get("/connexion", {"flow": flow}).location.endswith(f"/saml/sso/suite?flow={flow}")


@pytest.mark.usefixtures("agent")
def test_force_authn_asks_for_the_password_again(
    app: TestApp, services: Services, clock: FakeClock
) -> None:
    sign_in(app, "agent@ville.example")
    before = app.cookies["convergences"]
    clock.advance(timedelta(minutes=5))
    flow = hold(services, clock, force_authn=True)
    page = app.get("/connexion", {"flow": flow}, status=200)
    assert "demande une nouvelle vérification" in page.text
    clock.advance(timedelta(seconds=10))
    sign_in(app, "agent@ville.example", flow=flow)
    assert app.cookies["convergences"] != before
    assert services.sessions.find(before) is None
    assert app.get("/connexion", {"flow": flow}, status=303).location.endswith(flow)


BROKEN = ('"\\351"', "\xe9", "\xff\xfe", '"\\303', "\xe2\x82\xac", "a b", '"')


@pytest.mark.usefixtures("agent")
@pytest.mark.parametrize("value", BROKEN)
@pytest.mark.parametrize(
    "name", ["autre", "convergences-csrf", "adresse", "appareil", "depart", "convergences"]
)
def test_a_cookie_that_cannot_be_read_keeps_nobody_out(app: TestApp, name: str, value: str) -> None:
    """Another application's, on this host or the domain above, or one of ours that was spoilt."""

    def cookies() -> dict[str, str]:
        kept = [f"{cookie.name}={cookie.value}" for cookie in app.cookiejar if cookie.name != name]
        return {"Cookie": "; ".join([f"{name}={value}", *kept])}

    browser = TestApp(app.app, extra_environ=app.extra_environ, cookiejar=app.cookiejar)
    form = browser.get("/connexion", headers=cookies()).forms["formulaire"]
    form["login"], form["password"] = "agent@ville.example", PASSWORD
    replaced = name in browser.cookies
    answer = form.submit(headers={} if replaced else cookies(), status=303)
    assert answer.location == "http://localhost:6543/"
    if name in {"convergences", "convergences-csrf"}:
        return
    browser.get("/", headers=cookies(), status=200)
    leaving = browser.get("/deconnexion", headers=cookies()).forms[0]
    left = leaving.submit(headers=cookies(), status=303)
    assert left.location.endswith("/deconnexion/suite")
    done = browser.get("/deconnexion/suite", headers=cookies(), status=303)
    assert done.location.endswith("/deconnexion/terminee")
    page = browser.get("/deconnexion/terminee", headers=cookies(), status=200)
    assert page.html.h1.text == "Vous êtes déconnecté du portail"
    assert page.html.select_one("[aria-label='Déconnexion en cours']") is None


@pytest.mark.usefixtures("agent")
def test_a_form_from_elsewhere_is_refused(app: TestApp) -> None:
    app.get("/connexion")
    values = {"login": "agent@ville.example", "password": PASSWORD}
    answer = app.post("/connexion", values, status=303)
    assert answer.location.endswith("/connexion?avis=recommencer")
    assert "convergences" not in app.cookies
    assert "restée ouverte trop longtemps" in answer.follow().text


@pytest.mark.usefixtures("agent")
def test_a_browser_without_cookies_is_told_so(app: TestApp) -> None:
    """No script is needed for it: the form comes back without its cookie, and so does the page."""
    form = app.get("/connexion?flow=abc").forms["formulaire"]
    form["login"], form["password"] = "agent@ville.example", PASSWORD
    app.reset()
    answer = form.submit(status=303)
    assert "flow=abc" in answer.location
    app.reset()
    page = app.get(answer.location, status=200)
    assert "refuse les cookies" in page.text
    assert page.forms["formulaire"]["password"].value == ""


@pytest.mark.usefixtures("agent")
def test_redirects_ignore_the_host_header(app: TestApp) -> None:
    response = app.get("/", headers={"Host": "evil.example"}, status=303)
    assert response.location == "http://localhost:6543/connexion"
