"""Signing out of the portal: it asks first, and says truthfully what stays open."""

from pyramid.config import Configurator
from pyramid.renderers import render_to_response
from pyramid.response import Response
from pyramid.security import NO_PERMISSION_REQUIRED

from idp.request import Request
from idp.security import forget
from views.login import cookies
from views.person import signed_in
from views.urls import see_other


def confirm(request: Request) -> dict[str, object]:
    """What is open, before anything is closed."""
    return {"applications": open_applications(request)}


def sign_out(request: Request) -> Response:
    """End the session here; the applications keep theirs, and the next page names them."""
    applications = open_applications(request)
    request.services.sessions.close(signed_in(request).session)
    response = see_other(request, "signed_out", headers=forget(request))
    cookies.set_left_open(request, response, applications)
    return response


def signed_out(request: Request) -> Response:
    """It is done; who signed in again meanwhile is led to the portal."""
    if request.subject is not None:
        return see_other(request, "portal")
    values = {"applications": cookies.left_open(request)}
    return render_to_response("views:templates/signed_out.jinja2", values, request)


def open_applications(request: Request) -> tuple[str, ...]:
    """The names of the applications that this browser session opened and that are not over."""
    services, session = request.services, signed_in(request).session
    entities = {held.entity_id for held in services.sessions.sp_sessions(session)}
    return tuple(sorted(services.directory.application_label(entity) for entity in entities))


def includeme(config: Configurator) -> None:
    """For the signed-in person; a stranger is led to the sign-in page. The last page is public."""
    config.add_view(
        confirm, route_name="sign_out", request_method="GET", renderer="sign_out.jinja2"
    )
    config.add_view(sign_out, route_name="sign_out", request_method="POST")
    config.add_view(
        signed_out,
        route_name="signed_out",
        request_method="GET",
        permission=NO_PERMISSION_REQUIRED,
    )
