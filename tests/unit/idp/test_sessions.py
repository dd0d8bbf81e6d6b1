import threading
from datetime import timedelta

import pytest
from sqlalchemy import event, select

from idp.audit import AuditEvent, AuditLog
from idp.context import Origin, acting
from idp.db import Database
from idp.errors import SessionEnded
from idp.sessions.sso import SsoSessions
from idp.sessions.tables import SpSessionRow, SsoSessionRow
from idp.sessions.tokens import hashed
from idp.types import AuthnContext, NameID, NameIDFormat, SpSession, SsoSession, Subject
from idp.worker import purge
from tests.common.clock import FakeClock

SP = "https://sp.example/metadata"
OTHER_SP = "https://autre.example/metadata"
IDLE = timedelta(minutes=60)
LIFETIME = timedelta(hours=10)
LEA = Subject("lea", "lea@b.fr", "Léa", "Martin")
MAX = Subject("max", "max@b.fr", "Max", "Petit")


@pytest.fixture
def sessions(database: Database, clock: FakeClock) -> SsoSessions:
    return SsoSessions(database, clock, AuditLog(database, clock), idle=IDLE, lifetime=LIFETIME)


def start(sessions: SsoSessions, subject: Subject = LEA) -> tuple[str, SsoSession]:
    return sessions.start(
        subject, AuthnContext.PASSWORD_PROTECTED_TRANSPORT, user_agent="Navigateur"
    )


def sp_session(session: SsoSession, entity_id: str = SP, index: str = "_i") -> SpSession:
    name_id = NameID("v", NameIDFormat.PERSISTENT, "https://idp.example", entity_id)
    return SpSession(entity_id, name_id, index, session.started_at, session.expires_at)


def journal(database: Database) -> list[tuple[str, str | None, dict[str, object]]]:
    with database.reading() as reading:
        rows = reading.scalars(select(AuditEvent).order_by(AuditEvent.id))
        return [(row.code, row.subject_id, row.parameters) for row in rows]


def test_a_session_is_found_by_its_token_alone(sessions: SsoSessions, database: Database) -> None:
    token, session = start(sessions)

    assert sessions.find(token) == session
    assert sessions.find(session.key) is None
    assert sessions.find("é\ud800") is None
    with database.reading() as reading:
        assert reading.scalars(select(SsoSessionRow.key)).all() == [hashed(token)]
    assert len(token) >= 43


def test_a_session_knows_where_it_was_opened(sessions: SsoSessions, clock: FakeClock) -> None:
    with acting(Origin(address="192.0.2.7")):
        sessions.start(LEA, "classe", user_agent="N\x00" + "a" * 500)
    clock.advance(timedelta(minutes=1))
    start(sessions)
    start(sessions, MAX)

    first, second = sessions.open_sessions("lea")
    assert first.address == "192.0.2.7"
    assert first.user_agent == "N" + "a" * 255
    assert second.session.started_at - first.session.started_at == timedelta(minutes=1)


def test_an_idle_session_is_over(sessions: SsoSessions, clock: FakeClock) -> None:
    token, _ = start(sessions)
    clock.advance(IDLE - timedelta(seconds=1))
    assert sessions.find(token)
    clock.advance(timedelta(seconds=1))

    assert sessions.find(token) is None
    assert sessions.open_sessions("lea") == ()


def test_use_keeps_a_session_until_its_lifetime_ends(
    sessions: SsoSessions, clock: FakeClock
) -> None:
    token, _ = start(sessions)
    for _ in range(19):
        clock.advance(timedelta(minutes=30))
        found = sessions.find(token)
        assert found is not None
        sessions.touch(found)
    clock.advance(timedelta(minutes=30))

    assert sessions.find(token) is None


def test_touch_writes_at_most_once_a_minute(
    sessions: SsoSessions, database: Database, clock: FakeClock
) -> None:
    token, session = start(sessions)
    writes: list[str] = []

    def note(_connection: object, _cursor: object, statement: str, *_rest: object) -> None:
        if statement.startswith("UPDATE"):
            writes.append(statement)

    event.listen(database.engine, "before_cursor_execute", note)
    clock.advance(timedelta(seconds=59))
    sessions.touch(session)
    assert not writes
    clock.advance(timedelta(seconds=1))
    sessions.touch(session)

    assert len(writes) == 1
    found = sessions.find(token)
    assert found is not None
    assert found.last_seen_at == clock.now()


def test_finding_is_one_statement(sessions: SsoSessions, database: Database) -> None:
    token, _ = start(sessions)
    statements: list[str] = []

    def note(_connection: object, _cursor: object, statement: str, *_rest: object) -> None:
        statements.append(statement)

    event.listen(database.engine, "before_cursor_execute", note)
    sessions.find(token)

    assert len(statements) == 1


def test_a_choice_is_remembered_per_service_provider(sessions: SsoSessions) -> None:
    token, session = start(sessions)
    sessions.choose(session, SP, "m1")
    sessions.choose(session, OTHER_SP, "m2")
    sessions.choose(session, SP, "m3")

    found = sessions.find(token)
    assert found is not None
    assert found.choices == {SP: "m3", OTHER_SP: "m2"}


def test_the_aia_is_entered_and_left(sessions: SsoSessions, clock: FakeClock) -> None:
    token, session = start(sessions)
    assert session.aia_until is None
    sessions.enter_aia(session)
    found = sessions.find(token)
    assert found is not None
    assert found.aia_until == clock.now() + IDLE

    sessions.leave_aia(session)
    found = sessions.find(token)
    assert found is not None
    assert found.aia_until is None


