"""A structure from which somebody was removed: he is taken out of its bin, and not added anew."""

from collections.abc import Callable
from datetime import timedelta

import pytest
from sqlalchemy import delete, select

from directory.authorisation import OPERATOR, Actor
from directory.models import Account, Membership
from directory.services.accounts.changes import Person
from directory.services.accounts.creation import Creation
from directory.services.memberships.confirmations import Confirmations
from directory.services.memberships.move import Move, Moves
from directory.services.removal.binned import BIN_PERIOD, MembershipInBin
from directory.services.rights.assignments import Grant
from idp.errors import AlreadyDone, AlreadyExists, NotAllowed, NotFound
from tests.common.clock import FakeClock
from tests.unit.directory.conftest import World

MAIL = "both@a.fr"
A_RH = "Structure cig / Structure a / Structure a-rh"
SECOND = timedelta(seconds=1)


@pytest.fixture
def shared(world: World, referent: Actor) -> str:
    """Of A and of B, removed from A-RH by the référent of A, with a role; his subject id."""
    added = world.add(MAIL, "b")
    for structure in ("a", "a-rh"):
        world.add(MAIL, structure)
    world.directory.assignments.assign(OPERATOR, Grant(MAIL, "a-rh", "bip", "r1"), no_mail=True)
    remove(world, referent)
    return added.subject_id


def remove(world: World, actor: Actor) -> None:
    """From all that is the actor's, and back into A."""
    world.directory.bin.delete(actor, MAIL)
    subject_id = world.directory.accounts.show(OPERATOR, MAIL).subject_id
    world.directory.bin.restore_subject(OPERATOR, subject_id, structure="a")


def leave(world: World, subject_id: str) -> None:
    """He belongs to no structure at all."""
    with world.core.db.unit_of_work() as session:
        who = select(Account.id).where(Account.subject_id == subject_id).scalar_subquery()
        here = (Membership.account_id == who, Membership.deleted_at.is_(None))
        session.execute(delete(Membership).where(*here))


def places(world: World) -> dict[str, list[str]]:
    """Where he is, and with which roles."""
    sheet = world.directory.accounts.show(OPERATOR, MAIL)
    return {each.structure: [role.role for role in each.roles] for each in sheet.memberships}


def ways(world: World, actor: Actor, subject_id: str) -> tuple[Callable[[], object], ...]:
    """Into A-RH: an addition, a creation, a move from A."""
    moves, person = Moves(world.core), Person(MAIL, "Nom", "Prénom")

    def move() -> object:
        sheet = world.directory.accounts.show(OPERATOR, MAIL)
        (here,) = (each.id for each in sheet.memberships if each.structure == "a")
        version = moves.plan(actor, subject_id, here).version
        return moves.run(actor, subject_id, here, Move("a-rh", frozenset(), version))

    return (
        lambda: world.add(MAIL, "a-rh", actor),
        lambda: Creation(world.core).add(actor, person, "a-rh", known=True),
        move,
    )


def test_what_waits_there_is_not_replaced(
    world: World, referent: Actor, central: Actor, shared: str, clock: FakeClock
) -> None:
    clock.advance(BIN_PERIOD - SECOND)
    before = (world.events(), world.mails(), places(world))
    for actor in (referent, central, OPERATOR):
        for way in ways(world, actor, shared):
            with pytest.raises(MembershipInBin) as refused:
                way()
            said = refused.value.public
            for words in (MAIL, "« Structure cig / Structure a / Structure a-rh »"):
                assert words in said
            assert "supprimé le 20/11/2026" in said
            assert "jusqu'au 10/12/2026" in said
            assert (refused.value.binned.structure, refused.value.http_status) == ("a-rh", 400)
    assert (world.events(), world.mails(), places(world)) == before
    removal = world.directory.bin.restore_subject(referent, shared, structure="a-rh")
    assert removal.waiting == removal.structures == (A_RH,)
    assert places(world) == {"a": [], "a-rh": ["r1"], "b": []}


def test_what_was_to_be_purged_is_replaced(
    world: World, referent: Actor, shared: str, clock: FakeClock
) -> None:
    add, create, move = ways(world, referent, shared)
    for way in (add, create, move):
        clock.advance(BIN_PERIOD)
        way()
        assert places(world)["a-rh"] == [], "without what he had there"
        if way is not move:
            world.directory.assignments.assign(OPERATOR, Grant(MAIL, "a-rh", "bip", "r1"))
            remove(world, referent)
    assert places(world) == {"a-rh": [], "b": []}


def test_what_waits_is_told_to_whoever_may_restore_it(
    world: World, referent: Actor, central: Actor, shared: str, clock: FakeClock
) -> None:
    creation = Creation(world.core)
    other = world.add("referent.b@b.fr", "b")
    world.directory.mandates.add(OPERATOR, other.mail, "b", ("bip",))
    for actor in (referent, central):
        (found,) = creation.restorable(actor, MAIL.upper())
        assert (found.structure, found.subject_id) == ("a-rh", shared)
    assert creation.restorable(world.actor(other.subject_id), MAIL) == ()
    assert creation.restorable(referent, "nobody@a.fr") == ()
    assert world.statements(lambda: creation.restorable(referent, MAIL)) == 2
    clock.advance(BIN_PERIOD)
    assert creation.restorable(referent, MAIL) == ()


