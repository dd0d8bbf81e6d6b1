"""Cookies of the browser, beside the session's.

Which device it is, the address to propose, and, for some minutes after signing out, the names of
the applications that stay open.
"""

from datetime import datetime, timedelta

from pyramid.response import Response
from webob.cookies import SignedSerializer

from idp.request import Request

YEAR = 365 * 24 * 3600
WHILE = timedelta(minutes=5)
"""How long the page after signing out can say what stays open."""
MAX_VALUE = 3800
"""Characters of a cookie's value that every browser takes."""
OTHERS = "d'autres applications"


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


def set_left_open(request: Request, response: Response, names: tuple[str, ...]) -> None:
    """Tell the next page, which has no session, what stays open; as many names as a cookie takes.

    Signed: nobody else writes on that page.
    """
    until = (request.services.clock.now() + WHILE).isoformat()
    shown, value = list(names), _seal(request, until, list(names))
    while len(value) > MAX_VALUE:
        shown.pop()
        value = _seal(request, until, [*shown, OTHERS])
    _set(request, response, "depart", value, max_age=int(WHILE.total_seconds()))


def left_open(request: Request) -> tuple[str, ...]:
    """What :func:`set_left_open` told; empty when that is too long ago or not ours."""
    try:
        until, names = _sealer(request).loads(request.cookies.get(_name(request, "depart"), ""))
    except ValueError:
        return ()
    if datetime.fromisoformat(until) <= request.services.clock.now():
        return ()
    return tuple(names)


def _seal(request: Request, until: str, names: list[str]) -> str:
    return str(_sealer(request).dumps([until, names]).decode("ascii"))


def _sealer(request: Request) -> SignedSerializer:
    return SignedSerializer(request.configuration.secret, salt="left-open")


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