def test_use_keeps_the_aia_open_but_never_opens_it(sessions: SsoSessions, clock: FakeClock) -> None:
    token, before = start(sessions)
    sessions.enter_aia(before)
    clock.advance(timedelta(minutes=40))
    sessions.touch(before)  # read before the AIA was entered, in another tab
    found = sessions.find(token)
    assert found is not None
    assert found.aia_until == clock.now() + IDLE

    sessions.leave_aia(found)
    clock.advance(timedelta(minutes=40))
    sessions.touch(found)
    found = sessions.find(token)
    assert found is not None
    assert found.aia_until is None


def test_the_aia_ends_with_the_session(sessions: SsoSessions, clock: FakeClock) -> None:
    token, session = start(sessions)
    for _ in range(19):
        clock.advance(timedelta(minutes=30))
        sessions.touch(sessions.find(token) or session)
    sessions.enter_aia(session)

    found = sessions.find(token)
    assert found is not None
    assert found.aia_until == session.expires_at


def test_a_persons_sessions_end_everywhere(sessions: SsoSessions, database: Database) -> None:
    tokens = [start(sessions)[0] for _ in range(2)]
    spared, _ = start(sessions, MAX)
    first = sessions.find(tokens[0])
    assert first is not None
    sessions.record(first, sp_session(first))
    sessions.end("lea", reason="locked")
    sessions.end("lea", reason="locked")

    assert [sessions.find(token) for token in tokens] == [None, None]
    assert sessions.sp_sessions(first) == ()
    assert sessions.find(spared)
    assert journal(database) == [("session.ended", "lea", {"reason": "locked"})]


def test_a_persons_sessions_end_at_one_service_provider(
    sessions: SsoSessions, database: Database
) -> None:
    token, session = start(sessions)
    sessions.record(session, sp_session(session))
    sessions.record(session, sp_session(session, OTHER_SP))
    sessions.end("lea", entity_id=SP, reason="role-withdrawn")

    assert sessions.find(token)
    assert [one.entity_id for one in sessions.sp_sessions(session)] == [OTHER_SP]
    assert journal(database) == [("session.ended", "lea", {"reason": "role-withdrawn"})]


def test_an_end_is_undone_with_its_transaction(sessions: SsoSessions, database: Database) -> None:
    token, _ = start(sessions)

    def refused_lock() -> None:
        with database.unit_of_work():
            sessions.end("lea", reason="locked")
            raise RuntimeError

    with pytest.raises(RuntimeError):
        refused_lock()

    assert sessions.find(token)
    assert journal(database) == []


def test_sp_sessions_come_back_as_recorded(sessions: SsoSessions, clock: FakeClock) -> None:
    _, session = start(sessions)
    first, second = sp_session(session, SP, "_1"), sp_session(session, OTHER_SP, "_2")
    sessions.record(session, first)
    sessions.record(session, second)

    assert sessions.sp_sessions(session) == (first, second)
    clock.advance(LIFETIME)
    assert sessions.sp_sessions(session) == ()


def test_old_sessions_are_purged_a_day_later(
    sessions: SsoSessions, database: Database, clock: FakeClock
) -> None:
    _, session = start(sessions)
    sessions.record(session, sp_session(session))
    clock.advance(LIFETIME + timedelta(days=1) - timedelta(seconds=1))
    assert purge(database, clock)["sso_session"] == 0
    clock.advance(timedelta(seconds=1))

    assert purge(database, clock)["sso_session"] == 1
    with database.reading() as reading:
        assert reading.scalars(select(SpSessionRow)).all() == []


def test_nothing_is_recorded_for_a_session_that_ended(
    sessions: SsoSessions, database: Database
) -> None:
    _, session = start(sessions)
    sessions.end("lea", reason="account-locked")

    with pytest.raises(SessionEnded):
        sessions.record(session, sp_session(session))

    with database.reading() as reading:
        assert reading.scalars(select(SpSessionRow)).all() == []


def test_an_end_waits_for_what_is_being_recorded_and_ends_it_too(
    sessions: SsoSessions, database: Database
) -> None:
    _, session = start(sessions)
    recorded = threading.Event()

    def end() -> None:
        recorded.wait(10)
        sessions.end("lea", reason="account-locked")

    ending = threading.Thread(target=end)
    ending.start()
    with database.unit_of_work():
        sessions.record(session, sp_session(session))
        recorded.set()
        ending.join(0.3)
        assert ending.is_alive(), "it waits for this transaction"
    ending.join(10)

    with database.reading() as reading:
        assert reading.scalars(select(SpSessionRow)).one().ended_at is not None


def test_a_new_sign_in_of_the_same_person_takes_over(
    sessions: SsoSessions, database: Database
) -> None:
    old_token, old = start(sessions)
    sessions.record(old, sp_session(old))
    sessions.choose(old, SP, "m1")
    sessions.enter_aia(old)
    old = sessions.find(old_token) or old
    token, new = start(sessions)

    sessions.replace(old, new)

    found = sessions.find(token)
    assert found is not None
    assert (found.choices, found.aia_until) == ({SP: "m1"}, old.aia_until)
    assert [held.entity_id for held in sessions.sp_sessions(found)] == [SP]
    assert sessions.find(old_token) is None
    assert journal(database) == [("session.ended", "lea", {"reason": "replaced"})]


def test_a_new_sign_in_of_somebody_else_takes_nothing_over(sessions: SsoSessions) -> None:
    _, old = start(sessions)
    sessions.record(old, sp_session(old))
    token, new = start(sessions, MAX)

    sessions.replace(old, new)

    found = sessions.find(token)
    assert found is not None
    assert sessions.sp_sessions(found) == ()
    assert sessions.sp_sessions(old) == ()
