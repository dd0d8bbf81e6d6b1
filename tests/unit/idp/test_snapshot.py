"""What is kept in memory while the database is gone: nobody waits for another's wait."""

from threading import Event
from time import monotonic, sleep

import pytest
from sqlalchemy.exc import OperationalError

from idp import snapshot as module
from idp.db import Database
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

    def get() -> None:
        with pytest.raises(OperationalError):
            snapshot.get()

    began = monotonic()
    all_at_once(get, 12)
    assert monotonic() - began < 2
    assert len(tries) <= 2
    get()
    assert len(tries) <= 3