def test_a_structure_that_is_taken_is_told_before_the_end(
    world: World, referent: Actor, shared: str
) -> None:
    creation = Creation(world.core)
    assert shared
    for structure, error in (("a-rh", MembershipInBin), ("a", AlreadyExists), ("b", NotAllowed)):
        with pytest.raises(error):
            creation.require_room(referent, MAIL, structure)
    creation.require_room(referent, "nobody@a.fr", "a-rh")
    with pytest.raises(NotAllowed):
        creation.require_room(referent, "referent@ville.fr", "a-rh")


def test_one_of_several_is_restored_alone(
    world: World, referent: Actor, shared: str, clock: FakeClock
) -> None:
    world.directory.bin.delete(referent, MAIL)
    restore = world.directory.bin.restore_subject
    for structure in ("b", "cig", "none"):
        with pytest.raises(NotFound):
            restore(referent, shared, structure=structure)
    assert places(world) == {"b": []}
    restore(referent, shared, structure="a-rh")
    assert places(world) == {"a-rh": ["r1"], "b": []}
    with pytest.raises(AlreadyDone):
        restore(referent, shared, structure="a-rh")
    clock.advance(SECOND)
    world.directory.bin.delete(OPERATOR, MAIL)
    with pytest.raises(NotFound):
        restore(OPERATOR, shared, structure="a")
    assert restore(OPERATOR, shared).account, "as a whole"
    assert places(world) == {"a-rh": ["r1"], "b": []}


@pytest.mark.sqlite_only
def test_what_he_never_confirmed_comes_back_as_an_addition_does(
    world: World, referent: Actor
) -> None:
    """He is told of it in any case; the command line alone brings it into effect."""
    subject_id = world.add(MAIL, "b").subject_id
    world.directory.mandates.add(OPERATOR, world.add("head@b.fr", "b").mail, "b", ("cap",))
    world.add(MAIL, "a-rh", referent)
    world.directory.assignments.assign(OPERATOR, Grant(MAIL, "a-rh", "bip", "r1"), no_mail=True)
    told = [("membership-added", MAIL), ("membership-added-elsewhere", "head@b.fr")]
    confirmations, restore = Confirmations(world.core), world.directory.bin.restore

    def refuse() -> None:
        (waiting,) = confirmations.waiting(subject_id)
        confirmations.refuse(subject_id, waiting.id, version=waiting.version)

    for undo, actor, waits in (
        (refuse, referent, True),
        (lambda: world.directory.bin.delete(OPERATOR, MAIL), OPERATOR, True),  # as it was
        (refuse, OPERATOR, False),
    ):
        undo()
        before = len(world.mails())
        removal = restore(actor, MAIL)
        assert removal.waiting == ((A_RH,) if waits else ())
        assert world.mails()[before:] == told
        assert len(confirmations.waiting(subject_id)) == waits
    assert world.events()[-2:] == ["membership.restored", "membership.confirmed"]
    sheet = world.directory.accounts.show(OPERATOR, MAIL)
    assert {each.state for each in sheet.memberships} == {"valide"}
    assert places(world) == {"a-rh": ["r1"], "b": []}


@pytest.mark.sqlite_only
def test_what_he_refused_waits_for_him_even_as_his_only_one(world: World, referent: Actor) -> None:
    subject_id = world.add(MAIL, "b").subject_id
    world.directory.mandates.add_central(OPERATOR, MAIL)
    world.add(MAIL, "a-rh", referent)
    confirmations = Confirmations(world.core)
    (waiting,) = confirmations.waiting(subject_id)
    confirmations.refuse(subject_id, waiting.id, version=waiting.version)
    for who_said_no in (True, False):
        told = (
            "refusé par cette personne le 20/11/2026" if who_said_no else "supprimé le 20/11/2026"
        )
        (binned,) = Creation(world.core).restorable(referent, MAIL)
        (line,) = world.directory.bin_list.page(referent).lines
        with pytest.raises(MembershipInBin) as said:
            world.add(MAIL, "a-rh", referent)
        assert told in said.value.public
        assert binned.refused == said.value.binned.refused == who_said_no
        assert line.refused == ((A_RH,) if who_said_no else ())
        assert ("lui sera posée de nouveau" in said.value.public) == who_said_no
        if who_said_no:  # asked again, and withdrawn before he answered
            world.directory.bin.restore(referent, MAIL)
            world.directory.bin.delete(referent, MAIL)
    leave(world, subject_id)
    assert world.directory.bin.restore(referent, MAIL).waiting == (A_RH,)
    assert world.mails()[-1] == ("membership-added", MAIL)
    assert len(confirmations.waiting(subject_id)) == 1
