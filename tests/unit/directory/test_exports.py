"""Exports: every line in scope once, journalled, and nothing held while a file is fetched."""

import gc
from collections.abc import Iterator, Sequence
from dataclasses import replace
from unittest.mock import Mock

import pytest
from sqlalchemy import select, update
from sqlalchemy.exc import OperationalError

from directory.authorisation import OPERATOR, Actor
from directory.models import Membership
from directory.people.lines import Criteria
from directory.services.accounts.changes import Person
from directory.services.exports import exports
from directory.services.exports import sending as export_sending
from directory.services.exports.exports import Export, ExportLine, Exports, Options
from directory.services.exports.sending import (
    ASKED_EVERY,
    AT_ONCE,
    LONGEST,
    OF_ONE,
    PAUSES,
    Sending,
)
from directory.services.memberships.changes import MembershipFields
from directory.services.rights.assignments import Grant
from idp.audit import AuditEvent
from idp.context import Origin, acting
from idp.errors import Busy, NotFound
from tests.common.clock import FakeClock
from tests.common.threads import eventually
from tests.unit.directory.conftest import World

PLAIN = Options(contact=False, file_format="csv")
WITH_CONTACT = Options(contact=True, file_format="xlsx")


def encoded(batch: Sequence[ExportLine]) -> bytes:
    return "".join(f"{line.mail} {line.structure} {line.phone}\n" for line in batch).encode()


def send(world: World, export: Export) -> Sending[ExportLine]:
    return Exports(world.core).send(
        export, begin=b"(", encode=encoded, end=lambda: b")", broken=lambda: b"!"
    )


def lines(world: World, export: Export) -> list[str]:
    whole = b"".join(send(world, export)).decode()
    assert (whole[0], whole[-1]) == ("(", ")")
    return whole[1:-1].splitlines()


def journal(world: World) -> list[AuditEvent]:
    statement = select(AuditEvent).where(AuditEvent.code.startswith("export.")).order_by("id")
    with world.core.db.reading() as session:
        return list(session.scalars(statement))


@pytest.fixture
def people(world: World) -> World:
    """Seven memberships of six people in A, two of them with the role bip:r1, and one in B."""
    for number in range(5):
        world.add(f"p{number}@ville.fr", "a-rh")
    contact = MembershipFields(phone="01 02", postal_address="1, rue Verte")
    world.directory.accounts.add(OPERATOR, Person("zoe@ville.fr", "A", "Zoé", contact), "a")
    world.add("zoe@ville.fr", "b")
    world.directory.memberships.confirm(OPERATOR, "zoe@ville.fr", "b")
    world.add("p4@ville.fr", "a")
    for mail in ("p1@ville.fr", "p2@ville.fr"):
        world.directory.assignments.assign(OPERATOR, Grant(mail, "a-rh", "bip", "r1"))
    return world


def test_a_referent_gets_the_lines_of_his_subtree_alone(people: World, referent: Actor) -> None:
    everything = lines(people, Exports(people.core).users(referent, Criteria(), PLAIN))
    assert len(everything) == 8  # the référent himself is a member of A
    assert everything[0] == "zoe@ville.fr Structure a None"
    assert not any(" Structure b " in line for line in everything)
    narrowed = Exports(people.core).users(referent, Criteria(structure="a-rh"), PLAIN)
    assert len(lines(people, narrowed)) == 5
    for below, expected in ((True, 8), (False, 3)):
        whole = Exports(people.core).structure(referent, "a", PLAIN, below=below)
        assert (whole.name, len(lines(people, whole))) == ("Structure a", expected)


def test_what_is_out_of_scope_does_not_exist(people: World, referent: Actor) -> None:
    service = Exports(people.core)
    with pytest.raises(NotFound):
        service.structure(referent, "b", PLAIN, below=True)
    with pytest.raises(NotFound):
        service.users(referent, Criteria(structure="cig"), PLAIN)
    with pytest.raises(NotFound):
        service.holders(referent, "cap", "r1", PLAIN)


def test_the_holders_of_a_role_say_who_gave_it(people: World, referent: Actor) -> None:
    with acting(Origin(actor=referent.subject_id)):
        grant = Grant("p3@ville.fr", "a-rh", "bip", "r1")
        people.directory.assignments.assign(referent, grant)
    export = Exports(people.core).holders(referent, "bip", "r1", PLAIN)
    made: list[ExportLine] = []
    sending = Exports(people.core).send(
        export, begin=b"", encode=lambda batch: made.extend(batch) or b"", end=bytes, broken=bytes
    )
    assert b"".join(sending) == b""
    assert {line.mail: line.granted_by for line in made} == {
        "p1@ville.fr": "L'administration du service",
        "p2@ville.fr": "L'administration du service",
        "p3@ville.fr": "Prénom NOM",
    }
    for actor in (referent, OPERATOR):
        text = Exports(people.core).holders(actor, "bip", "r1", PLAIN, text="p2@")
        assert len(lines(people, text)) == 1


