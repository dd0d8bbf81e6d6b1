"""What a person reads of his own record: his accesses, and all his data."""

from collections.abc import Mapping
from datetime import timedelta

import pytest
from sqlalchemy import update

from directory.authorisation import OPERATOR, Actor
from directory.models import Membership
from directory.services.accounts.photos import Photos
from directory.services.own.record import BY_FORMER, BY_OPERATOR, Record
from directory.services.rights.assignments import Grant
from idp.context import Origin, acting
from idp.db import Base
from tests.common.clock import FakeClock
from tests.common.photos import image
from tests.unit.directory.conftest import World

TOLD = {
    "account": "compte",
    "account_photo": "photo",
    "membership": "rattachements",
    "assignment": "habilitations",
    "mandate": "mandats",
    "mandate_application": "mandats",
    "access_request": "demandes d'accès",
    "password_link": "liens de mot de passe",
    "address_change": "adresses remplacées",
    "sso_session": "sessions",
    "name_id": "pseudonymes transmis aux applications",
    "audit_event": "journal",
    "draft": "brouillons de formulaires",
    "outbox": "mails",
}
NOT_HIS = {
    # of the organisation, of applications, of nobody in particular
    *("structure", "application", "application_entity", "role", "notice", "service_provider"),
    *("audit_seal", "signing_key", "key_assignment", "key_served", "revision", "installation"),
    # kept for minutes, for the work in progress, and repeated by what is told: messages to SPs,
    # replay guards, counters under hashed names, addresses that a link was asked for, news to mail
    *("sp_session", "task", "logout", "authn_request", "throttle", "password_request"),
    *("role_change", "account_warning"),
    # an order over several accounts, by name: for a week, and what was done stands in the journal
    *("bulk_action", "bulk_item"),
}


@pytest.fixture
def record(world: World) -> Record:
    return Record(world.core)


@pytest.fixture
def lea(world: World) -> str:
    return world.add("lea@ville.fr", "a-rh").subject_id


def grant(role: str = "r1") -> Grant:
    return Grant("lea@ville.fr", "a-rh", "bip", role)


def test_each_access_says_since_when_by_whom_and_until(
    record: Record, world: World, lea: str, referent: Actor, clock: FakeClock
) -> None:
    start, end = clock.now(), clock.now() + timedelta(days=30)
    with acting(Origin(actor=referent.subject_id)):
        world.directory.assignments.assign(referent, grant(), valid_until=end)
    clock.advance(timedelta(days=1))
    with acting(Origin(actor="cli:root")):
        world.directory.assignments.assign(OPERATOR, grant("r2"))
    by_referent, by_operator = record.accesses(lea)
    assert (by_referent.role_label, by_referent.granted_by) == ("Rôle r1", "Prénom NOM")
    assert (by_referent.since, by_referent.until) == (start, end)
    assert (by_operator.since, by_operator.until) == (clock.now(), None)
    assert by_operator.granted_by == BY_OPERATOR
    assert by_operator.application_code == "bip"
    assert by_operator.structure_path.endswith("Structure a-rh")
    assert world.statements(lambda: record.accesses(lea)) == 1


def test_only_what_is_in_force_is_an_access(
    record: Record, world: World, lea: str, clock: FakeClock
) -> None:
    world.directory.assignments.assign(OPERATOR, grant(), valid_until=clock.now() + timedelta(1))
    clock.advance(timedelta(days=1))
    assert record.accesses(lea) == ()
    assert record.accesses("nobody") == ()


def test_who_gave_it_may_be_gone(record: Record, world: World, lea: str) -> None:
    with acting(Origin(actor="somebody who was purged")):
        world.directory.assignments.assign(OPERATOR, grant())
    assert record.accesses(lea)[0].granted_by == BY_FORMER


def test_an_access_ends_with_the_membership(
    record: Record, world: World, lea: str, clock: FakeClock
) -> None:
    ends = clock.now() + timedelta(days=3)
    world.directory.assignments.assign(OPERATOR, grant(), valid_until=ends + timedelta(days=9))
    with world.core.db.unit_of_work() as session:
        session.execute(update(Membership).values(valid_until=ends))
    assert record.accesses(lea)[0].until == ends


def test_the_file_holds_all_that_the_directory_does(record: Record, world: World, lea: str) -> None:
    Photos(world.core).keep(lea, image())
    world.directory.assignments.assign(OPERATOR, grant())
    world.directory.mandates.add(OPERATOR, "lea@ville.fr", "a", ("bip", "cap"))
    held = record.export(lea)
    account = held["compte"]
    assert isinstance(account, Mapping)
    assert account["adresse mail"] == "lea@ville.fr"
    assert account["mot de passe"] == "aucun"
    assert lea == account["identifiant interne"]
    photo = held["photo"]
    assert isinstance(photo, Mapping)
    assert str(photo["image (base64)"]).startswith("UklGR")
    (membership,) = held["rattachements"]  # type: ignore[misc]
    assert membership["structure"].endswith("Structure a-rh")
    (assignment,) = held["habilitations"]  # type: ignore[misc]
    assert (assignment["application"], assignment["rôle"]) == ("BIP", "Rôle r1")
    (mandate,) = held["mandats"]  # type: ignore[misc]
    assert mandate["applications"] == ["BIP", "CAP"]
    assert world.events()[-1] == "account.data-exported"
    assert world.statements(lambda: record.export(lea)) <= 10
    assert record.export("nobody") == {}


def test_the_file_holds_nobody_else(record: Record, world: World, lea: str) -> None:
    world.add("max@ville.fr", "a-rh")
    world.directory.assignments.assign(OPERATOR, Grant("max@ville.fr", "a-rh", "bip", "r1"))
    held = record.export(lea)
    assert held["habilitations"] == []
    assert "max@ville.fr" not in str(held)


def test_no_password_hash_is_in_the_file(record: Record, world: World, lea: str) -> None:
    world.directory.accounts.set_password(OPERATOR, "lea@ville.fr", "les roses du parc 94")
    held = record.export(lea)
    assert "$2" not in str(held)
    assert "illisible" in str(held["compte"])


def test_each_table_was_asked_whether_it_holds_something_of_a_person() -> None:
    tables = {name for name in Base.metadata.tables if name != "alembic_version"}
    assert tables - TOLD.keys() - NOT_HIS == set(), "tell it to the person, or say why not"
    assert TOLD.keys() & NOT_HIS == set()
    assert TOLD.keys() | NOT_HIS <= tables
