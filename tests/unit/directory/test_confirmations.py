"""A second structure's membership: who is told, who added, and what happens at the same moment."""

from collections.abc import Callable
from functools import partial

import pytest
from sqlalchemy import select

from directory.authorisation import OPERATOR, Actor
from directory.models import Account, Membership
from directory.services.accounts.changes import Person
from directory.services.memberships.changes import MembershipFields
from directory.services.memberships.confirmations import Confirmations
from directory.services.rights.assignments import Grant
from idp.audit import AuditEvent
from idp.context import Origin, acting
from idp.errors import AlreadyAnswered, NotFound
from idp.mail import OutboxMail
from tests.common.clock import FakeClock
from tests.common.threads import at_once
from tests.unit.directory.conftest import World

LEA = "lea@ville.fr"


@pytest.fixture
def second(world: World) -> Actor:
    """Référent of B for BIP."""
    added = world.directory.accounts.add(
        OPERATOR, Person("second@ville.fr", "Roy", "Zoé"), "b", no_mail=True
    )
    world.directory.mandates.add(OPERATOR, "second@ville.fr", "b", ("bip",))
    return world.actor(added.subject_id)


def add_to_b(world: World, second: Actor, mail: str = LEA) -> tuple[str, str]:
    """B's référent adds somebody of A, with a role; subject and membership ids."""
    with acting(Origin(actor=second.subject_id)):
        person = Person(mail, "Noël", "Léa", MembershipFields(function="Paie"))
        added = world.directory.accounts.add(second, person, "b")
        world.directory.assignments.assign(second, Grant(mail, "b", "bip", "r1"))
    assert not added.confirmed
    return added.subject_id, added.membership_id


def mails(world: World, kind: str) -> list[OutboxMail]:
    with world.core.db.reading() as session:
        return list(session.scalars(select(OutboxMail).where(OutboxMail.kind == kind)))


@pytest.mark.sqlite_only
def test_who_added_is_named_and_the_mail_leads_there(
    world: World, referent: Actor, second: Actor, central: Actor, clock: FakeClock
) -> None:
    assert referent
    world.add(LEA)
    subject_id, membership = add_to_b(world, second)
    confirmations = Confirmations(world.core)
    (told,) = confirmations.waiting(subject_id)
    assert (told.added_by, told.added_at) == ("Zoé ROY", clock.now())
    (mail,) = mails(world, "membership-added")
    for body in (mail.text, mail.html or ""):
        assert "http://localhost:6543/rattachements" in body
        assert membership not in body, "the link alone does nothing for nobody"
    with acting(Origin(actor=second.subject_id)):
        world.directory.bin.delete(second, LEA)
    assert confirmations.waiting(subject_id) == ()
    with acting(Origin(actor=central.subject_id)):
        world.directory.bin.restore(central, LEA)
    assert [one.added_by for one in confirmations.waiting(subject_id)] == ["Prénom NOM"]
    world.directory.bin.delete(OPERATOR, "second@ville.fr")
    assert world.statements(lambda: confirmations.waiting(subject_id)) <= 3
    assert world.statements(lambda: confirmations.waiting("nobody")) == 1


@pytest.mark.sqlite_only
def test_a_refusal_is_mailed_to_the_nearest_referent_else_to_the_correspondant(
    world: World, referent: Actor, second: Actor
) -> None:
    assert referent
    correspondant = world.core.settings.organization.correspondant
    for mail, reader in ((LEA, "second@ville.fr"), ("max@ville.fr", correspondant)):
        world.add(mail)
        subject_id, membership = add_to_b(world, second, mail)
        if reader == correspondant:
            world.directory.mandates.remove(OPERATOR, "second@ville.fr", "b")
        with acting(Origin(actor=subject_id)):
            confirmations = Confirmations(world.core)
            (waiting,) = confirmations.waiting(subject_id)
            confirmations.refuse(subject_id, membership, version=waiting.version)
        sent = mails(world, "membership-refused")[-1]
        assert sent.recipient == reader
        assert "Léa NOËL" not in sent.text, "the name of the account, not the one that B typed"
        assert f"Prénom NOM [{mail}] a refusé" in sent.text
        assert "Structure cig / Structure b" in sent.text
        with world.core.db.reading() as session:
            last = session.scalars(select(AuditEvent).order_by(AuditEvent.id.desc())).first()
        assert last is not None
        assert (last.code, last.actor, last.subject_id, last.structure) == (
            "membership.refused",
            subject_id,
            subject_id,
            "b",
        )
    assert len(mails(world, "membership-refused")) == 2
    assert world.ended == [], "nothing was in effect"


def _state(world: World, membership: str) -> tuple[bool, bool, bool]:
    """Whether it is confirmed, whether it is in the bin, whether its account is."""
    with world.core.db.reading() as session:
        found = session.execute(
            select(Membership.confirmed_at, Membership.deleted_at, Account.deleted_at)
            .join(Membership.account)
            .where(Membership.public_id == membership)
        ).one()
    return found[0] is not None, found[1] is not None, found[2] is not None


def test_at_the_same_moment_one_is_first_and_the_other_reads_what_he_did(
    world: World, referent: Actor, second: Actor
) -> None:
    confirmations, version = Confirmations(world.core), dict[str, str]()

    def both(
        number: int, name: str, other: Callable[[str, str, str], Callable[[], object]]
    ) -> tuple[list[object], tuple[bool, bool, bool]]:
        mail = f"{name}{number}@ville.fr"
        world.add(mail)
        subject_id, membership = add_to_b(world, second, mail)
        (waiting,) = confirmations.waiting(subject_id)
        version[membership] = waiting.version
        confirm = partial(confirmations.confirm, subject_id, membership, version=waiting.version)
        outcomes = at_once(confirm, other(mail, subject_id, membership))
        return outcomes, _state(world, membership)

    def withdrawn(mail: str, *_: str) -> Callable[[], object]:
        return partial(world.directory.bin.delete, second, mail)

    def deleted_by_the_first(mail: str, *_: str) -> Callable[[], object]:
        return partial(world.directory.bin.delete, referent, mail)

    def refused(_: str, subject_id: str, membership: str) -> Callable[[], object]:
        return partial(confirmations.refuse, subject_id, membership, version=version[membership])

    for number in range(4):
        (said, removed), state = both(number, "retire", withdrawn)
        assert not isinstance(removed, Exception), removed
        assert state == (not isinstance(said, NotFound), True, False)

        (said, answer), state = both(number, "deuxfois", refused)
        assert isinstance(said, NotFound) != isinstance(answer, AlreadyAnswered)
        assert state == (
            (True, False, False) if answer.__class__ is AlreadyAnswered else (False, True, False)
        )

        (said, removed), (confirmed, binned, account_binned) = both(
            number, "premier", deleted_by_the_first
        )
        assert not isinstance(removed, Exception), removed
        assert confirmed != isinstance(said, NotFound)
        assert binned == account_binned == (not confirmed), "a confirmed one keeps the account"
