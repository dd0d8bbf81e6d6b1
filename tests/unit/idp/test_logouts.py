from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy import func, select

from idp.audit import AuditEvent, AuditLog
from idp.db import Database
from idp.errors import ReplayedMessage, UnknownFlow
from idp.messages import AcceptedLogout
from idp.sessions import logouts as module
from idp.sessions.logouts import LIFETIME, Logouts
from idp.sessions.sso import SsoSessions
from idp.sessions.tables import LogoutRow
from idp.sessions.tasks import Tasks
from idp.types import AuthnContext, Binding, NameID, NameIDFormat, SpSession, SsoSession, Subject
from tests.common.clock import FakeClock
from tests.common.threads import all_at_once

SP, OTHER_SP = "https://sp.example/metadata", "https://autre.example/metadata"
IDP = "https://idp.example"
LEA = Subject("lea", "lea@b.fr", "Léa", "Martin")
HOURS = timedelta(hours=10)
NAME = NameID("v", NameIDFormat.PERSISTENT, IDP, SP)
ASKED = AcceptedLogout(SP, "_m", Binding.REDIRECT, NAME, ("_i",), "état")


@pytest.fixture
def sessions(database: Database, clock: FakeClock) -> SsoSessions:
    return SsoSessions(database, clock, AuditLog(database, clock), idle=HOURS, lifetime=HOURS)


@pytest.fixture
def logouts(database: Database, clock: FakeClock, sessions: SsoSessions) -> Logouts:
    return Logouts(database, clock, sessions, Tasks(database, clock))


def start(sessions: SsoSessions, *indexes: str, entity_id: str = SP) -> tuple[str, SsoSession]:
    """A browser session with SP sessions of these indexes."""
    token, session = sessions.start(LEA, AuthnContext.PASSWORD_PROTECTED_TRANSPORT, user_agent="N")
    for index in indexes:
        add(sessions, session, index, entity_id)
    return token, session


def add(sessions: SsoSessions, session: SsoSession, index: str, entity_id: str) -> None:
    name_id = replace(NAME, sp_name_qualifier=entity_id)
    sessions.record(
        session, SpSession(entity_id, name_id, index, session.started_at, session.expires_at)
    )


def test_from_the_portal(logouts: Logouts, sessions: SsoSessions) -> None:
    token, session = start(sessions, "_i")
    flow = logouts.begin(session)
    assert sessions.find(token) is None
    logout = logouts.find(flow)
    assert (logout.initiator, logout.known) == (None, True)
    (task,) = logout.tasks
    assert (task.entity_id, task.session_indexes, task.by_person) == (SP, ("_i",), True)
    assert task.in_browser


def test_from_an_sp_the_others_are_told(logouts: Logouts, sessions: SsoSessions) -> None:
    token, session = start(sessions, "_i")
    add(sessions, session, "_o", OTHER_SP)
    flow, ended = logouts.obey(ASKED)
    assert ended == 1
    assert sessions.find(token) is None
    logout = logouts.find(flow)
    assert logout.initiator == ASKED
    assert [task.entity_id for task in logout.tasks] == [OTHER_SP]


def test_a_session_index_means_one_browser_and_none_means_all(
    logouts: Logouts, sessions: SsoSessions
) -> None:
    first, _ = start(sessions, "_i")
    second, _ = start(sessions, "_j")
    assert logouts.obey(ASKED)[1] == 1
    assert (sessions.find(first), sessions.find(second) is None) == (None, False)
    assert logouts.obey(replace(ASKED, message_id="_n", session_indexes=()))[1] == 1
    assert sessions.find(second) is None


@pytest.mark.parametrize(
    "name_id",
    [
        NameID("v", ""),
        NameID("v", NameIDFormat.PERSISTENT),
        NameID("v", NameIDFormat.PERSISTENT, IDP),
        NAME,
    ],
)
def test_what_an_sp_leaves_out_is_not_compared(
    logouts: Logouts, sessions: SsoSessions, name_id: NameID
) -> None:
    start(sessions, "_i")
    assert logouts.obey(replace(ASKED, name_id=name_id))[1] == 1


