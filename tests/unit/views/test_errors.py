"""Which error becomes which page."""

import io
import json

import pytest
from pyramid.httpexceptions import status_map
from sqlalchemy.exc import OperationalError
from structlog.testing import capture_logs
from webtest import TestApp

from directory.services.removal.binned import MembershipInBin
from idp import errors, log
from idp.db import GONE
from idp.services import Services
from tests.unit.views.conftest import sign_in
from views.errors import PAGES
from views.forms import FormRefused

SECRET_CAUSE = "the-precise-cause"
OF_THEIR_OWN = {
    errors.Throttled,
    errors.UnknownFlow,
    errors.PasswordOutgrown,
    errors.LinkRefused,
    MembershipInBin,
}
"""They lead to pages of their own, or say more."""


def every_error() -> list[type[errors.ConvergencesError]]:
    found = [errors.ConvergencesError]
    for parent in found:
        found.extend(parent.__subclasses__())
    return [kind for kind in found if kind not in OF_THEIR_OWN]


def broken(monkeypatch: pytest.MonkeyPatch, services: Services, error: Exception) -> None:
    """The portal's page fails with this error."""

    def tiles(subject_id: str) -> tuple[()]:
        assert subject_id
        raise error

    monkeypatch.setattr(services.directory, "tiles", tiles)


@pytest.mark.usefixtures("agent")
@pytest.mark.parametrize("kind", every_error(), ids=lambda kind: kind.__name__)
def test_the_class_says_the_status_and_the_public_text(
    app: TestApp,
    services: Services,
    monkeypatch: pytest.MonkeyPatch,
    kind: type[errors.ConvergencesError],
) -> None:
    sign_in(app, "agent@ville.example")
    broken(monkeypatch, services, kind(SECRET_CAUSE))
    response = app.get("/", status=kind.http_status)
    assert kind.public_text in response.html.select_one("main").text
    assert SECRET_CAUSE not in response.text
    assert response.html.select_one("main code").text == response.headers["X-Request-Id"]


