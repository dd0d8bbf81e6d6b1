"""A PostgreSQL that does not answer: known in time, asked by one, found again."""

from collections.abc import Iterator
from pathlib import Path
from time import monotonic, sleep

import psycopg
import pytest
from sqlalchemy.engine import make_url
from sqlalchemy.exc import OperationalError

from idp import postgresql
from idp.db import POOL_SIZE, Database
from idp.postgresql import HurriedConnection, OneTriesPool
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


def test_while_it_is_gone_one_caller_tries_and_the_others_give_up(
    hurried: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    tries: list[float] = []

    def silent(*_args: object, **_options: object) -> None:
        tries.append(monotonic())
        sleep(1)
        raise psycopg.OperationalError("no answer")

    with monkeypatch.context() as patch:
        patch.setattr(HurriedConnection, "connect", silent)
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
    monkeypatch.setattr(postgresql, "STATEMENT_SECONDS", 0.5)
    waiting = Database(hurried.url.render_as_string(hide_password=False), hurried=True)
    began = monotonic()
    with pytest.raises(OperationalError) as raised:
        sleep_for_long(waiting)
    assert 0.5 <= monotonic() - began < 2
    assert raised.value.connection_invalidated
    assert waiting.revision("x") == 0
    assert pool_of(waiting).checkedout() == 0
    waiting.dispose()


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
    assert shown(hurried, "statement_timeout") == "4s"
    assert shown(hurried, "idle_in_transaction_session_timeout") == "10s"
    assert shown(patient, "statement_timeout") == "0"
    patient.dispose()


def test_what_the_url_says_of_limits_is_kept(url: str) -> None:
    asked = make_url(url).update_query_dict({"options": "-c statement_timeout=1234"})
    own = Database(asked.render_as_string(hide_password=False), hurried=True)
    assert shown(own, "statement_timeout") == "1234ms"
    assert shown(own, "idle_in_transaction_session_timeout") == "10s"
    own.dispose()
