"""Accounts, memberships and the bin."""

from datetime import timedelta
from functools import partial

import pytest
from sqlalchemy import select, update

from directory.authorisation import OPERATOR, Actor
from directory.jobs import jobs
from directory.services.accounts.changes import Person
from directory.services.memberships.changes import MembershipFields
from directory.services.rights.assignments import Grant
from idp.errors import (
    AlreadyDone,
    AlreadyExists,
    BadCredentials,
    DirectoryError,
    NotAllowed,
    NotFound,
)
from idp.mail import MailState, OutboxMail
from idp.passwords import Passwords
from idp.services import Services
from tests.common.clock import FakeClock
from tests.unit.directory.conftest import BIP, World

DAY = timedelta(days=1)
PASSWORD = "une phrase assez longue"


def test_new_account_is_mailed_and_journalled(world: World, referent: Actor) -> None:
    person = Person("Leila@ville.fr", " Benali ", "Leïla", MembershipFields(service="Paie"))
    before = len(world.events())
    added = world.directory.accounts.add(referent, person, "a-rh")
    assert (added.created, added.confirmed, added.warnings) == (True, True, ())
    assert world.mails() == [("account-created", "Leila@ville.fr")]
    assert world.events()[before:] == ["account.created", "membership.added"]
    sheet = world.directory.accounts.show(referent, "leila@VILLE.fr")
    assert (sheet.mail, sheet.sn, sheet.state) == ("Leila@ville.fr", "Benali", "actif")
    assert [(one.structure, one.service) for one in sheet.memberships] == [("a-rh", "Paie")]


def test_nothing_remains_of_what_failed(world: World) -> None:
    before = world.events()
    with pytest.raises(DirectoryError):
        world.directory.accounts.add(
            OPERATOR, Person("new@ville.fr", "N", "P"), "a", password="short"
        )
    assert world.events() == before
    assert world.mails() == []
    with pytest.raises(NotFound):
        world.directory.accounts.show(OPERATOR, "new@ville.fr")


def test_referent_adds_in_his_subtree_only(world: World, referent: Actor) -> None:
    for outside in ("b", "cig"):
        with pytest.raises(NotAllowed):
            world.add("new@ville.fr", outside, referent)
    with pytest.raises(NotFound):
        world.add("new@ville.fr", "unknown", referent)
    with pytest.raises(NotAllowed):
        world.directory.accounts.add(
            referent, Person("new@ville.fr", "N", "P"), "a", password=PASSWORD
        )


def test_generic_address_has_to_be_accepted(world: World) -> None:
    person = Person("rh@ville.fr", "N", "P")
    with pytest.raises(DirectoryError, match="generic"):
        world.directory.accounts.add(OPERATOR, person, "a")
    added = world.directory.accounts.add(OPERATOR, person, "a", accept_generic=True)
    assert "rh@ville.fr" in added.warnings[0]


def test_second_structure_waits_for_the_person(world: World, referent: Actor) -> None:
    added = world.add("shared@ville.fr", "b")
    second = world.directory.accounts.add(
        referent, Person("SHARED@ville.fr", "Autre", "Nom"), "a-rh"
    )
    assert (second.created, second.confirmed) == (False, False)
    assert second.subject_id == added.subject_id
    assert world.mails() == [("membership-added", "shared@ville.fr")]
    for stranger in (referent, world.actor(world.add("x@ville.fr").subject_id)):
        with pytest.raises(NotAllowed):
            world.directory.memberships.confirm(stranger, "shared@ville.fr", "a-rh")
    person = world.actor(added.subject_id)
    world.directory.memberships.confirm(person, "shared@ville.fr", "a-rh")
    sheet = world.directory.accounts.show(OPERATOR, "shared@ville.fr")
    assert (sheet.sn, [one.state for one in sheet.memberships]) == ("Nom", ["valide", "valide"])


def test_first_referent_learns_of_a_second_structure(world: World, referent: Actor) -> None:
    assert referent
    world.add("shared@ville.fr", "a-rh")
    added = world.directory.accounts.add(OPERATOR, Person("shared@ville.fr", "N", "P"), "b")
    assert added.confirmed
    assert world.mails() == [
        ("membership-added", "shared@ville.fr"),
        ("membership-added-elsewhere", "referent@ville.fr"),
    ]


