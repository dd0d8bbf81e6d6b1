"""What was just done, told on the next page: kept in a cookie that only we can read.

The text never stands in an address, where it would stay in histories and logs, and nobody can
write one for somebody else. The next page of the AIA shows it and forgets it.
"""

import hmac
import json
import re
from base64 import urlsafe_b64decode, urlsafe_b64encode
from binascii import Error as Base64Error
from dataclasses import astuple, dataclass
from datetime import datetime, timedelta
from os import urandom

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from pyramid.response import Response

from idp.errors import AlreadyDone
from idp.folding import visible
from idp.request import Request
from views.person import signed_in
from views.urls import see_other

KEPT = timedelta(minutes=5)
MOST = 3
"""Of one browser; the oldest makes room."""
LONGEST = 700
"""Characters of one text: one fits a cookie in whatever script, three do in French."""
BRIEF = 240
"""Characters of what floats above the page; the page itself holds the text."""
ROOM = 2880
"""Bytes of them all: sealed and in base64 a cookie of less than 4000."""

_NONCE = 12
_BEFORE_SIGN = re.compile(" (?=[:;?!»])|(?<=«) ")


@dataclass(frozen=True, slots=True)
class Toast:
    """A sentence; ``wrong``: it says why something was not done; ``note``: what else to know."""

    text: str
    wrong: bool = False
    note: bool = False

    @property
    def sign(self) -> str:
        """The icon beside it."""
        return "alert" if self.wrong else "info" if self.note else "check"

    @property
    def brief(self) -> str:
        """What floats above the page."""
        return _short(self.text, BRIEF)


def toast(request: Request, text: str, *, wrong: bool = False, note: bool = False) -> None:
    """Tell it on the next page of the AIA that this browser shows; at most :data:`LONGEST`.

    Without signs of direction, with which a name that was typed turns the sentence around it.
    """
    told = request.environ.get(_TOLD)
    if told is None:
        told = request.environ[_TOLD] = list(_kept(request))
        request.add_response_callback(_keep)
    told.append(Toast(_bound(_short(visible(text), LONGEST)), wrong, note))


def done_already(request: Request, path: str) -> Response:
    """A second press, or somebody did the same: that is told, at ``path``, where the first led."""
    toast(request, AlreadyDone.public_text)
    return see_other(request, path=path)


def shown(request: Request) -> tuple[Toast, ...]:
    """What the last page left to tell; telling it once is enough."""
    kept = _kept(request)
    if _name(request) in request.cookies:
        request.add_response_callback(_forget)
    return kept


def _bound(text: str) -> str:
    """No line begins with a sign of French before which a space stands, nor ends with « alone."""
    return _BEFORE_SIGN.sub("\N{NO-BREAK SPACE}", text)


def _short(text: str, most: int) -> str:
    """The text, or both its ends: cut between words, for the last ones say what to do."""
    if len(text) <= most:
        return text
    half = (most - 3) // 2
    begin, end = text[:half], text[-half:]
    return f"{begin.rpartition(' ')[0] or begin} … {end.partition(' ')[2] or end}"


_TOLD = "convergences.toasts"


def _keep(request: Request, response: Response) -> None:
    told = request.environ[_TOLD][-MOST:]
    until = request.services.clock.now() + KEPT
    plain = _written(until, told)
    while len(plain) > ROOM and len(told) > 1:
        told = told[1:]
        plain = _written(until, told)
    nonce = urandom(_NONCE)
    sealed = nonce + _cipher(request).encrypt(nonce, plain, _bound_to(request))
    _set(request, response, urlsafe_b64encode(sealed).decode())


def _written(until: datetime, told: list[Toast]) -> bytes:
    values = [until.timestamp(), [astuple(each) for each in told]]
    return json.dumps(values, ensure_ascii=False).encode("utf-8", "replace")


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
    return tuple(Toast(*each) for each in told)


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
