"""Passwords: the only door to bcrypt.

bcrypt reads 72 bytes and raises above them, so it is given the base64 of an HMAC-SHA-256 of the
password under a key of this server: long phrases count to their last letter, and a stolen table of
hashes cannot be attacked without the server's secret.

A hash takes a core for a quarter of a second. So there is one at a time in a process, in a thread
of its own; whoever waits for it holds one of a bounded number of places, fewer than the server has
threads. Sign-ons find a thread and a core, however many people sign in.
"""

import hmac
import os
import sys
from base64 import b64encode
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from hashlib import sha256
from threading import BoundedSemaphore, get_native_id
from time import monotonic
from typing import TypeVar
from unicodedata import normalize

import bcrypt

from idp.errors import BadCredentials, Busy
from idp.metrics import password_turned_away, password_wait

SCHEME = "hmac-sha256+bcrypt:"
"""How the hash was made; a later scheme gets another prefix, and the old one stays readable."""

_SALT_AND_DIGEST = "C6UzMDM.H6dfI/f/IKcEeO5yPqZzUoN5yQWXkE0cQf0o6xYyOqJzi"

PLACES = 32
"""Sign-ins, and other uses of a password, under way at once in a process. The last of them waits
some eight seconds at cost 12; a server with fewer threads than this leaves none to sign-ons."""

NICENESS = 10
"""Of the thread that hashes, on Linux: a sign-on that wakes up does not wait for its time slice."""

T = TypeVar("T")


class Queue:
    """The one slot of a process, first come first served, and its places."""

    def __init__(self, places: int) -> None:
        self._places = BoundedSemaphore(places)
        self._holds: ContextVar[bool] = ContextVar("holds_place", default=False)
        self._slot = ThreadPoolExecutor(1, "bcrypt", initializer=_give_way)

    @contextmanager
    def place(self) -> Iterator[None]:
        """Hold a place; who holds one already keeps it.

        Raises:
            Busy: all are taken.
        """
        if self._holds.get():
            yield
            return
        if not self._places.acquire(blocking=False):
            password_turned_away.inc()
            raise Busy("every place before the password check is taken")
        token = self._holds.set(True)
        try:
            yield
        finally:
            self._holds.reset(token)
            self._places.release()

    def run(self, hashing: Callable[[], T]) -> T:
        """What ``hashing`` returns or raises, in its turn.

        Raises:
            Busy: all places are taken.
        """
        arrived = monotonic()

        def in_turn() -> T:
            password_wait.observe(monotonic() - arrived)
            return hashing()

        with self.place():
            return self._slot.submit(in_turn).result()


def _give_way() -> None:
    """Linux only: elsewhere this is the priority of the whole process.

    A system that forbids it hashes at the priority that it gave.
    """
    if sys.platform == "linux":
        thread = get_native_id()
        with suppress(OSError):
            niceness = max(NICENESS, os.getpriority(os.PRIO_PROCESS, thread))
            os.setpriority(os.PRIO_PROCESS, thread, niceness)


_queue = Queue(PLACES)


@contextmanager
def place() -> Iterator[None]:
    """Hold a place in this process's queue from before the first write to the end of a sign-in.

    Raises:
        Busy: all are taken; nothing was done yet, for whatever login.
    """
    with _queue.place():
        yield


class Passwords:
    """Hashes and checks passwords; ``cost`` is bcrypt's (each step doubles the time)."""

    def __init__(self, secret: bytes, cost: int) -> None:
        self._key = hmac.digest(secret, b"convergences passwords", "sha256")
        self._cost = cost
        self._dummy = f"$2b${cost:02d}${_SALT_AND_DIGEST}".encode()

    def hash(self, password: str) -> str:
        """What to store for this password (at most 79 characters).

        Raises:
            Busy: too many people wait for the same.
        """
        prepared, salt = self._prepared(password), bcrypt.gensalt(self._cost)
        return SCHEME + _queue.run(lambda: bcrypt.hashpw(prepared, salt)).decode()

    def verify(self, password: str, stored: str | None) -> None:
        """Return only if ``stored`` is of this password; always one bcrypt.

        When nothing is stored (unknown login, no password set) the same work is done on a hash
        that no password has, so that the time says nothing.

        Raises:
            BadCredentials: it is not, whatever the cause.
            Busy: too many people wait for the same.
        """
        known = stored is not None and stored.startswith(SCHEME)
        hashed = stored.removeprefix(SCHEME).encode() if known and stored else self._dummy
        prepared = self._prepared(password)
        matches = _queue.run(lambda: self._matches(prepared, hashed))
        if not (matches and known):
            raise BadCredentials("unknown login, no password, or a wrong one")

    def needs_rehash(self, stored: str) -> bool:
        """Whether the hash was made by another scheme or at another cost than today's."""
        return not stored.startswith(f"{SCHEME}$2b${self._cost:02d}$")

    def _matches(self, prepared: bytes, hashed: bytes) -> bool:
        try:
            return bcrypt.checkpw(prepared, hashed)
        except ValueError:
            # A damaged hash is nobody's password, and costs what every other one costs.
            bcrypt.checkpw(prepared, self._dummy)
            return False

    def _prepared(self, password: str) -> bytes:
        # NFKC: the same accents, typed on two keyboards, are the same password.
        octets = normalize("NFKC", password).encode("utf-8", "surrogatepass")
        return b64encode(hmac.digest(self._key, octets, sha256))
