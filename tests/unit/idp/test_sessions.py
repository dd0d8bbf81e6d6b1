import threading
from datetime import timedelta

import pytest
from sqlalchemy import event, select

from idp.audit import AuditEvent, AuditLog
from idp.context import Origin, acting
from idp.db import Database
from idp.errors import NotFound, SessionEnded
from idp.records import OpenSession
from idp.sessions.sso import SsoSessions
from idp.sessions.tables import SpSessionRow, SsoSessionRow, TaskRow
from idp.sessions.tokens import hashed, public_id
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

    second, first = sessions.of_subject("lea")
    assert first.address == "192.0.2.7"
    assert first.user_agent == "N" + "a" * 255
    assert second.started_at - first.started_at == timedelta(minutes=1)


def test_an_idle_session_is_over(sessions: SsoSessions, clock: FakeClock) -> None:
    token, _ = start(sessions)
    clock.advance(IDLE - timedelta(seconds=1))
    assert sessions.find(token)
    clock.advance(timedelta(seconds=1))

    assert sessions.find(token) is None
    assert sessions.of_subject("lea") == ()


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


# --- what its owner sees and closes ------------------------------------------------------------


def test_the_list_names_no_token_and_no_key(sessions: SsoSessions) -> None:
    token, mine = start(sessions)
    start(sessions)
    listed = sessions.of_subject("lea", current=mine)
    assert sorted(one.current for one in listed) == [False, True]
    assert len({one.public_id for one in listed}) == 2
    for one in listed:
        assert token not in str(one)
        assert mine.key not in str(one)
        assert sessions.find(one.public_id) is None


def test_the_latest_used_comes_first_and_the_list_is_bounded(
    sessions: SsoSessions, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, old = start(sessions)
    clock.advance(timedelta(minutes=5))
    start(sessions)
    clock.advance(timedelta(minutes=5))
    sessions.touch(old)
    assert sessions.of_subject("lea")[0].started_at == old.started_at
    monkeypatch.setattr("idp.sessions.sso.MOST_LISTED", 1)
    assert len(sessions.of_subject("lea")) == 1


def test_those_that_are_over_are_listed_when_asked_for(sessions: SsoSessions) -> None:
    _, one = start(sessions)
    sessions.end(one.subject_id, reason="account-locked")
    assert sessions.of_subject("lea") == ()
    (ended,) = sessions.of_subject("lea", ended=True)
    assert ended.ended_at is not None


def test_closing_another_session_ends_it_and_what_it_opened(
    sessions: SsoSessions, database: Database
) -> None:
    mine_token, mine = start(sessions)
    other_token, other = start(sessions)
    third_token, _ = start(sessions)
    sessions.record(mine, sp_session(mine))
    sessions.record(other, sp_session(other, OTHER_SP, "_o"))
    public = next(one.public_id for one in sessions.of_subject("lea") if _is(one, other))

    sessions.close_other(mine, public)

    assert sessions.find(other_token) is None
    assert sessions.find(mine_token)
    assert sessions.find(third_token)
    assert [one.entity_id for one in sessions.sp_sessions(mine)] == [SP]
    assert sessions.sp_sessions(other) == ()
    with database.reading() as reading:
        told = reading.scalars(select(TaskRow)).all()
        assert [(task.entity_id, task.session_indexes) for task in told] == [(OTHER_SP, ["_o"])]
    assert journal(database) == [("session.ended", "lea", {"reason": "closed"})]

    sessions.close_other(mine, public)
    assert len(journal(database)) == 1, "closed once"


def test_nobody_closes_another_persons_session_nor_his_own_from_the_list(
    sessions: SsoSessions, database: Database
) -> None:
    token, mine = start(sessions)
    foreign_token, foreign = start(sessions, MAX)
    (his,) = sessions.of_subject("max")
    (own,) = sessions.of_subject("lea")
    for public in (his.public_id, own.public_id, foreign.key, foreign_token, "", "x" * 999):
        with pytest.raises(NotFound):
            sessions.close_other(mine, public)
    assert sessions.find(foreign_token)
    assert sessions.find(token)
    assert journal(database) == []


def test_all_the_others_are_closed_at_once(sessions: SsoSessions, database: Database) -> None:
    token, mine = start(sessions)
    others = [start(sessions) for _ in range(3)]
    foreign_token, _ = start(sessions, MAX)
    sessions.record(mine, sp_session(mine))
    for number, (_, other) in enumerate(others):
        sessions.record(other, sp_session(other, OTHER_SP, f"_{number}"))

    sessions.close_others(mine)

    assert [one.current for one in sessions.of_subject("lea", current=mine)] == [True]
    assert sessions.find(token)
    assert sessions.find(foreign_token)
    assert len(sessions.sp_sessions(mine)) == 1
    assert all(sessions.sp_sessions(other) == () for _, other in others)
    sessions.close_others(mine)
    assert journal(database) == [("session.ended", "lea", {"reason": "closed"})]


def _is(listed: OpenSession, session: SsoSession) -> bool:
    return listed.public_id == public_id(session.key)
