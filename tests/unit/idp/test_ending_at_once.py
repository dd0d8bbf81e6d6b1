"""Sessions that several end at once: whoever comes second waits, and nobody is sent away.

What counts is PostgreSQL, where two that lock the same rows in two orders are a deadlock: each test
imposes the orders that made one.
"""

from collections.abc import Callable, Iterator
from contextlib import nullcontext, suppress
from threading import Barrier, BrokenBarrierError, Event, get_ident
from typing import Any, cast

import pytest
from sqlalchemy import Connection, Table, event, select, update
from sqlalchemy.exc import OperationalError

from idp.audit import AuditLog
from idp.db import DEADLOCK, Database
from idp.messages import AcceptedLogout
from idp.sessions.logouts import Logouts
from idp.sessions.sso import SsoSessions
from idp.sessions.tables import SpSessionRow, SsoSessionRow
from idp.sessions.tasks import Tasks
from idp.types import AuthnContext, Binding, NameID, NameIDFormat, SpSession, SsoSession, Subject
from tests.common.clock import FakeClock
from tests.common.threads import all_at_once
from tests.unit.idp.test_sessions import LIFETIME

A, B = "https://a.example/metadata", "https://b.example/metadata"
LEA = Subject("lea", "lea@b.fr", "Léa", "Martin")
NAME = NameID("v", NameIDFormat.PERSISTENT)
ASKED = AcceptedLogout(A, "_m", Binding.SOAP, NAME)
"""Without SessionIndex: every browser is meant."""
SSO = cast("Table", SsoSessionRow.__table__)


class Halting(SsoSessions):
    """In one thread it halts before it ends a browser session, and after it ended SP sessions."""

    def prepare(self) -> None:
        self.slow: int | None = None
        self.halted = Event()

    def _end_sso(self, connection: Connection, which: Any, reason: str) -> int:  # noqa: ANN401
        if reason == "replaced":
            self.halt()
        return super()._end_sso(connection, which, reason)

    def _end_sp(self, connection: Connection, *which: Any) -> Any:  # noqa: ANN401
        ended = super()._end_sp(connection, *which)
        self.halt()
        return ended

    def halt(self) -> None:
        """The other one starts, and comes as far as our locks let it."""
        if self.slow == get_ident() and not self.halted.is_set():
            self.halted.set()
            Event().wait(0.4)

    def race(self, slow: Callable[[], object], other: Callable[[], object]) -> None:
        """Both, the other once the slow one halted; what one of them raises is shown."""
        failed: list[Exception] = []
        works = iter((slow, other))

        def run() -> None:
            work = next(works)
            try:
                if work is slow:
                    self.slow = get_ident()
                else:
                    assert self.halted.wait(5)
                work()
            except Exception as error:  # noqa: BLE001 - shown below
                failed.append(error)

        all_at_once(run, 2)
        assert failed == []


@pytest.fixture
def sessions(database: Database, clock: FakeClock) -> Halting:
    made = Halting(database, clock, AuditLog(database, clock), idle=LIFETIME, lifetime=LIFETIME)
    made.prepare()
    return made


@pytest.fixture
def logouts(database: Database, clock: FakeClock, sessions: Halting) -> Logouts:
    return Logouts(database, clock, sessions, Tasks(database, clock))


@pytest.fixture
def opened(sessions: Halting) -> list[SsoSession]:
    """Three browsers of one person, in the order in which they began, each at both SPs."""
    begun = [start(sessions) for _ in range(3)]
    for session in begun:
        for entity_id in (A, B):
            held = SpSession(entity_id, NAME, "_i", session.started_at, session.expires_at)
            sessions.record(session, held)
    return begun


@pytest.fixture
def deadlocks(database: Database) -> Iterator[list[str]]:
    """Those that the database resolved by failing one of the two."""
    found: list[str] = []

    def note(context: Any) -> None:  # noqa: ANN401 - SQLAlchemy's own
        if getattr(context.original_exception, "sqlstate", None) == DEADLOCK:
            found.append(str(context.statement))

    event.listen(database.engine, "handle_error", note)
    yield found
    event.remove(database.engine, "handle_error", note)


def start(sessions: SsoSessions) -> SsoSession:
    return sessions.start(LEA, AuthnContext.PASSWORD_PROTECTED_TRANSPORT, user_agent="N")[1]


def live(database: Database) -> list[str]:
    """The browser sessions that go on, and those at SPs of the others."""
    with database.reading() as reading:
        browsers = select(SsoSessionRow.key).where(SsoSessionRow.ended_at.is_(None))
        held = select(SpSessionRow.entity_id).where(SpSessionRow.ended_at.is_(None))
        going_on = reading.scalars(browsers).all()
        return [*going_on, *reading.scalars(held.where(SpSessionRow.sso_key.not_in(going_on)))]


@pytest.fixture
def log_out(database: Database, clock: FakeClock, logouts: Logouts, sessions: Halting) -> Any:  # noqa: ANN401
    """End these browser sessions, found in this order."""

    def end(*found: SsoSession) -> None:
        with database.writing():
            _, logout_id = logouts._add(None, known=True)
            keys = [session.key for session in found]
            sessions.log_out(keys, logout_id, due=clock.now())

    return end


