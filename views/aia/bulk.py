"""One action over many people: chosen on a list, confirmed, then followed until it is done."""

from pyramid.config import Configurator
from pyramid.renderers import render_to_response
from pyramid.response import Response

from directory.people.lists import People
from directory.services import build
from directory.services.bulk.sheets import SHOWN, Action, Outcome, version_of
from idp.errors import DirectoryError, NotAllowed, StaleEdit
from idp.request import Request
from views.aia import inside
from views.aia.actor import require_administrator
from views.aia.back import back
from views.aia.users import criteria_of
from views.toasts import toast
from views.urls import see_other

ORDER, WHOLE, LOCK_INSTEAD = "lot", "tous", "plutot"
"""Parameters: an order's public id; every result of the criteria instead of those ticked; lock the
people of a deletion instead."""

VERBS = {
    Action.LOCK: ("Verrouiller", "verrouillés", "verrouillé"),
    Action.UNLOCK: ("Déverrouiller", "déverrouillés", "déverrouillé"),
    Action.RESEND: ("Renvoyer le mail à", "relancés par mail", "relancé par mail"),
    Action.DELETE: ("Supprimer", "supprimés", "supprimé"),
}
"""The verb of the button, and what people then are: several, one."""


def show(request: Request) -> Response:
    """An order: its confirmation, its progress or its result; without one, the latest orders."""
    actor = require_administrator(request)
    bulk = build(request.services.core).bulk
    public_id = request.GET.get(ORDER, "")
    if not public_id:
        return _page(request, "bulk_list", {"orders": bulk.recent(actor), "verbs": VERBS})
    sheet = bulk.sheet(actor, public_id)
    if sheet.started_at is None:
        return _confirmation(request, public_id)
    response = _page(request, "bulk", {"sheet": sheet, "verbs": VERBS[sheet.action]})
    if sheet.finished_at is not None:
        # Who waits asked for the bar alone; what came of it takes the place of all.
        response.headers["HX-Retarget"] = response.headers["HX-Reselect"] = "#avancement"
    return response


def answer(request: Request) -> Response:
    """Choose people for an action, or confirm what was chosen."""
    actor = require_administrator(request)
    bulk = build(request.services.core).bulk
    public_id = request.POST.get(ORDER, "")
    try:
        if LOCK_INSTEAD in request.POST:
            public_id = bulk.instead(actor, public_id, Action.LOCK)
        elif public_id:
            bulk.start(actor, public_id, request.POST.get("version", ""))
        else:
            public_id = _choose(request)
    except StaleEdit as error:
        response = _confirmation(request, public_id, stale=True)
        response.status = error.http_status
        return response
    except DirectoryError as error:
        toast(request, error.public, wrong=True)
        return see_other(request, path=back(request))
    return see_other(request, "aia_bulk", query={ORDER: public_id})


def _choose(request: Request) -> str:
    """Keep who was ticked, or everybody whom the criteria find."""
    actor, core = require_administrator(request), request.services.core
    bulk, way_back = build(core).bulk, back(request)
    wanted = request.POST.get("action", "")
    if wanted not in set(Action):
        raise NotAllowed(f"no action {wanted!r}")
    action = Action(wanted)
    if WHOLE in request.POST:
        which = People(core).ids(actor, criteria_of(request.POST))
        return bulk.choose_all(actor, action, which, way_back=way_back)
    return bulk.choose(actor, action, request.POST.getall("subject_id"), way_back=way_back)


def _confirmation(request: Request, public_id: str, *, stale: bool = False) -> Response:
    """What would become of whom, computed at this moment; ``stale``: it is not what was read."""
    actor, bulk = require_administrator(request), build(request.services.core).bulk
    sheet, people = bulk.sheet(actor, public_id), bulk.prospects(actor, public_id)
    of = {outcome: [each for each in people if each.outcome is outcome] for outcome in Outcome}
    values = {
        "sheet": sheet,
        "verbs": VERBS[sheet.action],
        "deleting": sheet.action is Action.DELETE,
        "done": of[Outcome.DONE],
        "kept": of[Outcome.KEPT],
        "refused": of[Outcome.REFUSED] + of[Outcome.ALREADY],
        "roles": sum(each.roles for each in people),
        "most": SHOWN,
        "version": version_of(people),
        "stale": stale,
    }
    return _page(request, "bulk_confirm", values)


def _page(request: Request, template: str, values: dict[str, object]) -> Response:
    return render_to_response(f"views:templates/aia/{template}.jinja2", values, request)


def includeme(config: Configurator) -> None:
    """For référents and the correspondant, inside the AIA."""
    config.add_view(show, route_name="aia_bulk", request_method="GET", decorator=inside)
    config.add_view(answer, route_name="aia_bulk", request_method="POST", decorator=inside)
