"""The dates of roles and mandates, and the one role that some applications take."""

from datetime import datetime, timedelta
from threading import Thread
from typing import Any

import pytest
from sqlalchemy import select, update

from directory.authorisation import OPERATOR
from directory.models import Application, Assignment, Mandate, Role
from directory.services.rights.assignments import Grant
from idp.audit import AuditEvent
from idp.errors import DirectoryError
from tests.common.clock import FakeClock
from tests.unit.directory.conftest import World

DAY = timedelta(days=1)


@pytest.fixture
def single(world: World) -> World:
    """Applications that take one role each, and somebody who may hold it."""
    world.add("one@ville.fr")
    with world.core.db.unit_of_work() as session:
        session.execute(update(Application).values(single_role=True))
    return world


R1 = Grant("one@ville.fr", "a-rh", "bip", "r1")
R2 = Grant("one@ville.fr", "a-rh", "bip", "r2")


def test_single_role_is_not_got_around_by_dates(single: World, clock: FakeClock) -> None:
    assignments, now = single.directory.assignments, clock.now()
    assignments.assign(OPERATOR, R1, valid_until=now + DAY)
    clock.advance(DAY)
    assignments.assign(OPERATOR, R2)
    for again in (
        lambda: assignments.assign(OPERATOR, R1),
        lambda: assignments.assign(OPERATOR, R1, valid_until=now + 3 * DAY),
        lambda: assignments.assign(OPERATOR, R1, valid_from=now + 9 * DAY, valid_until=None),
    ):
        with pytest.raises(DirectoryError, match="single role"):
            again()
    assignments.unassign(OPERATOR, R1, at=now + 3 * DAY)
    assert held_until(single) == {"r1": now + DAY, "r2": None}


def test_single_roles_may_follow_one_another(single: World, clock: FakeClock) -> None:
    assignments, now = single.directory.assignments, clock.now()
    assignments.assign(OPERATOR, R1, valid_from=now + DAY, valid_until=now + 2 * DAY)
    for overlapping in ((None, now + DAY + DAY / 2), (now + DAY, now + 3 * DAY), (None, None)):
        with pytest.raises(DirectoryError, match="single role"):
            assignments.assign(OPERATOR, R2, valid_from=overlapping[0], valid_until=overlapping[1])
    assignments.assign(OPERATOR, R2, valid_from=now + 2 * DAY)
    with pytest.raises(DirectoryError, match="single role"):
        assignments.assign(OPERATOR, R1, valid_until=now + 2 * DAY + DAY / 2)
    assignments.assign(OPERATOR, R1, valid_from=now)
    assert held_until(single) == {"r1": now + 2 * DAY, "r2": None}


def test_single_role_when_two_assign_at_once(single: World) -> None:
    assignments = single.directory.assignments
    refused: list[Exception] = []

    def other() -> None:
        try:
            assignments.assign(OPERATOR, R2)
        except DirectoryError as error:
            refused.append(error)

    second = Thread(target=other)
    with single.core.db.unit_of_work():
        assignments.assign(OPERATOR, R1)
        second.start()
        second.join(0.3)
    second.join(10)
    assert len(refused) == 1
    assert set(held_until(single)) == {"r1"}


def held_until(world: World) -> dict[str, datetime | None]:
    with world.core.db.reading() as session:
        rows = session.execute(
            select(Role.code, Assignment.valid_until).join(Role, Role.id == Assignment.role_id)
        )
        return {row.code: row.valid_until for row in rows}


