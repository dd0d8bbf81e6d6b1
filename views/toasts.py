"""What was just done, told on the next page: kept in a cookie that only we can read.

The text never stands in an address, where it would stay in histories and logs, and nobody can
write one for somebody else. The next page of the AIA shows it and forgets it.
"""

import hmac
import json
from base64 import urlsafe_b64decode, urlsafe_b64encode
from binascii import Error as Base64Error
from dataclasses import dataclass
from datetime import timedelta
from os import urandom

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from pyramid.response import Response

from idp.request import Request
from views.person import signed_in

KEPT = timedelta(minutes=5)
MOST = 3
"""Of one browser; the oldest makes room."""
LONGEST = 240
"""Characters of one text: three of them fit a cookie, whatever they are."""

_NONCE = 12


@dataclass(frozen=True, slots=True)
class Toast:
    """A sentence; ``wrong``: it says why something was not done."""

    text: str
    wrong: bool = False


def toast(request: Request, text: str, *, wrong: bool = False) -> None:
    """Tell it on the next page of the AIA that this browser shows; at most :data:`LONGEST`."""
    told = request.environ.get(_TOLD)
    if told is None:
        told = request.environ[_TOLD] = list(_kept(request))
        request.add_response_callback(_keep)
    told.append(Toast(_short(text), wrong))


def shown(request: Request) -> tuple[Toast, ...]:
    """What the last page left to tell; telling it once is enough."""
    kept = _kept(request)
    if _name(request) in request.cookies:
        request.add_response_callback(_forget)
    return kept


def _short(text: str) -> str:
    """The text, or its beginning: cut between two words, and one sees it."""
    if len(text) <= LONGEST:
        return text
    cut = text[: LONGEST - 1]
    return f"{cut.rpartition(' ')[0] or cut}…"


_TOLD = "convergences.toasts"


def _keep(request: Request, response: Response) -> None:
    told = request.environ[_TOLD][-MOST:]
    until = request.services.clock.now() + KEPT
    values = [until.timestamp(), [[each.text, each.wrong] for each in told]]
    plain = json.dumps(values, ensure_ascii=False).encode("utf-8", "replace")
    nonce = urandom(_NONCE)
    sealed = nonce + _cipher(request).encrypt(nonce, plain, _bound_to(request))
    _set(request, response, urlsafe_b64encode(sealed).decode())


def _forget(request: Request, response: Response) -> None:
    if _TOLD not in request.environ:
        _set(request, response, "", max_age=0)


def _kept(request: Request) -> tuple[Toast, ...]:
    """None of another person's, of another server's, nor of a while ago."""
    if request.subject is None:
        return ()
    try:
        sealed = urlsafe_b64decode(str(request.cookies.get(_name(request), "")))
        plain = _cipher(request).decrypt(sealed[:_NONCE], sealed[_NONCE:], _bound_to(request))
    except (Base64Error, InvalidTag, ValueError):
        return ()
    until, told = json.loads(plain)
    if until < request.services.clock.now().timestamp():
        return ()
    return tuple(Toast(text, wrong) for text, wrong in told)


def _cipher(request: Request) -> AESGCM:
    return AESGCM(hmac.digest(request.configuration.secret, b"convergences toasts", "sha256"))


def _bound_to(request: Request) -> bytes:
    return signed_in(request).session.key.encode()


def _name(request: Request) -> str:
    return "__Host-message" if request.configuration.secure else "message"


def _set(
    request: Request,
    response: Response,
    value: str,
    *,
    max_age: int = int(KEPT.total_seconds()),
) -> None:
    response.set_cookie(
        _name(request),
        value,
        max_age=max_age,
        path="/",
        secure=request.configuration.secure,
        httponly=True,
        samesite="Lax",
    )
