"""The database: one Base, one engine, one unit of work for web, command line and worker alike.

SQLite and PostgreSQL. On SQLite the driver's own transactions are switched off: reading happens in
autocommit, and a write takes the lock at once (``BEGIN IMMEDIATE``) under a lock of this process,
because a transaction that reads first and writes later fails with BUSY_SNAPSHOT under load.

What a database that is gone raises comes within seconds where somebody waits for a page
(``hurried``); work without a reader takes the time that it takes.
"""

import sqlite3
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import UTC, datetime
from functools import lru_cache
from pathlib import Path
from threading import Lock
from time import sleep
from typing import Any, TypeVar

from sqlalchemy import (
    Connection,
    DateTime,
    Dialect,
    Engine,
    Executable,
    MetaData,
    Row,
    String,
    bindparam,
    create_engine,
    event,
    select,
)
from sqlalchemy.dialects.postgresql import insert as postgresql_insert
from sqlalchemy.dialects.sqlite import insert as sqlite_insert
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import InterfaceError, OperationalError, SQLAlchemyError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column
from sqlalchemy.types import TypeDecorator

from idp.log import logger

R = TypeVar("R")

NAMING_CONVENTION = {
    "ix": "ix_%(column_0_label)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "fk": "fk_%(table_name)s_%(column_0_N_name)s_%(referred_table_name)s",
    "pk": "pk_%(table_name)s",
}

POOL_SIZE = 16

WRITE_SECONDS = 2.0
"""SQLite, while somebody waits for a page: for its turn among our writers, and again for those of
other processes."""

PATIENT_SECONDS = 10.0
"""The same where nobody waits."""

TURN_SECONDS = 0.25
"""How long the others wait for their turn once another process was found writing for too long."""

DEADLOCK = "40P01"
AFTER_DEADLOCK = 0.05  # seconds; the other was woken when this one was undone
"""PostgreSQL's SQLSTATE of deadlock_detected."""

DatabaseError = SQLAlchemyError
"""Whatever goes wrong between us and the database."""

GONE = (OperationalError, InterfaceError, PoolTimeoutError)
"""What a database that is gone, full or too busy raises: a page says 503, not 500."""


class AskedInVain(PoolTimeoutError):
    """Somebody else has just waited for the database in vain: waits must not add up."""


class UtcDateTime(TypeDecorator[datetime]):
    """An aware datetime in UTC, whatever the database keeps; naive ones are refused.

    SQLite keeps text without a zone. The processors stand in for the dialect's own, because the
    same moment is often bound many times in a statement of the sign-on path.
    """

    impl = DateTime(timezone=True)
    cache_ok = True

    def bind_processor(self, dialect: Dialect) -> Callable[[datetime | None], Any]:
        """On the way in."""
        return _as_text if dialect.name == "sqlite" else _aware

    def result_processor(self, dialect: Dialect, coltype: object) -> Callable[[Any], Any] | None:
        """On the way out: nothing of PostgreSQL, whose connections are all asked for UTC."""
        del coltype
        return _from_text if dialect.name == "sqlite" else None


def _aware(value: datetime | None) -> datetime | None:
    if value is not None and value.tzinfo is None:
        raise ValueError("a naive datetime reached the database")
    return value


@lru_cache(maxsize=128)
def _as_text(value: datetime | None) -> str | None:
    checked = _aware(value)
    if checked is None:
        return None
    return checked.astimezone(UTC).replace(tzinfo=None).isoformat(" ", "microseconds")


def _from_text(value: str | None) -> datetime | None:
    return None if value is None else datetime.fromisoformat(value).replace(tzinfo=UTC)


class Base(DeclarativeBase):
    """Parent of every table of every room."""

    metadata = MetaData(naming_convention=NAMING_CONVENTION)
    type_annotation_map = {datetime: UtcDateTime}  # noqa: RUF012 - SQLAlchemy's own idiom


class Revision(Base):
    """Counters that tell every process when a snapshot (service providers, keys) is out of date."""

    __tablename__ = "revision"

    name: Mapped[str] = mapped_column(String(40), primary_key=True)
    number: Mapped[int]