@pytest.mark.parametrize(
    "changes",
    [
        {"name_id": replace(NAME, value="V")},
        {"name_id": replace(NAME, format=NameIDFormat.EMAIL_ADDRESS)},
        {"name_id": replace(NAME, name_qualifier="https://autre-idp.example")},
        {"name_id": replace(NAME, sp_name_qualifier=OTHER_SP)},
        {"session_indexes": ("_j",)},
        {"entity_id": OTHER_SP},
    ],
)
def test_a_session_of_nobody_here_ends_nothing(
    logouts: Logouts, sessions: SsoSessions, changes: dict[str, object]
) -> None:
    token, _ = start(sessions, "_i")
    flow, ended = logouts.obey(replace(ASKED, **changes))  # type: ignore[arg-type]
    assert (ended, logouts.find(flow).known, logouts.find(flow).tasks) == (0, False, ())
    assert sessions.find(token) is not None


@pytest.mark.parametrize("entity_id", [None, SP])
def test_a_session_that_is_over_was_known_and_ends_nothing(
    logouts: Logouts, sessions: SsoSessions, entity_id: str | None
) -> None:
    """Also where only the role at this SP was withdrawn: its right went with it."""
    token, session = start(sessions, "_i")
    add(sessions, session, "_o", OTHER_SP)
    sessions.end(LEA.id, entity_id=entity_id, reason="test")
    for message_id, indexes in (("_m", ("_i",)), ("_n", ())):
        asked = replace(ASKED, message_id=message_id, session_indexes=indexes)
        flow, ended = logouts.obey(asked)
        assert (ended, logouts.find(flow).known, logouts.find(flow).tasks) == (0, True, ())
    assert (sessions.find(token) is None) == (entity_id is None)


def test_an_sp_session_past_its_end_ends_nothing(
    logouts: Logouts, sessions: SsoSessions, clock: FakeClock
) -> None:
    token, session = start(sessions)
    soon = clock.now() + timedelta(minutes=5)
    sessions.record(session, SpSession(SP, NAME, "_i", clock.now(), soon))
    clock.advance(timedelta(minutes=5))
    flow, ended = logouts.obey(ASKED)
    assert (ended, logouts.find(flow).known) == (0, True)
    assert sessions.find(token) is not None


def test_the_sp_that_asks_is_told_of_those_of_its_sessions_that_it_did_not_name(
    logouts: Logouts, sessions: SsoSessions
) -> None:
    """It opened a second one in the same browser, under this name or another one."""
    _, session = start(sessions, "_i", "_j")
    transient = replace(NAME, value="w")
    sessions.record(session, SpSession(SP, transient, "_k", session.started_at, session.expires_at))
    tasks = logouts.find(logouts.obey(ASKED)[0]).tasks
    told = {(task.entity_id, task.name_id.value, task.session_indexes) for task in tasks}
    assert told == {(SP, "v", ("_j",)), (SP, "w", ("_k",))}


def test_without_a_session_index_all_of_that_name_are_meant(
    logouts: Logouts, sessions: SsoSessions
) -> None:
    start(sessions, "_i", "_j")
    flow, _ = logouts.obey(replace(ASKED, session_indexes=()))
    assert logouts.find(flow).tasks == ()


@pytest.mark.parametrize(
    ("indexes", "binding", "shows", "goes_through_it"),
    [
        ((), Binding.REDIRECT, "mine", {"_m": True, "_t": False}),
        ((), Binding.POST, None, {"_m": False, "_t": False}),
        ((), Binding.REDIRECT, "third", {"_m": False, "_t": False}),
        (("_i",), Binding.POST, None, {"_m": True}),
        (("_i", "_j"), Binding.POST, None, {"_m": False, "_t": False}),
        (("_i", "_j"), Binding.REDIRECT, "mine", {"_m": True, "_t": False}),
        (("_i",), Binding.SOAP, None, {"_m": False}),
    ],
)
def test_only_what_this_browser_opened_is_told_by_it(
    logouts: Logouts,
    sessions: SsoSessions,
    indexes: tuple[str, ...],
    binding: Binding,
    shows: str | None,
    goes_through_it: dict[str, bool],
) -> None:
    """Another browser's cookies are missing: an SP would find no session and call that closed."""
    keys = {}
    for name, index, other in (("mine", "_i", "_m"), ("theirs", "_j", "_t"), ("third", "", "")):
        _, session = start(sessions, *filter(None, (index,)))
        keys[name] = session.key
        if other:
            add(sessions, session, other, OTHER_SP)
    asked = replace(ASKED, session_indexes=indexes, binding=binding)
    flow, _ = logouts.obey(asked, keys[shows] if shows else None)
    told = {task.session_indexes[0]: task.in_browser for task in logouts.find(flow).tasks}
    assert told == goes_through_it


