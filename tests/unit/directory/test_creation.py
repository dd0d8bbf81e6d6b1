"""*Créer un utilisateur*: what an address is told to be, and the creation with roles, whole."""

from datetime import timedelta

import pytest
from sqlalchemy import func, select

from directory.authorisation import OPERATOR, Actor
from directory.models import Account, AccountPhoto, AddressChange
from directory.services.accounts.address_change import AddressChanges
from directory.services.accounts.address_checks import CHECKED, PER_HOUR
from directory.services.accounts.changes import Added, Person
from directory.services.accounts.creation import Creation, Found
from directory.services.accounts.photos import Photos
from directory.services.accounts.returning import InBin
from directory.services.bulk.prospects import Prospects
from directory.services.bulk.sheets import Action
from directory.services.removal import fates
from directory.services.rights.administered import RoleRef
from directory.services.rights.assignments import Grant
from directory.services.telling.history import History
from idp.audit import AuditEvent
from idp.errors import AlreadyExists, DirectoryError, NotAllowed, NotFound, StaleEdit, TooMany
from tests.common.clock import FakeClock
from tests.common.photos import image
from tests.unit.directory.conftest import World

MAIL = "lea@ville.fr"
ERASED = (AddressChange, AccountPhoto)
R1, R2, CAP = RoleRef("bip", "r1"), RoleRef("bip", "r2"), RoleRef("cap", "r1")


@pytest.fixture
def creation(world: World) -> Creation:
    return Creation(world.core)


@pytest.fixture
def other(world: World) -> Actor:
    """Référent of B for CAP."""
    added = world.add("referent.b@ville.fr", "b")
    world.directory.mandates.add(OPERATOR, "referent.b@ville.fr", "b", ("cap",))
    return world.actor(added.subject_id)


def add(
    creation: Creation,
    actor: Actor,
    *roles: RoleRef,
    mail: str = MAIL,
    structure: str = "a-rh",
    known: bool = False,
) -> Added:
    return creation.add(actor, Person(mail, "Noël", "Léa"), structure, roles, known=known)


def roles_of(world: World, mail: str) -> list[tuple[str, str, str]]:
    sheet = world.directory.accounts.show(OPERATOR, mail)
    return [
        (one.structure, role.application, role.role)
        for one in sheet.memberships
        for role in one.roles
    ]


# --- the check ---------------------------------------------------------------------------------


def test_an_unknown_address_is_nobodys(creation: Creation, referent: Actor) -> None:
    check = creation.check(referent, f" {MAIL} ")
    assert (check.mail, check.found, check.places, check.name) == (MAIL, Found.NOBODY, (), "")
    assert not check.generic
    assert creation.check(referent, "rh@ville.fr").generic
    with pytest.raises(DirectoryError):
        creation.check(referent, "no address")


def test_of_somebody_elsewhere_one_structure_is_told_and_nothing_else(
    world: World, creation: Creation, referent: Actor
) -> None:
    world.add(MAIL, "b")
    world.add(MAIL, "cig")
    check = creation.check(referent, MAIL.upper())
    assert check.found is Found.KNOWN
    assert [(one.label, one.label_path) for one in check.places] == [
        ("Structure b", "Structure cig / Structure b")
    ]
    assert (check.mail, check.name, check.subject_id) == (MAIL, "", "")


def test_of_somebody_here_too_his_own_structures_alone_are_told(
    world: World, creation: Creation, referent: Actor
) -> None:
    world.add(MAIL, "b")
    world.add(MAIL, "a-rh")
    check = creation.check(referent, MAIL)
    assert [one.label for one in check.places] == ["Structure a-rh"]
    assert (check.name, bool(check.subject_id)) == ("Prénom NOM", True)


def test_ones_own_address_is_known_as_such(creation: Creation, referent: Actor) -> None:
    assert creation.check(referent, "referent@ville.fr").found is Found.OWN


