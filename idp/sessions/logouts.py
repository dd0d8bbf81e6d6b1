"""Sign-outs under way: begun with the end of the browser session, answered once, forgotten soon."""

from collections.abc import Collection
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import Any, cast

from sqlalchemy import Table, func, select, update

from idp.db import Database
from idp.errors import ReplayedMessage, UnknownFlow
from idp.interfaces import IClock, ISsoSessions
from idp.messages import AcceptedLogout, Logout
from idp.purge import delete_in_chunks
from idp.sessions.tables import LogoutRow, SpSessionRow
from idp.sessions.tasks import Tasks
from idp.sessions.tokens import hashed, new_token
from idp.types import Binding, NameID, SsoSession

LIFETIME = timedelta(minutes=15)
"""How long the browser may take; a LogoutRequest cannot be replayed meanwhile, nor later."""

_table = cast("Table", LogoutRow.__table__)
_sp = cast("Table", SpSessionRow.__table__)


@dataclass(frozen=True, slots=True)
class Meant:
    """An SP session that a LogoutRequest names, by its number; ``live``: it is not over."""

    id: int
    sso_key: str
    live: bool


class Logouts:
    """Begins, finds and answers sign-outs."""

    def __init__(self, db: Database, clock: IClock, sessions: ISsoSessions, tasks: Tasks) -> None:
        self._db = db
        self._clock = clock
        self._sessions = sessions
        self._tasks = tasks
        self._insert = db.insert(_table).on_conflict_do_nothing().returning(_table.c.id)

    def begin(self, session: SsoSession) -> str:
        """End this browser session; returns the flow under which its SPs are told."""
        return self._db.resolved(partial(self._begin, session))

    def obey(self, accepted: AcceptedLogout, own: str | None = None) -> tuple[str, int]:
        """End the browser sessions that this SP means; returns the flow, and how many they were.

        Several sign-ons of one person stay apart when the SP names the SessionIndex. ``own`` is the
        key of the session of the browser that brings the message, when it shows one.

        Raises:
            ReplayedMessage: this SP already used this message ID.
        """
        return self._db.resolved(partial(self._obey, accepted, own))

    def find(self, flow: str) -> Logout:
        """The sign-out of this flow.

        Raises:
            UnknownFlow: lost, expired or answered.
        """
        with self._db.reading() as reading:
            row = (
                reading.connection()
                .execute(
                    select(_table.c.id, _table.c.asked, _table.c.known).where(
                        _table.c.flow == hashed(flow),
                        _table.c.answered_at.is_(None),
                        _table.c.expires_at > self._clock.now(),
                    )
                )
                .first()
            )
        if row is None:
            raise UnknownFlow("no sign-out waits under this flow id")
        tasks = self._tasks.of_logout(row.id)
        return Logout(row.id, _from_json(row.asked), row.known, tasks)

    def answer(self, logout: Logout) -> None:
        """The SP that asked is answered now, once.

        Raises:
            UnknownFlow: it was answered meanwhile.
        """
        with self._db.writing() as connection:
            answered = connection.execute(
                update(_table)
                .where(_table.c.id == logout.id, _table.c.answered_at.is_(None))
                .values(answered_at=self._clock.now())
            )
            if answered.rowcount != 1:
                raise UnknownFlow("answered meanwhile")

    def _begin(self, session: SsoSession) -> str:
        with self._db.writing():
            flow, logout_id = self._add(None, known=True)
            keys = (session.key,)
            self._sessions.log_out(keys, logout_id, due=self._due(), in_browser=session.key)
        return flow

    def _obey(self, accepted: AcceptedLogout, own: str | None) -> tuple[str, int]:
        with self._db.writing():
            meant = self._meant(accepted)
            flow, logout_id = self._add(accepted, known=bool(meant))
            live = {each.sso_key for each in meant if each.live}
            self._sessions.log_out(
                live,
                logout_id,
                due=self._due(),
                in_browser=_in_browser(accepted, meant, own),
                asked_by=accepted.entity_id,
                spared={each.id for each in meant},
            )
        return flow, len(live)

    def _add(self, accepted: AcceptedLogout | None, *, known: bool) -> tuple[str, int]:
        flow, now = new_token(), self._clock.now()
        values = {
            "flow": hashed(flow),
            "entity_id": accepted.entity_id if accepted else None,
            "message_id": accepted.message_id if accepted else None,
            "known": known,
            "asked": asdict(accepted) if accepted else None,
            "started_at": now,
            "expires_at": now + LIFETIME,
        }
        with self._db.writing() as connection:
            added = connection.execute(self._insert, values).first()
        if added is None:
            message_id = accepted.message_id if accepted else ""
            raise ReplayedMessage(f"{message_id} was already used")
        return flow, added.id

    def _meant(self, accepted: AcceptedLogout) -> list[Meant]:
        """The sessions that this SP has, or had, under such names.

        One that is over, its role withdrawn perhaps, ends nothing: its right ended with it.
        """
        name_id = accepted.name_id
        which = [_sp.c.name_id == name_id.value, _sp.c.entity_id == accepted.entity_id]
        # What an SP leaves out is not compared: it may have stored less than it was given.
        for column, given in (
            (_sp.c.name_id_format, name_id.format),
            (_sp.c.name_qualifier, name_id.name_qualifier),
            (_sp.c.sp_name_qualifier, name_id.sp_name_qualifier),
        ):
            if given:
                which.append(func.coalesce(column, given) == given)
        if accepted.session_indexes:
            which.append(_sp.c.session_index.in_(accepted.session_indexes))
        live = (_sp.c.ended_at.is_(None)) & (_sp.c.expires_at > self._clock.now())
        found = select(_sp.c.id, _sp.c.sso_key, live.label("live")).where(*which)
        with self._db.reading() as reading:
            rows = reading.connection().execute(found)
            return [Meant(row.id, row.sso_key, bool(row.live)) for row in rows]

    def _due(self) -> datetime:
        """When the worker sees to what the browser did not."""
        return self._clock.now() + LIFETIME


def _in_browser(accepted: AcceptedLogout, meant: Collection[Meant], own: str | None) -> str | None:
    """Which of these sessions is that of the browser that brought the message; None: unknown.

    An SP's POST arrives without our cookie, but what it names by SessionIndex it has there.
    """
    keys = {each.sso_key for each in meant}
    if accepted.binding is Binding.SOAP:
        return None
    if own in keys:
        return own
    return keys.pop() if accepted.session_indexes and len(keys) == 1 else None


def purge(db: Database, now: datetime) -> int:
    """Delete the sign-outs that are over; what their SPs are still to be told stays."""
    return delete_in_chunks(db, _table, _table.c.expires_at <= now)


def _from_json(data: dict[str, Any] | None) -> AcceptedLogout | None:
    if data is None:
        return None
    return AcceptedLogout(
        **{
            **data,
            "binding": Binding(data["binding"]),
            "name_id": NameID(**data["name_id"]),
            "session_indexes": tuple(data["session_indexes"]),
        }
    )
