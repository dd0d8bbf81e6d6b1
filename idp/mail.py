"""Mails: an outbox table written in the transaction of what they tell of, sent by the worker."""

import fcntl
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from email.header import Header
from email.message import EmailMessage
from email.policy import EmailPolicy
from email.utils import parseaddr
from pathlib import Path
from secrets import token_hex
from typing import Any, cast

from sqlalchemy import Index, Row, String, Table, Text, bindparam, insert, select, update
from sqlalchemy.orm import Mapped, mapped_column

from idp.db import Base, Database
from idp.interfaces import IClock
from idp.log import logger
from idp.mail_transports import NotDelivered, Outgoing, Transport, Unreachable
from idp.purge import delete_in_chunks


class OutboxMail(Base):
    """A mail that waits, was sent, or was given up (``state``: waiting, sent, dead).

    ``message_id`` is the part before the @; the sender's domain follows it. The texts are erased
    once it is sent or given up: they may carry links that open an account. ``next_try_at`` is then
    the moment of that, and :func:`purge` counts from it.
    """

    __tablename__ = "outbox"
    __table_args__ = (Index("ix_outbox_state_next_try_at", "state", "next_try_at"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    message_id: Mapped[str] = mapped_column(String(200), unique=True)
    kind: Mapped[str] = mapped_column(String(60))
    recipient: Mapped[str] = mapped_column(String(254))
    subject: Mapped[str] = mapped_column(String(300))
    text: Mapped[str] = mapped_column(Text)
    html: Mapped[str | None] = mapped_column(Text)
    state: Mapped[str] = mapped_column(String(20), default="waiting")
    attempts: Mapped[int] = mapped_column(default=0)
    created_at: Mapped[datetime]
    next_try_at: Mapped[datetime]
    sent_at: Mapped[datetime | None]
    last_error: Mapped[str | None] = mapped_column(String(500))


FIRST_DELAY = timedelta(minutes=1)
LONGEST_DELAY = timedelta(hours=6)
MOST_ATTEMPTS = 10

KEPT = timedelta(days=30)
"""How long it is known that a mail was sent, or was given up and why."""

_outbox = cast("Table", OutboxMail.__table__)
_QUEUE = insert(_outbox)
_NEXT = (
    select(_outbox)
    .where(_outbox.c.state == "waiting", _outbox.c.next_try_at <= bindparam("now"))
    .order_by(_outbox.c.next_try_at, _outbox.c.id)
    .limit(1)
    .with_for_update(skip_locked=True)
)


@dataclass(frozen=True, slots=True)
class MailText:
    """The words of a mail; ``html`` None: plain text alone."""

    subject: str
    text: str
    html: str | None = None


MailTexts = Callable[[str, Mapping[str, object]], MailText]
"""Words the mail of a kind with its parameters; the setting ``idp.mail_texts`` names its maker."""


class Mailer:
    """``IMailer``: queues in the outbox."""

    def __init__(self, db: Database, clock: IClock, texts: MailTexts) -> None:
        self._db = db
        self._clock = clock
        self._texts = texts

    def send(self, recipient: str, kind: str, parameters: Mapping[str, object]) -> None:
        """See :class:`idp.interfaces.IMailer`."""
        words = self._texts(kind, parameters)
        now = self._clock.now()
        values = {
            "message_id": token_hex(16),
            "kind": kind,
            "recipient": recipient,
            "subject": " ".join(words.subject.split())[:300],
            "text": words.text,
            "html": words.html,
            "state": "waiting",
            "attempts": 0,
            "created_at": now,
            "next_try_at": now,
        }
        with self._db.unit_of_work() as work:
            work.connection().execute(_QUEUE, values)


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

    def send_waiting(self, stopping: Callable[[], bool] = lambda: False) -> int:
        """Send until nothing is due, the way out is closed or ``stopping()``; how many left."""
        sent = 0
        while not stopping():
            outcome = self._send_next()
            if outcome is None or isinstance(outcome, Unreachable):
                break
            sent += outcome is True
        return sent

    def _send_next(self) -> bool | NotDelivered | None:
        """True, or why not; None when nothing is due."""
        with self._claimed() as mail:
            if mail is None:
                return None
            try:
                self._transport.send(self._outgoing(mail))
            except NotDelivered as error:
                self._postpone(mail, error)
                return error
            except Exception as error:  # noqa: BLE001 - one mail must not stop those behind it
                failure = NotDelivered(f"{type(error).__name__}: {error}")
                self._postpone(mail, failure)
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
        address = parseaddr(self._sender)[1]
        return Outgoing(
            name=f"{mail.created_at:%Y%m%dT%H%M%S}-{mail.id:08d}-{mail.message_id}",
            sender=address,
            recipient=mail.recipient,
            octets=_written(mail, self._sender, address.rpartition("@")[2]),
        )

    def _mark_sent(self, mail: Row[Any]) -> None:
        self._update(
            mail,
            state="sent",
            sent_at=self._clock.now(),
            attempts=mail.attempts + 1,
            last_error=None,
            **self._ended(),
        )
        logger.info("mail.sent", message_id=mail.message_id, kind=mail.kind)

    def _postpone(self, mail: Row[Any], error: NotDelivered) -> None:
        """Try again later, with a growing delay; give up on what the server will never take.

        A server that does not answer gives up no mail: an outage may last a week-end.
        """
        attempts = mail.attempts + 1
        exhausted = attempts >= MOST_ATTEMPTS and not isinstance(error, Unreachable)
        dead = error.permanent or exhausted
        outcome = (
            {"state": "dead", **self._ended()}
            if dead
            else {"next_try_at": self._clock.now() + delay_after(attempts)}
        )
        self._update(mail, attempts=attempts, last_error=str(error)[:500], **outcome)
        log = logger.error if dead else logger.warning
        log(
            "mail.dead" if dead else "mail.postponed",
            message_id=mail.message_id,
            kind=mail.kind,
            attempts=attempts,
            cause=str(error),
        )

    def _ended(self) -> dict[str, object]:
        """What is kept of a mail that nobody sends again: no texts."""
        return {"text": "", "html": None, "next_try_at": self._clock.now()}

    def _update(self, mail: Row[Any], **values: object) -> None:
        with self._db.unit_of_work() as work:
            work.connection().execute(
                update(_outbox).where(_outbox.c.id == mail.id).values(**values)
            )


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


def purge(db: Database, now: datetime) -> int:
    """Delete the mails that were sent or given up thirty days ago, and the addresses with them."""
    ended = _outbox.c.state.in_(("sent", "dead"))
    return delete_in_chunks(db, _outbox, ended, _outbox.c.next_try_at <= now - KEPT)


def delay_after(attempts: int) -> timedelta:
    """How long to wait after this many attempts: 1 min, 2, 4… at most 6 h."""
    return min(LONGEST_DELAY, FIRST_DELAY * (1 << min(attempts - 1, 16)))


class _Policy(EmailPolicy):
    """Folds a subject with accents whole: word by word, the library loses spaces between them."""

    def fold_binary(self, name: str, value: Any) -> bytes:  # noqa: ANN401 - the library's own
        if name != "Subject" or str(value).isascii():
            return super().fold_binary(name, value)
        encoded = Header(str(value), "utf-8", header_name=name).encode(linesep=self.linesep)
        return f"{name}: {encoded}{self.linesep}".encode("ascii")


_POLICY = _Policy(linesep="\r\n")


def _written(mail: Row[Any], sender: str, domain: str) -> bytes:
    """The message, the same octets at every try; ASCII only, so that every server takes it.

    Raises:
        NotDelivered: it cannot be written (a line break in an address).
    """
    message = EmailMessage(policy=_POLICY)
    try:
        message["From"] = sender
        message["To"] = mail.recipient
        message["Subject"] = mail.subject
        message["Date"] = mail.created_at
        message["Message-ID"] = f"<{mail.message_id}@{domain}>"
        message["Auto-Submitted"] = "auto-generated"
        message.set_content(mail.text, cte="quoted-printable")
        if mail.html is not None:
            message.add_alternative(mail.html, subtype="html", cte="quoted-printable")
        return message.as_bytes()
    except ValueError as error:
        raise NotDelivered(str(error), permanent=True) from error
