"""With which key each service provider was last answered, and when.

A sign-on writes the key into its SP session, at no price. What a purge is about to delete is folded
into one row an SP first, so that an SP of which nobody asked anything for a month is still known.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import cast

from sqlalchemy import ColumnElement, Table, delete, func, select, update

from idp.db import Database
from idp.sessions.tables import KeyServedRow, SpSessionRow, SsoSessionRow

_sso = cast("Table", SsoSessionRow.__table__)
_sp = cast("Table", SpSessionRow.__table__)
_served = cast("Table", KeyServedRow.__table__)

_OF_SESSIONS = select(
    _sp.c.entity_id, _sp.c.kid, func.max(_sp.c.started_at).label("served_at")
).where(_sp.c.kid.is_not(None))
_FOLDED = select(_served.c.entity_id, _served.c.kid, _served.c.served_at)


@dataclass(frozen=True, slots=True)
class Served:
    """The SP was last answered with this key at this moment."""

    entity_id: str
    kid: str
    at: datetime


def last_served(db: Database) -> tuple[Served, ...]:
    """One for each SP that was ever answered, by entityID."""
    with db.reading() as reading:
        connection = reading.connection()
        rows = connection.execute(_OF_SESSIONS.group_by(_sp.c.entity_id, _sp.c.kid)).all()
        rows = [*rows, *connection.execute(_FOLDED).all()]
    return _latest([Served(*row) for row in rows])


def fold(db: Database, *gone: ColumnElement[bool]) -> None:
    """Keep what the SP sessions of these browser sessions, soon to be deleted, say."""
    going = _OF_SESSIONS.join(_sso, _sso.c.key == _sp.c.sso_key).where(*gone)
    with db.reading() as reading:
        rows = reading.connection().execute(going.group_by(_sp.c.entity_id, _sp.c.kid)).all()
    latest = _latest([Served(*row) for row in rows])
    if not latest:
        return
    statement = db.insert(_served)
    statement = statement.on_conflict_do_update(
        index_elements=[_served.c.entity_id],
        set_={"kid": statement.excluded.kid, "served_at": statement.excluded.served_at},
        where=_served.c.served_at < statement.excluded.served_at,
    )
    values = [{"entity_id": one.entity_id, "kid": one.kid, "served_at": one.at} for one in latest]
    with db.writing() as connection:
        connection.execute(statement, values)


def forget_served(db: Database, entity_id: str) -> None:
    """With which key this SP was answered; it is registered no more."""
    with db.writing() as connection:
        connection.execute(update(_sp).where(_sp.c.entity_id == entity_id).values(kid=None))
        connection.execute(delete(_served).where(_served.c.entity_id == entity_id))


def _latest(every: list[Served]) -> tuple[Served, ...]:
    last = {one.entity_id: one for one in sorted(every, key=lambda one: one.at)}
    return tuple(last[entity_id] for entity_id in sorted(last))
