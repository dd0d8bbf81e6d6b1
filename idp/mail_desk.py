"""What people may see of the outbox and do about it; texts never leave it.

Who may is the caller's to have asked: the correspondant's page and the command line.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector
from sqlalchemy import Row, and_, bindparam, func, or_, select, update

from idp.db import Database, DatabaseError
from idp.errors import DirectoryError, NotFound
from idp.interfaces import IAuditLog, IClock
from idp.mail import GIVEN_UP, OUTBOX, MailState
from idp.mail_transports import Cause

PAGE = 50


@dataclass(frozen=True, slots=True)
class MailSlip:
    """What is known of a mail: everything but its texts.

    ``cause`` and ``answer`` (the server's own words) tell of the last try that failed.
    ``resendable``: it waits, or is dead and its texts were kept.
    """

    id: int
    kind: str
    recipient: str
    subject: str
    state: MailState
    attempts: int
    created_at: datetime
    next_try_at: datetime
    sent_at: datetime | None
    cause: Cause | None
    answer: str
    resendable: bool

    @property
    def undelivered(self) -> bool:
        """*Mail non remis*: given up, or waiting after a try that failed."""
        tried = self.state is MailState.WAITING and self.cause is not None
        return tried or self.state in GIVEN_UP


@dataclass(frozen=True, slots=True)
class MailPage:
    """Some mails, newest first; ``older`` is the key of the next page, None at the end."""

    mails: tuple[MailSlip, ...]
    older: int | None


_SHOWN = select(
    *(column for column in OUTBOX.c if column.name not in {"text", "html"}),
    (OUTBOX.c.text != "").label("has_text"),
)
_COUNTS = (
    select(OUTBOX.c.state, func.count().label("number"), func.min(OUTBOX.c.created_at).label("old"))
    .where(OUTBOX.c.state.in_((MailState.WAITING, MailState.DEAD)))
    .group_by(OUTBOX.c.state)
)
_LATEST = (
    select(OUTBOX.c.recipient, func.max(OUTBOX.c.id).label("id"))
    .where(
        OUTBOX.c.recipient.in_(bindparam("recipients", expanding=True)),
        OUTBOX.c.kind.in_(bindparam("kinds", expanding=True)),
    )
    .group_by(OUTBOX.c.recipient)
    .subquery()
)
_DELIVERIES = _SHOWN.join(_LATEST, _LATEST.c.id == OUTBOX.c.id)
_OPEN = (MailState.WAITING, MailState.DEAD)


class MailDesk:
    """Lists mails, sends them again, abandons them. Each change is journalled with it."""

    def __init__(self, db: Database, clock: IClock, audit: IAuditLog) -> None:
        self._db = db
        self._clock = clock
        self._audit = audit

    def page(
        self, state: MailState | None = None, *, before: int | None = None, recipient: str = ""
    ) -> MailPage:
        """Fifty mails, in one statement: of this state, to this address, below this key."""
        wanted = _SHOWN
        if state is not None:
            wanted = wanted.where(OUTBOX.c.state == state)
        if before is not None:
            wanted = wanted.where(OUTBOX.c.id < before)
        if recipient:
            wanted = wanted.where(OUTBOX.c.recipient.in_({recipient, recipient.lower()}))
        rows = self._db.rows(wanted.order_by(OUTBOX.c.id.desc()).limit(PAGE + 1), {})
        mails = tuple(_slip(row) for row in rows[:PAGE])
        return MailPage(mails, mails[-1].id if len(rows) > PAGE else None)

    def numbers(self) -> dict[MailState, int]:
        """How many wait and how many are dead."""
        found = {MailState(row.state): row.number for row in self._db.rows(_COUNTS, {})}
        return {state: found.get(state, 0) for state in _OPEN}

    def deliveries(self, recipients: Sequence[str], kinds: Sequence[str]) -> dict[str, MailSlip]:
        """The newest mail of these kinds to each of these addresses, in one statement.

        An address without such a mail, or whose mail ended thirty days ago, is absent.
        """
        if not recipients or not kinds:
            return {}
        values = {"recipients": list(recipients), "kinds": list(kinds)}
        return {row.recipient: _slip(row) for row in self._db.rows(_DELIVERIES, values)}

    def send_again(self, mail_id: int) -> MailSlip:
        """Try a mail at once that waits or is dead, with as many tries as a new one.

        Raises:
            NotFound: no such mail.
            DirectoryError: it left, was abandoned, is being sent, or its text is kept no more.
        """
        with self._db.writing():
            mail = self._open(mail_id)
            if not mail.resendable:
                raise DirectoryError(
                    f"mail {mail_id} has no text any more",
                    public="Ce mail contenait un lien personnel : son texte n'est pas "
                    "conservé. La personne peut demander un nouveau lien.",
                )
            return self._change(
                mail, "mail.retried", state=MailState.WAITING, attempts=0, cause=None
            )

    def abandon(self, mail_id: int) -> MailSlip:
        """Send a mail no more that waits or is dead, and erase its texts.

        Raises:
            NotFound: no such mail.
            DirectoryError: it left, was abandoned, or is being sent.
        """
        with self._db.writing():
            mail = self._open(mail_id)
            return self._change(
                mail, "mail.abandoned", state=MailState.ABANDONED, text="", html=None
            )

    def _open(self, mail_id: int) -> MailSlip:
        """The mail, locked, if something may be done about it."""
        one = _SHOWN.where(OUTBOX.c.id == bindparam("id"))
        # The worker keeps the row for as long as a conversation with the mail server lasts.
        found = self._db.rows(one.with_for_update(skip_locked=True), {"id": mail_id})
        if not found and self._db.rows(one, {"id": mail_id}):
            raise _refused(mail_id, "Ce mail est en cours d'envoi.")
        if not found:
            raise NotFound(f"mail {mail_id}", public="Ce mail n'existe pas ou plus.")
        mail = _slip(found[0])
        if mail.state is MailState.SENT:
            raise _refused(mail_id, "Ce mail est déjà parti.")
        if mail.state is MailState.ABANDONED:
            raise _refused(mail_id, "Ce mail a déjà été abandonné.")
        return mail

    def _change(self, mail: MailSlip, code: str, **values: object) -> MailSlip:
        changed = and_(OUTBOX.c.id == mail.id, or_(*(OUTBOX.c.state == each for each in _OPEN)))
        with self._db.writing() as connection:
            connection.execute(
                update(OUTBOX).where(changed).values(next_try_at=self._clock.now(), **values)
            )
        self._audit.record(
            code,
            target=f"mail:{mail.id}",
            parameters={"kind": mail.kind, "recipient": mail.recipient},
        )
        return mail


class MailGauges(Collector):
    """``convergences_mails`` and the age of the oldest that waits, worked out when asked for.

    So every process says the same, whichever of them sends.
    """

    def __init__(self, db: Database, clock: IClock) -> None:
        self._db = db
        self._clock = clock

    def collect(self) -> Iterable[GaugeMetricFamily]:
        """One statement; nothing while the database cannot be read."""
        try:
            rows = {row.state: row for row in self._db.rows(_COUNTS, {})}
        except DatabaseError:
            return []
        number = GaugeMetricFamily(
            "convergences_mails", "Mails that wait or were given up", labels=["state"]
        )
        for state in _OPEN:
            number.add_metric([state], rows[state].number if state in rows else 0)
        waiting = rows.get(MailState.WAITING)
        age = timedelta(0) if waiting is None else self._clock.now() - waiting.old
        oldest = GaugeMetricFamily(
            "convergences_mail_oldest_seconds", "Age of the oldest mail that waits"
        )
        oldest.add_metric([], age.total_seconds())
        return [number, oldest]


def _slip(row: Row[Any]) -> MailSlip:
    state = MailState(row.state)
    return MailSlip(
        id=row.id,
        kind=row.kind,
        recipient=row.recipient,
        subject=row.subject,
        state=state,
        attempts=row.attempts,
        created_at=row.created_at,
        next_try_at=row.next_try_at,
        sent_at=row.sent_at,
        cause=None if row.cause is None else Cause(row.cause),
        answer=row.last_error or "",
        resendable=state in _OPEN and bool(row.has_text),
    )


def _refused(mail_id: int, public: str) -> DirectoryError:
    return DirectoryError(f"mail {mail_id}: nothing can be done", public=public)
