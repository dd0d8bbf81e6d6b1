"""Sends the file of an export: journalled at both ends, bounded in number, honest when it breaks.

The journal is told before the first byte that an export begins, because from then on data leave,
and at its end how many lines left, whether it was finished or not. Counting first would cost as
much as exporting, and say what should leave rather than what did.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from threading import Lock
from time import sleep
from typing import TYPE_CHECKING, Generic, TypeVar

from directory import actors
from directory.authorisation import Actor
from idp.context import acting, origin
from idp.db import GONE, DatabaseError
from idp.errors import Busy
from idp.log import logger

if TYPE_CHECKING:
    from idp.services import Core

L = TypeVar("L")
R = TypeVar("R")

PAUSES = (0.5, 1.0, 2.0, 4.0, 8.0)
"""Seconds between tries while the database does not answer, less than what a browser or a proxy
waits for the next byte."""

AT_ONCE = 6
"""Exports of a process at the same time; each takes a thread while its file is fetched."""

OF_ONE = 2
"""Of these, those of one person: nobody keeps the others waiting by fetching slowly."""

LONGEST = timedelta(minutes=30)
"""After that a file is ended: half a million lines take some seconds."""

ASKED_EVERY = timedelta(seconds=5)
"""How often it is asked whether whoever fetches still has the rights he began with."""

TOO_MANY = "Plusieurs exports sont déjà en cours. Recommencez dans une minute."
TOO_MANY_OF_ONE = (
    f"Vous avez déjà {OF_ONE} exports en cours. Attendez qu'ils soient téléchargés, ou annulez-les "
    "dans votre navigateur, puis recommencez."
)


class _Places:
    """Who fetches files at this moment."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._taken: Counter[str] = Counter()

    def take(self, whose: str) -> None:
        """A place; the command line (no subject id) is bounded by their number alone.

        Raises:
            Busy: there is none, or he has his share.
        """
        with self._lock:
            if self._taken.total() >= AT_ONCE:
                raise Busy(f"{AT_ONCE} exports are being sent", public=TOO_MANY)
            if whose and self._taken[whose] >= OF_ONE:
                raise Busy(f"{OF_ONE} exports of {whose!r}", public=TOO_MANY_OF_ONE)
            self._taken[whose] += 1

    def give_back(self, whose: str) -> None:
        """It is free again."""
        with self._lock:
            self._taken -= Counter([whose])


_PLACES = _Places()


@dataclass(frozen=True, slots=True)
class Told:
    """Whose export it is, and what the journal holds of it but for its end."""

    actor: Actor
    target: str | None
    parameters: Mapping[str, object]


class Sending(Generic[L]):
    """The bytes of an export, for a WSGI server: whoever stops reading closes it.

    Once bytes have left, no error page can follow, and granian ends an answer that broke as it ends
    one that is whole (tried: the browser cannot tell them apart). So a file that breaks says so
    itself, in its last line.
    """

    def __init__(self, core: "Core", told: Told) -> None:
        self._core = core
        self._begun_at = self._asked_at = core.clock.now()
        self._told = told
        self._origin = origin()
        self._parts: Iterator[bytes] = iter(())
        self._count = 0
        self._begun = False
        self._over = False

    @classmethod
    def begun(
        cls,
        core: "Core",
        batches: Iterator[Sequence[L]],
        told: Told,
        *,
        begin: bytes,
        encode: Callable[[Sequence[L]], bytes],
        end: Callable[[], bytes],
        broken: Callable[[], bytes],
    ) -> "Sending[L]":
        """One whose first lines are read and whose beginning is journalled.

        ``broken`` completes a file that could not be finished: it says that lines are missing.

        Raises:
            Busy: too many exports are being sent, to him or in all.
            sqlalchemy.exc.SQLAlchemyError: the database does not answer.
        """
        _PLACES.take(told.actor.subject_id)
        sending = cls(core, told)
        try:
            start = begin + sending._encoded(next(batches, ()), encode)
            sending._parts = sending._written(start, batches, encode, end, broken)
            sending._record("export.started", {})
            sending._begun = True
        except BaseException:
            sending.close()
            raise
        return sending

    def __iter__(self) -> Iterator[bytes]:
        return self

    def __next__(self) -> bytes:
        try:
            return next(self._parts)
        except StopIteration:
            self._finish("export.finished")
            raise

    def close(self) -> None:
        """Whoever fetched the file has it whole, or is gone: nothing more is read."""
        self._parts = iter(())
        self._finish("export.interrupted", reason="left")

    def __del__(self) -> None:
        self.close()

    def _written(
        self,
        start: bytes,
        batches: Iterator[Sequence[L]],
        encode: Callable[[Sequence[L]], bytes],
        end: Callable[[], bytes],
        broken: Callable[[], bytes],
    ) -> Iterator[bytes]:
        yield start
        try:
            while self._may_go_on() and (batch := next(batches, None)) is not None:
                yield self._encoded(batch, encode)
        except _Ended as error:
            self._finish("export.interrupted", reason=error.reason)
            yield broken()
        except Exception as error:  # noqa: BLE001 - whatever it is, the file must tell of it
            # Without a traceback: its frames hold people.
            logger.error("export-broken", lines=self._count, cause=type(error).__name__)
            self._finish("export.interrupted", reason="error")
            yield broken()
        else:
            yield end()

    def _may_go_on(self) -> bool:
        """True: what he may read is decided once, but he may take long to fetch it.

        Raises:
            _Ended: he took too long, or his rights are others now.
        """
        now = self._core.clock.now()
        if now - self._begun_at >= LONGEST:
            raise _Ended("time")
        if now - self._asked_at >= ASKED_EVERY:
            self._asked_at = now
            if not patiently(partial(actors.has_same_rights, self._core, self._told.actor)):
                raise _Ended("rights")
        return True

    def _encoded(self, batch: Sequence[L], encode: Callable[[Sequence[L]], bytes]) -> bytes:
        self._count += len(batch)
        return encode(batch)

    def _finish(self, code: str, **more: object) -> None:
        """Once, whatever happens next: the place is free again and the journal knows the end."""
        if self._over:
            return
        self._over = True
        _PLACES.give_back(self._told.actor.subject_id)
        if not self._begun:
            return
        try:
            self._record(code, {"count": self._count, **more})
        except DatabaseError as error:
            logger.error("export-end-not-journalled", lines=self._count, cause=type(error).__name__)

    def _record(self, code: str, more: Mapping[str, object]) -> None:
        # The server asks for the bytes once the request is over: who made it is remembered.
        with acting(self._origin):
            self._core.audit.record(
                code, target=self._told.target, parameters={**self._told.parameters, **more}
            )


class _Ended(Exception):
    """No more lines, though there are some; ``reason`` is what the journal holds."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


def patiently(read: Callable[[], R]) -> R:
    """What ``read`` returns, asked again for some seconds while the database is away.

    Raises:
        sqlalchemy.exc.SQLAlchemyError: it stays away.
    """
    for pause in PAUSES:
        try:
            return read()
        except GONE as error:
            logger.warning("export-waits", seconds=pause, cause=type(error).__name__)
            sleep(pause)
    return read()