@pytest.mark.sqlite_only
def test_a_mail_that_was_given_up_left_for_nobody(world: World, referent: Actor) -> None:
    """A second press sends no second mail, unless the first will never arrive."""
    world.add("new@ville.fr")
    send = partial(world.directory.invitations.send, referent, "new@ville.fr")
    send()
    for state in (MailState.WAITING, MailState.SENT):
        _set_mails(world, state)
        with pytest.raises(AlreadyDone):
            send()
    for number, state in enumerate((MailState.DEAD, MailState.ABANDONED), start=2):
        _set_mails(world, state)
        send()
        assert len(world.mails()) == number
        with pytest.raises(AlreadyDone):
            send()


def _set_mails(world: World, state: MailState) -> None:
    with world.core.db.unit_of_work() as session:
        session.execute(update(OutboxMail).values(state=state))


@pytest.mark.parametrize("by", ["operator", "referent"])
def test_mail_promises_only_what_is_there(world: World, referent: Actor, by: str) -> None:
    world.add("shared@ville.fr", "b")
    person, confirmed = Person("shared@ville.fr", "N", "P"), by == "operator"
    world.directory.accounts.add(OPERATOR if confirmed else referent, person, "a")
    with world.core.db.reading() as session:
        mail = session.scalars(select(OutboxMail).order_by(OutboxMail.id)).first()
    assert mail is not None
    assert mail.kind == "membership-added"
    for body in (mail.text, mail.html):
        assert body is not None
        assert ("Vos applications vous attendent" in body) is confirmed
        assert ("confirm" in body) is not confirmed


@pytest.mark.parametrize("mail", ["rh@ville.fr", "no address", "binned@ville.fr", "here@ville.fr"])
def test_outside_his_subtrees_one_learns_nothing(world: World, referent: Actor, mail: str) -> None:
    world.add("here@ville.fr", "b")
    world.add("binned@ville.fr", "b")
    world.directory.bin.delete(OPERATOR, "binned@ville.fr")
    with pytest.raises(NotAllowed):
        world.directory.accounts.add(referent, Person(mail, "", "P"), "b", password="short")
    now = world.core.clock.now()
    with pytest.raises(NotAllowed):
        world.directory.accounts.set_validity(referent, "here@ville.fr", now, now)


