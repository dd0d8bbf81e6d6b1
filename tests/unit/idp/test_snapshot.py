"""What is kept in memory while the database is gone: nobody waits for another's wait."""

from threading import Event
from time import monotonic, sleep

import pytest
from sqlalchemy.exc import OperationalError
from structlog.testing import capture_logs

from idp import snapshot as module
from idp.db import Database, Revision
from idp.errors import ConfigurationError
from idp.snapshot import Snapshot
from tests.common.threads import all_at_once

GONE = OperationalError("SELECT 1", {}, RuntimeError("gone"))


@pytest.mark.sqlite_only
def test_what_is_held_goes_on_serving_and_is_fresh_again_afterwards(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "MAX_AGE", 0.0)
    gone, loads = Event(), []

    def load() -> int:
        if gone.is_set():
            raise GONE
        loads.append(1)
        return len(loads)

    snapshot = Snapshot(database, "x", load)
    assert snapshot.get() == 1
    gone.set()
    database.bump("x")
    assert snapshot.get() == snapshot.get() == 1
    assert snapshot.problem is GONE
    gone.clear()
    assert snapshot.get() == 2
    assert snapshot.problem is None


@pytest.mark.sqlite_only
def test_those_who_waited_for_the_first_load_share_its_error(database: Database) -> None:
    tries: list[int] = []

    def load() -> int:
        tries.append(1)
        sleep(0.3)
        raise GONE

    snapshot: Snapshot[int] = Snapshot(database, "x", load)

    raised: list[Exception] = []

    def get() -> None:
        with pytest.raises(module.GONE) as error:
            snapshot.get()
        raised.append(error.value)

    began = monotonic()
    all_at_once(get, 12)
    assert monotonic() - began < 2
    assert len(tries) <= 2
    others = [error for error in raised if error is not GONE]
    assert len(others) == len({id(error) for error in others}) == 12 - len(tries)
    assert {error.__cause__ for error in others} == {GONE}
    get()
    assert len(tries) <= 3


@pytest.mark.sqlite_only
def test_who_waited_for_a_first_load_that_failed_otherwise_tries_too(database: Database) -> None:
    raised: list[Exception] = []

    def load() -> int:
        sleep(0.05)
        raise ConfigurationError("no key")

    snapshot: Snapshot[int] = Snapshot(database, "x", load)

    def get() -> None:
        with pytest.raises(ConfigurationError) as error:
            snapshot.get()
        raised.append(error.value)

    all_at_once(get, 4)
    assert len({id(error) for error in raised}) == 4


@pytest.mark.sqlite_only
def test_each_different_problem_is_told_once(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "MAX_AGE", 0.0)
    problems: list[Exception] = []

    def load() -> str:
        if problems:
            raise problems[0]
        return "held"

    snapshot = Snapshot(database, "x", load)
    snapshot.get()
    database.bump("x")
    told: list[str] = []
    for problem in (
        GONE,
        OperationalError("SELECT 2", {}, RuntimeError("starting up")),
        ConfigurationError("no key a"),
        ConfigurationError("no key a"),
        ConfigurationError("no key b"),
        GONE,
    ):
        problems[:] = [problem]
        with capture_logs() as lines:
            assert snapshot.get() == "held"
        told += [line["event"] for line in lines] or ["-"]
    assert told == [
        "snapshot.stale",
        "-",
        "snapshot.stale",
        "-",
        "snapshot.stale",
        "snapshot.stale",
    ]
    problems.clear()
    with capture_logs() as lines:
        snapshot.get()
    assert [line["event"] for line in lines] == ["snapshot.fresh"]


def test_what_is_not_committed_is_not_held(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "MAX_AGE", 0.0)
    snapshot = Snapshot(database, "x", lambda: database.revision("x"))
    with database.unit_of_work() as session:
        session.add(Revision(name="x", number=7))
        assert database.revision("x") == 7
        assert snapshot.get() == 0
        assert database.revision("x") == 7, "back in the unit of work"
    assert snapshot.get() == 7


@pytest.mark.sqlite_only
def test_a_change_of_this_process_counts_though_a_thread_was_asking(database: Database) -> None:
    loads: list[int] = []

    def load() -> int:
        loads.append(1)
        if len(loads) == 1:  # what another thread of this process does at this moment
            database.bump("x")
            snapshot.forget()
        return len(loads)

    snapshot = Snapshot(database, "x", load)
    assert snapshot.get() == 1
    assert snapshot.get() == 2, "at once, and not after a second"
    assert snapshot.get() == 2
