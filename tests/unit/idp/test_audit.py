import io
import json
from datetime import timedelta

import pytest
from sqlalchemy import delete, event, select, update

from idp import audit, log
from idp.audit import AuditEvent, AuditLog, AuditSeal, Sealer, verify
from idp.context import Origin, acting
from idp.db import Database
from tests.common.clock import FakeClock

SECRET = b"s" * 32


@pytest.fixture
def journal(database: Database, clock: FakeClock) -> AuditLog:
    return AuditLog(database, clock)


@pytest.fixture
def sealer(database: Database, clock: FakeClock) -> Sealer:
    return Sealer(database, clock)


def test_an_event_says_who_what_when_and_where(
    journal: AuditLog, database: Database, clock: FakeClock
) -> None:
    with acting(Origin(actor="s1", address="192.0.2.1", request_id="r1")):
        journal.record(
            "role.granted",
            subject_id="s2",
            entity_id="https://sp.example",
            target="structure:rh",
            parameters={"rôle": "Gestionnaire", "n": 1},
        )

    with database.reading() as session:
        row = session.scalars(select(AuditEvent)).one()
    assert (row.code, row.actor, row.address, row.request_id) == (
        "role.granted",
        "s1",
        "192.0.2.1",
        "r1",
    )
    assert (row.subject_id, row.entity_id, row.target) == (
        "s2",
        "https://sp.example",
        "structure:rh",
    )
    assert row.parameters == {"rôle": "Gestionnaire", "n": 1}
    assert row.at == clock.now()


def test_an_event_lives_and_dies_with_its_transaction(
    journal: AuditLog, database: Database
) -> None:
    def refused_change() -> None:
        with database.unit_of_work():
            journal.record("role.granted")
            raise RuntimeError

    with pytest.raises(RuntimeError):
        refused_change()

    with database.reading() as session:
        assert session.scalars(select(AuditEvent)).all() == []


def test_what_a_stranger_sends_cannot_break_the_journal(
    journal: AuditLog, database: Database
) -> None:
    with acting(Origin(actor="a" * 500, address="b" * 500, request_id="c" * 500)):
        journal.record("x", target="d" * 500)

    with database.reading() as session:
        row = session.scalars(select(AuditEvent)).one()
    assert [len(row.actor), len(row.address), len(row.request_id)] == [120, 64, 64]


def test_a_strangers_failure_leaves_no_event_but_the_same_statement(
    journal: AuditLog, database: Database
) -> None:
    statements: list[str] = []

    def note(_connection: object, _cursor: object, statement: str, *_rest: object) -> None:
        statements.append(statement)

    event.listen(database.engine, "before_cursor_execute", note)
    journal.record_if_known("sign-in.failure", subject_id=None, parameters={"reason": "x"})
    unknown = list(statements)
    statements.clear()
    journal.record_if_known("sign-in.failure", subject_id="s1", parameters={"reason": "x"})

    assert statements == unknown
    with database.reading() as session:
        rows = session.scalars(select(AuditEvent)).all()
    assert [(row.code, row.subject_id, row.parameters) for row in rows] == [
        ("sign-in.failure", "s1", {"reason": "x"})
    ]


def test_events_are_sealed_in_a_chain(
    journal: AuditLog, sealer: Sealer, database: Database
) -> None:
    for number in range(3):
        journal.record("x", parameters={"n": number, "é": 1.5})

    assert verify(database, SECRET).unsealed == 3
    assert sealer.seal() == 3
    assert sealer.seal() == 0
    result = verify(database, SECRET)
    assert (result.sealed, result.unsealed, result.broken_at) == (3, 0, None)
    with database.reading() as session:
        assert session.scalar(select(AuditSeal.hash).where(AuditSeal.position == 3)) == result.head


