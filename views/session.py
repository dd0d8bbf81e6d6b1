"""When the session ends: told on every page, asked by the page's script, put off by one click.

Asking is no use of the session: only what a person does keeps it alive.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

from pyramid.config import Configurator
from pyramid.events import BeforeRender
from pyramid.security import NO_PERMISSION_REQUIRED

from idp.request import Request
from idp.types import SsoSession
from views import way_back
from views.person import signed_in
from views.times import in_words

WARNING = timedelta(minutes=5)
"""How long before the end a person is asked whether he is still there."""


@dataclass(frozen=True, slots=True)
class SessionEnd:
    """The end of the session, as a page tells it.

    ``left`` and ``warning`` are seconds; ``final``: nothing puts it off; ``at`` is in words;
    ``lifetime`` in hours; ``sign_in`` leads back to this page.
    """

    left: int
    warning: int
    final: bool
    at: str
    lifetime: int
    sign_in: str


def ask(request: Request) -> dict[str, object]:
    """How long it lasts if nobody uses it: of another tab's use, of an end from elsewhere too."""
    session = request.sso_session
    if session is None:
        return {"left": 0, "final": True, "at": ""}
    return _as_json(request, session, used=False)


def extend(request: Request) -> dict[str, object]:
    """*Rester connecté*: this request is a use like any other."""
    return _as_json(request, signed_in(request).session, used=True)


def session_end(request: Request) -> SessionEnd | None:
    """What the page tells; None where nobody is signed in, or on the page of an error."""
    if getattr(request, "exception", None) is not None or request.subject is None:
        return None
    session = request.sso_session
    if session is None:
        return None
    settings, now = request.configuration, request.services.clock.now()
    end = request.services.sessions.ends_at(session, used=True)
    # A page that answered a post is a form that was refused: its own page stands at its address.
    query = way_back.query(request, methods=("GET",), subject_id=session.subject_id)
    return SessionEnd(
        left=_seconds(end, now),
        warning=int(min(WARNING, settings.session_idle / 2).total_seconds()),
        final=end == session.expires_at,
        at=in_words(end, now, settings.organization.time_zone),
        lifetime=int(settings.session_lifetime.total_seconds() // 3600),
        sign_in=request.route_path("sign_in", _query=query),
    )


def give_end(event: BeforeRender) -> None:
    """Every page knows ``session_end``."""
    if event.get("request") is not None and event["renderer_name"].endswith(".jinja2"):
        event.setdefault("session_end", session_end(event["request"]))


def _as_json(request: Request, session: SsoSession, *, used: bool) -> dict[str, object]:
    now = request.services.clock.now()
    end = request.services.sessions.ends_at(session, used=used)
    zone = request.configuration.organization.time_zone
    return {
        "left": _seconds(end, now),
        "final": end == session.expires_at,
        "at": in_words(end, now, zone),
    }


def _seconds(end: datetime, now: datetime) -> int:
    return max(0, int((end - now).total_seconds()))


def includeme(config: Configurator) -> None:
    """What the script of every page asks and does."""
    config.add_view(
        ask,
        route_name="session",
        request_method="GET",
        renderer="json",
        permission=NO_PERMISSION_REQUIRED,
    )
    config.add_view(extend, route_name="session", request_method="POST", renderer="json")
    config.add_subscriber(give_end, BeforeRender)
