"""What one demonstration application remembers, in memory: one process serves it.

Bounded: strangers may start as many sign-ons as they like.
"""

from collections import OrderedDict
from collections.abc import Callable
from secrets import token_urlsafe
from threading import Lock
from time import time
from typing import Generic, TypeVar

from views.demo.acceptance import Received, Refused

T = TypeVar("T")

REQUEST_LIFETIME = 3600.0
SESSION_LIFETIME = 8 * 3600.0
# Longer than the clock difference that is accepted.
REPLAY_MARGIN = 300.0
CAPACITY = 10_000


class Expiring(Generic[T]):
    """A bounded mapping whose entries end, oldest first. The caller holds the lock."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._entries: OrderedDict[str, tuple[float, T]] = OrderedDict()

    def put(self, key: str, value: T, until: float) -> None:
        """Remember ``value`` until this time (seconds of the clock)."""
        self._entries[key] = (until, value)
        while len(self._entries) > CAPACITY:
            self._entries.popitem(last=False)

    def get(self, key: str) -> T | None:
        """The value, or None when there is none or it ended."""
        entry = self._entries.get(key)
        return entry[1] if entry is not None and entry[0] > self._clock() else None

    def pop(self, key: str) -> T | None:
        """The same, and forget it."""
        value = self.get(key)
        self._entries.pop(key, None)
        return value

    def live(self) -> dict[str, T]:
        """Everything that has not ended."""
        now = self._clock()
        return {key: value for key, (until, value) in self._entries.items() if until > now}


class State:
    """Requests that wait, messages that were used, sessions. Thread-safe."""

    def __init__(self, clock: Callable[[], float] = time) -> None:
        self._clock = clock
        self._lock = Lock()
        self._requests: Expiring[str] = Expiring(clock)
        self._assertions: Expiring[str] = Expiring(clock)
        self._sessions: Expiring[Received] = Expiring(clock)
        self._leaving: Expiring[str] = Expiring(clock)
        self._ended: Expiring[str] = Expiring(clock)

    def asked(self, message_id: str, page: str) -> None:
        """An AuthnRequest left, for this page."""
        with self._lock:
            self._requests.put(message_id, page, self._clock() + REQUEST_LIFETIME)

    def outstanding(self) -> dict[str, str]:
        """The requests that wait for an answer: their IDs and pages."""
        with self._lock:
            return self._requests.live()

    def open(self, received: Received) -> str:
        """Open a session, once per assertion and once per request; returns the cookie's value.

        Raises:
            Refused: the assertion or the request was used meanwhile.
        """
        with self._lock:
            if self._assertions.get(received.assertion_id):
                raise Refused("this assertion was used already")
            answered = received.in_response_to
            if answered is not None and self._requests.pop(answered) is None:
                raise Refused("this request was answered already")
            self._assertions.put(
                received.assertion_id,
                received.name_id,
                received.not_on_or_after + REPLAY_MARGIN,
            )
            token = token_urlsafe(32)
            longest = self._clock() + SESSION_LIFETIME
            until = min(received.session_until or longest, longest)
            self._sessions.put(token, received, until)
            return token

    def session(self, token: str | None) -> Received | None:
        """What opened the live session of this cookie, or None."""
        with self._lock:
            return self._sessions.get(token or "")

    def close(self, token: str | None) -> Received | None:
        """End it; returns what had opened it."""
        with self._lock:
            return self._sessions.pop(token or "")

    def end(self, message_id: str, name_id: str, session_indexes: tuple[str, ...]) -> int:
        """End the sessions that a LogoutRequest means, once; returns how many.

        Without an index it means all of this name. [SAMLCore] 3.7.1.

        Raises:
            Refused: the message was used already.
        """
        with self._lock:
            if self._ended.get(message_id):
                raise Refused("this LogoutRequest was used already")
            self._ended.put(message_id, name_id, self._clock() + REQUEST_LIFETIME)
            meant = [
                token
                for token, held in self._sessions.live().items()
                if held.name_id == name_id
                and (not session_indexes or held.session_index in session_indexes)
            ]
            for token in meant:
                self._sessions.pop(token)
            return len(meant)

    def leaving(self, message_id: str) -> None:
        """A LogoutRequest of ours left."""
        with self._lock:
            self._leaving.put(message_id, "", self._clock() + REQUEST_LIFETIME)

    def left(self, message_id: str, outcome: str) -> None:
        """It is answered; :meth:`outcome` says so for a while.

        Raises:
            Refused: no such request waits.
        """
        with self._lock:
            if self._leaving.get(message_id) != "":
                raise Refused("an answer to a LogoutRequest that does not wait")
            self._leaving.put(message_id, outcome, self._clock() + REQUEST_LIFETIME)

    def outcome(self, message_id: str) -> str:
        """How the sign-out of this request went; empty when nothing is known of it."""
        with self._lock:
            return self._leaving.get(message_id) or ""