def test_password_is_hashed_outside_of_the_transaction(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    busy: list[int] = []
    real = Passwords.hash

    def hash_(self: Passwords, password: str) -> str:
        busy.append(world.core.db.engine.pool.checkedout())  # type: ignore[attr-defined]
        return real(self, password)

    monkeypatch.setattr(Passwords, "hash", hash_)
    accounts, person = world.directory.accounts, Person("one@ville.fr", "N", "P")
    accounts.add(OPERATOR, person, "a", password=PASSWORD, no_mail=True)
    accounts.add(OPERATOR, person, "b", password=PASSWORD, no_mail=True)
    accounts.set_password(OPERATOR, "one@ville.fr", PASSWORD)
    assert busy == [0, 0, 0]
    for refused in (
        lambda: accounts.add(OPERATOR, Person("two@ville.fr", "N", "P"), "a", password="short"),
        lambda: accounts.add(OPERATOR, person, "a-rh", password="short"),
        lambda: accounts.set_password(OPERATOR, "one@ville.fr", "short"),
    ):
        with pytest.raises(DirectoryError, match="too short"):
            refused()
    assert len(busy) == 3, "what is refused is not hashed"


def test_policy_is_asked_of_the_account_as_it_is_when_written(
    world: World, services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.add("one@ville.fr")
    real = Passwords.hash

    def meanwhile(self: Passwords, password: str) -> str:
        world.directory.mandates.add(OPERATOR, "one@ville.fr", "a", ("bip",))
        return real(self, password)

    monkeypatch.setattr(Passwords, "hash", meanwhile)
    with pytest.raises(DirectoryError, match="too short"):
        world.directory.accounts.set_password(OPERATOR, "one@ville.fr", "treize lettre")
    with pytest.raises(BadCredentials):
        services.directory.authenticate("one@ville.fr", "treize lettre")


def test_same_structure_twice(world: World) -> None:
    world.add("one@ville.fr", "a")
    with pytest.raises(AlreadyExists):
        world.add("one@ville.fr", "a")


def test_referent_adds_no_membership_to_himself(world: World, referent: Actor) -> None:
    with pytest.raises(NotAllowed):
        world.add("referent@ville.fr", "a-rh", referent)


def test_lock_ends_sessions_once(world: World, referent: Actor) -> None:
    subject_id = world.add("one@ville.fr").subject_id
    world.directory.accounts.lock(referent, "one@ville.fr")
    world.directory.accounts.lock(referent, "one@ville.fr")
    assert world.ended == [(subject_id, None, "account-locked")]
    world.directory.accounts.unlock(referent, "one@ville.fr")
    world.directory.accounts.unlock(referent, "one@ville.fr")
    assert world.events()[-2:] == ["account.locked", "account.unlocked"]


def test_shared_or_privileged_accounts_are_the_correspondant_s(
    world: World, referent: Actor, central: Actor
) -> None:
    world.add("shared@ville.fr", "a")
    world.add("shared@ville.fr", "b")
    world.add("other.referent@ville.fr", "a")
    world.directory.mandates.add(central, "other.referent@ville.fr", "a-rh", ("bip",))
    for mail in ("shared@ville.fr", "other.referent@ville.fr", "referent@ville.fr"):
        with pytest.raises(NotAllowed):
            world.directory.accounts.lock(referent, mail)
        world.directory.accounts.lock(central, mail)
    with pytest.raises(NotAllowed):
        world.directory.accounts.lock(central, "correspondant@cig.fr")


def test_validity(world: World, clock: FakeClock) -> None:
    subject_id = world.add("one@ville.fr").subject_id
    now = clock.now()
    with pytest.raises(DirectoryError):
        world.directory.accounts.set_validity(OPERATOR, "one@ville.fr", now, now)
    world.directory.accounts.set_validity(OPERATOR, "one@ville.fr", now - DAY, now + DAY)
    assert world.ended == [], "who may still come in goes on"
    world.directory.accounts.set_validity(OPERATOR, "one@ville.fr", now + DAY, now + 2 * DAY)
    assert world.ended == [(subject_id, None, "account-validity")]
    world.directory.accounts.set_validity(OPERATOR, "one@ville.fr", now - DAY, now + DAY)
    clock.advance(DAY)
    assert world.directory.accounts.show(OPERATOR, "one@ville.fr").state == "expiré"


def test_password_policy_is_stricter_for_a_referent(
    world: World, referent: Actor, services: Services
) -> None:
    thirteen = "treize lettre"
    world.add("one@ville.fr")
    world.directory.accounts.set_password(OPERATOR, "one@ville.fr", thirteen)
    assert services.directory.authenticate("one@ville.fr", thirteen)
    with pytest.raises(DirectoryError, match="too short"):
        world.directory.accounts.set_password(OPERATOR, "referent@ville.fr", thirteen)
    with pytest.raises(NotAllowed):
        world.directory.accounts.set_password(referent, "one@ville.fr", PASSWORD)
    assert [reason for _, _, reason in world.ended] == ["password-changed"]


def test_password_is_not_made_of_the_organisation_s_names(world: World, services: Services) -> None:
    organization = services.settings.organization
    world.add("one@ville.fr")
    newcomer = Person("two@ville.fr", "N", "P")
    for password in (f"{organization.name} 2026", organization.portal_name.upper()):
        with pytest.raises(DirectoryError, match="expected words"):
            world.directory.accounts.set_password(OPERATOR, "one@ville.fr", password)
        with pytest.raises(DirectoryError, match="expected words"):
            world.directory.accounts.add(OPERATOR, newcomer, "a", password=password)


@pytest.mark.parametrize(
    "password",
    [
        "Montrieux-sur-Seine",
        "Ville de Montrieux",
        "Montrieux2026!",
        "mairiemontrieux",
        "Grandval-en-94!",
    ],
)
def test_password_is_not_made_of_the_town_s_name(world: World, password: str) -> None:
    """The membership is two floors below what everybody calls his structure."""
    add = world.directory.structures.add
    add(OPERATOR, "ville", "Ville de Montrieux-sur-Seine", parent="a")
    add(OPERATOR, "drh", "Direction du personnel", parent="ville")
    world.add("one@grandval.example", "drh")
    newcomer = Person("two@grandval.example", "N", "P")
    with pytest.raises(DirectoryError, match="expected words"):
        world.directory.accounts.set_password(OPERATOR, "one@grandval.example", password)
    with pytest.raises(DirectoryError, match="expected words"):
        world.directory.accounts.add(OPERATOR, newcomer, "drh", password=password)
    world.directory.accounts.set_password(
        OPERATOR, "one@grandval.example", "le chat de Montrieux dort"
    )


def test_delete_and_restore(world: World, referent: Actor, services: Services) -> None:
    subject_id = world.add("one@ville.fr").subject_id
    world.directory.assignments.assign(OPERATOR, Grant("one@ville.fr", "a-rh", "bip", "r1"))
    removal = world.directory.bin.delete(referent, "one@ville.fr")
    assert removal.account
    assert world.ended[-1] == (subject_id, None, "account-deleted")
    with pytest.raises(NotFound, match="bin"):
        world.directory.accounts.lock(OPERATOR, "one@ville.fr")
    with pytest.raises(AlreadyExists) as refused:
        world.add("ONE@ville.fr", "b")
    assert "rétablissez" in refused.value.public
    assert "account restore" not in refused.value.public, "the command line's own remedy"
    assert services.directory.find_subject(subject_id) is None
    world.directory.bin.restore(referent, "one@ville.fr")
    found = services.directory.entitlements(subject_id, BIP)
    assert isinstance(found, tuple)
    assert [role.value for role in found[0].roles] == ["r1"]
    with pytest.raises(NotFound):
        world.directory.bin.restore(referent, "one@ville.fr")


def test_delete_takes_the_memberships_in_scope_only(world: World, referent: Actor) -> None:
    subject_id = world.add("shared@ville.fr", "a-rh").subject_id
    world.add("shared@ville.fr", "b")
    world.directory.assignments.assign(OPERATOR, Grant("shared@ville.fr", "a-rh", "bip", "r1"))
    removal = world.directory.bin.delete(referent, "shared@ville.fr")
    assert not removal.account
    assert removal.structures == ("Structure cig / Structure a / Structure a-rh",)
    assert world.ended == [(subject_id, BIP, "membership-removed")]
    sheet = world.directory.accounts.show(OPERATOR, "shared@ville.fr")
    assert [one.structure for one in sheet.memberships] == ["b"]
    with pytest.raises(NotAllowed):
        world.directory.bin.delete(referent, "shared@ville.fr")
    restored = world.directory.bin.restore(referent, "shared@ville.fr")
    assert restored.structures == removal.structures


def test_unconfirmed_membership_keeps_no_account_alive(
    world: World, referent: Actor, central: Actor
) -> None:
    world.add("one@ville.fr", "a-rh")
    world.add("one@ville.fr", "b", actor=central)
    assert world.directory.bin.delete(referent, "one@ville.fr").account


def test_nobody_deletes_himself_nor_a_privileged_account(
    world: World, referent: Actor, central: Actor
) -> None:
    for actor, mail in (
        (referent, "referent@ville.fr"),
        (referent, "correspondant@cig.fr"),
        (central, "correspondant@cig.fr"),
    ):
        with pytest.raises(NotAllowed):
            world.directory.bin.delete(actor, mail)
    with pytest.raises(DirectoryError, match="last central"):
        world.directory.bin.delete(OPERATOR, "correspondant@cig.fr")
    assert world.directory.bin.delete(central, "referent@ville.fr").account


def test_restored_by_whoever_could_delete(world: World, referent: Actor) -> None:
    world.add("one@ville.fr", "b")
    world.directory.bin.delete(OPERATOR, "one@ville.fr")
    with pytest.raises(NotAllowed):
        world.directory.bin.restore(referent, "one@ville.fr")
    assert world.directory.bin.restore(OPERATOR, "one@ville.fr").account
    with pytest.raises(NotFound):
        world.directory.bin.restore(OPERATOR, "unknown@ville.fr")


def test_bin_is_emptied_after_20_days(
    world: World, services: Services, clock: FakeClock, referent: Actor
) -> None:
    for mail in ("one@ville.fr", "two@ville.fr"):
        world.add(mail)
    world.add("two@ville.fr", "b")
    world.directory.bin.delete(OPERATOR, "one@ville.fr")
    world.directory.bin.delete(referent, "two@ville.fr")
    clock.advance(timedelta(days=20) - timedelta(seconds=1))
    job = next(each for each in jobs(services) if each.name == "bin")
    job.run()
    assert world.directory.accounts.show(OPERATOR, "one@ville.fr").state == "dans la corbeille"
    clock.advance(timedelta(seconds=1))
    with pytest.raises(DirectoryError, match="since"):
        world.directory.bin.restore(OPERATOR, "one@ville.fr")
    with pytest.raises(NotFound):
        world.directory.bin.restore(referent, "two@ville.fr")
    job.run()
    with pytest.raises(NotFound):
        world.directory.accounts.show(OPERATOR, "one@ville.fr")
    assert world.events()[-1] == "account.purged"
    assert world.directory.bin.purge() == 0


def test_address_whose_20_days_are_over_is_free(world: World, clock: FakeClock) -> None:
    before = world.add("one@ville.fr").subject_id
    world.directory.bin.delete(OPERATOR, "one@ville.fr")
    clock.advance(timedelta(days=20))
    after = world.add("one@ville.fr", "b")
    assert after.created
    assert after.subject_id != before


def test_suspension_ends_sp_sessions(world: World, referent: Actor) -> None:
    subject_id = world.add("one@ville.fr").subject_id
    world.directory.assignments.assign(OPERATOR, Grant("one@ville.fr", "a-rh", "bip", "r1"))
    world.directory.memberships.suspend(referent, "one@ville.fr", "a-rh")
    assert world.ended == [(subject_id, BIP, "membership-suspended")]
    assert _state(world, "one@ville.fr") == "suspendu"
    world.directory.memberships.resume(referent, "one@ville.fr", "a-rh")
    assert _state(world, "one@ville.fr") == "valide"
    with pytest.raises(NotAllowed):
        world.directory.memberships.suspend(referent, "referent@ville.fr", "a")


def _state(world: World, mail: str) -> str:
    return world.directory.accounts.show(OPERATOR, mail).memberships[0].state


def test_sheet_hides_what_is_out_of_scope(
    world: World, referent: Actor, central: Actor, services: Services
) -> None:
    added = world.directory.accounts.add(
        OPERATOR, Person("shared@ville.fr", "N", "P"), "a", password=PASSWORD, no_mail=True
    )
    world.add("shared@ville.fr", "b")
    for structure, application in (("a", "bip"), ("a", "cap"), ("b", "bip")):
        grant = Grant("shared@ville.fr", structure, application, "r1")
        world.directory.assignments.assign(OPERATOR, grant)
    subject = services.directory.authenticate("shared@ville.fr", PASSWORD)
    services.directory.note_sign_in(subject)
    seen = world.directory.accounts.show(referent, "shared@ville.fr")
    assert [one.structure for one in seen.memberships] == ["a"]
    assert [one.application for one in seen.memberships[0].roles] == ["bip"]
    assert (seen.hidden_roles, seen.last_sign_in_at) == (2, None)
    assert seen.activity == "moins de 6 mois"
    for actor in (central, world.actor(added.subject_id)):
        whole = world.directory.accounts.show(actor, "shared@ville.fr")
        assert [len(one.roles) for one in whole.memberships] == [2, 1]
        assert whole.hidden_roles == 0
        assert whole.last_sign_in_at is not None
    with pytest.raises(NotAllowed):
        world.directory.accounts.show(world.actor(added.subject_id), "correspondant@cig.fr")
