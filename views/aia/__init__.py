"""The AIA, as far as a plain agent sees it: its door, its banner and his own profile.

It has a session of its own inside the portal's (``aia_until``): the tile opens it, *Déconnexion*
ends it, and without one every address of the AIA leads to the portal.
"""

from collections.abc import Callable

from pyramid.config import Configurator
from pyramid.response import Response

from idp.request import Request
from views import way_back
from views.aia.actor import administrator
from views.person import signed_in
from views.profile import profile_of
from views.profile.notices import notice
from views.urls import see_other

View = Callable[[object, Request], Response]


def inside(view: View) -> View:
    """Decorates each page of the AIA: who has not clicked the tile is led to the portal.

    There one press leads in, and to this page: an address of a mail does nothing by itself.
    """

    def wrapped(context: object, request: Request) -> Response:
        until = signed_in(request).session.aia_until
        if until is None or until <= request.services.clock.now():
            return see_other(request, "portal", query=_way_in(request))
        return view(context, request)

    return wrapped


def _way_in(request: Request) -> dict[str, str] | None:
    """To this page, for this person; None where the tile leads, and from what is posted."""
    if request.method != "GET" or request.matched_route.name in {"aia", "aia_sign_out"}:
        return None
    return way_back.query(request, methods=("GET",), subject_id=signed_in(request).subject.id)


def enter(request: Request) -> Response:
    """The tile was clicked; or on the portal what leads to the requests, or to a certain page."""
    person = signed_in(request)
    request.services.sessions.enter_aia(person.session)
    wanted = way_back.unseal(request, request.POST.get("suite", ""), subject_id=person.subject.id)
    if wanted is not None:
        return see_other(request, path=wanted)
    return see_other(request, "aia_requests" if "demandes" in request.POST else "aia")


def home(request: Request) -> dict[str, object]:
    """What the directory knows of the person."""
    return {
        "profile": profile_of(request),
        "notice": notice(request),
        "administers": administrator(request) is not None,
    }


def confirm(request: Request) -> dict[str, object]:
    """Ask before leaving."""
    del request
    return {}


def leave(request: Request) -> Response:
    """Back to the portal, still signed in there."""
    person = signed_in(request)
    request.services.sessions.leave_aia(person.session)
    request.services.drafts.forget(person.subject.id)
    return see_other(request, "portal")


def includeme(config: Configurator) -> None:
    """For the signed-in person."""
    config.include("views.aia.requests")
    config.add_view(enter, route_name="aia", request_method="POST")
    config.add_view(leave, route_name="aia_sign_out", request_method="POST")
    for view, route, page in (
        (home, "aia", "aia"),
        (home, "aia_profile", "aia"),
        (confirm, "aia_sign_out", "aia_sign_out"),
    ):
        config.add_view(
            view,
            route_name=route,
            request_method="GET",
            renderer=f"views:templates/{page}.jinja2",
            decorator=inside,
        )
