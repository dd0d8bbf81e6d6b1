"""The journal forgets after twelve months, and its chain says from where on it holds."""

from collections.abc import Callable
from datetime import timedelta

import pytest
from sqlalchemy import delete, func, select, update

from idp import audit_purge
from idp.audit import (
    CHECKPOINT,
    GENESIS,
    AuditEvent,
    AuditLog,
    AuditSeal,
    Checkpoint,
    Sealer,
    VerifyResult,
    verify,
)
from idp.audit_purge import AuditPurge
from idp.db import Database
from tests.common.clock import FakeClock

SECRET = b"s" * 32
YEAR = timedelta(days=365)


class Journal:
    """A journal, its sealer and its purge."""

    def __init__(self, db: Database, clock: FakeClock) -> None:
        self.db = db
        self.log = AuditLog(db, clock)
        self.sealer = Sealer(db, clock)
        self.purge = AuditPurge(db, clock, self.log, self.sealer, SECRET)

    def record(self, times: int = 1, code: str = "x") -> None:
        for _ in range(times):
            self.log.record(code, parameters={"é": 1})
        self.sealer.seal()

    def verify(self) -> VerifyResult:
        return verify(self.db, SECRET)

    def codes(self) -> list[str]:
        with self.db.reading() as reading:
            return list(reading.scalars(select(AuditEvent.code).order_by(AuditEvent.id)))

    def seal_at(self, position: int) -> AuditSeal:
        with self.db.reading() as reading:
            return reading.get_one(AuditSeal, position)


@pytest.fixture
def journal(database: Database, clock: FakeClock) -> Journal:
    return Journal(database, clock)


def test_events_are_gone_after_twelve_months(journal: Journal, clock: FakeClock) -> None:
    journal.record(3, "old")
    last = journal.seal_at(3).hash
    clock.advance(timedelta(days=1))
    journal.record(2, "young")
    clock.advance(YEAR - timedelta(days=1, seconds=1))
    assert journal.purge.run() == 0
    assert CHECKPOINT not in journal.codes()
    clock.advance(timedelta(seconds=1))

    assert journal.purge.run() == 3
    assert journal.codes() == ["young", "young", CHECKPOINT]
    result = journal.verify()
    assert (result.purged, result.sealed, result.unsealed, result.broken_at) == (3, 3, 0, None)
    with journal.db.reading() as reading:
        parameters = reading.scalars(
            select(AuditEvent.parameters).where(AuditEvent.code == CHECKPOINT)
        ).one()
        assert reading.scalar(select(func.count()).select_from(AuditSeal)) == 3
    assert (parameters["position"], parameters["hash"]) == (3, last)


def test_nothing_old_leaves_no_trace(journal: Journal, clock: FakeClock) -> None:
    assert journal.purge.run() == 0
    journal.record(2)
    clock.advance(YEAR)
    assert journal.purge.run() == 2
    assert journal.purge.run() == 0

    assert journal.codes() == [CHECKPOINT]


def test_the_chain_goes_on_year_after_year(journal: Journal, clock: FakeClock) -> None:
    for _ in range(4):
        journal.record(2)
        clock.advance(YEAR)
        journal.purge.run()
        result = journal.verify()
        assert result.intact
        assert result.sealed == 1
    assert journal.codes() == [CHECKPOINT]
    journal.record()

    result = journal.verify()
    assert (result.purged, result.sealed, result.intact) == (11, 2, True)


