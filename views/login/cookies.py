"""Cookies of the browser, beside the session's: which device it is, and the address to propose."""

from pyramid.response import Response

from idp.request import Request

YEAR = 365 * 24 * 3600


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
