"""The person's open sessions, and *Fermer*."""

from dataclasses import dataclass

from pyramid.config import Configurator
from pyramid.response import Response

from idp.records import OpenSession
from idp.request import Request
from views.person import signed_in
from views.profile.browsers import browser_in_words
from views.profile.notices import SESSION_CLOSED, SESSIONS_CLOSED, notice
from views.times import in_words
from views.urls import see_other


@dataclass(frozen=True, slots=True)
class Line:
    """A session in words."""

    session: OpenSession
    browser: str
    begun: str
    used: str


def show(request: Request) -> dict[str, object]:
    """The list; this browser's first."""
    person = signed_in(request)
    found = request.services.sessions.of_subject(person.subject.id, current=person.session)
    ordered = sorted(found, key=lambda one: not one.current)
    return {"lines": [_line(request, one) for one in ordered], "notice": notice(request)}


def close(request: Request) -> Response:
    """*Fermer*: another session of the same person."""
    request.services.sessions.close_other(
        signed_in(request).session, request.POST.get("session", "")
    )
    return see_other(request, "sessions", query={"avis": SESSION_CLOSED})


def close_others(request: Request) -> Response:
    """*Fermer toutes les autres*."""
    request.services.sessions.close_others(signed_in(request).session)
    return see_other(request, "sessions", query={"avis": SESSIONS_CLOSED})


def _line(request: Request, session: OpenSession) -> Line:
    now = request.services.clock.now()
    zone = request.configuration.organization.time_zone
    return Line(
        session,
        browser_in_words(session.user_agent),
        begun=in_words(session.started_at, now, zone),
        used=in_words(session.last_seen_at, now, zone),
    )


def includeme(config: Configurator) -> None:
    """For the signed-in person."""
    config.add_view(
        show,
        route_name="sessions",
        request_method="GET",
        renderer="views:templates/profile/sessions.jinja2",
    )
    config.add_view(close, route_name="close_session", request_method="POST")
    config.add_view(close_others, route_name="close_other_sessions", request_method="POST")
