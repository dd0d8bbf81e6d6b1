"""Back to where a person was, once he has signed in: an address of ours that we signed.

The token is of no use for any address that we did not write, so it redirects nowhere else; one that
was made for a person leads nobody else there.
"""

import hmac
from base64 import urlsafe_b64encode
from collections.abc import Iterable

from idp.request import Request

LONGEST = 1500
STEP = "etape"
"""Of an address where the forms of several steps stand: which one; the first says nothing."""
"""Characters of an address worth coming back to; a longer one leads to the portal."""

_NO_WAY_BACK = {
    *("portal", "sign_out", "aia_sign_out", "password_link", "password_link_again"),
    "address_refusal",
}
"""Where one arrives anyway, what one does not sign in for, and addresses that open an account."""

_LATER_STEPS = {"2", "3", "4"}


def query(request: Request, *, methods: Iterable[str], subject_id: str = "") -> dict[str, str]:
    """What leads from the sign-in page back to this page; empty where the portal will do.

    ``methods`` are those of this address: after a form it is the form's page, if there is one.
    """
    read = request.method in {"GET", "HEAD"}
    path = str(request.path_qs) if read else form_address(request)
    name = getattr(request.matched_route, "name", None)
    if name in _NO_WAY_BACK or len(path) > LONGEST or not (read or "GET" in methods):
        return {}
    return {"suite": seal(request, path, subject_id=subject_id)}


def form_address(request: Request) -> str:
    """Names the form of this page: its path, and the step where it has several."""
    step, path = request.GET.get(STEP, ""), str(request.path)
    return f"{path}?{STEP}={step}" if step in _LATER_STEPS else path


def seal(request: Request, path: str, *, subject_id: str = "") -> str:
    """The token of this path of ours; ``subject_id``: of no use to anybody else."""
    return _mac(request, path, subject_id) + path


def unseal(request: Request, token: str, *, subject_id: str) -> str | None:
    """The path that this person may be led to; None when the token is none of ours, or not his."""
    slash = token.find("/")
    if slash < 0 or not token.isascii():
        return None
    mac, path = token[:slash], token[slash:]
    for whose in (subject_id, ""):
        if hmac.compare_digest(mac, _mac(request, path, whose)):
            return path
    return None


def _mac(request: Request, path: str, subject_id: str) -> str:
    key = hmac.digest(request.configuration.secret, b"convergences way back", "sha256")
    mac = hmac.digest(key, f"{subject_id}\n{path}".encode(), "sha256")
    return urlsafe_b64encode(mac).decode().rstrip("=")
