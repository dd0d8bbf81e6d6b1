from datetime import timedelta

import pytest
from sqlalchemy import select

from idp.audit import AuditLog
from idp.db import Database
from idp.errors import SessionEnded
from idp.messages import LogoutTask, TaskState
from idp.sessions import tasks as module
from idp.sessions.sso import SsoSessions
from idp.sessions.tables import TaskRow
from idp.sessions.tasks import FIRST_DELAY, LONGEST_DELAY, SHARE, Tasks
from idp.types import AuthnContext, NameID, NameIDFormat, SpSession, SsoSession, Subject
from tests.common.clock import FakeClock
from tests.common.threads import all_at_once

SP, OTHER_SP = "https://sp.example/metadata", "https://autre.example/metadata"
LEA = Subject("lea", "lea@b.fr", "Léa", "Martin")
MINUTE = timedelta(minutes=1)
LIFETIME = timedelta(hours=10)


@pytest.fixture
def sessions(database: Database, clock: FakeClock) -> SsoSessions:
    audit = AuditLog(database, clock)
    return SsoSessions(database, clock, audit, idle=LIFETIME, lifetime=LIFETIME)


@pytest.fixture
def tasks(database: Database, clock: FakeClock) -> Tasks:
    return Tasks(database, clock)


def start(sessions: SsoSessions) -> SsoSession:
    return sessions.start(LEA, AuthnContext.PASSWORD_PROTECTED_TRANSPORT, user_agent="N")[1]


def record(
    sessions: SsoSessions, session: SsoSession, index: str, entity_id: str = SP, name: str = "v"
) -> None:
    name_id = NameID(name, NameIDFormat.PERSISTENT, "https://idp.example", entity_id)
    sessions.record(
        session, SpSession(entity_id, name_id, index, session.started_at, session.expires_at)
    )


@pytest.fixture
def task(sessions: SsoSessions, tasks: Tasks) -> LogoutTask:
    """One that is due."""
    record(sessions, start(sessions), "_i")
    sessions.end(LEA.id, reason="lock")
    (found,) = tasks.due(10)
    return found


def told(tasks: Tasks, task: LogoutTask, request_id: str = "_r") -> LogoutTask:
    found = tasks.told(task, request_id, within=MINUTE)
    assert found is not None
    return found


def test_what_is_to_be_told(task: LogoutTask) -> None:
    assert task.name_id == NameID("v", NameIDFormat.PERSISTENT, "https://idp.example", SP)
    assert (task.entity_id, task.subject_id) == (SP, LEA.id)
    assert task.session_indexes == ("_i",)
    assert (task.state, task.attempts, task.request_id) == (TaskState.WAITING, 0, None)
    assert not task.by_person


def test_sessions_of_one_name_at_one_sp_are_one_task(sessions: SsoSessions, tasks: Tasks) -> None:
    first, second = start(sessions), start(sessions)
    record(sessions, first, "_a")
    record(sessions, first, "_c", name="other")
    record(sessions, second, "_b")
    record(sessions, second, "_d", OTHER_SP)
    sessions.end(LEA.id, reason="lock")
    due = {(task.entity_id, task.name_id.value): task.session_indexes for task in tasks.due(10)}
    assert due == {
        (SP, "v"): ("_a", "_b"),
        (SP, "other"): ("_c",),
        (OTHER_SP, "v"): ("_d",),
    }
    assert len(tasks.due(2)) == 2


def test_the_worker_takes_a_share_of_each_sp(sessions: SsoSessions, tasks: Tasks) -> None:
    """Whoever has a thousand tasks in front keeps nobody waiting."""
    session = start(sessions)
    for number in range(SHARE + 5):
        record(sessions, session, "_i", name=f"n{number}")
    record(sessions, session, "_i", OTHER_SP)
    sessions.end(LEA.id, reason="lock")
    assert {task.entity_id for task in tasks.due(2)} == {SP, OTHER_SP}
    due = [task.entity_id for task in tasks.due(1000)]
    assert (due.count(SP), due.count(OTHER_SP)) == (SHARE, 1)