_REVISION = select(Revision.number).where(Revision.name == bindparam("name"))


class _Work:
    """A unit of work in progress: its connection and, once somebody wants the ORM, its session."""

    __slots__ = ("_session", "connection")

    def __init__(self, connection: Connection) -> None:
        self.connection = connection
        self._session: Session | None = None

    @property
    def session(self) -> Session:
        """The one session of this unit; made late, because prebuilt statements need none."""
        if self._session is None:
            self._session = Session(self.connection, expire_on_commit=False)
        return self._session

    def flushed(self) -> Connection:
        """The connection, once what the ORM holds is in the database."""
        if self._session is not None:
            self._session.flush()
        return self.connection

    def close(self) -> None:
        """Let go of what the ORM holds; the connection rolls back what was not committed."""
        if self._session is not None:
            self._session.close()


class Database:
    """An engine and its unit of work."""

    def __init__(self, url: str, *, durable: bool = True, hurried: bool = False) -> None:
        """``durable=False`` gives up safety against power cuts (SQLite, tests).

        ``hurried=True`` is a server's: nothing waits for the database longer than some seconds.
        """
        self.url = make_url(url)
        self.is_sqlite = self.url.get_backend_name() == "sqlite"
        self._write_seconds = WRITE_SECONDS if hurried else PATIENT_SECONDS
        self.engine = (
            _sqlite_engine(url, durable=durable, seconds=self._write_seconds)
            if self.is_sqlite
            else _engine(self.url, hurried=hurried)
        )
        self._readers = (
            self.engine
            if self.is_sqlite
            else self.engine.execution_options(isolation_level="AUTOCOMMIT")
        )
        self._write_lock = Lock()
        self._locked_out = False
        self._current: ContextVar[_Work | None] = ContextVar("unit_of_work", default=None)
        self._first: ContextVar[Callable[[], None] | None] = ContextVar("first", default=None)

    @contextmanager
    def unit_of_work(self) -> Iterator[Session]:
        """One transaction: committed at the end, rolled back on an exception.

        Inside another unit of work, joins it.
        """
        with self._work() as work:
            yield work.session

    @contextmanager
    def writing(self) -> Iterator[Connection]:
        """The same unit of work for prebuilt statements, without the price of an ORM session."""
        with self._work() as work:
            yield work.flushed()

    @contextmanager
    def first(self, act: Callable[[], None]) -> Iterator[None]:
        """In here each unit of work begins with this: what it was decided on may be gone by then.

        What ``act`` raises undoes the unit; what it locks stays so until its end.
        """
        token = self._first.set(act)
        try:
            yield
        finally:
            self._first.reset(token)

    @contextmanager
    def reading(self) -> Iterator[Session]:
        """Read without a transaction, or inside the unit of work in progress."""
        current = self._current.get()
        if current is not None:
            yield current.session
            return
        with Session(self._readers, expire_on_commit=False, autoflush=False) as session:
            yield session

    def rows(self, statement: Executable, values: Mapping[str, object]) -> Sequence[Row[Any]]:
        """The rows of a prebuilt statement, read as in :meth:`reading` without an ORM session."""
        current = self._current.get()
        if current is not None:
            return current.flushed().execute(statement, values).all()
        with self._readers.connect() as connection:
            return connection.execute(statement, values).all()

    def rows_planned(
        self, statement: Executable, values: Mapping[str, object]
    ) -> Sequence[Row[Any]]:
        """As :meth:`rows`, for a statement whose best plan depends on its values.

        psycopg prepares what it sees often, and PostgreSQL then plans it once for any values: a
        search for a rare name would go the way of a frequent one.
        """
        if self.is_sqlite:
            return self.rows(statement, values)
        current = self._current.get()
        if current is not None:
            return _planned(current.flushed(), statement, values)
        with self._readers.connect() as connection:
            return _planned(connection, statement, values)

    @contextmanager
    def apart(self) -> Iterator[None]:
        """Read outside the unit of work in progress: what it has not committed may never be."""
        token = self._current.set(None)
        try:
            yield
        finally:
            self._current.reset(token)

    @contextmanager
    def _work(self) -> Iterator[_Work]:
        current = self._current.get()
        if current is not None:
            yield current
            return
        with self._turn_to_write(), self.engine.connect() as connection:
            work = _Work(connection)
            token = self._current.set(work)
            try:
                if self.is_sqlite:
                    self._begin(connection)
                first = self._first.get()
                if first is not None:
                    first()
                yield work
                work.flushed().commit()
            finally:
                self._current.reset(token)
                work.close()

    @contextmanager
    def _turn_to_write(self) -> Iterator[None]:
        """SQLite: one writer of this process at a time.

        While another process holds the file, one of ours waits for it and the rest soon give up:
        their waits must not add up.
        """
        if not self.is_sqlite:
            yield
            return
        seconds = TURN_SECONDS if self._locked_out else self._write_seconds
        if not self._write_lock.acquire(timeout=seconds):
            raise AskedInVain("the database is being written to all the time")
        try:
            yield
        finally:
            self._write_lock.release()

    def _begin(self, connection: Connection) -> None:
        try:
            connection.exec_driver_sql("BEGIN IMMEDIATE")
        except OperationalError:
            self._locked_out = True
            raise
        self._locked_out = False

    def resolved(self, work: Callable[[], R]) -> R:
        """What ``work``, a unit of work of its own, returns.

        Once more when PostgreSQL undid it to resolve a deadlock with another, which goes on first:
        at once, this one could take again what the other had been waiting for.
        """
        try:
            return work()
        except OperationalError as error:
            if getattr(error.orig, "sqlstate", None) != DEADLOCK:
                raise
            logger.warning("database.deadlock")
            sleep(AFTER_DEADLOCK)
            return work()

    def insert(self, table: Any) -> Any:  # noqa: ANN401 - the two dialects share no public type
        """An INSERT that knows ``on_conflict_do_nothing`` and ``on_conflict_do_update``."""
        return sqlite_insert(table) if self.is_sqlite else postgresql_insert(table)

    def bump(self, name: str) -> None:
        """Tell every process that the snapshot of this name changed."""
        statement = self.insert(Revision).values(name=name, number=1)
        statement = statement.on_conflict_do_update(
            index_elements=[Revision.name], set_={"number": Revision.number + 1}
        )
        with self.unit_of_work() as session:
            session.execute(statement)

    def revision(self, name: str) -> int:
        """The number of this snapshot; 0 before the first change."""
        rows = self.rows(_REVISION, {"name": name})
        return int(rows[0][0]) if rows else 0

    def dispose(self) -> None:
        """Close every connection."""
        self.engine.dispose()