def test_phones_and_addresses_leave_only_when_ticked(people: World, referent: Actor) -> None:
    zoe = Criteria(mail="zoe@")
    assert lines(people, Exports(people.core).users(referent, zoe, PLAIN)) == [
        "zoe@ville.fr Structure a None"
    ]
    assert lines(people, Exports(people.core).users(referent, zoe, WITH_CONTACT)) == [
        "zoe@ville.fr Structure a 01 02"
    ]
    plain, _, ticked, _ = journal(people)
    assert (plain.parameters["contact"], ticked.parameters["contact"]) == (False, True)


@pytest.mark.parametrize("size", [1, 2, 3, 9, 10])
def test_every_line_once_whatever_the_batches(
    people: World, central: Actor, monkeypatch: pytest.MonkeyPatch, size: int
) -> None:
    whole = lines(people, Exports(people.core).users(central, Criteria(), PLAIN))
    assert len(whole) == len(set(whole)) == 9
    monkeypatch.setattr(exports, "BATCH", size)
    assert lines(people, Exports(people.core).users(central, Criteria(), PLAIN)) == whole
    assert {each.parameters.get("count", 9) for each in journal(people)} == {9}


def test_nothing_is_held_between_two_batches(
    people: World, central: Actor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(exports, "BATCH", 2)
    export = Exports(people.core).users(central, Criteria(), PLAIN)
    pool = people.core.db.engine.pool
    for _ in send(people, export):
        # The next batch may be being read at this moment.
        assert eventually(lambda: pool.checkedout() == 0)  # type: ignore[attr-defined]
        people.add(f"later{len(people.events())}@ville.fr", "b")  # writers wait for nobody


def test_statements_grow_with_batches_not_with_lines(
    people: World, central: Actor, monkeypatch: pytest.MonkeyPatch
) -> None:
    export = Exports(people.core).users(central, Criteria(), PLAIN)

    def count() -> int:
        return people.statements(lambda: b"".join(send(people, export)))

    journalled = 2 * (2 if people.core.db.is_sqlite else 1)  # BEGIN IMMEDIATE is one of its own
    assert count() == 1 + journalled
    monkeypatch.setattr(exports, "BATCH", 3)
    assert count() == 4 + journalled


def test_who_leaves_stops_the_work_and_the_journal_knows(
    people: World, central: Actor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(exports, "BATCH", 2)
    origin = Origin(actor="léa", address="10.0.0.1", request_id="abc")
    with acting(origin):
        sending = send(people, Exports(people.core).users(central, Criteria(), PLAIN))
    assert next(sending).startswith(b"(")
    assert next(sending)
    assert people.statements(sending.close) <= 2 + 1  # one was being read ahead
    assert list(sending) == []
    sending.close()
    started, ended = journal(people)
    assert (started.code, ended.code) == ("export.started", "export.interrupted")
    assert (ended.parameters["count"], ended.parameters["reason"]) == (4, "left")
    assert {(each.actor, each.address, each.request_id) for each in (started, ended)} == {
        ("léa", "10.0.0.1", "abc")
    }


def test_what_is_switched_off_does_not_leave_the_service(people: World, central: Actor) -> None:
    settings = replace(people.core.settings, fields_off=frozenset({"phone", "teleworking"}))
    with people.core.db.unit_of_work() as session:
        session.execute(update(Membership).values(teleworking=True))
    found = []
    for core in (people.core, replace(people.core, settings=settings)):
        service = Exports(core)
        export = service.users(central, Criteria(mail="zoe"), WITH_CONTACT)
        ((line, *_),) = service.batches(export)
        found.append((line.phone, line.teleworking, line.postal_address))
    assert found == [("01 02", True, "1, rue Verte"), (None, False, "1, rue Verte")]


def test_too_many_at_once_are_refused_and_places_come_back(people: World, central: Actor) -> None:
    export = Exports(people.core).users(OPERATOR, Criteria(), PLAIN)
    his = Exports(people.core).users(central, Criteria(), PLAIN)
    held = [send(people, his) for _ in range(OF_ONE)]
    with pytest.raises(Busy) as refused:
        send(people, his)
    assert "Vous avez déjà 2 exports en cours" in refused.value.public
    held += [send(people, export) for _ in range(AT_ONCE - OF_ONE)]
    with pytest.raises(Busy, match="exports"):
        send(people, export)
    held.pop().close()
    held.append(send(people, export))
    for each in held[1:]:
        each.close()
    held.clear()  # one that no server ever asked for a byte
    gc.collect()  # now, while its database is there
    held = [send(people, export) for _ in range(AT_ONCE)]
    for each in held:
        each.close()
    assert len(lines(people, his)) == 9


def test_who_fetches_slowly_gets_no_more_than_he_still_may(
    people: World, referent: Actor, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(exports, "BATCH", 2)
    of_all = Exports(people.core).users(referent, Criteria(), PLAIN)
    assert len(lines(people, of_all)) == 8
    for reason in ("rights", "time"):
        sending = send(people, of_all)
        assert next(sending).startswith(b"(")
        clock.advance(ASKED_EVERY)
        assert next(sending), "he still may"
        if reason == "rights":
            people.directory.mandates.remove(OPERATOR, "referent@ville.fr", "a")
            assert next(sending), "asked for a moment ago"
            clock.advance(ASKED_EVERY)
        else:
            assert next(sending)
            clock.advance(LONGEST - ASKED_EVERY)
        assert list(sending) == [b"!"]
        ended = journal(people)[-1]
        assert (ended.code, ended.parameters["reason"]) == ("export.interrupted", reason)
        assert ended.parameters["count"] == 6
        people.directory.mandates.add(OPERATOR, "referent@ville.fr", "a", ("bip",))
    assert len(lines(people, of_all)) == 8, "its places are free again"


class Away:
    """A database that does not answer a number of times, from a certain read on."""

    def __init__(self, world: World, monkeypatch: pytest.MonkeyPatch, first: int) -> None:
        self._real = world.core.db.rows_planned
        self.reads, self._first, self.silent = 0, first, 0
        monkeypatch.setattr(world.core.db, "rows_planned", self.rows)

    def rows(self, *args: object) -> object:
        self.reads += 1
        if self.reads >= self._first and self.silent:
            self.silent -= 1
            raise OperationalError("SELECT", {}, Exception("gone"))
        return self._real(*args)  # type: ignore[arg-type]


@pytest.fixture
def naps(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[float]]:
    taken: list[float] = []
    monkeypatch.setattr(export_sending, "sleep", taken.append)
    monkeypatch.setattr(exports, "BATCH", 2)
    return taken  # type: ignore[return-value]


def test_a_database_that_comes_back_is_waited_for(
    people: World, central: Actor, naps: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    export = Exports(people.core).users(central, Criteria(), PLAIN)
    away = Away(people, monkeypatch, first=3)
    away.silent = 3
    whole = lines(people, export)
    assert len(whole) == len(set(whole)) == 9
    assert naps == list(PAUSES[:3])
    assert journal(people)[-1].code == "export.finished"


def test_a_file_whose_rest_cannot_be_read_says_so(
    people: World, central: Actor, naps: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    export = Exports(people.core).users(central, Criteria(), PLAIN)
    away = Away(people, monkeypatch, first=3)
    away.silent = 100
    whole = b"".join(send(people, export))
    assert whole.endswith(b"!")
    assert whole.count(b"\n") == 4
    assert naps == list(PAUSES)
    ended = journal(people)[-1]
    assert (ended.code, ended.parameters["count"]) == ("export.interrupted", 4)
    assert ended.parameters["reason"] == "error"
    away.silent = 0
    assert len(lines(people, export)) == 9  # its place is free again


def test_before_the_first_byte_an_error_is_an_error(
    people: World, central: Actor, naps: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    export = Exports(people.core).users(central, Criteria(), PLAIN)
    away = Away(people, monkeypatch, first=1)
    away.silent = 1
    with pytest.raises(OperationalError):
        send(people, export)
    assert (naps, journal(people)) == ([], [])
    assert len(lines(people, export)) == 9


def test_an_end_that_cannot_be_journalled_breaks_nothing(
    people: World, central: Actor, monkeypatch: pytest.MonkeyPatch
) -> None:
    sending = send(people, Exports(people.core).users(central, Criteria(), PLAIN))
    gone = OperationalError("INSERT", {}, Exception("gone"))
    with monkeypatch.context() as patched:
        patched.setattr(people.core.audit, "record", Mock(side_effect=gone))
        assert b"".join(sending).endswith(b")")
    assert [each.code for each in journal(people)] == ["export.started"]