def test_what_else_is_due_to_an_sp_that_failed_waits(
    sessions: SsoSessions, tasks: Tasks, clock: FakeClock
) -> None:
    session = start(sessions)
    for name in "abc":
        record(sessions, session, "_i", name=name)
    record(sessions, session, "_i", OTHER_SP)
    sessions.end(LEA.id, reason="lock")
    task = next(task for task in tasks.due(10) if task.entity_id == SP)
    assert tasks.fail(told(tasks, task), "no", retry=True) is TaskState.WAITING
    tasks.put_off(task, (), "no")
    assert [each.entity_id for each in tasks.due(10)] == [OTHER_SP]
    clock.advance(FIRST_DELAY / 2)
    due = tasks.due(10)
    assert [each.entity_id for each in due].count(SP) == 2, "before the one that failed"
    assert {each.attempts for each in due if each.entity_id == SP} == {1}


def test_a_task_is_told_by_one(tasks: Tasks, task: LogoutTask, clock: FakeClock) -> None:
    """The worker and a browser, two tabs, two workers: only one does."""
    won: list[str] = []

    def tell() -> None:
        if tasks.told(task, f"_{id(object())}{len(won)}", within=MINUTE) is not None:
            won.append("told")

    all_at_once(tell)
    assert won == ["told"]
    assert tasks.due(10) == ()
    clock.advance(MINUTE)
    (again,) = tasks.due(10)
    assert (again.state, again.attempts) == (TaskState.TOLD, 1), "nobody settled it: told again"
    second = told(tasks, again, "_second")
    assert tasks.find("_second") == second
    assert not tasks.close(again), "an answer to the first request comes too late"


def test_it_is_found_while_it_waits_for_the_answer(tasks: Tasks, task: LogoutTask) -> None:
    assert tasks.find("_r") is None
    asked = told(tasks, task)
    assert tasks.find("_r") == asked
    assert tasks.find("_other") is None
    assert tasks.close(asked)
    assert tasks.find("_r") is None
    assert not tasks.close(asked)
    assert tasks.due(10) == ()


def test_it_is_settled_once_for_all(tasks: Tasks, task: LogoutTask, clock: FakeClock) -> None:
    assert tasks.leave_open(task)
    assert not tasks.close(task)
    assert tasks.told(task, "_r", within=MINUTE) is None
    clock.advance(LIFETIME)
    assert tasks.due(10) == ()


def test_a_failure_is_tried_again_later_each_time_while_the_session_lasts(
    tasks: Tasks, task: LogoutTask, clock: FakeClock, database: Database
) -> None:
    pauses = []
    while True:
        asked = told(tasks, task, f"_{task.attempts}")
        assert tasks.fail(asked, "é" * 600, retry=True)
        with database.reading() as session:
            row = session.scalars(select(TaskRow)).one()
        assert row.last_error == "é" * 500
        if row.state == TaskState.FAILED:
            break
        pauses.append(row.next_try_at - clock.now())
        clock.advance(pauses[-1] - timedelta(seconds=1))
        assert tasks.due(10) == ()
        clock.advance(timedelta(seconds=1))
        (task,) = tasks.due(10)
        assert task.state is TaskState.WAITING
    assert pauses[:3] == [FIRST_DELAY, 2 * FIRST_DELAY, 4 * FIRST_DELAY]
    assert max(pauses) == LONGEST_DELAY
    assert LIFETIME - 2 * LONGEST_DELAY < sum(pauses, timedelta()) < LIFETIME


def test_without_another_try_it_failed(tasks: Tasks, task: LogoutTask) -> None:
    assert tasks.fail(told(tasks, task), "no", retry=False)
    assert tasks.due(10) == ()


def test_it_is_purged_a_day_after_the_session(
    task: LogoutTask, database: Database, clock: FakeClock
) -> None:
    assert module.purge(database, task.expires_at + timedelta(hours=23)) == 0
    assert module.purge(database, task.expires_at + timedelta(days=1)) == 1
    assert clock.now() < task.expires_at


def test_a_lock_while_somebody_signs_on_ends_that_session_too(
    sessions: SsoSessions, tasks: Tasks
) -> None:
    """Whichever comes first: an SP session is told, or was never opened."""
    session, recorded = start(sessions), []

    def sign_on() -> None:
        for number in range(10):
            try:
                record(sessions, session, f"_{number}")
            except SessionEnded:
                return
            recorded.append(f"_{number}")

    def lock() -> None:
        sessions.end(LEA.id, reason="lock")

    turns = iter([sign_on, lock])

    def take_turn() -> None:
        next(turns)()

    all_at_once(take_turn, 2)
    assert sorted(i for task in tasks.due(10) for i in task.session_indexes) == sorted(recorded)
