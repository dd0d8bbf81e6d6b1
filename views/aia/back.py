"""Where an action that was begun on a list leads back to: an address of the AIA, of ours."""

import re
from urllib.parse import SplitResult, unquote, urlsplit

from idp.request import Request

RETURN = "retour"
LONGEST = 1500
_PLAIN = re.compile(r"[!-\[\]-~]*")
"""What an address of a browser is made of: no space, nothing beyond ASCII; no backslash either."""

_UPWARDS = frozenset({".", ".."})
"""Parts of a path that a browser resolves, written plainly or not: they lead out of the AIA."""


def here(request: Request) -> dict[str, str]:
    """What an address gets that should lead back to this page."""
    path = str(request.path_qs)
    return {RETURN: path} if len(path) <= LONGEST else {}


def back(request: Request, *, gone: str = "") -> str:
    """The address that was sent along, if it is a page of the AIA; else *Utilisateurs*.

    ``gone``: a path that no longer exists, whose pages are no place to go back to.
    """
    wanted = request.POST.get(RETURN, "") or request.GET.get(RETURN, "")
    parts = _parts(wanted)
    if parts is None or (gone and parts.path.startswith(gone)):
        return str(request.route_path("aia_users"))
    return f"{parts.path}?{parts.query}" if parts.query else parts.path


def _parts(address: str) -> SplitResult | None:
    """Of a page of the AIA as :func:`here` writes it; None for whatever else was sent."""
    if len(address) > LONGEST or not _PLAIN.fullmatch(address):
        return None
    try:
        parts = urlsplit(address)
    except ValueError:
        return None
    ours = not parts.scheme and not parts.netloc and parts.path.startswith("/aia/")
    if not _UPWARDS.isdisjoint(unquote(parts.path).split("/")):
        return None
    return parts if ours else None
