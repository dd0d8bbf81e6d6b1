"""*Éditer*: the person's photo and nothing else.

With JavaScript he chooses the square and saves at once. Without, the server shows the middle of the
photo, which travels inside the page until *Enregistrer*: nothing of it is kept before.
"""

import re
from base64 import b64encode
from binascii import Error, a2b_base64

from pyramid.config import Configurator
from pyramid.httpexceptions import HTTPNotModified
from pyramid.renderers import render_to_response
from pyramid.response import Response

from idp.errors import Busy, DirectoryError
from idp.multipart import Upload
from idp.request import Request
from idp.self_service import PHOTO_TOO_LARGE, Square
from views.person import signed_in
from views.profile.notices import PHOTO_KEPT, PHOTO_REMOVED
from views.urls import see_other

CACHED = "private, no-cache"
"""Kept by the browser and asked about each time: after signing out nobody is shown it."""

LARGE = "trop-lourde"
"""Parameter: the last photo was too large to be read (:func:`ask_for_lighter`)."""

_NUMBER = re.compile(r"[0-9]{1,5}")
_ONLY_ONE = "Choisissez une photo."


def serve(request: Request) -> Response:
    """The picture, for whom it is."""
    digest = request.matchdict["digest"]
    photo = request.services.self_service.photos.read(signed_in(request).subject.id, digest)
    response = HTTPNotModified() if _has_it(request, digest) else Response(body=photo.image)
    if response.status_int == HTTPNotModified.code:
        del response.content_type
    else:
        response.content_type = photo.content_type
    response.etag = digest
    response.headers["Cache-Control"] = CACHED
    return response


def edit(request: Request) -> Response:
    """The photo as it is, and what can be done with it."""
    return _page(request, "edit", error=too_large(request))


def submit(request: Request) -> Response:
    """A file: shown first, or saved with the square that was chosen."""
    photos, upload = request.services.self_service.photos, request.POST.get("photo")
    content = upload.content if isinstance(upload, Upload) else b""
    try:
        square = square_of(request)
        if square is not None:
            photos.keep(signed_in(request).subject.id, content, square)
            return _saved(request)
        photo = photos.prepare(content)
    except (Busy, DirectoryError) as error:
        return _refused(request, error)
    return _page(
        request,
        "preview",
        image=b64encode(photo.image).decode(),
        content_type=photo.content_type,
    )


def save(request: Request) -> Response:
    """*Enregistrer* of what was shown: it comes back from the browser, so it is a file like any."""
    try:
        content = a2b_base64(request.POST.get("image", ""), strict_mode=True)
        request.services.self_service.photos.keep(signed_in(request).subject.id, content)
    except (Error, ValueError):
        return _page(request, "edit", status=400, error=_ONLY_ONE)
    except (Busy, DirectoryError) as error:
        return _refused(request, error)
    return _saved(request)


def ask_removal(request: Request) -> Response:
    """Ask first; without a photo there is nothing to ask."""
    if signed_in(request).subject.photo is None:
        return see_other(request, "profile_photo", query=_way(request))
    return _page(request, "remove")


def remove(request: Request) -> Response:
    """*Supprimer la photo*."""
    request.services.self_service.photos.remove(signed_in(request).subject.id)
    return see_other(request, way_back(request), query={"avis": PHOTO_REMOVED})


def way_back(request: Request) -> str:
    """The page from which he came: his profile, or the AIA while it is open."""
    until = signed_in(request).session.aia_until
    inside = until is not None and until > request.services.clock.now()
    return "aia_profile" if inside and request.GET.get("retour") == "aia" else "profile"


def _way(request: Request) -> dict[str, str] | None:
    return {"retour": "aia"} if way_back(request) == "aia_profile" else None


def _saved(request: Request) -> Response:
    return see_other(request, way_back(request), query={"avis": PHOTO_KEPT})


def ask_for_lighter(request: Request) -> Response:
    """Back to the form of a photo that is too large to be read; for :mod:`views.errors`.

    Nothing was read, the form's token neither: this changes nothing.
    """
    mark = "&" if request.query_string else "?"
    return see_other(request, path=f"{request.path_qs}{mark}{LARGE}=1")


def too_large(request: Request) -> str:
    """What the form says then; empty otherwise."""
    return PHOTO_TOO_LARGE if LARGE in request.GET else ""


def square_of(request: Request) -> Square | None:
    """The chosen square; None when the browser chose none.

    Raises:
        DirectoryError: not three numbers.
    """
    texts = [request.POST.get(name, "") for name in ("x", "y", "side")]
    if not any(texts):
        return None
    if not all(isinstance(text, str) and _NUMBER.fullmatch(text) for text in texts):
        raise DirectoryError(
            "a square that is none",
            public="Le cadre choisi n'est pas dans la photo. Choisissez-le de nouveau.",
        )
    x, y, side = map(int, texts)
    return Square(x, y, side)


def _has_it(request: Request, digest: str) -> bool:
    return bool(request.if_none_match) and digest in request.if_none_match


def _refused(request: Request, error: Busy | DirectoryError) -> Response:
    response = _page(request, "edit", status=error.http_status, error=error.public)
    if error.retry_after is not None:
        response.headers["Retry-After"] = str(error.retry_after)
    return response


def _page(request: Request, name: str, *, status: int = 200, **values: object) -> Response:
    shown = {"error": "", "way_back": way_back(request), "way": _way(request), **values}
    response = render_to_response(f"views:templates/profile/photo_{name}.jinja2", shown, request)
    response.status = status
    return response


def includeme(config: Configurator) -> None:
    """For the person himself; a photo also for who may see his sheet."""
    config.add_view(serve, route_name="photo", request_method="GET")
    config.add_view(edit, route_name="profile_photo", request_method="GET")
    config.add_view(submit, route_name="profile_photo", request_method="POST", upload=True)
    config.add_view(save, route_name="profile_photo_save", request_method="POST")
    config.add_view(ask_removal, route_name="profile_photo_remove", request_method="GET")
    config.add_view(remove, route_name="profile_photo_remove", request_method="POST")
