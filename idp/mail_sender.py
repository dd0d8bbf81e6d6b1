"""Sends what waits in the outbox: one mail at a time, again and again, until it is taken."""

import fcntl
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from email.utils import parseaddr
from pathlib import Path
from typing import Any

from sqlalchemy import Row, bindparam, select, update

from idp.db import Database
from idp.interfaces import IClock
from idp.log import logger
from idp.mail import OUTBOX, MailState
from idp.mail_message import Written, envelope_address, octets
from idp.mail_transports import (
    Cause,
    Interrupted,
    NotDelivered,
    Outgoing,
    Transport,
    Unreachable,
)
from idp.metrics import mails

FIRST_DELAY = timedelta(minutes=1)
LONGEST_DELAY = timedelta(hours=6)

MOST_ATTEMPTS = 20
"""Tries of a mail that is refused for now: some three days, a week-end with a full mailbox."""

PAUSE = timedelta(minutes=1)
"""Before a mail that found the way out closed is tried again."""

LONGEST_REST = timedelta(minutes=1)
"""The longest that a worker asks nobody because the way out is closed: 1 s, 2, 4… up to that."""

_NEXT = (
    select(OUTBOX)
    .where(OUTBOX.c.state == MailState.WAITING, OUTBOX.c.next_try_at <= bindparam("now"))
    # Somebody sits and waits for a link; behind a thousand notices it would be late.
    .order_by(OUTBOX.c.has_link.desc(), OUTBOX.c.next_try_at, OUTBOX.c.id)
    .limit(1)
    .with_for_update(skip_locked=True)
)


class OutboxSender:
    """Sends what waits in the outbox, one mail at a time.

    A mail is marked as sent once the other side has taken it. A kill between the two sends it again
    with the same Message-ID; nothing is lost.
    """

    def __init__(self, db: Database, clock: IClock, transport: Transport, sender: str) -> None:
        """``sender`` is the From header: ``name@host`` or ``Name <name@host>``."""
        self._db = db
        self._clock = clock
        self._transport = transport
        self._sender = sender
        self._closed = 0
        self._rests_until: datetime | None = None

    def send_waiting(self, stopping: Callable[[], bool] = lambda: False) -> int:
        """Send until nothing is due, the way out is closed or ``stopping()``; how many left."""
        sent = 0
        if self._rests_until is not None and self._clock.now() < self._rests_until:
            return sent
        while not stopping():
            outcome = self._send_next()
            if outcome is None:
                break
            if isinstance(outcome, Unreachable | Interrupted):
                self._rest()
                break
            self._closed, self._rests_until = 0, None
            sent += outcome is True
        return sent

    def _rest(self) -> None:
        """Each mail behind would meet the same closed door."""
        rest = timedelta(seconds=2 ** min(self._closed, 10))
        self._closed += 1
        self._rests_until = self._clock.now() + min(LONGEST_REST, rest)

    def _send_next(self) -> bool | NotDelivered | None:
        """True, or why not; None when nothing is due."""
        with self._claimed() as mail:
            if mail is None:
                return None
            try:
                self._transport.send(self._outgoing(mail))
            except NotDelivered as error:
                self._keep(mail, error)
                return error
            except Exception as error:  # noqa: BLE001 - one mail must not stop those behind it
                failure = NotDelivered(f"{type(error).__name__}: {error}", cause=Cause.DEFECT)
                self._keep(mail, failure)
                return failure
            self._mark_sent(mail)
            return True

    @contextmanager
    def _claimed(self) -> Iterator[Row[Any] | None]:
        """The next mail, which no other worker takes meanwhile.

        PostgreSQL: its row is locked until the outcome is committed. SQLite: no transaction may
        last as long as a conversation with a mail server, so a lock on a file keeps others away.
        The system releases both when a worker is killed.
        """
        now = {"now": self._clock.now()}
        if not self._db.is_sqlite:
            with self._db.unit_of_work() as work:
                yield work.connection().execute(_NEXT, now).first()
            return
        with _alone(self._db.url.database) as alone:
            if not alone:
                yield None
                return
            with self._db.reading() as reading:
                mail = reading.connection().execute(_NEXT, now).first()
            yield mail

    def _outgoing(self, mail: Row[Any]) -> Outgoing:
        written = Written(
            mail.message_id, mail.recipient, mail.subject, mail.text, mail.html, mail.created_at
        )
        return Outgoing(
            name=f"{mail.created_at:%Y%m%dT%H%M%S}-{mail.id:08d}-{mail.message_id}",
            sender=envelope_address(parseaddr(self._sender)[1]),
            recipient=envelope_address(mail.recipient),
            octets=octets(written, self._sender),
        )

    def _mark_sent(self, mail: Row[Any]) -> None:
        # Whatever was decided about it meanwhile: it has left.
        self._update(
            mail,
            state=MailState.SENT,
            sent_at=self._clock.now(),
            attempts=mail.attempts + 1,
            cause=None,
            last_error=None,
            text="",
            html=None,
            next_try_at=self._clock.now(),
        )
        mails.labels("sent").inc()
        logger.info("mail.sent", message_id=mail.message_id, kind=mail.kind)

    def _keep(self, mail: Row[Any], error: NotDelivered) -> None:
        """Try again later, with a growing delay; give up on what the server will never take.

        A server that does not answer gives up no mail, however long it lasts, and leaves no delay
        behind: such a try is not counted.
        """
        closed = isinstance(error, Unreachable)
        attempts = mail.attempts + (not closed)
        dead = error.permanent or (attempts >= MOST_ATTEMPTS and not closed)
        delay = PAUSE if closed else delay_after(attempts)
        values: dict[str, object] = {"next_try_at": self._clock.now() + delay}
        if dead:
            values = {"state": MailState.DEAD, "next_try_at": self._clock.now()}
            values |= {"text": "", "html": None} if mail.has_link else {}
        self._update(
            mail, attempts=attempts, cause=error.cause, last_error=str(error)[:500], **values
        )
        self._tell(mail, error, attempts, dead=dead)

    @staticmethod
    def _tell(mail: Row[Any], error: NotDelivered, attempts: int, *, dead: bool) -> None:
        mails.labels("dead" if dead else "postponed").inc()
        log = logger.error if dead else logger.warning
        log(
            "mail.dead" if dead else "mail.postponed",
            message_id=mail.message_id,
            kind=mail.kind,
            attempts=attempts,
            cause=str(error),
        )

    def _update(self, mail: Row[Any], **values: object) -> None:
        """Somebody may have abandoned it meanwhile (SQLite): only the server's word undoes that."""
        mine = OUTBOX.c.id == mail.id
        if values.get("state") != MailState.SENT:
            mine &= OUTBOX.c.state == MailState.WAITING
        with self._db.writing() as connection:
            connection.execute(update(OUTBOX).where(mine).values(**values))


@contextmanager
def _alone(database: str | None) -> Iterator[bool]:
    """Whether no other process sends mails from this SQLite file; none can from one in memory."""
    if not database:
        yield True
        return
    with Path(f"{database}.mails.lock").open("ab") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            alone = False
        else:
            alone = True
        yield alone


def delay_after(attempts: int) -> timedelta:
    """How long to wait after this many attempts: 1 min, 2, 4… at most 6 h."""
    return min(LONGEST_DELAY, FIRST_DELAY * (1 << min(attempts - 1, 16)))
