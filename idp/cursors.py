"""Positions in lists, as addresses carry them: sealed, and good for one list alone.

A position holds what the list is sorted by (a name, an address), which belongs neither into a log
of addresses nor into the hands of whoever would look for people by trying positions.
"""

import hmac
import json
from base64 import urlsafe_b64decode, urlsafe_b64encode
from binascii import Error
from os import urandom
from typing import Any

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

_NONCE = 12
_LONGEST = 4096


class Cursors:
    """Seals and opens positions under the server's secret."""

    def __init__(self, secret: bytes) -> None:
        self._cipher = AESGCM(hmac.digest(secret, b"convergences cursors", "sha256"))

    def seal(self, position: list[Any], listing: str) -> str:
        """A text for an address; ``listing`` says of which list, for whom, in which order."""
        nonce = urandom(_NONCE)
        sealed = self._cipher.encrypt(nonce, json.dumps(position).encode(), listing.encode())
        return urlsafe_b64encode(nonce + sealed).rstrip(b"=").decode()

    def open(self, text: str, listing: str) -> list[Any] | None:
        """The position; None when it was not sealed here for this very list."""
        if not text or len(text) > _LONGEST or not text.isascii():
            return None
        try:
            sealed = urlsafe_b64decode(text + "=" * (-len(text) % 4))
            plain = self._cipher.decrypt(sealed[:_NONCE], sealed[_NONCE:], listing.encode())
        except (Error, InvalidTag, ValueError):
            return None
        position = json.loads(plain)
        return position if isinstance(position, list) else None
