"""Something read from the database once and kept until another process changes it."""

from collections.abc import Callable
from contextvars import Context
from threading import Lock
from time import monotonic
from typing import Generic, TypeVar

from idp.db import Database
from idp.log import logger

T = TypeVar("T")

MAX_AGE = 1.0
"""Seconds between two questions whether the revision changed."""


class Snapshot(Generic[T]):
    """Holds what ``load`` returned; loads again when the revision ``name`` has moved.

    The revision is asked at most once a second, by one thread; the others go on with what is there.
    """

    def __init__(self, db: Database, name: str, load: Callable[[], T]) -> None:
        self._db = db
        self._name = name
        self._load = load
        self._lock = Lock()
        self._held: tuple[int, T] | None = None
        self._asked_at = 0.0
        self.problem: Exception | None = None

    def get(self) -> T:
        """The value, at most one second old.

        When it cannot be loaded again, what is held goes on serving; ``problem`` says why.

        Raises:
            Exception: whatever ``load`` raises, when nothing is held yet.
        """
        held = self._held
        if held is not None and monotonic() - self._asked_at < MAX_AGE:
            return held[1]
        if held is not None and not self._lock.acquire(blocking=False):
            return held[1]
        if held is None:
            self._lock.acquire()
        try:
            return self._refresh()
        finally:
            self._lock.release()

    def forget(self) -> None:
        """Ask again at the next call: this process just changed it."""
        self._asked_at = 0.0

    def _refresh(self) -> T:
        try:
            # Outside any unit of work in progress: what it has not committed may never be.
            value = Context().run(self._read)
        except Exception as error:
            if self._held is None:
                raise
            self.problem = error
            self._asked_at = monotonic()
            logger.exception("snapshot.stale", snapshot=self._name)
            return self._held[1]
        self.problem = None
        return value

    def _read(self) -> T:
        # The revision is read before the value: a change in between is loaded again next time.
        revision = self._db.revision(self._name)
        if self._held is None or self._held[0] != revision:
            self._held = (revision, self._load())
        self._asked_at = monotonic()
        return self._held[1]