def test_a_message_is_obeyed_once_on_whatever_node(
    logouts: Logouts, sessions: SsoSessions, database: Database, clock: FakeClock
) -> None:
    """Two nodes, each with its own connections, that get it at the same moment."""
    start(sessions, "_i")
    other = Database(str(database.url.render_as_string(hide_password=False)), durable=False)
    theirs = SsoSessions(other, clock, AuditLog(other, clock), idle=HOURS, lifetime=HOURS)
    again = Logouts(other, clock, theirs, Tasks(other, clock))
    nodes, became = iter([logouts, again] * 2), []

    def obey() -> None:
        try:
            became.append(next(nodes).obey(ASKED)[1])
        except ReplayedMessage:
            became.append("replayed")

    try:
        all_at_once(obey)
    finally:
        other.dispose()
    assert sorted(map(str, became)) == ["1", "replayed", "replayed", "replayed"]
    assert logouts.obey(replace(ASKED, entity_id=OTHER_SP))[1] == 0, "another SP's own ID"


def test_two_sps_that_ask_at_once_end_it_once(
    logouts: Logouts, sessions: SsoSessions, database: Database
) -> None:
    _, session = start(sessions, "_i")
    add(sessions, session, "_o", OTHER_SP)
    other = replace(
        ASKED,
        entity_id=OTHER_SP,
        name_id=replace(NAME, sp_name_qualifier=OTHER_SP),
        session_indexes=("_o",),
    )
    asking, flows = iter([ASKED, other]), []
    all_at_once(lambda: flows.append(logouts.obey(next(asking))[0]), 2)
    found = [logouts.find(flow) for flow in flows]
    assert all(logout.known for logout in found)
    assert sum(len(logout.tasks) for logout in found) == 1, "whoever came first has it told"
    with database.reading() as reading:
        ended = select(func.count()).where(AuditEvent.code == "session.ended")
        assert reading.scalar(ended) == 1


def test_it_is_answered_once_and_forgotten(
    logouts: Logouts, sessions: SsoSessions, clock: FakeClock, database: Database
) -> None:
    start(sessions, "_i")
    flow, _ = logouts.obey(ASKED)
    logout = logouts.find(flow)
    logouts.answer(logout)
    with pytest.raises(UnknownFlow):
        logouts.answer(logout)
    with pytest.raises(UnknownFlow):
        logouts.find(flow)
    assert module.purge(database, clock.now() + LIFETIME - timedelta(seconds=1)) == 0
    with pytest.raises(ReplayedMessage):
        logouts.obey(ASKED)
    assert module.purge(database, clock.now() + LIFETIME) == 1


def test_a_flow_ends_and_is_kept_hashed(
    logouts: Logouts, sessions: SsoSessions, clock: FakeClock, database: Database
) -> None:
    _, session = start(sessions, "_i")
    flow = logouts.begin(session)
    with database.reading() as reading:
        assert flow not in reading.scalars(select(LogoutRow.flow)).all()
    with pytest.raises(UnknownFlow):
        logouts.find(flow[:-1])
    clock.advance(LIFETIME)
    with pytest.raises(UnknownFlow):
        logouts.find(flow)


def test_what_the_browser_left_is_the_workers_later(
    logouts: Logouts, sessions: SsoSessions, clock: FakeClock, database: Database
) -> None:
    _, session = start(sessions, "_i")
    logouts.begin(session)
    tasks = Tasks(database, clock)
    assert tasks.due(10) == ()
    clock.advance(LIFETIME)
    assert len(tasks.due(10)) == 1
    module.purge(database, clock.now())
    assert len(tasks.due(10)) == 1, "the sign-out is forgotten, the telling is not"
