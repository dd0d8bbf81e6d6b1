"""A PostgreSQL that does not answer: known in time, asked by one, found again."""

import os
import signal
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from socket import create_server
from time import monotonic, sleep

import psycopg
import pytest
from sqlalchemy import text
from sqlalchemy.engine import make_url
from sqlalchemy.exc import OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from idp import postgresql
from idp import snapshot as snapshots
from idp.context import Origin, acting
from idp.db import POOL_SIZE, Database
from idp.postgresql import HurriedConnection, OneTriesPool, postgresql_engine
from idp.snapshot import Snapshot
from tests.common.databases import Databases
from tests.common.threads import all_at_once


@pytest.fixture
def url(databases: Databases, tmp_path: Path) -> str:
    return databases.fresh("postgresql", tmp_path)


@pytest.fixture
def hurried(url: str) -> Iterator[Database]:
    """As a server opens it."""
    database = Database(url, hurried=True)
    yield database
    database.dispose()


def pool_of(database: Database) -> OneTriesPool:
    pool = database.engine.pool
    assert isinstance(pool, OneTriesPool)
    return pool


def ask_in_vain(database: Database) -> float:
    """The seconds until the question is given up."""
    began = monotonic()
    with pytest.raises(OperationalError):
        database.revision("x")
    return monotonic() - began


AT_ONCE = 0.2  # seconds: nobody was asked


def silent(*_args: object, **_options: object) -> None:
    """What a server that hangs does to who connects, in a second."""
    sleep(1)
    raise psycopg.OperationalError("no answer")


