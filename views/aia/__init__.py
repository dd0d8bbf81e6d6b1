"""The AIA's door, its home page and what a plain agent sees of it: his own profile.

It has a session of its own inside the portal's (``aia_until``): the tile opens it, *Déconnexion*
ends it, and without one every address of the AIA leads to the portal.
"""

from collections.abc import Callable

from pyramid.config import Configurator
from pyramid.renderers import render_to_response
from pyramid.response import Response

from idp.errors import NotAllowed, NotFound
from idp.request import Request
from idp.security import SAFE_METHODS
from views import drafts, way_back
from views.aia import late, shell
from views.aia.actor import administrator, same_rights
from views.forms import drafted_fields
from views.person import signed_in
from views.portal import LEFT_KEPT_NOTICE, LEFT_NOTICE
from views.profile import profile_of
from views.profile.notices import notice
from views.urls import see_other

PARTS = (
    "views.aia.shell",
    "views.aia.requests",
    "views.aia.create",
    "views.aia.create_one",
    "views.aia.users",
    "views.aia.user",
    "views.aia.user_edit",
    "views.aia.user_address",
    "views.aia.user_structure",
    "views.aia.user_photo",
    "views.aia.address_refusal",
    "views.aia.people_actions",
    "views.aia.bulk",
    "views.aia.bin",
    "views.aia.structures",
    "views.aia.structure_edit",
    "views.aia.structure_close",
    "views.aia.applications",
    "views.aia.exports",
    "views.aia.history",
    "views.aia.site_map",
)
"""The rooms of the front desk; each says for itself which addresses it answers."""

DOORS = (
    (shell.CREATE, "Un compte pour un nouveau collègue, avec ses rôles."),
    (shell.USERS, "Chercher, modifier, verrouiller ou supprimer un compte."),
    (shell.STRUCTURES, "Vos directions et services, et qui en fait partie."),
    (shell.APPLICATIONS, "Qui a quel rôle, en donner et en retirer."),
)
"""The large buttons of the home page, and what each is for."""

View = Callable[[object, Request], Response]


def inside(view: View) -> View:
    """Decorates each page of the AIA: who has not clicked the tile is led to the portal.

    There one press leads in, and to this page: an address of a mail does nothing by itself. What
    is posted is done with the rights that the person has when it is. Whose page is gone meanwhile
    is told (:mod:`views.aia.late`).
    """

    def wrapped(context: object, request: Request) -> Response:
        until = signed_in(request).session.aia_until
        if until is None or until <= request.services.clock.now():
            return see_other(request, "portal", query=_way_in(request))
        try:
            return _answered(view, context, request)
        except (NotAllowed, NotFound) as error:
            told = late.told(request, error)
            if told is None:
                raise
            return told

    return wrapped


def _answered(view: View, context: object, request: Request) -> Response:
    if request.method in SAFE_METHODS:
        return view(context, request)
    with same_rights(request):
        return view(context, request)


def _way_in(request: Request) -> dict[str, str] | None:
    """To this page, for this person; None where the tile leads.

    What is posted is not done: that is said, what was typed is kept, and the form's page is the
    way.
    """
    if request.matched_route.name in {"aia", "aia_sign_out"}:
        return None
    person = signed_in(request).subject.id
    way = way_back.query(request, methods=("GET",), subject_id=person)
    if request.method in SAFE_METHODS:
        return way
    kept = drafts.keep_for(person, request, drafted_fields(request))
    return {"avis": LEFT_KEPT_NOTICE if kept else LEFT_NOTICE} | way


def enter(request: Request) -> Response:
    """The tile was clicked; or on the portal what leads to the requests, or to a certain page."""
    person = signed_in(request)
    request.services.sessions.enter_aia(person.session)
    wanted = way_back.unseal(request, request.POST.get("suite", ""), subject_id=person.subject.id)
    if wanted is not None:
        return see_other(request, path=wanted)
    return see_other(request, "aia_requests" if "demandes" in request.POST else "aia")


def home(request: Request) -> Response:
    """Where an administrator begins; a plain agent reads what the directory knows of him."""
    if administrator(request) is None:
        return render_to_response("views:templates/aia.jinja2", profile(request), request)
    return render_to_response("views:templates/aia/home.jinja2", {"doors": DOORS}, request)


def profile(request: Request) -> dict[str, object]:
    """What the directory knows of the person."""
    return {"profile": profile_of(request), "notice": notice(request)}


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
    for part in PARTS:
        config.include(part)
    config.add_view(home, route_name="aia", request_method="GET", decorator=inside)
    config.add_view(enter, route_name="aia", request_method="POST")
    config.add_view(leave, route_name="aia_sign_out", request_method="POST")
    for view, route, page in (
        (profile, "aia_profile", "aia"),
        (confirm, "aia_sign_out", "aia_sign_out"),
    ):
        config.add_view(
            view,
            route_name=route,
            request_method="GET",
            renderer=f"views:templates/{page}.jinja2",
            decorator=inside,
        )