def test_the_chain_goes_on_over_batches(
    journal: AuditLog, sealer: Sealer, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(audit, "BATCH", 2)
    monkeypatch.setattr(audit, "_TO_SEAL", audit._TO_SEAL.limit(2))
    for _ in range(5):
        journal.record("x")

    assert [sealer.seal() for _ in range(4)] == [2, 2, 1, 0]
    result = verify(database, SECRET)
    assert (result.sealed, result.unsealed, result.intact) == (5, 0, True)


@pytest.mark.parametrize("late_by", [1, audit.WINDOW + 5])
def test_an_event_that_commits_late_is_sealed_too(
    sealer: Sealer, database: Database, clock: FakeClock, late_by: int
) -> None:
    with database.unit_of_work() as session:
        session.add(_event(clock, id=late_by + 1))
    assert sealer.seal() == 1
    with database.unit_of_work() as session:
        session.add(_event(clock, id=1))

    seconds = 0
    while sealer.seal() == 0 and seconds < 700:
        clock.advance(timedelta(seconds=1))
        seconds += 1

    assert verify(database, SECRET).unsealed == 0
    assert seconds == (0 if late_by == 1 else 600)
    assert verify(database, SECRET).intact


def test_only_one_seals(
    journal: AuditLog, sealer: Sealer, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    journal.record("x")
    monkeypatch.setattr(audit, "alone", lambda _db, _connection: False)

    assert sealer.seal() == 0
    assert verify(database, SECRET).unsealed == 1


def test_on_postgresql_a_second_sealer_finds_the_lock_taken(
    journal: AuditLog, sealer: Sealer, database: Database
) -> None:
    journal.record("x")
    with database.engine.connect() as connection:
        assert audit.alone(database, connection)
        if database.is_sqlite:
            return  # there the database's own write lock does it
        assert sealer.seal() == 0
    assert sealer.seal() == 1


def test_the_head_is_logged(journal: AuditLog, sealer: Sealer, database: Database) -> None:
    stream = io.StringIO()
    log.configure(demonstration=False, stream=stream)
    journal.record("x")
    sealer.seal()

    line = json.loads(stream.getvalue().splitlines()[-1])
    assert (line["event"], line["head"]) == ("audit.sealed", verify(database, SECRET).head)


def test_the_demonstration_does_not_fill_the_screen_with_heads(
    journal: AuditLog, database: Database, clock: FakeClock
) -> None:
    stream = io.StringIO()
    log.configure(demonstration=True, stream=stream)
    journal.record("x")

    assert Sealer(database, clock, demonstration=True).seal() == 1
    assert stream.getvalue() == ""


@pytest.mark.parametrize(
    ("attack", "broken_at"),
    [
        (update(AuditEvent).where(AuditEvent.id == 2).values(actor="quelqu'un d'autre"), 2),
        (update(AuditEvent).where(AuditEvent.id == 3).values(parameters={"n": 99}), 3),
        (update(AuditEvent).where(AuditEvent.id == 4).values(structure="elsewhere"), 4),
        (update(AuditSeal).where(AuditSeal.position == 4).values(hash="0" * 64), 4),
        (delete(AuditSeal).where(AuditSeal.position == 1), 1),
        (delete(AuditSeal).where(AuditSeal.position == 3), 3),
    ],
)
def test_a_change_behind_the_journals_back_is_found(
    sealer: Sealer, database: Database, clock: FakeClock, attack: object, broken_at: int
) -> None:
    with database.unit_of_work() as session:
        session.add_all([_event(clock, id=number) for number in range(1, 6)])
    sealer.seal()
    with database.unit_of_work() as session:
        session.execute(attack)  # type: ignore[call-overload]

    result = verify(database, SECRET)
    assert (result.broken_at, result.intact, result.sealed) == (broken_at, False, broken_at - 1)


def test_a_cut_end_shows_in_the_head(sealer: Sealer, database: Database, clock: FakeClock) -> None:
    with database.unit_of_work() as session:
        session.add_all([_event(clock, id=number) for number in range(1, 4)])
    sealer.seal()
    head = verify(database, SECRET).head
    with database.unit_of_work() as session:
        session.execute(delete(AuditSeal).where(AuditSeal.position == 3))
        session.execute(delete(AuditEvent).where(AuditEvent.id == 3))

    result = verify(database, SECRET)
    assert result.intact
    assert result.head != head


def test_an_empty_journal_is_intact(database: Database) -> None:
    assert verify(database, SECRET) == audit.VerifyResult(0, 0, None, audit.GENESIS)


def _event(clock: FakeClock, **values: object) -> AuditEvent:
    return AuditEvent(
        **{
            "at": clock.now(),
            "code": "x",
            "actor": "",
            "address": "",
            "request_id": "",
            "parameters": {},
            **values,
        }
    )