def test_two_that_find_the_same_ones_in_opposite_orders(
    sessions: Halting, opened: list[SsoSession], database: Database, deadlocks: list[str],
    log_out: Any,  # noqa: ANN401
) -> None:  # fmt: skip
    sessions.race(lambda: log_out(*opened), lambda: log_out(*opened[::-1]))
    assert live(database) == []
    assert deadlocks == []


def test_a_sign_out_and_a_withdrawn_role(
    sessions: Halting, opened: list[SsoSession], database: Database, deadlocks: list[str],
    log_out: Any,  # noqa: ANN401
) -> None:  # fmt: skip
    sessions.race(
        lambda: log_out(*opened[::-1]),
        lambda: sessions.end(LEA.id, entity_id=B, reason="role-withdrawn"),
    )
    assert live(database) == []
    assert deadlocks == []


def test_a_sign_out_and_a_lock(
    sessions: Halting, opened: list[SsoSession], database: Database, deadlocks: list[str],
    log_out: Any,  # noqa: ANN401
) -> None:  # fmt: skip
    sessions.race(lambda: log_out(*opened[::-1]), lambda: sessions.end(LEA.id, reason="locked"))
    assert live(database) == []
    assert deadlocks == []


def test_a_new_sign_in_and_a_sign_out_of_what_it_replaces(
    sessions: Halting, opened: list[SsoSession], database: Database, deadlocks: list[str],
    log_out: Any,  # noqa: ANN401
) -> None:  # fmt: skip
    """The SP sessions go over to the new session while somebody ends the old one."""
    old, *others = opened
    log_out(*others)
    new = start(sessions)
    sessions.race(lambda: sessions.replace(old, new), lambda: log_out(old))
    assert live(database) == [new.key]
    assert deadlocks == []


@pytest.mark.usefixtures("opened")
def test_an_sp_that_means_every_browser_and_a_lock(
    sessions: Halting, logouts: Logouts, database: Database, deadlocks: list[str]
) -> None:
    sessions.race(lambda: logouts.obey(ASKED), lambda: sessions.end(LEA.id, reason="locked"))
    assert live(database) == []
    assert deadlocks == []


def test_whoever_ends_sessions_locks_them_first_and_by_their_keys(
    sessions: Halting, opened: list[SsoSession], database: Database, log_out: Any  # noqa: ANN401
) -> None:  # fmt: skip
    said: list[str] = []

    def note(*heard: object) -> None:
        said.append(" ".join(str(heard[2]).replace('"', "").split()))

    event.listen(database.engine, "before_cursor_execute", note)
    for end in (
        lambda: log_out(opened[0]),
        lambda: sessions.end(LEA.id, entity_id=A, reason="role-withdrawn"),
        lambda: sessions.replace(opened[1], opened[2]),
        lambda: sessions.end(LEA.id, reason="locked"),
    ):
        said.clear()
        end()
        first, *_ = (each for each in said if "_session" in each)
        assert first.startswith("SELECT sso_session.key")
        assert "ORDER BY sso_session.key" in first
        assert database.is_sqlite or first.endswith("FOR NO KEY UPDATE")
    event.remove(database.engine, "before_cursor_execute", note)


def test_what_the_database_undid_is_done_again(
    opened: list[SsoSession], database: Database, deadlocks: list[str]
) -> None:
    """Two that lock in opposite orders all the same: both succeed."""
    barrier, attempts, first_ended = Barrier(2), list[str](), Event()
    orders = iter((opened, opened[::-1]))
    # SQLite has one writer at a time: there the two never meet
    patience = 0.5 if database.is_sqlite else 30

    def end() -> None:
        ours = next(orders)

        def work() -> None:
            attempts.append(ours[0].key)
            if len(attempts) > 2:
                first_ended.wait(patience)  # however busy the machine is
            with database.writing() as connection:
                for session in (ours[0], ours[-1]):
                    which = SSO.c.key == session.key
                    connection.execute(update(SSO).where(which).values(user_agent="M"))
                    if session is ours[0] and len(attempts) <= 2:
                        with suppress(BrokenBarrierError):
                            barrier.wait(patience)

        database.resolved(work)
        first_ended.set()

    all_at_once(end, 2)
    undone = 0 if database.is_sqlite else 1
    assert (len(deadlocks), len(attempts)) == (undone, 2 + undone)


class Undone(Exception):
    """As the driver tells what the server did."""

    def __init__(self, sqlstate: str) -> None:
        self.sqlstate = sqlstate


@pytest.mark.parametrize(("sqlstate", "again"), [(DEADLOCK, True), ("57014", False)])
@pytest.mark.parametrize("begin", ["portal", "sp"])
def test_a_sign_out_is_begun_again_after_a_deadlock_and_nothing_else(
    begin: str, sqlstate: str, *, again: bool, logouts: Logouts, opened: list[SsoSession],
    database: Database, monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    errors = [OperationalError("UPDATE", {}, Undone(sqlstate))]
    log_out = SsoSessions.log_out

    def undone(sessions: SsoSessions, *args: Any, **options: Any) -> None:  # noqa: ANN401
        log_out(sessions, *args, **options)
        if errors:
            raise errors.pop()

    monkeypatch.setattr(Halting, "log_out", undone)
    before = live(database)
    with nullcontext() if again else pytest.raises(OperationalError):
        logouts.begin(opened[0]) if begin == "portal" else logouts.obey(ASKED)
    assert (live(database) != before) == again
