"""Cookies of the browser, beside the session's.

Which device it is, the address to propose, and the sign-outs that are under way.
"""

import re
from datetime import timedelta

from pyramid.response import Response

from idp.request import Request

YEAR = 365 * 24 * 3600
_FLOW = re.compile(r"[A-Za-z0-9_-]+")
MOST_FLOWS = 4
MOST_COOKIE = 400
WHILE = timedelta(minutes=15)
"""How long a sign-out may take, and its last page say what happened."""


def device(request: Request) -> str | None:
    """The token of a browser that signed in before; None for a new one."""
    token: str | None = request.cookies.get(_name(request, "appareil"))
    return token


def set_device(request: Request, response: Response, token: str) -> None:
    """Recognise this browser for a year: the throttle then never refuses it for its neighbours."""
    _set(request, response, "appareil", token)


def login(request: Request) -> str:
    """The address that the person asked this browser to keep; empty when none."""
    return str(request.cookies.get(_name(request, "adresse"), ""))


def keep_login(request: Request, response: Response, address: str) -> None:
    """Keep the address, or forget it (empty)."""
    if address:
        _set(request, response, "adresse", address)
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