@pytest.mark.usefixtures("agent")
def test_a_throttled_request_says_when_to_come_back(
    app: TestApp, services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    sign_in(app, "agent@ville.example")
    broken(monkeypatch, services, errors.Throttled("x", retry_after=17))
    assert app.get("/", status=429).headers["Retry-After"] == "17"
    broken(monkeypatch, services, errors.Busy("x"))
    assert app.get("/", status=503).headers["Retry-After"] == "10"


@pytest.mark.usefixtures("agent")
def test_the_class_says_that_it_passes_by_itself(
    app: TestApp, services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Then it is no defect of ours, and the answer says when to come back."""
    sign_in(app, "agent@ville.example")
    error = errors.UnusableServiceProvider("x")
    broken(monkeypatch, services, error)
    with capture_logs() as lines:
        assert "Retry-After" not in app.get("/", status=500).headers
    assert [line["log_level"] for line in lines] == ["error"]
    monkeypatch.setattr(errors.UnusableServiceProvider, "retry_after", 3, raising=False)
    with capture_logs() as lines:
        assert app.get("/", status=500).headers["Retry-After"] == "3"
    assert [line["log_level"] for line in lines] == ["warning"]
    assert FormRefused.because(error).headers == {"Retry-After": "3"}


@pytest.mark.usefixtures("agent")
@pytest.mark.parametrize("kind", GONE, ids=lambda kind: kind.__name__)
def test_a_database_that_is_gone_is_503(
    app: TestApp,
    services: Services,
    monkeypatch: pytest.MonkeyPatch,
    kind: type[Exception],
) -> None:
    sign_in(app, "agent@ville.example")
    error = kind.__new__(kind)
    error.args = (SECRET_CAUSE,)
    broken(monkeypatch, services, error)
    response = app.get("/", status=503)
    assert response.headers["Retry-After"] == "30"
    assert "momentanément indisponible" in response.text
    assert SECRET_CAUSE not in response.text


@pytest.mark.usefixtures("agent")
def test_any_other_exception_is_500_and_its_cause_is_in_the_log(
    app: TestApp, services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    stream = io.StringIO()
    log.configure(demonstration=False, stream=stream)
    sign_in(app, "agent@ville.example")
    broken(monkeypatch, services, RuntimeError(SECRET_CAUSE))
    response = app.get("/", status=500)
    assert SECRET_CAUSE not in response.text
    reference = response.html.select_one("main code").text
    (line,) = [json.loads(each) for each in stream.getvalue().splitlines() if SECRET_CAUSE in each]
    assert line["request_id"] == reference == response.headers["X-Request-Id"]


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [("GET", "/nulle-part", 404), ("PUT", "/connexion", 405), ("HEAD", "/saml/sso", 405)],
)
def test_the_log_has_the_status_as_a_number(
    app: TestApp, method: str, path: str, status: int
) -> None:
    with capture_logs() as lines:
        app.request(path, method=method, status=status)
    (line,) = [line for line in lines if line["event"] == "http"]
    assert repr(line["status"]) == str(status)


def test_the_text_says_to_begin_again_only_where_that_helps() -> None:
    """What the application or its registration has wrong stays wrong: somebody must be told."""
    again = {errors.ReplayedMessage, errors.RequestTooOld}
    protocol = [errors.ProtocolError, *errors.ProtocolError.__subclasses__(), errors.RequestTooOld]
    for kind in protocol:
        assert ("Revenez à l'application et recommencez" in kind.public_text) is (kind in again)
        assert ("Recommencer n'y changera rien" in kind.public_text) is (kind not in again)


ON_THE_TABLE = [400, 401, 403, 404, 405, 408, 409, 411, 413, 414, 415, 422, 429, 500, 502, 503, 504]


@pytest.mark.usefixtures("agent")
@pytest.mark.parametrize("status", [*ON_THE_TABLE, 406, 501])
def test_each_status_has_its_page_in_plain_french(
    app: TestApp, services: Services, monkeypatch: pytest.MonkeyPatch, status: int
) -> None:
    """What happened, what to do, who can help, and the reference; codes are for programs."""
    sign_in(app, "agent@ville.example")
    broken(monkeypatch, services, status_map[status](SECRET_CAUSE))
    page = app.get("/", status=status)
    told = PAGES.get(status) or PAGES[500 if status >= 500 else 400]
    main = page.html.select_one("main")
    assert main.h1.text == told.heading
    for said in (told.text, told.advice):
        assert said in main.text
        assert said.endswith(".")
    assert main.select_one(".people a[href^=mailto]"), "by name, to somebody who is signed in"
    assert main.code.text == page.headers["X-Request-Id"]
    assert str(status) not in main.text.replace(main.code.text, "")
    assert SECRET_CAUSE not in page.text


def test_the_table_is_complete() -> None:
    assert sorted(PAGES) == ON_THE_TABLE
    assert len({told.text for told in PAGES.values()}) == len(PAGES) - 1, "503 and 504 say the same"


def test_a_stranger_is_told_of_the_correspondant(app: TestApp, services: Services) -> None:
    main = app.get("/nulle-part", status=404).html.select_one("main")
    assert main.select_one(".people") is None
    mail = services.settings.organization.correspondant
    assert main.select_one(f'a[href="mailto:{mail}"]')


@pytest.mark.usefixtures("agent")
def test_whoever_can_help_is_not_asked_of_a_database_that_is_gone(
    app: TestApp, services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    sign_in(app, "agent@ville.example")
    broken(monkeypatch, services, OperationalError("SELECT", {}, Exception()))

    def gone(subject_id: str) -> tuple[()]:
        raise OperationalError(subject_id, {}, Exception())

    monkeypatch.setattr(services.directory, "referents", gone)
    assert "correspondant" in app.get("/", status=503).html.select_one("main").text
    assert "correspondant" in app.get("/nulle-part", status=404).html.select_one("main").text


@pytest.mark.parametrize(
    ("accept", "json"),
    [
        ("application/json", True),
        ("application/json, text/html;q=0.5", True),
        ("text/html,application/xhtml+xml,*/*;q=0.8", False),
        ("*/*", False),
        ("image/webp", False),
    ],
)
def test_a_program_that_asks_for_json_gets_it(app: TestApp, accept: str, *, json: bool) -> None:
    answer = app.get("/nulle-part", headers={"Accept": accept}, status=404)
    assert (answer.content_type == "application/json") is json
    if json:
        request_id = answer.headers["X-Request-Id"]
        assert answer.json == {"error": "Cette page n'existe pas", "request_id": request_id}


def test_an_unknown_address_is_404(app: TestApp) -> None:
    response = app.get("/nulle-part", status=404)
    assert "Cette page n&#39;existe pas" in response.text
    assert response.headers["Content-Security-Policy"]


def test_a_wrong_method_is_405_with_those_allowed(app: TestApp) -> None:
    response = app.options("/connexion", status=405)
    assert set(response.headers["Allow"].replace(" ", "").split(",")) >= {"GET", "HEAD", "POST"}
    assert app.options("/profil", status=405).headers["Allow"].replace(" ", "") == "GET,HEAD"


@pytest.mark.parametrize("path", ["/connexion?flow=%ff", "/%ff"])
def test_what_is_not_utf_8_is_400(app: TestApp, path: str) -> None:
    app.get(path, status=400)


@pytest.mark.usefixtures("agent")
def test_a_form_of_an_ended_session_leads_to_the_sign_in_page(app: TestApp) -> None:
    sign_in(app, "agent@ville.example")
    form = app.get("/deconnexion").forms[0]
    app.cookiejar.clear("localhost.local", "/", "convergences")
    response = form.submit(status=303)
    assert response.location.endswith("/connexion?avis=session-terminee")
    assert "Votre session est terminée" in response.follow().text
