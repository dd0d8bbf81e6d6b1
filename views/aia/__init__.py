"""The AIA, as far as a plain agent sees it: its door, its banner and his own profile.

It has a session of its own inside the portal's (``aia_until``): the tile opens it, *Déconnexion*
ends it, and without one every address of the AIA leads to the portal.
"""

from collections.abc import Callable

from pyramid.config import Configurator
from pyramid.response import Response

from idp.request import Request
from views.person import signed_in
from views.profile import profile_of
from views.urls import see_other

View = Callable[[object, Request], Response]


def inside(view: View) -> View:
    """Decorates each page of the AIA: who has not clicked the tile is led to the portal."""

    def wrapped(context: object, request: Request) -> Response:
        until = signed_in(request).session.aia_until
        if until is None or until <= request.services.clock.now():
            return see_other(request, "portal")
        return view(context, request)

    return wrapped


def enter(request: Request) -> Response:
    """The tile was clicked."""
    request.services.sessions.enter_aia(signed_in(request).session)
    return see_other(request, "aia")


def home(request: Request) -> dict[str, object]:
    """What the directory knows of the person."""
    return {"profile": profile_of(request)}


def confirm(request: Request) -> dict[str, object]:
    """Ask before leaving."""
    del request
    return {}


def leave(request: Request) -> Response:
    """Back to the portal, still signed in there."""
    request.services.sessions.leave_aia(signed_in(request).session)
    return see_other(request, "portal")


def includeme(config: Configurator) -> None:
    """For the signed-in person."""
    config.add_view(enter, route_name="aia", request_method="POST")
    config.add_view(leave, route_name="aia_sign_out", request_method="POST")
    for view, route in ((home, "aia"), (confirm, "aia_sign_out")):
        config.add_view(
            view,
            route_name=route,
            request_method="GET",
            renderer=f"{route}.jinja2",
            decorator=inside,
        )