def test_the_bin_is_told_to_whoever_may_restore_from_it(
    world: World, creation: Creation, referent: Actor, other: Actor, clock: FakeClock
) -> None:
    world.add(MAIL, "a-rh")
    world.directory.bin.delete(referent, MAIL)
    mine = creation.check(referent, MAIL)
    assert (mine.found, mine.name) == (Found.IN_BIN, "Prénom NOM")
    assert [one.label for one in mine.places] == ["Structure a-rh"]
    theirs = creation.check(other, MAIL)
    assert (theirs.found, theirs.name, theirs.places) == (Found.NOBODY, "", ())
    clock.advance(timedelta(days=20))
    assert creation.check(referent, MAIL).found is Found.NOBODY


def test_a_deleted_referent_is_the_correspondants(
    world: World, creation: Creation, central: Actor, other: Actor
) -> None:
    world.add(MAIL, "b")
    world.directory.mandates.add(OPERATOR, MAIL, "b", ("bip",))
    world.directory.bin.delete(central, MAIL)
    assert creation.check(other, MAIL).found is Found.KEPT
    assert creation.check(central, MAIL).found is Found.IN_BIN
    with pytest.raises(AlreadyExists, match="not his to restore"):
        add(creation, other, mail=MAIL, structure="b")


def test_each_check_is_journalled_and_they_are_counted(
    world: World, creation: Creation, referent: Actor, other: Actor, clock: FakeClock
) -> None:
    before = len(world.events())
    for number in range(PER_HOUR):
        creation.check(referent, f"a{number}@ville.fr")
    with pytest.raises(TooMany):
        creation.check(referent, MAIL)
    assert creation.check(other, MAIL).found is Found.NOBODY, "of each by himself"
    assert world.events()[before:] == [CHECKED] * (PER_HOUR + 1)
    with world.core.db.reading() as session:
        event = session.scalars(select(AuditEvent).order_by(AuditEvent.id.desc())).first()
    assert event is not None
    assert event.subject_id == other.subject_id
    clock.advance(timedelta(hours=1, seconds=1))
    assert creation.check(referent, MAIL).found is Found.NOBODY


# --- what is offered ---------------------------------------------------------------------------


def test_a_referent_is_offered_his_open_structures(
    world: World, creation: Creation, referent: Actor, central: Actor
) -> None:
    assert [one.code for one in creation.structures(referent).lines] == ["a", "a-rh"]
    assert [one.code for one in creation.structures(referent, "Rh structure").lines] == ["a-rh"]
    assert creation.structures(referent, "b").lines == ()
    assert len(creation.structures(central).lines) == 4
    for foreign in ("b", "cig", "unknown"):
        with pytest.raises(NotAllowed):
            creation.structure(referent, foreign)
        with pytest.raises(NotAllowed):
            creation.roles(referent, foreign)
    assert world.statements(lambda: creation.structures(referent)) == 1


def test_two_mandates_never_add_up(world: World, creation: Creation, referent: Actor) -> None:
    world.directory.mandates.add(OPERATOR, "referent@ville.fr", "b", ("cap",))
    actor = world.actor(referent.subject_id)
    assert [one.code for one in creation.roles(actor, "a-rh")] == ["bip"]
    assert [one.code for one in creation.roles(actor, "b")] == ["cap"]
    with pytest.raises(NotAllowed):
        add(creation, actor, CAP)


# --- the creation ------------------------------------------------------------------------------


def test_account_roles_mail_and_journal_come_together(
    world: World, creation: Creation, referent: Actor
) -> None:
    before = len(world.events())
    seen: list[Added] = []
    person = Person(MAIL, "Noël", "Léa")
    added = creation.add(referent, person, "a-rh", (R1, R2), known=False, then=seen.append)
    assert seen == [added]
    assert roles_of(world, MAIL) == [("a-rh", "bip", "r1"), ("a-rh", "bip", "r2")]
    assert world.mails() == [("account-created", MAIL)]
    assert world.events()[before:] == [
        *("account.created", "membership.added", "assignment.granted", "assignment.granted")
    ]


