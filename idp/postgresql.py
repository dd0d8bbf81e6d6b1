"""The engine on PostgreSQL, which tells within seconds that the database is gone, even silently.

A server that is stopped refuses at once. One that hangs, or a network that swallows packets, says
nothing at all, and the timeouts of the server itself never fire: so this side counts the seconds.
A request that waited in vain asks no more: what it asks for may be done without (a snapshot), and
the waits would add up. Imported by :mod:`idp.db` where the database is a PostgreSQL.
"""

import logging
from contextvars import ContextVar
from functools import partial
from threading import Lock
from time import monotonic
from typing import Any, TypeVar

import psycopg
from psycopg.abc import PQGen
from psycopg.pq import TransactionStatus
from sqlalchemy import Dialect, Engine, create_engine, event
from sqlalchemy.engine import URL
from sqlalchemy.exc import InvalidatePoolError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from sqlalchemy.pool import QueuePool

from idp.context import origin

# SQLAlchemy names the log of a pool after its class, and tells there of every lost connection.
logging.getLogger(__name__).setLevel(logging.WARNING)

R = TypeVar("R")

_USED_AT = "used_at"

CONNECT_SECONDS = 2
"""To connect, for each address of the server: the least that libpq takes."""

PING_SECONDS = 1.0
"""For a connection of the pool to show that it lives, before it is used."""

FRESH_SECONDS = 1.0
"""How long after its use a connection is believed to live: a sign-on takes three, and asking each
of them costs a tenth of it."""

STATEMENT_SECONDS = 3.5
"""For a statement while somebody waits for a page: then the server cancels it."""

ANSWER_SECONDS = 4.0
"""For the answer, whatever it is: longer than the server's own limit, so that a statement that is
merely slow costs that statement, and not the connection."""

PATIENT_CONNECT_SECONDS = 10
"""To connect, for each address, where nobody waits."""

POOL_SECONDS = 1.5
"""For a connection, where all are in use."""

TURN_SECONDS = 0.25
"""How long the others wait while one tries whether the database is back."""

_waited_in: ContextVar[str] = ContextVar("waited_in", default="")
"""The id of the request that waited for the database in vain."""

# A peer that vanished without a word: the kernel gives up after some 15 s, whoever waits.
TCP = {
    "keepalives_idle": "5",
    "keepalives_interval": "5",
    "keepalives_count": "2",
    "tcp_user_timeout": "15000",
}
# The planner's costs of a page, one of a disk as it comes: what is asked for often is in memory,
# where the next page is not nearer than any other (PostgreSQL's documentation of these settings).
PAGE_COSTS = {"seq_page_cost": "0.5", "random_page_cost": "0.5"}
# What a process leaves behind that was frozen in the middle holds its locks no longer than this.
IDLE_IN_TRANSACTION_SECONDS = 10


def _has_waited() -> bool:
    return _waited_in.get() == origin().request_id != ""


class HurriedConnection(psycopg.Connection[Any]):
    """A connection that waits for no answer longer than ``patience`` seconds, then is closed."""

    patience: float = CONNECT_SECONDS

    def wait(self, gen: PQGen[R], interval: float = 0.1, timeout: float | None = None) -> R:
        """As psycopg's, which every exchange with the server goes through.

        Raises:
            psycopg.OperationalError: no answer in time, or a lost connection.
        """
        try:
            return super().wait(gen, interval, timeout or self.patience)
        except psycopg.OperationalError as error:
            silent = self.pgconn.transaction_status == TransactionStatus.ACTIVE
            if silent:
                self.pgconn.finish()  # the answer may still come: nobody may take it for his own
            if silent or isinstance(error, psycopg.errors.QueryCanceled):
                _waited_in.set(origin().request_id)
            raise


class OneTriesPool(QueuePool):
    """A pool that, once the database failed, lets one caller at a time try it.

    The others wait a quarter of a second and give up. Else every thread of a server would sit out
    its seconds, and the requests behind them, ``/healthz`` among them, would wait for their sum.
    """

    def __init__(self, *args: Any, **options: Any) -> None:  # noqa: ANN401 - SQLAlchemy's own
        super().__init__(*args, **options)
        self.failed = False
        self._turn = Lock()

    def connect(self) -> Any:  # noqa: ANN401 - SQLAlchemy's own
        """A connection that lives.

        Raises:
            psycopg.OperationalError: the database is gone, or this request has waited in vain.
            sqlalchemy.exc.TimeoutError: every connection is in use.
        """
        if _has_waited():
            raise psycopg.OperationalError("this request has waited for the database in vain")
        if not self.failed:
            return self._try()
        if not self._turn.acquire(timeout=TURN_SECONDS):
            raise psycopg.OperationalError("the database is gone; another request is trying it")
        try:
            return self._try()
        finally:
            self._turn.release()

    def _try(self) -> Any:  # noqa: ANN401
        try:
            connection = super().connect()
        except Exception as error:
            _waited_in.set(origin().request_id)
            if not isinstance(error, PoolTimeoutError):
                self.failed = True
            raise
        self.failed = False
        _waited_in.set("")  # a dead connection was replaced
        return connection


def postgresql_engine(url: URL, *, hurried: bool, **options: Any) -> Engine:  # noqa: ANN401
    """The engine; ``hurried`` where somebody waits for a page, see :class:`idp.db.Database`."""
    limits = {**TCP, "connect_timeout": str(PATIENT_CONNECT_SECONDS)}
    settings = {"TimeZone": "UTC", **PAGE_COSTS}
    if hurried:
        options |= {"poolclass": OneTriesPool, "pool_timeout": POOL_SECONDS}
        limits["connect_timeout"] = str(CONNECT_SECONDS)
        settings["statement_timeout"] = str(int(STATEMENT_SECONDS * 1000))
        settings["idle_in_transaction_session_timeout"] = str(IDLE_IN_TRANSACTION_SECONDS * 1000)
    # What the operator wrote into the URL is his will; ANSWER_SECONDS stay.
    kept = {key: value for key, value in limits.items() if key not in url.query}
    ours = [f"-c {name}={value}" for name, value in settings.items()]
    kept["options"] = " ".join([*ours, str(url.query.get("options", ""))])
    engine = create_engine(url, pool_pre_ping=not hurried, connect_args=kept, **options)
    if hurried:
        _hurry(engine)
    return engine


def _hurry(engine: Engine) -> None:
    @event.listens_for(engine, "do_connect")
    def connect(dialect: object, record: object, args: Any, parameters: Any) -> Any:  # noqa: ANN401
        del dialect, record
        return HurriedConnection.connect(*args, **parameters)

    event.listen(engine, "checkout", partial(_take, engine.dialect))
    event.listen(engine, "checkin", _give_back)

    @event.listens_for(engine, "invalidate")
    def lost(connection: object, record: object, error: object) -> None:
        del connection, record, error
        pool = engine.pool
        if isinstance(pool, OneTriesPool):
            pool.failed = True


def _take(dialect: Dialect, connection: Any, record: Any, proxy: object) -> None:  # noqa: ANN401
    """A connection that was idle for a while must show that it lives."""
    del proxy
    used_at = record.info.get(_USED_AT)
    if used_at is not None and monotonic() - used_at > FRESH_SECONDS:
        connection.patience = PING_SECONDS
        try:
            dialect.do_ping(connection)
        except psycopg.Error as error:
            raise InvalidatePoolError("a connection of the pool is dead") from error
    connection.patience = ANSWER_SECONDS


def _give_back(connection: object, record: Any) -> None:  # noqa: ANN401 - SQLAlchemy's own
    del connection
    record.info[_USED_AT] = monotonic()
