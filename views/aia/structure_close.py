"""*Fermer* a structure, and *Rouvrir*: says what will happen, then does that and nothing else."""

from pyramid.config import Configurator
from pyramid.renderers import render_to_response
from pyramid.response import Response

from directory.services.structures.closing import Change, StructureClosing, Unconfirmed
from idp.errors import AlreadyDone, DirectoryError, StaleEdit
from idp.request import Request
from views.aia import inside
from views.aia.actor import require_administrator
from views.toasts import done_already, toast
from views.urls import see_other

AGREED = "accord"
"""The box of whoever closes a structure with people."""
STALE = "La situation a changé depuis que vous avez ouvert cette page. Rien n'a été enregistré."


def ask(request: Request) -> Response:
    """What closing it, or opening it again, would do."""
    return _page(request, _preview(request))


def answer(request: Request) -> Response:
    """Do it, if it is still what the person read."""
    actor, code = require_administrator(request), request.matchdict["code"]
    closing, version = StructureClosing(request.services.core), request.POST.get("version", "")
    change, there = closing.preview(actor, code), request.route_path("aia_structure", code=code)
    try:
        if "rouvrir" in request.POST:
            closing.reopen(actor, code, version)
        else:
            closing.close(actor, code, version, people_ok=AGREED in request.POST)
    except AlreadyDone:
        return done_already(request, there)
    except StaleEdit as error:
        now = closing.preview(actor, code)
        return _page(request, now, error=STALE, read=_read(request), status=error.http_status)
    except Unconfirmed as error:
        return _page(request, change, error=error.public, wrong=AGREED, status=error.http_status)
    except DirectoryError as error:
        return _page(request, change, error=error.public, status=error.http_status)
    done = "rouverte" if "rouvrir" in request.POST else "fermée"
    toast(request, f"La structure « {change.label} » est {done}.")
    return see_other(request, path=there)


def _preview(request: Request) -> Change:
    actor = require_administrator(request)
    return StructureClosing(request.services.core).preview(actor, request.matchdict["code"])


def _read(request: Request) -> tuple[int, int] | None:
    """People and structures as the page had announced them, to be shown beside what is now."""
    said = request.POST.get("lu", "").split("-")
    if len(said) != 2 or not all(each.isascii() and each.isdigit() for each in said):  # noqa: PLR2004
        return None
    people, structures = (int(each[:7]) for each in said)
    return people, structures


def _page(
    request: Request,
    change: Change,
    *,
    error: str = "",
    wrong: str = "",
    read: tuple[int, int] | None = None,
    status: int = 200,
) -> Response:
    values = {"change": change, "error": error, "wrong": wrong, "read": read}
    response = render_to_response("views:templates/aia/structure_close.jinja2", values, request)
    response.status = status
    return response


def includeme(config: Configurator) -> None:
    """For référents and the correspondant, inside the AIA."""
    for view, method in ((ask, "GET"), (answer, "POST")):
        config.add_view(
            view, route_name="aia_structure_close", request_method=method, decorator=inside
        )
