"""Signing out of the portal: it asks first, and says truthfully what stays open."""

from pyramid.config import Configurator
from pyramid.renderers import render_to_response
from pyramid.response import Response

from idp.request import Request
from idp.security import forget
from views.person import signed_in


def confirm(request: Request) -> dict[str, object]:
    """What is open, before anything is closed."""
    return {"applications": open_applications(request)}


def sign_out(request: Request) -> Response:
    """End the session here; the applications keep theirs, and the page names them."""
    applications = open_applications(request)
    request.services.sessions.close(signed_in(request).session)
    response = render_to_response(
        "views:templates/signed_out.jinja2", {"applications": applications, "person": None}, request
    )
    response.headers.extend(forget(request))
    return response


def open_applications(request: Request) -> tuple[str, ...]:
    """The names of the applications that this browser session opened and that are not over."""
    services, session = request.services, signed_in(request).session
    entities = {held.entity_id for held in services.sessions.sp_sessions(session)}
    return tuple(sorted(services.directory.application_label(entity) for entity in entities))


def includeme(config: Configurator) -> None:
    """For the signed-in person; a stranger is led to the sign-in page."""
    config.add_view(
        confirm, route_name="sign_out", request_method="GET", renderer="sign_out.jinja2"
    )
    config.add_view(sign_out, route_name="sign_out", request_method="POST")