def test_a_long_past_goes_in_chunks(
    journal: Journal, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(audit_purge, "CHUNK", 2)
    journal.record(5)
    clock.advance(YEAR)

    assert journal.purge.run() == 5
    assert journal.verify().intact


def test_what_waits_for_its_seal_waits_for_its_purge(journal: Journal, clock: FakeClock) -> None:
    journal.record()
    journal.log.record("late")
    clock.advance(YEAR)

    assert journal.purge.run() == 1
    assert journal.codes() == ["late", CHECKPOINT]
    assert journal.purge.run() == 1
    assert journal.codes() == [CHECKPOINT, CHECKPOINT]
    assert journal.verify().intact


def test_nothing_goes_before_its_checkpoint_is_sealed(
    journal: Journal, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    journal.record(2)
    clock.advance(YEAR)
    with monkeypatch.context() as patch:
        patch.setattr(journal.sealer, "seal", lambda: 0)  # another node seals at this moment
        assert journal.purge.run() == 0
    assert journal.verify().sealed == 2

    assert journal.purge.run() == 2
    assert journal.verify().intact


def test_a_purge_that_was_cut_short_goes_on(
    journal: Journal, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(audit_purge, "CHUNK", 2)
    journal.record(5)
    clock.advance(YEAR)
    genuine = journal.purge._delete_chunk
    calls: list[int] = []

    def killed(last: int) -> int:
        calls.append(last)
        if len(calls) > 1:
            raise KeyboardInterrupt
        return genuine(last)

    with monkeypatch.context() as patch:
        patch.setattr(journal.purge, "_delete_chunk", killed)
        with pytest.raises(KeyboardInterrupt):
            journal.purge.run()
    assert journal.verify().intact
    assert journal.codes() == ["x", "x", "x", CHECKPOINT]

    assert journal.purge.run() == 3
    assert journal.codes() == [CHECKPOINT]


def test_two_nodes_append_one_checkpoint(journal: Journal, clock: FakeClock) -> None:
    journal.record()
    clock.advance(YEAR)
    other = Journal(journal.db, clock)
    assert journal.purge._append_checkpoint()
    journal.sealer.seal()
    assert not other.purge._append_checkpoint()

    assert journal.codes().count(CHECKPOINT) == 1


def forged(journal: Journal, position: int) -> dict[str, object]:
    return Checkpoint(position, journal.seal_at(position).hash).parameters(b"t" * 32)


def unsigned(journal: Journal, position: int) -> dict[str, object]:
    return {"position": position, "hash": journal.seal_at(position).hash}


@pytest.mark.parametrize("forge", [forged, unsigned])
def test_a_beginning_that_was_cut_off_is_no_purge(
    journal: Journal, forge: Callable[[Journal, int], dict[str, object]]
) -> None:
    journal.record(5)
    last = journal.seal_at(3).event_id
    journal.log.record(CHECKPOINT, parameters=forge(journal, 3))
    journal.sealer.seal()
    with journal.db.unit_of_work() as work:
        work.execute(delete(AuditSeal).where(AuditSeal.position <= 3))
        work.execute(delete(AuditEvent).where(AuditEvent.id <= last))

    assert journal.verify().broken_at == 1


def test_a_change_after_the_checkpoint_is_found(journal: Journal, clock: FakeClock) -> None:
    journal.record(3)
    clock.advance(timedelta(days=1))
    journal.record(3, "young")
    clock.advance(YEAR - timedelta(days=1))
    journal.purge.run()
    changed = journal.seal_at(5).event_id
    with journal.db.unit_of_work() as work:
        work.execute(update(AuditEvent).where(AuditEvent.id == changed).values(actor="un autre"))

    result = journal.verify()
    assert (result.purged, result.sealed, result.broken_at) == (3, 1, 5)


def test_a_journal_cut_at_the_checkpoint_is_found(journal: Journal, clock: FakeClock) -> None:
    journal.record(3)
    clock.advance(timedelta(days=1))
    journal.record(2, "young")
    clock.advance(YEAR - timedelta(days=1))
    journal.purge.run()
    with journal.db.unit_of_work() as work:
        work.execute(delete(AuditSeal).where(AuditSeal.position == 4))

    assert journal.verify().broken_at == 4


def test_a_checkpoint_is_read_as_it_was_written() -> None:
    written = Checkpoint(7, "a" * 64)
    assert Checkpoint.read(written.parameters(SECRET), SECRET) == written
    for change in ({"position": 8}, {"hash": "b" * 64}, {"signature": "é"}):
        read = Checkpoint.read({**written.parameters(SECRET), **change}, SECRET)
        assert read == Checkpoint(0, GENESIS)