def _planned(
    connection: Connection, statement: Executable, values: Mapping[str, object]
) -> Sequence[Row[Any]]:
    driver: Any = connection.connection.driver_connection
    before, driver.prepare_threshold = driver.prepare_threshold, None
    try:
        return connection.execute(statement, values).all()
    finally:
        driver.prepare_threshold = before


def _engine(url: URL, *, hurried: bool) -> Engine:
    from idp.postgresql import postgresql_engine  # noqa: PLC0415 - SQLite does without its driver

    return postgresql_engine(
        url,
        hurried=hurried,
        pool_size=POOL_SIZE,
        pool_use_lifo=True,
        hide_parameters=True,  # errors are logged, hashes of passwords are not
    )


def _sqlite_engine(url: str, *, durable: bool, seconds: float) -> Engine:
    database = make_url(url).database
    if database:
        Path(database).parent.mkdir(parents=True, exist_ok=True)
    engine = create_engine(
        url,
        pool_size=POOL_SIZE,
        pool_use_lifo=True,
        hide_parameters=True,
        connect_args={"isolation_level": None, "check_same_thread": False, "timeout": seconds},
    )

    @event.listens_for(engine, "connect")
    def connect(connection: sqlite3.Connection, record: object) -> None:
        del record
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute(f"PRAGMA synchronous={'FULL' if durable else 'OFF'}")
        connection.execute("PRAGMA foreign_keys=ON")

    return engine
