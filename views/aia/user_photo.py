"""*Ajouter une photo* to somebody's sheet: as one does with one's own, by who may edit him.

With JavaScript the square is chosen and saved at once; without, the middle of the photo is kept.
"""

from pyramid.config import Configurator
from pyramid.renderers import render_to_response
from pyramid.response import Response

from directory.services.accounts.edits import Edits
from idp.errors import Busy, DirectoryError, NotAllowed
from idp.multipart import Upload
from idp.names import of
from idp.request import Request
from views.aia import inside
from views.aia.actor import require_administrator
from views.aia.user import name_of, path_of, read
from views.profile.photo import square_of, too_large
from views.toasts import toast
from views.urls import see_other

REMOVE = "supprimer"
ONLY_ONE = "Choisissez une photo."


def ask(request: Request) -> Response:
    """The photo as it is, and what can be done with it; or whether to remove it."""
    return _page(request, removal=REMOVE in request.GET, error=too_large(request))


def save(request: Request) -> Response:
    """Keep a new one, or none."""
    person, upload = read(request), request.POST.get("photo")
    edits, actor = Edits(request.services.core), require_administrator(request)
    if REMOVE in request.POST:
        edits.remove_photo(actor, person.sheet.subject_id)
        toast(request, f"La photo {of(name_of(person.sheet))} est supprimée.")
        return see_other(request, path=path_of(request, person.sheet))
    if not isinstance(upload, Upload):
        return _page(request, error=ONLY_ONE, status=400)
    try:
        edits.put_photo(actor, person.sheet.subject_id, upload.content, square_of(request))
    except (Busy, DirectoryError) as error:
        response = _page(request, error=error.public, status=error.http_status)
        if error.retry_after is not None:
            response.headers["Retry-After"] = str(error.retry_after)
        return response
    toast(request, f"La photo {of(name_of(person.sheet))} est enregistrée.")
    return see_other(request, path=path_of(request, person.sheet))


def _page(
    request: Request, *, removal: bool = False, error: str = "", status: int = 200
) -> Response:
    person = read(request)
    if not person.can.account:
        raise NotAllowed(f"the photo of {person.sheet.subject_id!r}")
    which = "_remove" if removal and person.sheet.photo else ""
    values = {"sheet": person.sheet, "name": name_of(person.sheet), "error": error}
    response = render_to_response(f"views:templates/aia/user_photo{which}.jinja2", values, request)
    response.status = status
    return response


def includeme(config: Configurator) -> None:
    """For référents and the correspondant, inside the AIA."""
    config.add_view(ask, route_name="aia_user_photo", request_method="GET", decorator=inside)
    config.add_view(
        save, route_name="aia_user_photo", request_method="POST", decorator=inside, upload=True
    )
