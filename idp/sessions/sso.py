"""Browser sessions at the IdP, and the SP sessions that they opened.

What runs at every request is a Core statement built once: the ORM would cost more than the query.
"""

from collections.abc import Collection, Sequence
from datetime import datetime, timedelta
from typing import Any, cast

from sqlalchemy import Connection, Row, Table, bindparam, case, insert, select, update
from sqlalchemy.engine import RowMapping

from idp.context import origin
from idp.db import Database
from idp.errors import NotFound, SessionEnded
from idp.interfaces import IAuditLog, IClock
from idp.purge import delete_in_chunks
from idp.records import OpenSession
from idp.sessions.rows import open_session, sp_session, sso_session
from idp.sessions.served import fold
from idp.sessions.tables import SpSessionRow, SsoSessionRow
from idp.sessions.tasks import queue
from idp.sessions.tokens import hashed, new_token, public_id
from idp.types import SpSession, SsoSession, Subject

TOUCH_EVERY = timedelta(minutes=1)
KEPT = timedelta(days=1)

MOST_LISTED = 100
"""Sessions that are shown to a person, the latest used first."""

CLOSED = "closed"
"""Why a session ended that the person closed from another browser."""

_sso = cast("Table", SsoSessionRow.__table__)
_sp = cast("Table", SpSessionRow.__table__)

_COLUMNS = (
    _sso.c.key,
    _sso.c.subject_id,
    _sso.c.authn_instant,
    _sso.c.authn_context,
    _sso.c.started_at,
    _sso.c.last_seen_at,
    _sso.c.expires_at,
    _sso.c.aia_until,
    _sso.c.choices,
)
_LIVE = (
    _sso.c.ended_at.is_(None),
    _sso.c.expires_at > bindparam("now"),
    _sso.c.last_seen_at > bindparam("idle_since"),
)
_FIND = select(*_COLUMNS).where(_sso.c.key == bindparam("key"), *_LIVE)
_OWNER = select(_sso.c.subject_id, _sso.c.ended_at).where(_sso.c.key == bindparam("key"))
_OF_SUBJECT = (
    select(_sso)
    .where(_sso.c.subject_id == bindparam("subject_id"))
    .order_by(_sso.c.last_seen_at.desc(), _sso.c.key)
    .limit(bindparam("most"))
)
_KEYS_OF_SUBJECT = select(_sso.c.key).where(_sso.c.subject_id == bindparam("subject_id"))
_START = insert(_sso)
_RECORDED = [column for column in _sp.c if column.name not in {"id", "ended_at"}]
# Only for a session that still lives, and locked until the commit: whoever ends it meanwhile waits,
# then finds this row and ends it as well.
_RECORD = (
    insert(_sp)
    .from_select(
        [column.name for column in _RECORDED],
        select(*(bindparam(f"new_{column.name}", type_=column.type) for column in _RECORDED))
        .select_from(_sso)
        .where(_sso.c.key == bindparam("new_sso_key"), _sso.c.ended_at.is_(None))
        .with_for_update(read=True),
    )
    .execution_options(preserve_rowcount=True)
)
_TOUCH = (
    update(_sso)
    .where(_sso.c.key == bindparam("of_key"), _sso.c.last_seen_at < bindparam("seen"))
    .values(
        last_seen_at=bindparam("seen"),
        # In SQL: another tab may have entered the AIA since this session was read.
        aia_until=case(
            (_sso.c.aia_until > bindparam("seen"), bindparam("aia", type_=_sso.c.aia_until.type)),
            else_=_sso.c.aia_until,
        ),
    )
)
_SP_SESSIONS = (
    select(_sp)
    .where(
        _sp.c.sso_key == bindparam("key"),
        _sp.c.ended_at.is_(None),
        _sp.c.expires_at > bindparam("now"),
    )
    .order_by(_sp.c.id)
)


