"""Mails: an outbox table written in the transaction of what they tell of, sent by the worker."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from secrets import token_hex
from typing import cast

from sqlalchemy import Index, String, Table, Text, bindparam, false, insert, select
from sqlalchemy.orm import Mapped, mapped_column

from idp.db import Base, Database
from idp.interfaces import IClock
from idp.purge import delete_in_chunks
from idp.records import MailNote


class MailState(StrEnum):
    """Where a mail is. Those that ended are kept for thirty days, without their texts."""

    WAITING = "waiting"
    """It is due, or will be tried again."""
    SENT = "sent"
    """The server took it."""
    DEAD = "dead"
    """Given up by the worker: somebody should look at it."""
    ABANDONED = "abandoned"
    """Given up by somebody."""


GIVEN_UP = frozenset({MailState.DEAD, MailState.ABANDONED})
"""Nobody tries any more, and it did not arrive."""


class OutboxMail(Base):
    """A mail that waits, was sent, or was given up.

    ``message_id`` is the part before the @; the sender's domain follows it. The texts are erased
    once nobody sends it again, and already when it is dead if it ``has_link``: they could open an
    account. ``next_try_at`` is then the moment of that, and :func:`purge` counts from it.
    """

    __tablename__ = "outbox"
    __table_args__ = (
        Index("ix_outbox_state_next_try_at", "state", "next_try_at"),
        Index("ix_outbox_state_id", "state", "id"),
        Index("ix_outbox_recipient_id", "recipient", "id"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    message_id: Mapped[str] = mapped_column(String(200), unique=True)
    kind: Mapped[str] = mapped_column(String(60))
    recipient: Mapped[str] = mapped_column(String(254))
    subject: Mapped[str] = mapped_column(String(300))
    text: Mapped[str] = mapped_column(Text)
    html: Mapped[str | None] = mapped_column(Text)
    has_link: Mapped[bool] = mapped_column(default=False, server_default=false())
    state: Mapped[str] = mapped_column(String(20), default=MailState.WAITING)
    attempts: Mapped[int] = mapped_column(default=0)
    created_at: Mapped[datetime]
    next_try_at: Mapped[datetime]
    sent_at: Mapped[datetime | None]
    cause: Mapped[str | None] = mapped_column(String(20))
    last_error: Mapped[str | None] = mapped_column(String(500))


KEPT = timedelta(days=30)
"""How long it is known that a mail was sent, or was given up and why."""

OUTBOX = cast("Table", OutboxMail.__table__)
_QUEUE = insert(OUTBOX)
_ABOUT = (
    select(OUTBOX.c.kind, OUTBOX.c.subject, OUTBOX.c.state, OUTBOX.c.created_at, OUTBOX.c.sent_at)
    .where(
        OUTBOX.c.recipient == bindparam("of_recipient"), OUTBOX.c.created_at >= bindparam("since")
    )
    .order_by(OUTBOX.c.id.desc())
    .limit(bindparam("most"))
)
_ENDED = (MailState.SENT, MailState.DEAD, MailState.ABANDONED)


@dataclass(frozen=True, slots=True)
class MailText:
    """The words of a mail; ``html`` None: plain text alone. ``has_link``: it opens something."""

    subject: str
    text: str
    html: str | None = None
    has_link: bool = False


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
            "subject": _one_line(words.subject)[:300],
            "text": words.text,
            "html": words.html,
            "has_link": words.has_link,
            "state": MailState.WAITING,
            "attempts": 0,
            "created_at": now,
            "next_try_at": now,
        }
        with self._db.writing() as connection:
            connection.execute(_QUEUE, values)

    def about(self, recipient: str, *, since: datetime, most: int) -> tuple[MailNote, ...]:
        """See :class:`idp.interfaces.IMailer`."""
        values = {"of_recipient": recipient, "since": since, "most": most}
        rows = self._db.rows(_ABOUT, values)
        mappings = (row._mapping for row in rows)  # noqa: SLF001 - public, says its manual
        return tuple(MailNote(**mapping) for mapping in mappings)


def _one_line(text: str) -> str:
    """Without line breaks, doubled spaces and what cannot be seen: somebody's name may be in it."""
    return "".join(each for each in " ".join(text.split()) if each.isprintable())


def purge(db: Database, now: datetime) -> int:
    """Delete the mails that were sent or given up thirty days ago, and the addresses with them."""
    ended = OUTBOX.c.state.in_(_ENDED)
    return delete_in_chunks(db, OUTBOX, ended, OUTBOX.c.next_try_at <= now - KEPT)