def test_a_request_that_waited_in_vain_asks_no_more(
    hurried: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(HurriedConnection, "connect", silent)
        with acting(Origin(request_id="first")):
            assert ask_in_vain(hurried) >= 1
            assert ask_in_vain(hurried) < AT_ONCE
        with acting(Origin(request_id="second")):
            assert ask_in_vain(hurried) >= 1
        assert ask_in_vain(hurried) >= 1, "nobody's request"
        assert ask_in_vain(hurried) >= 1, "nobody's request"
    with acting(Origin(request_id="third")):
        assert hurried.revision("x") == 0


def test_a_snapshot_that_waited_in_vain_waited_for_its_request(
    hurried: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It goes on with what it holds; the next question would be the request's second wait."""
    monkeypatch.setattr(snapshots, "MAX_AGE", 0.0)
    snapshot = Snapshot(hurried, "x", lambda: "held")
    snapshot.get()
    pool_of(hurried).dispose()
    monkeypatch.setattr(HurriedConnection, "connect", silent)
    with acting(Origin(request_id="one")):
        began = monotonic()
        assert snapshot.get() == "held"
        assert monotonic() - began >= 1
        assert ask_in_vain(hurried) < AT_ONCE


def test_a_dead_connection_that_is_replaced_is_no_wait_in_vain(
    hurried: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The ping waits in vain, the new connection is there: the request goes on."""
    monkeypatch.setattr(postgresql, "FRESH_SECONDS", 0)
    monkeypatch.setattr(postgresql, "PING_SECONDS", 0.2)
    (backend,) = hurried.rows(text("SELECT pg_backend_pid()"), {})
    os.kill(backend[0], signal.SIGSTOP)
    try:
        with acting(Origin(request_id="one")):
            began = monotonic()
            hurried.bump("x")
            assert monotonic() - began >= 0.2
            assert hurried.revision("x") == 1
    finally:
        os.kill(backend[0], signal.SIGCONT)


def test_who_waited_in_vain_for_a_connection_in_use_waits_once(
    url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(postgresql, "POOL_SECONDS", 0.5)
    engine = postgresql_engine(make_url(url), hurried=True, pool_size=1, max_overflow=0)
    with engine.connect(), acting(Origin(request_id="one")):
        with pytest.raises(PoolTimeoutError):
            engine.connect()
        began = monotonic()
        with pytest.raises(OperationalError):
            engine.connect()
        assert monotonic() - began < AT_ONCE
    with engine.connect():
        assert isinstance(engine.pool, OneTriesPool)
        assert not engine.pool.failed
    engine.dispose()


def test_while_it_is_gone_one_caller_tries_and_the_others_give_up(
    hurried: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    tries: list[float] = []

    def counted(*_args: object, **_options: object) -> None:
        tries.append(monotonic())
        silent()

    with monkeypatch.context() as patch:
        patch.setattr(HurriedConnection, "connect", counted)
        assert 1 <= ask_in_vain(hurried) < 1.9
        before, began = len(tries), monotonic()
        all_at_once(lambda: ask_in_vain(hurried), 8)
        assert monotonic() - began < 3
        assert len(tries) - before <= 2
    assert hurried.revision("x") == 0
    assert not pool_of(hurried).failed
    all_at_once(lambda: hurried.revision("x"), POOL_SIZE)
    assert pool_of(hurried).checkedout() == 0


def sleep_for_long(database: Database) -> None:
    with database.unit_of_work() as session:
        connection = session.connection()
        connection.exec_driver_sql("SET statement_timeout = 0")
        connection.exec_driver_sql("SELECT pg_sleep(5)")


def test_an_answer_that_does_not_come_ends_the_connection(
    hurried: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The server's own limit is taken away: what a frozen server leaves us."""
    monkeypatch.setattr(postgresql, "ANSWER_SECONDS", 0.5)
    with acting(Origin(request_id="one")):
        began = monotonic()
        with pytest.raises(OperationalError) as raised:
            sleep_for_long(hurried)
        assert 0.5 <= monotonic() - began < 2
        assert raised.value.connection_invalidated
        assert ask_in_vain(hurried) < AT_ONCE
    assert hurried.revision("x") == 0
    assert pool_of(hurried).checkedout() == 0


def test_a_statement_that_is_merely_slow_costs_neither_connection_nor_pool(
    hurried: Database,
) -> None:
    """The server's own limit comes first; the request waits no second time all the same."""
    with acting(Origin(request_id="one")):
        with pytest.raises(OperationalError, match="statement timeout") as raised:
            hurried.rows(text("SELECT pg_sleep(6)"), {})
        assert not raised.value.connection_invalidated
        assert ask_in_vain(hurried) < AT_ONCE
    assert not pool_of(hurried).failed
    assert pool_of(hurried).checkedin() == 1
    assert hurried.revision("x") == 0


def end_every_connection(url: str) -> None:
    other = Database(url)
    with other.unit_of_work() as session:
        session.connection().exec_driver_sql(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )
    other.dispose()


def test_a_connection_that_was_ended_is_replaced_before_it_is_used(
    url: str, hurried: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(postgresql, "FRESH_SECONDS", 0)
    hurried.bump("x")
    end_every_connection(url)
    hurried.bump("x")
    assert hurried.revision("x") == 2


def test_one_that_was_ended_within_the_second_costs_one_answer(
    url: str, hurried: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(postgresql, "FRESH_SECONDS", 60)
    hurried.bump("x")
    end_every_connection(url)
    with pytest.raises(OperationalError):
        hurried.bump("x")
    hurried.bump("x")
    assert hurried.revision("x") == 2
    assert not pool_of(hurried).failed


def shown(database: Database, name: str) -> str:
    with database.reading() as session:
        return str(session.connection().exec_driver_sql(f"SHOW {name}").scalar())


def test_who_writes_a_page_has_limits_and_who_works_behind_has_none(
    url: str, hurried: Database
) -> None:
    patient = Database(url)
    assert shown(hurried, "statement_timeout") == "3500ms"
    assert shown(hurried, "idle_in_transaction_session_timeout") == "10s"
    assert shown(patient, "statement_timeout") == "0"
    patient.dispose()


def test_what_the_url_says_of_limits_is_kept(url: str) -> None:
    asked = make_url(url).update_query_dict({"options": "-c statement_timeout=1234"})
    own = Database(asked.render_as_string(hide_password=False), hurried=True)
    assert shown(own, "statement_timeout") == "1234ms"
    assert shown(own, "idle_in_transaction_session_timeout") == "10s"
    own.dispose()


def test_a_statement_may_not_be_given_longer_than_we_wait_for_any_answer(
    url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(postgresql, "ANSWER_SECONDS", 0.5)
    asked = make_url(url).update_query_dict({"options": "-c statement_timeout=60s"})
    own = Database(asked.render_as_string(hide_password=False), hurried=True)
    assert shown(own, "statement_timeout") == "1min"
    began = monotonic()
    with pytest.raises(OperationalError):
        own.rows(text("SELECT pg_sleep(6)"), {})
    assert 0.5 <= monotonic() - began < 2
    own.dispose()


def test_who_works_behind_connects_within_seconds_too(monkeypatch: pytest.MonkeyPatch) -> None:
    """A server that takes the connection and says nothing."""
    monkeypatch.setattr(postgresql, "PATIENT_CONNECT_SECONDS", 2)
    with closing(create_server(("127.0.0.1", 0))) as hanging:
        port = hanging.getsockname()[1]
        patient = Database(f"postgresql+psycopg://nobody@127.0.0.1:{port}/none")
        assert 2 <= ask_in_vain(patient) < 4
        patient.dispose()
