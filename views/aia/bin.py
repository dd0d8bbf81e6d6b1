"""*Corbeille*: what was deleted within one's structures, for 20 days."""

from enum import StrEnum

from pyramid.config import Configurator
from pyramid.renderers import render_to_response
from pyramid.response import Response

from directory.services import build
from directory.services.removal.bin import Removal
from idp.errors import AlreadyDone, DirectoryError
from idp.request import Request
from views.aia import creation_draft, inside
from views.aia.actor import require_administrator
from views.aia.back import back, here
from views.aia.listing import listing
from views.toasts import toast
from views.urls import see_other


class Order(StrEnum):
    """The bin knows one: the latest deletion first."""

    LATEST = "suppression"


def page(request: Request) -> Response:
    """What lies there."""
    actor = require_administrator(request)
    wanted = listing(request, Order, path=request.route_path("aia_bin"))
    found = build(request.services.core).bin_list.page(
        actor, text=wanted.text, cursor=wanted.cursor, size=wanted.size
    )
    values = {"list": wanted, "page": found, "here": here(request)}
    return render_to_response("views:templates/aia/bin.jinja2", values, request)


def restore(request: Request) -> Response:
    """Take one person out of it; with a structure, what he had in that one alone.

    ``ancienne``: the address that the page showed. Who has another by now is not given it back.
    """
    actor = require_administrator(request)
    services = build(request.services.core)
    subject_id = request.POST.get("subject_id", "")
    structure, shown = request.POST.get("structure") or None, request.POST.get("ancienne", "")
    try:
        removal = services.bin.restore_subject(actor, subject_id, structure=structure, shown=shown)
        told = sentence(removal)
    except AlreadyDone as error:
        told = error.public
    except DirectoryError as error:
        if structure is None:
            creation_draft.withdraw_named(request, request.POST.get("dossier", ""))
        toast(request, error.public, wrong=True)
        return see_other(request, path=back(request))
    creation_draft.end(request, request.POST.get("dossier", ""))
    toast(request, told)
    return see_other(request, path=request.route_path("aia_user", subject_id=subject_id))


def sentence(removal: Removal) -> str:
    """What came back, and what of it has no effect yet."""
    several = len(removal.structures) > 1
    what = "Les rattachements sont rétablis" if several else "Le rattachement est rétabli"
    told = f"{'Le compte est rétabli' if removal.account else what} : "
    told += f"{', '.join(removal.structures)}."
    if removal.closed:
        where = f" dans une structure fermée : {', '.join(removal.closed)}."
        one = " Cette structure est fermée : la personne n'y ouvre rien."
        told += f" La personne n'ouvre rien{where}" if several else one
    if not removal.waiting:
        return told
    if several or removal.account or removal.closed:
        which = ", ".join(removal.waiting)
        return f"{told} À confirmer par cette personne, à sa prochaine connexion : {which}."
    return f"{told} Il aura effet quand cette personne l'aura confirmé, à sa prochaine connexion."


def includeme(config: Configurator) -> None:
    """For référents and the correspondant, inside the AIA."""
    config.add_view(page, route_name="aia_bin", request_method="GET", decorator=inside)
    config.add_view(restore, route_name="aia_bin", request_method="POST", decorator=inside)
