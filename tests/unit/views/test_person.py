"""Reading a page: the person is read once, by the view's layer, and one touch comes after."""

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy.exc import OperationalError
from structlog.testing import capture_logs
from webtest import TestApp

import views
from idp.services import Services
from idp.types import SsoSession
from tests.common.clock import FakeClock
from tests.unit.views.conftest import sign_in

TEMPLATES = Path(views.__file__).parent / "templates"
PAGES = ["/", "/profil", "/deconnexion", "/accessibilite"]

pytestmark = pytest.mark.usefixtures("agent")


@pytest.fixture
def done(services: Services, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What was asked of the directory and of the sessions, in its order."""
    calls: list[str] = []

    def note(owner: object, name: str) -> None:
        inner: Callable[..., object] = getattr(owner, name)

        def noted(*args: object, **more: object) -> object:
            calls.append(name)
            return inner(*args, **more)

        monkeypatch.setattr(owner, name, noted)

    for name in ("find", "touch"):
        note(services.sessions, name)
    for name in ("find_subject", "tiles", "profile"):
        note(services.directory, name)
    return calls


@pytest.mark.parametrize("path", PAGES)
def test_the_person_is_read_once_and_the_session_touched_once_after_the_view(
    app: TestApp, done: list[str], path: str
) -> None:
    sign_in(app, "agent@ville.example")
    done.clear()
    assert "Zoé D'ÉTÉ" in app.get(path, status=200).html.header.text
    assert done.count("find") == 1
    assert done[-1] == "touch"
    assert done.count("touch") == 1


def test_strangers_and_files_touch_nothing(app: TestApp, done: list[str]) -> None:
    app.get("/accessibilite")
    app.get("/", status=303)
    assert done == []
    sign_in(app, "agent@ville.example")
    done.clear()
    app.get("/static/x/css/site.css")
    app.get("/healthz")
    assert done == []


def test_a_page_keeps_the_session_alive(app: TestApp, services: Services, clock: FakeClock) -> None:
    sign_in(app, "agent@ville.example")
    for _ in range(20):
        clock.advance(services.settings.session_idle / 2)
        if clock.now() > (found(app, services).expires_at - services.settings.session_idle):
            break
        app.get("/accessibilite", status=200)
        assert found(app, services).last_seen_at == clock.now()


def found(app: TestApp, services: Services) -> SsoSession:
    """The browser's session."""
    session = services.sessions.find(app.cookies["convergences"])
    assert session is not None
    return session


def test_a_touch_that_fails_costs_nobody_a_page(
    app: TestApp, services: Services, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    sign_in(app, "agent@ville.example")
    clock.advance(timedelta(minutes=2))

    def locked(session: SsoSession) -> None:
        raise OperationalError(f"touch {session.key}", {}, Exception("database is locked"))

    monkeypatch.setattr(services.sessions, "touch", locked)
    with capture_logs() as lines:
        for path in PAGES:
            app.get(path, status=200)
    assert [line["event"] for line in lines] == ["touch-failed"] * len(PAGES)


def test_a_defect_in_a_touch_is_a_defect(
    app: TestApp, services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    sign_in(app, "agent@ville.example")
    monkeypatch.setattr(services.sessions, "touch", None)
    with pytest.raises(TypeError):
        app.get("/")


def test_no_template_asks_who_is_there() -> None:
    sources = [path.read_text(encoding="utf-8") for path in TEMPLATES.rglob("*.jinja2")]
    assert len(sources) > 20
    for source in sources:
        for asked in ("person_of", "request.subject", "request.sso_session", "request.services"):
            assert asked not in source