@pytest.mark.parametrize("foreign", [CAP, RoleRef("bip", "none"), RoleRef("none", "r1")])
def test_with_one_role_out_of_reach_nothing_is_created(
    world: World, creation: Creation, referent: Actor, foreign: RoleRef
) -> None:
    before = (world.events(), world.mails())
    with pytest.raises((NotAllowed, NotFound)):
        add(creation, referent, R1, foreign)
    assert (world.events(), world.mails()) == before
    assert creation.check(referent, MAIL).found is Found.NOBODY


def test_nothing_is_created_when_what_follows_fails(
    world: World, creation: Creation, referent: Actor
) -> None:
    def fail(added: Added) -> None:
        raise RuntimeError(added.mail)

    before = world.events()
    with pytest.raises(RuntimeError):
        creation.add(referent, Person(MAIL, "N", "P"), "a", known=False, then=fail)
    assert world.events() == before


def test_a_known_person_gets_a_membership_that_waits_with_its_roles(
    world: World, creation: Creation, referent: Actor
) -> None:
    world.add(MAIL, "b")
    with pytest.raises(StaleEdit):
        add(creation, referent, R1)
    added = add(creation, referent, R1, known=True)
    assert (added.created, added.confirmed) == (False, False)
    assert roles_of(world, MAIL) == [("a-rh", "bip", "r1")]
    with pytest.raises(AlreadyExists):
        add(creation, referent, R1, known=True)


def test_who_went_since_the_check_is_not_created_silently(
    world: World, creation: Creation, referent: Actor
) -> None:
    assert world.events()
    with pytest.raises(StaleEdit, match="outdated"):
        # Of somebody known the form has no name.
        creation.add(referent, Person(MAIL, "", ""), "a-rh", known=True)
    assert creation.check(referent, MAIL).found is Found.NOBODY


def test_who_came_meanwhile_to_the_same_structure_is_there_already(
    world: World, creation: Creation, referent: Actor
) -> None:
    world.add(MAIL, "a-rh")
    with pytest.raises(AlreadyExists, match="is in a-rh"):
        add(creation, referent)


# --- out of the bin ----------------------------------------------------------------------------


def test_whoever_may_restore_does_not_create(
    world: World, creation: Creation, referent: Actor
) -> None:
    world.add(MAIL, "a-rh")
    world.directory.bin.delete(referent, MAIL)
    with pytest.raises(InBin):
        add(creation, referent)


def test_whoever_sees_him_in_his_bin_and_may_not_restore_him_erases_nothing(
    world: World, creation: Creation, referent: Actor, other: Actor, central: Actor
) -> None:
    """Of A and of B: one of them alone would take him from the other's bin."""
    for structure in ("a-rh", "b"):
        world.add(MAIL, structure)
    world.directory.memberships.confirm(OPERATOR, MAIL, "b")
    world.directory.bin.delete(central, MAIL)
    for actor, structure in ((referent, "a-rh"), (referent, "a"), (other, "b")):
        told = creation.check(actor, MAIL)
        assert (told.found, told.name, told.places) == (Found.KEPT, "Prénom NOM", ())
        for known in (False, True):
            with pytest.raises(AlreadyExists) as refused:
                add(creation, actor, structure=structure, known=known)
            assert "vous ne pouvez pas le rétablir : demandez-le" in refused.value.public
        assert [one.mail for one in world.directory.bin_list.page(actor).lines] == [MAIL]
    assert len(world.directory.bin.restore(central, MAIL).structures) == 2


