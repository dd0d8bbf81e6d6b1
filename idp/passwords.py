"""Passwords: the only door to bcrypt.

bcrypt reads 72 bytes and raises above them, so it is given the base64 of an HMAC-SHA-256 of the
password under a key of this server: long phrases count to their last letter, and a stolen table of
hashes cannot be attacked without the server's secret.
"""

import hmac
from base64 import b64encode
from hashlib import sha256
from threading import BoundedSemaphore
from unicodedata import normalize

import bcrypt

from idp.errors import BadCredentials

SCHEME = "hmac-sha256+bcrypt:"
"""How the hash was made; a later scheme gets another prefix, and the old one stays readable."""

_SALT_AND_DIGEST = "C6UzMDM.H6dfI/f/IKcEeO5yPqZzUoN5yQWXkE0cQf0o6xYyOqJzi"

# One bcrypt at a time in a process: checks queue, and sign-ons find the other cores free.
_slot = BoundedSemaphore(1)


class Passwords:
    """Hashes and checks passwords; ``cost`` is bcrypt's (each step doubles the time)."""

    def __init__(self, secret: bytes, cost: int) -> None:
        self._key = hmac.digest(secret, b"convergences passwords", "sha256")
        self._cost = cost
        self._dummy = f"$2b${cost:02d}${_SALT_AND_DIGEST}".encode()

    def hash(self, password: str) -> str:
        """What to store for this password (at most 79 characters)."""
        with _slot:
            hashed = bcrypt.hashpw(self._prepared(password), bcrypt.gensalt(self._cost))
        return SCHEME + hashed.decode()

    def verify(self, password: str, stored: str | None) -> None:
        """Return only if ``stored`` is of this password; always one bcrypt.

        When nothing is stored (unknown login, no password set) the same work is done on a hash
        that no password has, so that the time says nothing.

        Raises:
            BadCredentials: it is not, whatever the cause.
        """
        known = stored is not None and stored.startswith(SCHEME)
        hashed = stored.removeprefix(SCHEME).encode() if known and stored else self._dummy
        prepared = self._prepared(password)
        with _slot:
            try:
                matches = bcrypt.checkpw(prepared, hashed)
            except ValueError:
                # A damaged hash is nobody's password, and costs what every other one costs.
                bcrypt.checkpw(prepared, self._dummy)
                matches = False
        if not (matches and known):
            raise BadCredentials("unknown login, no password, or a wrong one")

    def needs_rehash(self, stored: str) -> bool:
        """Whether the hash was made by another scheme or at another cost than today's."""
        return not stored.startswith(f"{SCHEME}$2b${self._cost:02d}$")

    def _prepared(self, password: str) -> bytes:
        # NFKC: the same accents, typed on two keyboards, are the same password.
        octets = normalize("NFKC", password).encode("utf-8", "surrogatepass")
        return b64encode(hmac.digest(self._key, octets, sha256))
