"""Cookies of the browser, beside the session's.

Which device it is, the address to propose, the one that a link was asked for, and the sign-outs
that are under way.
"""

import re
from datetime import timedelta
from urllib.parse import quote, unquote

from pyramid.response import Response

from idp.request import Request

YEAR = 365 * 24 * 3600
_FLOW = re.compile(r"[A-Za-z0-9_-]+")
MOST_FLOWS = 4
MOST_COOKIE = 400
WHILE = timedelta(minutes=15)
"""How long a sign-out, or a page that says where a mail went, may need what it was told."""


def device(request: Request) -> str | None:
    """The token of a browser that signed in before; None for a new one."""
    token: str | None = request.cookies.get(_name(request, "appareil"))
    return token


def set_device(request: Request, response: Response, token: str) -> None:
    """Recognise this browser for a year: the throttle then never refuses it for its neighbours."""
    _set(request, response, "appareil", token)


def login(request: Request) -> str:
    """The address that the person asked this browser to keep; empty when none."""
    return unquote(str(request.cookies.get(_name(request, "adresse"), "")))


def keep_login(request: Request, response: Response, address: str) -> None:
    """Keep the address, or forget it (empty)."""
    if address:
        _set(request, response, "adresse", quote(address))
    elif login(request):
        _set(request, response, "adresse", "", max_age=0)


def add_flow(request: Request, response: Response, flow: str) -> None:
    """One more sign-out that this browser is in the middle of: two SPs may ask in two tabs."""
    kept = ".".join((flow, *flows(request))[:MOST_FLOWS])
    _set(request, response, "depart", kept, max_age=int(WHILE.total_seconds()))


def flows(request: Request) -> tuple[str, ...]:
    """The sign-outs that this browser is in the middle of, or was lately, the last one first."""
    kept = str(request.cookies.get(_name(request, "depart"), ""))
    return tuple(_FLOW.findall(kept)[:MOST_FLOWS]) if len(kept) <= MOST_COOKIE else ()


def set_asked_for(request: Request, response: Response, address: str) -> None:
    """The address that was typed to get a link, for the page that says what comes next."""
    _set(request, response, "demande", quote(address), max_age=int(WHILE.total_seconds()))


def asked_for(request: Request) -> str:
    """The address that was typed to get a link; empty when none."""
    return unquote(str(request.cookies.get(_name(request, "demande"), "")))


def csrf_came_back(request: Request) -> bool:
    """Whether this browser returned the cookie that every form needs."""
    name = "__Host-csrf" if request.configuration.secure else "convergences-csrf"
    return name in request.cookies


def _name(request: Request, name: str) -> str:
    return f"__Host-{name}" if request.configuration.secure else name


def _set(
    request: Request, response: Response, name: str, value: str, *, max_age: int = YEAR
) -> None:
    # A deletion too: browsers take nothing for a ``__Host-`` cookie without Secure and its path.
    response.set_cookie(
        _name(request, name),
        value,
        max_age=max_age,
        path="/",
        secure=request.configuration.secure,
        httponly=True,
        samesite="Lax",
    )
