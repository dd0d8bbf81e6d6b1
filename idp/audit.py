"""The journal: who did what to whom, when, from where; appended in the transaction of the change.

Requests insert plain events. One sealer (the worker) appends, for every committed event that has
none, a seal that carries the hash of the one before: ids commit out of order, so the chain is not
built by the requests themselves.
"""

import hmac
import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from logging import DEBUG, INFO
from typing import Any, cast

from sqlalchemy import (
    JSON,
    Connection,
    ForeignKey,
    Index,
    Select,
    String,
    Table,
    bindparam,
    exists,
    func,
    insert,
    select,
    text,
)
from sqlalchemy.engine import RowMapping
from sqlalchemy.orm import Mapped, mapped_column

from idp.context import origin
from idp.db import Base, Database
from idp.interfaces import IClock
from idp.log import logger
from idp.records import JournalEntry


class AuditEvent(Base):
    """One event: a code and its parameters; the views word it."""

    __tablename__ = "audit_event"
    __table_args__ = (
        Index("ix_audit_event_subject_at", "subject_id", "at"),
        Index(
            "ix_audit_event_structure_at",
            "structure",
            "at",
            sqlite_where=text("structure IS NOT NULL"),
            postgresql_where=text("structure IS NOT NULL"),
        ),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    at: Mapped[datetime] = mapped_column(index=True)
    code: Mapped[str] = mapped_column(String(60))
    actor: Mapped[str] = mapped_column(String(120))
    address: Mapped[str] = mapped_column(String(64))
    request_id: Mapped[str] = mapped_column(String(64))
    subject_id: Mapped[str | None] = mapped_column(String(64))
    entity_id: Mapped[str | None] = mapped_column(String(1024))
    target: Mapped[str | None] = mapped_column(String(200))
    parameters: Mapped[dict[str, Any]] = mapped_column(JSON, default=dict)
    structure: Mapped[str | None] = mapped_column(String(64))
    """In which structure it happened: said by ``target`` or ``parameters`` already, found by this.

    No part of the seal, which covers those two: :func:`verify` reads it from them again.
    """


class AuditSeal(Base):
    """The seal of one event: ``hash`` covers the event and the seal before."""

    __tablename__ = "audit_seal"

    position: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    event_id: Mapped[int] = mapped_column(ForeignKey("audit_event.id"), unique=True)
    hash: Mapped[str] = mapped_column(String(64))


GENESIS = "0" * 64
"""The hash before the first seal."""

BATCH = 1000
"""Events sealed, and seals verified, at a time."""

WINDOW = 10_000
"""How far below the newest sealed id the sealer looks for events that committed late."""

WHOLE_EVERY = timedelta(minutes=10)
"""How often it looks through the whole journal instead."""

CHECKPOINT = "audit.checkpoint"

ADVISORY_LOCK = 0x5345414C

_event = cast("Table", AuditEvent.__table__)
_seal = cast("Table", AuditSeal.__table__)

_SEALED = tuple(column.name for column in _event.c if column.name != "structure")
_WRITTEN = tuple(column for column in _event.c if column.name != "id")
_INSERT = insert(_event)
_INSERT_IF_KNOWN = insert(_event).from_select(
    [column.name for column in _WRITTEN],
    select(*(bindparam(f"new_{column.name}", type_=column.type) for column in _WRITTEN)).where(
        bindparam("new_subject_id", type_=String()).is_not(None)
    ),
)
_TALLY = (
    select(_event.c.entity_id, func.count().label("times"), func.max(_event.c.at).label("last_at"))
    .where(
        _event.c.subject_id == bindparam("of_subject"),
        _event.c.at >= bindparam("since"),
        _event.c.code == bindparam("of_code"),
    )
    .group_by(_event.c.entity_id)
)
_UNSEALED = ~exists().where(_seal.c.event_id == _event.c.id)
_TO_SEAL = (
    select(_event)
    .where(_UNSEALED, _event.c.id > bindparam("above"))
    .order_by(_event.c.id)
    .limit(BATCH)
)
_CHECKPOINTS = (
    select(_event.c.parameters)
    .join_from(_event, _seal, _seal.c.event_id == _event.c.id)
    .where(_event.c.code == CHECKPOINT)
)
_ABOUT = (
    select(
        _event.c.at,
        _event.c.code,
        _event.c.actor,
        _event.c.address,
        _event.c.entity_id,
        _event.c.target,
        _event.c.parameters,
    )
    .where(_event.c.subject_id == bindparam("of_subject"))
    .order_by(_event.c.at.desc(), _event.c.id.desc())
    .limit(bindparam("most"))
)
_LAST = select(_seal.c.position, _seal.c.hash).order_by(_seal.c.position.desc()).limit(1)


class AuditLog:
    """``IAuditLog`` on the database."""

    def __init__(self, db: Database, clock: IClock) -> None:
        self._db = db
        self._clock = clock

    def record(
        self,
        code: str,
        *,
        subject_id: str | None = None,
        entity_id: str | None = None,
        target: str | None = None,
        parameters: Mapping[str, object] | None = None,
    ) -> None:
        """See :class:`idp.interfaces.IAuditLog`."""
        values = self._values(code, subject_id, entity_id, target, parameters)
        with self._db.writing() as connection:
            connection.execute(_INSERT, values)

    def record_if_known(
        self, code: str, *, subject_id: str | None, parameters: Mapping[str, object] | None = None
    ) -> None:
        """Append an event if there is a person it happens to; the statement is the same if not.

        For what strangers can provoke: they must neither fill the journal nor learn from the
        database's work who has an account.
        """
        values = self._values(code, subject_id, None, None, parameters)
        renamed = {f"new_{name}": value for name, value in values.items()}
        with self._db.writing() as connection:
            connection.execute(_INSERT_IF_KNOWN, renamed)

    def tally(
        self, code: str, subject_id: str, *, since: datetime
    ) -> Mapping[str | None, tuple[int, datetime]]:
        """See :class:`idp.interfaces.IAuditLog`."""
        values = {"of_subject": subject_id, "since": since, "of_code": code}
        rows = self._db.rows(_TALLY, values)
        return {row.entity_id: (row.times, row.last_at) for row in rows}

    def about(self, subject_id: str, *, most: int) -> tuple[JournalEntry, ...]:
        """See :class:`idp.interfaces.IAuditLog`."""
        rows = self._db.rows(_ABOUT, {"of_subject": subject_id, "most": most})
        mappings = (row._mapping for row in rows)  # noqa: SLF001 - public, says its manual
        return tuple(JournalEntry(**mapping) for mapping in mappings)

    def _values(
        self,
        code: str,
        subject_id: str | None,
        entity_id: str | None,
        target: str | None,
        parameters: Mapping[str, object] | None,
    ) -> dict[str, object]:
        here = origin()
        return {
            "at": self._clock.now(),
            "code": code,
            "actor": here.actor[:120],
            "address": here.address[:64],
            "request_id": here.request_id[:64],
            "subject_id": subject_id,
            "entity_id": entity_id,
            "target": None if target is None else target[:200],
            "parameters": dict(parameters or {}),
            "structure": _structure(target, parameters or {}),
        }


def _structure(target: str | None, parameters: Mapping[str, object]) -> str | None:
    """The code of the structure in which it happens; None where it concerns none."""
    kind, _, code = (target or "").partition(":")
    found = code if kind == "structure" else parameters.get("structure")
    return found[:64] if isinstance(found, str) and found else None


def _is_placed(event: RowMapping) -> bool:
    """Whether it stands where it happened: elsewhere *Historique* would not find it."""
    return bool(event["structure"] == _structure(event["target"], event["parameters"]))


class Sealer:
    """Seals the committed events that have no seal; one at a time over all nodes."""

    def __init__(self, db: Database, clock: IClock, *, demonstration: bool = False) -> None:
        """In the demonstration nobody keeps the log, and the heads would fill the screen."""
        self._db = db
        self._clock = clock
        self._level = DEBUG if demonstration else INFO
        self._whole_at: datetime | None = None

    def seal(self) -> int:
        """Seal one batch; returns how many events it held (0: nothing to do, or another seals).

        An event may commit later than one with a higher id. Those of the last transactions are
        looked for at each call, older ones every ten minutes.
        """
        now = self._clock.now()
        whole = self._whole_at is None or now - self._whole_at >= WHOLE_EVERY
        with self._db.reading() as reading:
            connection = reading.connection()
            above = -1 if whole else self._above(connection)
            waiting = len(connection.execute(_TO_SEAL, {"above": above}).all())
        if waiting:
            with self._db.unit_of_work() as work:
                connection = work.connection()
                if not alone(self._db, connection):
                    return 0
                waiting = self._seal_batch(connection, above)
        if whole and waiting < BATCH:
            self._whole_at = now
        return waiting

    def _above(self, connection: Connection) -> int:
        return int(connection.scalar(select(func.max(_seal.c.event_id))) or 0) - WINDOW

    def _seal_batch(self, connection: Connection, above: int) -> int:
        position, head = connection.execute(_LAST).one_or_none() or (0, GENESIS)
        seals = []
        for event in connection.execute(_TO_SEAL, {"above": above}).mappings():
            position, head = position + 1, chained(head, event)
            seals.append({"position": position, "event_id": event["id"], "hash": head})
        if seals:
            connection.execute(insert(_seal), seals)
            # Whoever keeps the log elsewhere can tell a journal that was cut off at its end.
            logger.log(self._level, "audit.sealed", position=position, head=head, events=len(seals))
        return len(seals)


def alone(db: Database, connection: Connection) -> bool:
    """Whether nobody else works on the chain until this transaction ends.

    SQLite has one writer at a time; on PostgreSQL a lock until the commit says so.
    """
    if db.is_sqlite:
        return True
    return bool(connection.scalar(select(func.pg_try_advisory_xact_lock(ADVISORY_LOCK))))


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """Up to which seal the journal was purged: an ``audit.checkpoint`` event, sealed like others.

    It is signed with the server's secret, so that whoever can only write to the database cannot cut
    off the beginning of the journal and call that a purge.
    """

    position: int
    hash: str

    def parameters(self, secret: bytes) -> dict[str, object]:
        """What the event holds."""
        return {**asdict(self), "signature": self._signature(secret)}

    @classmethod
    def read(cls, parameters: Mapping[str, Any], secret: bytes) -> "Checkpoint":
        """The checkpoint of an event; :data:`BEGINNING` if its signature is not ours."""
        found = cls(int(parameters.get("position", 0)), str(parameters.get("hash", "")))
        given = str(parameters.get("signature", "")).encode()
        genuine = hmac.compare_digest(given, found._signature(secret).encode())
        return found if genuine else BEGINNING

    def _signature(self, secret: bytes) -> str:
        key = hmac.digest(secret, b"convergences journal", "sha256")
        return hmac.digest(key, f"{self.position}\n{self.hash}".encode(), "sha256").hex()


BEGINNING = Checkpoint(0, GENESIS)
"""Where a journal starts that was never purged."""


def newest_checkpoint(connection: Connection, secret: bytes) -> Checkpoint:
    """The sealed checkpoint that goes furthest."""
    events = connection.scalars(_CHECKPOINTS)
    return max(
        (Checkpoint.read(parameters, secret) for parameters in events),
        key=lambda one: one.position,
        default=BEGINNING,
    )


@dataclass(frozen=True, slots=True)
class VerifyResult:
    """What the chain says. ``broken_at`` is the first position that does not hold, if any.

    ``purged`` seals are gone, ``sealed`` hold. ``head`` is the hash of the last seal that holds:
    compare it with the one in the log.
    """

    sealed: int
    unsealed: int
    broken_at: int | None
    head: str
    purged: int = 0

    @property
    def intact(self) -> bool:
        """Whether every seal holds."""
        return self.broken_at is None


def verify(db: Database, secret: bytes) -> VerifyResult:
    """Recompute the chain: positions without a gap, events present, hashes equal, places true.

    From the newest checkpoint on, or from the beginning of a journal that was never purged.
    """
    with db.reading() as reading:
        connection = reading.connection()
        start = newest_checkpoint(connection, secret)
        position, head, broken_at = start.position, start.hash, None
        for row in _sealed_events(connection, start.position):
            if row["id"] is None or row["position"] != position + 1:
                broken_at = position + 1
            elif chained(head, row) != row["hash"] or not _is_placed(row):
                broken_at = row["position"]
            if broken_at is not None:
                break
            position, head = row["position"], row["hash"]
        unsealed = connection.scalar(select(func.count()).select_from(_event).where(_UNSEALED))
    return VerifyResult(
        position - start.position, int(unsealed or 0), broken_at, head, start.position
    )


def chained(previous: str, event: Mapping[str, Any] | RowMapping) -> str:
    """The hash of a seal: SHA-256 over the one before and the event's canonical JSON."""
    content = {name: event[name] for name in _SEALED}
    content["at"] = content["at"].astimezone(UTC).isoformat(timespec="microseconds")
    canonical = json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    return sha256(f"{previous}\n{canonical}".encode()).hexdigest()


def _sealed_events(connection: Connection, after: int) -> Iterator[RowMapping]:
    while True:
        rows = connection.execute(_sealed_page(after)).mappings().all()
        yield from rows
        if len(rows) < BATCH:
            return
        after = rows[-1]["position"]


def _sealed_page(after: int) -> Select[Any]:
    return (
        select(_seal.c.position, _seal.c.hash, *_event.c)
        .outerjoin_from(_seal, _event, _event.c.id == _seal.c.event_id)
        .where(_seal.c.position > after)
        .order_by(_seal.c.position)
        .limit(BATCH)
    )
