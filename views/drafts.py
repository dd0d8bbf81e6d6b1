"""What a person had typed when his session ended is kept, and offered to him again.

A view that takes a form names the fields worth keeping: ``draft=("message", "service-*")``; never a
password or a file. Where its form arrives after the session ended, what was typed there is kept for
whoever's session it was (:mod:`idp.sessions.drafts`). Once he has signed in again,
:func:`views.forms.make_form` fills the form in with it at the same address; nobody else sees it.

The page's script, which tells him that the session is over, sends the form to be kept and for
nothing else (:data:`ONLY_KEPT`): he may have signed in again meanwhile, in another tab.
"""

from collections.abc import Callable
from fnmatch import fnmatchcase
from typing import Any

from pyramid.config import Configurator
from pyramid.httpexceptions import HTTPForbidden
from pyramid.response import Response

from idp.request import Request
from idp.security import SAFE_METHODS
from views import way_back
from views.person import signed_in
from views.urls import see_other

FIELD = "brouillon"
"""Names the form to begin anew."""

ONLY_KEPT = "brouillon-seul"
"""Of a form that is not to be done; the way back to its page, which says whose page it was."""

View = Callable[[Any, Request], Response]


def draft_deriver(view: View, info: Any) -> View:  # noqa: ANN401 - Pyramid's own object
    """Keep what was typed when nobody is signed in any more; the forbidden view goes on.

    A form to be kept alone never reaches its view, whoever is signed in. What a route's view keeps
    is noted in ``registry.views_drafted``: every form asks, and looking through all views for the
    answer cost more than the form.
    """
    names: tuple[str, ...] = info.options.get("draft", ())
    if not names:
        return view
    info.registry.views_drafted[info.options["route_name"]] = names

    def wrapped(context: object, request: Request) -> Response:
        posted = request.method not in SAFE_METHODS
        if posted and ONLY_KEPT in request.POST and request.subject is not None:
            return _set_aside(request, names)
        try:
            return view(context, request)
        except HTTPForbidden:
            if posted and request.subject is None:
                request.draft_kept = keep(request, names)
            raise

    return wrapped


draft_deriver.options = ("draft",)  # type: ignore[attr-defined]


def keep(request: Request, names: tuple[str, ...]) -> bool:
    """Keep these fields of the posted form for whoever's session it was; whether it was done.

    Not of a session that was ended: whoever still holds its cookie may be why.
    """
    token = request.session_token
    owner = request.services.sessions.owner(token, lapsed=True) if token else None
    return owner is not None and keep_for(owner, request, names)


def _set_aside(request: Request, names: tuple[str, ...]) -> Response:
    """Back to the form, with what was typed; somebody else's page leaves him nothing."""
    person = signed_in(request).subject.id
    path = way_back.unseal(request, request.POST[ONLY_KEPT], subject_id=person)
    if path is None or path.partition("?")[0] != request.path:
        return see_other(request, "portal")
    keep_for(person, request, names)
    return see_other(request, path=path)


def keep_for(owner: str, request: Request, names: tuple[str, ...]) -> bool:
    """Keep these fields of the posted form for this person; whether there was anything."""
    typed = {
        name: str(value)
        for name, value in request.POST.items()
        if any(fnmatchcase(name, each) for each in names)
    }
    return request.services.drafts.keep(owner, way_back.form_address(request), typed)


def forget(request: Request) -> Response:
    """*Repartir d'un formulaire vide*: back to the form, without what was kept of it."""
    address = request.POST.get(FIELD, "")
    if request.services.drafts.forget(signed_in(request).subject.id, address):
        return see_other(request, path=address)
    return see_other(request, "portal")


def includeme(config: Configurator) -> None:
    """The option ``draft`` of every view, and the way to begin anew."""
    config.registry.views_drafted = {}
    config.add_view_deriver(draft_deriver, under="csrf_view", over="secured_view")
    config.add_view(forget, route_name="forget_draft", request_method="POST")
