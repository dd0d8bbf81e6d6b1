"""The end of the journal's oldest events, twelve months after they happened."""

from datetime import datetime, timedelta
from typing import cast

from sqlalchemy import Connection, Table, delete, select, true

from idp.audit import (
    BATCH,
    CHECKPOINT,
    AuditEvent,
    AuditSeal,
    Checkpoint,
    Sealer,
    alone,
    newest_checkpoint,
)
from idp.db import Database
from idp.interfaces import IAuditLog, IClock
from idp.log import logger
from idp.purge import CHUNK

KEPT = timedelta(days=365)
"""The twelve months that the page on personal data promises."""

_event = cast("Table", AuditEvent.__table__)
_seal = cast("Table", AuditSeal.__table__)


class AuditPurge:
    """Deletes events of more than twelve months, with their seals, from the chain's beginning.

    A checkpoint is appended first. Only what a *sealed* checkpoint covers is deleted, so that the
    chain itself says where it starts; a purge that is cut short goes on at the next run.
    """

    def __init__(
        self, db: Database, clock: IClock, audit: IAuditLog, sealer: Sealer, secret: bytes
    ) -> None:
        self._db = db
        self._clock = clock
        self._audit = audit
        self._sealer = sealer
        self._secret = secret

    def run(self) -> int:
        """Purge; returns how many events are gone."""
        if self._append_checkpoint():
            while self._sealer.seal() >= BATCH:
                pass
        with self._db.reading() as reading:
            last = newest_checkpoint(reading.connection(), self._secret).position
        removed = 0
        while gone := self._delete_chunk(last):
            removed += gone
        if removed:
            logger.info("audit.purged", events=removed, position=last)
        return removed

    def _append_checkpoint(self) -> bool:
        """Whether there was anything new to say."""
        before = self._clock.now() - KEPT
        with self._db.reading() as reading:
            if self._due(reading.connection(), before) is None:
                return False
        with self._db.unit_of_work() as work:
            connection = work.connection()
            due = self._due(connection, before) if alone(self._db, connection) else None
            if due is not None:
                self._audit.record(CHECKPOINT, parameters=due.parameters(self._secret))
            return due is not None

    def _due(self, connection: Connection, before: datetime) -> Checkpoint | None:
        """The last seal of the old events that begin the chain, unless a checkpoint names it."""
        first_kept = connection.scalar(
            select(_seal.c.position)
            .join_from(_seal, _event, _event.c.id == _seal.c.event_id)
            .where(_event.c.at > before)
            .order_by(_seal.c.position)
            .limit(1)
        )
        old = true() if first_kept is None else _seal.c.position < first_kept
        last = connection.execute(
            select(_seal.c.position, _seal.c.hash)
            .where(old)
            .order_by(_seal.c.position.desc())
            .limit(1)
        ).one_or_none()
        known = newest_checkpoint(connection, self._secret).position
        return Checkpoint(*last) if last is not None and last.position > known else None

    def _delete_chunk(self, last: int) -> int:
        chunk = select(_seal.c.event_id).where(_seal.c.position <= last).limit(CHUNK)
        with self._db.reading() as reading:
            events = list(reading.connection().scalars(chunk))
        if events:
            with self._db.unit_of_work() as work:
                connection = work.connection()
                connection.execute(delete(_seal).where(_seal.c.event_id.in_(events)))
                connection.execute(delete(_event).where(_event.c.id.in_(events)))
        return len(events)