def test_what_was_removed_before_his_account_is_kept_and_read_too(
    world: World, creation: Creation, referent: Actor, other: Actor, clock: FakeClock
) -> None:
    """B removed him, then A deletes the account: B's bin keeps its promise, and tells who helps."""
    new = "unconfirmed@ville.fr"
    for mail, adder in ((MAIL, OPERATOR), (new, other)):
        world.add(mail, "a-rh")
        world.add(mail, "b", adder)
        world.directory.bin.delete(other, mail)
        clock.advance(timedelta(days=1))
        world.directory.bin.delete(referent, mail)
    bin_list, before = world.directory.bin_list, world.events()
    (line,) = bin_list.page(other).lines
    assert (line.mail, line.account, line.why) == (MAIL, False, fates.DELETED_SINCE)
    assert (line.structures, line.days_left) == (("Structure cig / Structure b",), 18)
    assert [(one.mail, one.account, one.why) for one in bin_list.page(referent).lines] == [
        *((new, True, ""), (MAIL, True, "")),
    ]
    told = creation.check(other, MAIL)
    assert (told.found, told.name, told.places) == (Found.KEPT, "Prénom NOM", ())
    with pytest.raises(AlreadyExists) as refused:
        add(creation, other, structure="b")
    with pytest.raises(NotFound) as late:
        world.directory.bin.restore_subject(other, line.subject_id)
    for said in (line.why, refused.value.public, late.value.public):
        assert "demandez-le au correspondant" in said
        assert "seul" not in said, "the référent of A restores it"
    assert creation.check(other, new).found is Found.NOBODY, "never confirmed: nothing is told"
    assert set(world.events()) - set(before) == {"account.address-checked"}
    assert world.directory.bin.restore(OPERATOR, MAIL).left == line.structures
    assert [one.why for one in bin_list.page(other).lines] == [""]


def test_anybody_else_adds_him_without_his_history(
    world: World, creation: Creation, referent: Actor, other: Actor
) -> None:
    """Who had the address is erased, as by the purge: nothing of him passes to who has it now."""
    accounts, old = world.directory.accounts, "lea.avant@ville.fr"
    before = world.add(old, "a-rh")
    world.directory.assignments.assign(OPERATOR, Grant(old, "a-rh", "bip", "r1"))
    Photos(world.core).keep(before.subject_id, image())
    AddressChanges(world.core).change(referent, before.subject_id, MAIL, shown=old)
    accounts.set_password(OPERATOR, MAIL, "une phrase assez longue")
    accounts.lock(OPERATOR, MAIL)
    world.directory.bin.delete(referent, MAIL)
    added = add(creation, other, CAP, structure="b")
    assert added.subject_id != before.subject_id, "applications do not take the one for the other"
    assert (added.created, added.confirmed) == (True, True)
    assert roles_of(world, MAIL) == [("b", "cap", "r1")]
    assert world.mails()[-1] == ("account-created", MAIL)
    with world.core.db.reading() as session:
        account = session.scalars(select(Account).where(Account.mail == MAIL)).one()
        kept = [session.scalar(select(func.count()).select_from(each)) for each in ERASED]
    assert (account.password_hash, account.locked, account.sn) == (None, False, "Noël")
    assert kept == [0, 0], "the old address refuses nothing, and is free"
    assert world.directory.bin_list.page(referent).lines == (), "nothing is left of what was"
    with pytest.raises(NotFound):
        world.directory.bin.restore(referent, MAIL)
    told = History(world.core).of_structure(referent, "a-rh").lines
    people = {line.person for line in told if line.person}
    assert people == {"une personne qui n'a plus de compte"}
    assert "account.purged" in world.events()


def test_what_waits_elsewhere_is_counted_for_nobody(
    world: World, creation: Creation, referent: Actor, other: Actor
) -> None:
    """Its roles have no effect yet: neither the sheet nor a deletion counts them."""
    subject_id = world.add(MAIL, "a-rh").subject_id
    world.directory.assignments.assign(OPERATOR, Grant(MAIL, "a-rh", "cap", "r2"))
    add(creation, other, CAP, structure="b", known=True)

    def hidden() -> tuple[int | None, int]:
        shown = world.directory.accounts.show(referent, MAIL).hidden_roles
        return shown, Prospects(world.core).one(referent, Action.DELETE, subject_id).others

    assert hidden() == (1, 1), "of an application that is not his, in his own structure"
    world.directory.memberships.confirm(OPERATOR, MAIL, "b")
    assert hidden() == (2, 1), "the account stays now, with that of B"
