"""One unit of work: joined, committed once, rolled back whole; moments are aware."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta, timezone
from time import monotonic

import pytest
from sqlalchemy import event, insert, select
from sqlalchemy.exc import OperationalError, StatementError

from idp.db import GONE, Database, Revision
from idp.sessions.tables import NameIdRow
from tests.common.threads import all_at_once


def _name_id(value: str, moment: datetime) -> NameIdRow:
    return NameIdRow(entity_id="e", subject_id=value, value=value, created_at=moment)


NOON = datetime(2026, 11, 20, 12, 0, 0, 123456, tzinfo=UTC)


def test_an_inner_unit_joins_the_outer_one(database: Database) -> None:
    def write_and_fail() -> None:
        with database.unit_of_work() as outer:
            outer.add(_name_id("a", NOON))
            with database.unit_of_work() as inner:
                assert inner is outer
                inner.add(_name_id("b", NOON))
            with database.writing() as connection:
                connection.execute(insert(NameIdRow), _values("c"))
            database.bump("x")
            assert database.revision("x") == 1
            raise RuntimeError("late")

    with pytest.raises(RuntimeError, match="late"):
        write_and_fail()
    assert database.revision("x") == 0
    with database.reading() as session:
        assert session.scalars(select(NameIdRow)).all() == []


def _values(value: str) -> dict[str, object]:
    return {"entity_id": "e", "subject_id": value, "value": value, "created_at": NOON}


def test_statements_and_objects_are_committed_together(database: Database) -> None:
    with database.writing() as connection:
        connection.execute(insert(NameIdRow), _values("a"))
        with database.unit_of_work() as session:
            session.add(_name_id("b", NOON))
            assert len(database.rows(select(NameIdRow.value), {})) == 2, "flushed before reading"
    with database.reading() as session:
        assert sorted(session.scalars(select(NameIdRow.value))) == ["a", "b"]


def test_moments_come_back_aware_and_in_utc(database: Database) -> None:
    paris = NOON.astimezone(timezone(timedelta(hours=1)))
    with database.unit_of_work() as session:
        session.add(_name_id("a", paris))
    with database.reading() as session:
        found = session.scalars(select(NameIdRow)).one()
        assert found.created_at == NOON
        assert found.created_at.tzinfo is UTC
        assert session.scalars(select(NameIdRow).where(NameIdRow.created_at < NOON)).all() == []
        assert session.scalars(select(NameIdRow).where(NameIdRow.created_at <= NOON)).one()


def test_a_naive_moment_is_refused(database: Database) -> None:
    naive = datetime(2026, 11, 20, 12)  # noqa: DTZ001 - that is the point
    with database.unit_of_work() as session:
        session.add(_name_id("a", naive))
        with pytest.raises(StatementError, match="naive"):
            session.flush()
        session.expunge_all()


def test_writers_at_once_all_succeed(database: Database) -> None:
    def write() -> None:
        for _ in range(20):
            with database.unit_of_work() as session:
                revision = session.get(Revision, "shared", with_for_update=True)
                assert revision is not None
                revision.number += 1

    database.bump("shared")
    all_at_once(write)
    assert database.revision("shared") == 81


@pytest.fixture
def hurried(database: Database) -> Iterator[Database]:
    """The same database as a server opens it."""
    url = database.url.render_as_string(hide_password=False)
    other = Database(url, durable=False, hurried=True)
    yield other
    other.dispose()


def _blocked(database: Database) -> float:
    """The seconds until a write is given up."""
    began = monotonic()
    with pytest.raises(GONE):
        database.bump("x")
    return monotonic() - began


def test_a_write_that_another_process_holds_up_is_given_up_in_seconds(
    database: Database, hurried: Database
) -> None:
    """SQLite: its one lock. PostgreSQL: the row's."""
    database.bump("x")
    with database.unit_of_work() as session:
        revision = session.get(Revision, "x", with_for_update=True)
        assert revision is not None
        assert 1 < _blocked(hurried) < 5
        assert hurried.engine.pool.checkedout() == 0  # type: ignore[attr-defined]
    hurried.bump("x")
    assert database.revision("x") == 2


@pytest.mark.sqlite_only
def test_the_waits_for_another_process_do_not_add_up(database: Database, hurried: Database) -> None:
    waited: list[float] = []
    with database.unit_of_work() as session:
        session.add(Revision(name="x", number=1))
        session.flush()
        all_at_once(lambda: waited.append(_blocked(hurried)), 8)
        began = monotonic()
        all_at_once(lambda: waited.append(_blocked(hurried)), 8)
    assert len(waited) == 16
    assert max(waited) < 5
    assert monotonic() - began < 6
    hurried.bump("y")


def _fill(database: Database) -> None:
    with database.unit_of_work() as session:
        session.add_all(_name_id(f"{number}" * 40, NOON) for number in range(2000))


@pytest.mark.sqlite_only
def test_a_full_disk_is_a_database_that_is_gone(database: Database) -> None:
    def small(connection: object, record: object, fairy: object) -> None:
        del record, fairy
        connection.execute("PRAGMA max_page_count=1")  # type: ignore[attr-defined]

    event.listen(database.engine, "checkout", small)
    with pytest.raises(OperationalError, match="full") as raised:
        _fill(database)
    assert isinstance(raised.value, GONE)
    assert database.rows(select(NameIdRow.id), {}) == []