class SsoSessions:
    """``ISsoSessions`` on the database. ``idle`` and ``lifetime`` bound each session."""

    def __init__(
        self,
        db: Database,
        clock: IClock,
        audit: IAuditLog,
        *,
        idle: timedelta,
        lifetime: timedelta,
    ) -> None:
        self._db = db
        self._clock = clock
        self._audit = audit
        self._idle = idle
        self._lifetime = lifetime

    def start(
        self, subject: Subject, authn_context: str, *, user_agent: str
    ) -> tuple[str, SsoSession]:
        """See :class:`idp.interfaces.ISsoSessions`. The address comes from :mod:`idp.context`."""
        now = self._clock.now()
        token = new_token()
        session = SsoSession(
            key=hashed(token),
            subject_id=subject.id,
            authn_instant=now,
            authn_context=authn_context,
            started_at=now,
            last_seen_at=now,
            expires_at=now + self._lifetime,
        )
        values = {
            "key": session.key,
            "subject_id": subject.id,
            "authn_instant": now,
            "authn_context": authn_context,
            "started_at": now,
            "last_seen_at": now,
            "expires_at": session.expires_at,
            "choices": {},
            "user_agent": user_agent.replace("\x00", "")[:256],
            "address": origin().address[:64],
        }
        with self._db.writing() as connection:
            connection.execute(_START, values)
        return token, session

    def find(self, token: str) -> SsoSession | None:
        """See :class:`idp.interfaces.ISsoSessions`. One statement."""
        found = self._db.rows(_FIND, self._live(key=hashed(token)))
        return sso_session(found[0]._mapping) if found else None  # noqa: SLF001 - public, says its manual

    def owner(self, token: str, *, lapsed: bool = False) -> str | None:
        """See :class:`idp.interfaces.ISsoSessions`. One statement."""
        found = self._db.rows(_OWNER, {"key": hashed(token)})
        if not found or (lapsed and found[0].ended_at is not None):
            return None
        return str(found[0].subject_id)

    def ends_at(self, session: SsoSession, *, used: bool) -> datetime:
        """See :class:`idp.interfaces.ISsoSessions`. Reckons as :meth:`touch` does."""
        now = self._clock.now()
        touched = used and now - session.last_seen_at >= TOUCH_EVERY
        last = now if touched else session.last_seen_at
        return min(last + self._idle, session.expires_at)

    def of_subject(
        self, subject_id: str, *, current: SsoSession | None = None, ended: bool = False
    ) -> tuple[OpenSession, ...]:
        """See :class:`idp.interfaces.ISsoSessions`. One statement."""
        statement = _OF_SUBJECT if ended else _OF_SUBJECT.where(*_LIVE)
        values = self._live(subject_id=subject_id, most=MOST_LISTED)
        with self._db.reading() as reading:
            rows = reading.connection().execute(statement, values).mappings().all()
        here = None if current is None else current.key
        return tuple(open_session(row, here) for row in rows)

    def touch(self, session: SsoSession) -> None:
        """See :class:`idp.interfaces.ISsoSessions`. A live AIA session goes on as well."""
        now = self._clock.now()
        if now - session.last_seen_at < TOUCH_EVERY:
            return
        until = min(now + self._idle, session.expires_at)
        values = {"of_key": session.key, "seen": now, "aia": until}
        with self._db.writing() as connection:
            connection.execute(_TOUCH, values)

    def record(self, session: SsoSession, sp_session: SpSession) -> None:
        """See :class:`idp.interfaces.ISsoSessions`."""
        name_id = sp_session.name_id
        values = {
            "sso_key": session.key,
            "entity_id": sp_session.entity_id,
            "subject_id": session.subject_id,
            "session_index": sp_session.session_index,
            "name_id": name_id.value,
            "name_id_format": name_id.format,
            "name_qualifier": name_id.name_qualifier,
            "sp_name_qualifier": name_id.sp_name_qualifier,
            "started_at": sp_session.started_at,
            "expires_at": sp_session.expires_at,
            "kid": sp_session.kid,
        }
        renamed = {f"new_{name}": value for name, value in values.items()}
        with self._db.writing() as connection:
            if connection.execute(_RECORD, renamed).rowcount != 1:
                raise SessionEnded("it ended while an assertion was being made")

    def sp_sessions(self, session: SsoSession) -> tuple[SpSession, ...]:
        """See :class:`idp.interfaces.ISsoSessions`."""
        values = {"key": session.key, "now": self._clock.now()}
        with self._db.reading() as reading:
            rows = reading.connection().execute(_SP_SESSIONS, values).mappings()
            return tuple(sp_session(row) for row in rows)

    def choose(self, session: SsoSession, entity_id: str, membership_id: str) -> None:
        """See :class:`idp.interfaces.ISsoSessions`."""
        of_key = _sso.c.key == session.key
        with self._db.writing() as connection:
            # Locked: two tabs may choose at once, for two SPs.
            choices = connection.scalar(select(_sso.c.choices).where(of_key).with_for_update())
            chosen = {**(choices or {}), entity_id: membership_id}
            connection.execute(update(_sso).where(of_key).values(choices=chosen))

    def enter_aia(self, session: SsoSession) -> None:
        """See :class:`idp.interfaces.ISsoSessions`. It ends idle as the portal's does."""
        until = min(self._clock.now() + self._idle, session.expires_at)
        with self._db.writing() as connection:
            connection.execute(
                update(_sso).where(_sso.c.key == session.key).values(aia_until=until)
            )

    def leave_aia(self, session: SsoSession) -> None:
        """See :class:`idp.interfaces.ISsoSessions`."""
        with self._db.writing() as connection:
            connection.execute(update(_sso).where(_sso.c.key == session.key).values(aia_until=None))

    def close_other(self, session: SsoSession, public: str) -> None:
        """See :class:`idp.interfaces.ISsoSessions`. Journalled as ``session.ended``, closed."""
        with self._db.writing() as connection:
            own = connection.execute(_KEYS_OF_SUBJECT, {"subject_id": session.subject_id})
            found = next((key for key in own.scalars() if public_id(key) == public), session.key)
            if found == session.key:
                raise NotFound(f"session {public!r}", public="Cette session n'existe pas.")
            self._close(connection, _sso.c.key == found)

    def close_others(self, session: SsoSession) -> None:
        """See :class:`idp.interfaces.ISsoSessions`. Journalled as ``session.ended``, closed."""
        of_subject = _sso.c.subject_id == session.subject_id
        with self._db.writing() as connection:
            self._close(connection, of_subject & (_sso.c.key != session.key))

    def log_out(
        self,
        keys: Collection[str],
        logout_id: int,
        *,
        due: datetime,
        in_browser: str | None = None,
        asked_by: str | None = None,
        spared: Collection[int] = (),
    ) -> None:
        """See :class:`idp.interfaces.ISsoSessions`."""
        with self._db.writing() as connection:
            for session in _lock(connection, _sso.c.key.in_(keys)):
                if self._end_sso(connection, _sso.c.key == session.key, "sign-out"):
                    ended = self._end_sp(connection, _sp.c.sso_key == session.key)
                    queue(
                        connection,
                        [row for row in ended if row["id"] not in spared],
                        self._clock.now(),
                        logout_id=logout_id,
                        in_browser=session.key == in_browser,
                        due=due,
                    )
                    self._ended(session.subject_id, asked_by, "sign-out")

    def replace(self, old: SsoSession, new: SsoSession) -> None:
        """See :class:`idp.interfaces.ISsoSessions`."""
        with self._db.writing() as connection:
            _lock(connection, _sso.c.key.in_((old.key, new.key)))
            if old.subject_id == new.subject_id:
                kept = {"choices": dict(old.choices), "aia_until": old.aia_until}
                connection.execute(update(_sso).where(_sso.c.key == new.key).values(kept))
                connection.execute(
                    update(_sp)
                    .where(_sp.c.sso_key == old.key, _sp.c.ended_at.is_(None))
                    .values(sso_key=new.key)
                )
            if self._end_sso(connection, _sso.c.key == old.key, "replaced"):
                self._end_sp_and_tell(connection, _sp.c.sso_key == old.key)
                self._ended(old.subject_id, None, "replaced")

    def end(
        self,
        subject_id: str,
        *,
        entity_id: str | None = None,
        reason: str,
        spared: SsoSession | None = None,
    ) -> None:
        """See :class:`idp.interfaces.ISsoSessions`. Journalled when there was a session to end."""
        kept = "" if spared is None else spared.key
        of_subject = (_sso.c.subject_id == subject_id) & (_sso.c.key != kept)
        held = [_sp.c.subject_id == subject_id, _sp.c.sso_key != kept]
        if entity_id is not None:
            held.append(_sp.c.entity_id == entity_id)
        with self._db.writing() as connection:
            _lock(connection, of_subject)
            ended = 0 if entity_id else self._end_sso(connection, of_subject, reason)
            if self._end_sp_and_tell(connection, *held) or ended:
                self._ended(subject_id, entity_id, reason)

    def _close(self, connection: Connection, which: Any) -> None:  # noqa: ANN401
        """End those browser sessions of one person, and what they opened at SPs."""
        locked = _lock(connection, which)
        keys = [row.key for row in locked]
        if self._end_sso(connection, _sso.c.key.in_(keys), CLOSED):
            self._end_sp_and_tell(connection, _sp.c.sso_key.in_(keys))
            self._ended(locked[0].subject_id, None, CLOSED)

    def _ended(self, subject_id: str, entity_id: str | None, reason: str) -> None:
        self._audit.record(
            "session.ended",
            subject_id=subject_id,
            entity_id=entity_id,
            parameters={"reason": reason},
        )

    def _end_sso(self, connection: Connection, which: Any, reason: str) -> int:  # noqa: ANN401
        now = self._clock.now()
        return connection.execute(
            update(_sso)
            .where(which, _sso.c.ended_at.is_(None), _sso.c.expires_at > now)
            .values(ended_at=now, end_reason=reason[:40], aia_until=None)
        ).rowcount

    def _end_sp(
        self,
        connection: Connection,
        *which: Any,  # noqa: ANN401 - conditions
    ) -> Sequence[RowMapping]:
        """End SP sessions; returns those that were live, whose SPs are to be told."""
        now = self._clock.now()
        live = (_sp.c.ended_at.is_(None), _sp.c.expires_at > now)
        statement = select(_sp).where(*which, *live).order_by(_sp.c.id).with_for_update()
        rows = connection.execute(statement).mappings().all()
        if rows:
            ids = [row["id"] for row in rows]
            connection.execute(update(_sp).where(_sp.c.id.in_(ids)).values(ended_at=now))
        return rows

    def _end_sp_and_tell(self, connection: Connection, *which: Any) -> int:  # noqa: ANN401
        """End SP sessions, and let the worker tell their SPs; returns how many."""
        rows = self._end_sp(connection, *which)
        queue(connection, rows, self._clock.now())
        return len(rows)

    def _live(self, **values: object) -> dict[str, object]:
        now = self._clock.now()
        return {**values, "now": now, "idle_since": now - self._idle}


def _lock(connection: Connection, which: Any) -> Sequence[Row[str, str]]:  # noqa: ANN401
    """The browser sessions that are not ended, until the commit nobody else's to change.

    Whoever ends sessions locks these first and in this order, then their SP sessions: two that end
    the same ones wait for one another, and never both at once.
    """
    return connection.execute(
        select(_sso.c.key, _sso.c.subject_id)
        .where(which, _sso.c.ended_at.is_(None))
        .order_by(_sso.c.key)
        .with_for_update(key_share=True)
    ).all()


def purge(db: Database, now: datetime) -> int:
    """Delete the sessions a day after their last possible use; returns how many.

    Their SP sessions go with them, except with which key each SP was last answered.
    """
    old = _sso.c.expires_at <= now - KEPT
    fold(db, old)
    return delete_in_chunks(db, _sso, old)