def test_dates_that_are_not_given_stay(world: World, clock: FakeClock) -> None:
    assignments, now = world.directory.assignments, clock.now()
    world.add("one@ville.fr")
    assignments.assign(OPERATOR, R1, valid_from=now, valid_until=now + DAY)
    before = world.events()
    assignments.assign(OPERATOR, R1)
    assert held_until(world) == {"r1": now + DAY}
    assert world.events() == before, "nothing changed"
    assignments.assign(OPERATOR, R1, valid_until=now + 2 * DAY)
    assert held_until(world) == {"r1": now + 2 * DAY}
    assert last_parameters(world) == {
        "structure": "a-rh",
        "before": {"from": now.isoformat(), "until": (now + DAY).isoformat()},
        "after": {"from": now.isoformat(), "until": (now + 2 * DAY).isoformat()},
    }
    with pytest.raises(DirectoryError, match="order"):
        assignments.assign(OPERATOR, R1, valid_from=now + 2 * DAY)
    assignments.assign(OPERATOR, R1, valid_until=None)
    assert held_until(world) == {"r1": None}


def test_role_that_is_over_begins_anew(world: World, clock: FakeClock) -> None:
    assignments, now = world.directory.assignments, clock.now()
    world.add("one@ville.fr")
    assignments.assign(OPERATOR, R1, valid_from=now, valid_until=now + DAY)
    clock.advance(DAY)
    assignments.assign(OPERATOR, R1)
    assert held_until(world) == {"r1": None}
    assert world.events()[-1] == "assignment.granted"
    assignments.unassign(OPERATOR, R1, at=now + 3 * DAY)
    parameters = last_parameters(world)
    assert parameters["before"] == {"from": None, "until": None}
    assert parameters["after"] == {"from": None, "until": (now + 3 * DAY).isoformat()}


def last_parameters(world: World) -> Any:  # noqa: ANN401 - whatever the event holds
    with world.core.db.reading() as session:
        return session.scalars(
            select(AuditEvent.parameters).order_by(AuditEvent.id.desc()).limit(1)
        ).one()


def mandate_dates(world: World) -> list[tuple[datetime | None, datetime | None]]:
    with world.core.db.reading() as session:
        rows = session.execute(select(Mandate.valid_from, Mandate.valid_until))
        return [(row.valid_from, row.valid_until) for row in rows]


def test_mandate_keeps_its_dates_when_an_application_is_added(
    world: World, clock: FakeClock
) -> None:
    mandates, now, mail = world.directory.mandates, clock.now(), "one@ville.fr"
    world.add(mail)
    mandates.add(OPERATOR, mail, "a", ("bip",), valid_from=now, valid_until=now + DAY)
    mandates.add(OPERATOR, mail, "a", ("cap",))
    assert mandate_dates(world) == [(now, now + DAY)]
    dates = {"from": now.isoformat(), "until": (now + DAY).isoformat()}
    assert last_parameters(world) == {
        "kind": "referent",
        "before": {**dates, "applications": ["bip"]},
        "after": {**dates, "applications": ["bip", "cap"]},
    }
    before = world.events()
    mandates.add(OPERATOR, mail, "a", ("cap",))
    assert world.events() == before, "nothing changed"
    with pytest.raises(DirectoryError, match="order"):
        mandates.add(OPERATOR, mail, "a", ("cap",), valid_from=now + DAY)
    mandates.add(OPERATOR, mail, "a", ("cap",), valid_until=None)
    assert mandate_dates(world) == [(now, None)]
    mandates.remove(OPERATOR, mail, "a", ("cap",))
    assert last_parameters(world)["after"]["applications"] == ["bip"]
    mandates.remove(OPERATOR, mail, "a")
    assert last_parameters(world)["after"] is None


def test_mandate_that_is_over_begins_anew(world: World, clock: FakeClock) -> None:
    mandates, now = world.directory.mandates, clock.now()
    subject_id = world.add("one@ville.fr").subject_id
    mandates.add(OPERATOR, "one@ville.fr", "a", ("bip",), valid_until=now + DAY)
    clock.advance(DAY)
    assert world.actor(subject_id).scopes == ()
    mandates.add(OPERATOR, "one@ville.fr", "a", ("cap",))
    assert [len(one.application_ids) for one in world.actor(subject_id).scopes] == [1]
    assert mandate_dates(world) == [(None, None)]
