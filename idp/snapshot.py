"""Something read from the database once and kept until another process changes it."""

from collections.abc import Callable
from threading import Lock
from time import monotonic
from typing import Generic, TypeVar

from idp.db import GONE, AskedInVain, Database
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
        self._forgotten = 0
        self.problem: Exception | None = None

    def get(self) -> T:
        """The value, at most one second old.

        When it cannot be loaded again, what is held goes on serving; ``problem`` says why.

        Raises:
            AskedInVain: nothing is held yet, and another thread has just found the database gone.
            Exception: whatever ``load`` raises, when nothing is held yet.
        """
        held = self._held
        if held is None:
            return self._first()
        if monotonic() - self._asked_at < MAX_AGE or not self._lock.acquire(blocking=False):
            return held[1]
        try:
            return self._refresh(held[1])
        finally:
            self._lock.release()

    def forget(self) -> None:
        """Ask again at the next call: this process just changed it.

        Who is asking at this moment, and may have asked too early, does not count.
        """
        self._forgotten += 1
        self._asked_at = 0.0

    def _first(self) -> T:
        """Loaded by one; where the database is gone, those who waited for it try no more."""
        came_at = monotonic()
        with self._lock:
            if self._held is not None:
                return self._held[1]
            if isinstance(self.problem, GONE) and self._asked_at > came_at:
                # An error of their own: one that several threads raise mixes up their tracebacks.
                raise AskedInVain("the database is gone; another thread tried it") from self.problem
            try:
                value = self._read_alone()
            except Exception as error:
                self.problem = error
                self._asked_at = monotonic()
                raise
            self.problem = None
            return value

    def _refresh(self, held: T) -> T:
        try:
            value = self._read_alone()
        except Exception as error:  # noqa: BLE001 - what is held goes on serving
            if not _alike(error, self.problem):
                logger.exception("snapshot.stale", snapshot=self._name)
            self.problem = error
            self._asked_at = monotonic()
            return held
        if self.problem is not None:
            logger.info("snapshot.fresh", snapshot=self._name)
        self.problem = None
        return value

    def _read_alone(self) -> T:
        # What a unit of work in progress has not committed may never be.
        with self._db.apart():
            return self._read()

    def _read(self) -> T:
        forgotten = self._forgotten
        # The revision is read before the value: a change in between is loaded again next time.
        revision = self._db.revision(self._name)
        if self._held is None or self._held[0] != revision:
            self._held = (revision, self._load())
        if forgotten == self._forgotten:
            self._asked_at = monotonic()
        return self._held[1]


def _alike(error: Exception, before: Exception | None) -> bool:
    """Whether the log has told of it; a database that is gone says so in several ways."""
    if isinstance(error, GONE):
        return isinstance(before, GONE)
    return type(error) is type(before) and str(error) == str(before)
