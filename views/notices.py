"""The centre's notices: on the portal, and before the sign-in where they say so.

A person hides one for the rest of his session; a cookie that names the session remembers which.
"""

from collections.abc import Collection
from hashlib import sha256

from pyramid.config import Configurator
from pyramid.response import Response

from idp.asking import Notice
from idp.db import DatabaseError
from idp.log import logger
from idp.request import Request
from views.person import signed_in
from views.urls import see_other

MOST_HIDDEN = 40


def before_sign_in(request: Request) -> tuple[Notice, ...]:
    """Those that strangers read too; none rather than no sign-in page."""
    try:
        current = request.services.self_service.notices.current()
    except DatabaseError as error:
        logger.warning("notices.unread", cause=type(error).__name__)
        return ()
    return tuple(notice for notice in current if notice.on_sign_in)


def on_portal(request: Request, applications: Collection[str]) -> tuple[Notice, ...]:
    """Those for everybody and for these applications (codes), that the person has not hidden."""
    away = hidden(request)
    return tuple(
        notice
        for notice in request.services.self_service.notices.current()
        if notice.id not in away and (notice.application_code or None) in {None, *applications}
    )


def hidden(request: Request) -> tuple[int, ...]:
    """The notices that were hidden in this session."""
    whose, _, numbers = request.cookies.get(_name(request), "").partition(".")
    if whose != _session_mark(request):
        return ()
    return tuple(int(each) for each in numbers.split("-")[:MOST_HIDDEN] if each.isdecimal())


def hide(request: Request) -> Response:
    """Hide one until the end of the session."""
    posted = request.POST.get("avis", "")
    known = {str(notice.id) for notice in request.services.self_service.notices.current()}
    response = see_other(request, "portal")
    if posted in known:
        kept = [str(each) for each in hidden(request) if str(each) in known - {posted}]
        response.set_cookie(
            _name(request),
            f"{_session_mark(request)}.{'-'.join([*kept, posted][-MOST_HIDDEN:])}",
            path="/",
            secure=request.configuration.secure,
            httponly=True,
            samesite="Lax",
        )
    return response


def _session_mark(request: Request) -> str:
    return sha256(signed_in(request).session.key.encode()).hexdigest()[:16]


def _name(request: Request) -> str:
    return "__Host-avis" if request.configuration.secure else "avis"


def includeme(config: Configurator) -> None:
    """For the signed-in person."""
    config.add_view(hide, route_name="hide_notice", request_method="POST")
