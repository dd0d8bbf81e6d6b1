"""*Changer d'adresse*: one safe step, and how who had the old address stops it."""

import re
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy import delete, select

from directory.authorisation import OPERATOR, Actor
from directory.jobs import jobs
from directory.models import Account, AddressChange
from directory.services.accounts.address_change import (
    KEPT,
    RESERVED,
    AddressChanges,
    GenericAddress,
    Replaced,
)
from directory.services.accounts.address_refusal import AddressRefusals
from directory.services.accounts.changes import Person
from directory.services.accounts.creation import Creation, Found
from directory.services.accounts.edits import Edits
from directory.services.accounts.photos import Photos
from directory.services.accounts.sheets import Sheets
from directory.services.memberships.confirmations import Confirmations
from directory.services.own.passwords import OwnPasswords, add_link
from directory.services.own.record import Record
from directory.services.removal.bin_list import BinList
from directory.services.rights.assignments import Grant
from idp.context import acting, origin
from idp.errors import (
    AlreadyExists,
    BadCredentials,
    DirectoryError,
    LinkRefused,
    NotAllowed,
    NotFound,
    StaleEdit,
    TooMany,
)
from idp.mail import OutboxMail
from idp.self_service import Purpose
from idp.services import Services
from tests.common.clock import FakeClock
from tests.common.photos import image
from tests.common.threads import at_once
from tests.unit.directory.conftest import BIP, World

DAY = timedelta(days=1)
OLD, NEW = "lea.martin@ville.fr", "lea.noel@ville.fr"
PASSWORD = "une phrase assez longue"


@pytest.fixture
def lea(world: World) -> str:
    """A colleague in A's HR who signed in with his password, with a role and a photo."""
    subject_id = world.add(OLD, "a-rh").subject_id
    world.directory.accounts.set_password(OPERATOR, OLD, PASSWORD)
    world.sign_in(OLD)
    world.directory.assignments.assign(OPERATOR, Grant(OLD, "a-rh", "bip", "r1"), no_mail=True)
    Photos(world.core).keep(subject_id, image())
    world.ended.clear()
    with world.core.db.unit_of_work() as session:
        session.execute(delete(OutboxMail))
    return subject_id


def change(
    world: World, actor: Actor, subject_id: str, mail: str = NEW, shown: str = OLD, **more: bool
) -> Replaced:
    return AddressChanges(world.core).change(actor, subject_id, mail, shown=shown, **more)


def token_of(world: World, old: str = OLD) -> str:
    """From the notice to the old address."""
    with world.core.db.reading() as session:
        text = session.scalars(
            select(OutboxMail.text)
            .where(OutboxMail.kind == "address-changed", OutboxMail.recipient == old)
            .order_by(OutboxMail.id.desc())
        ).first()
    assert text is not None
    found = re.search(r"/adresse-remplacee/(\S+)", text)
    assert found is not None
    return found[1]


def password_link(world: World, mail: str) -> str:
    """The token of a new link to choose a password."""
    with world.core.db.unit_of_work() as session:
        account = session.scalars(select(Account).where(Account.mail == mail)).one()
        return add_link(world.core, session, account, Purpose.RESET, "", lifetime=DAY)


def why(call: Callable[[], object]) -> str:
    with pytest.raises(LinkRefused) as refused:
        call()
    return refused.value.reason


def test_rights_stay_and_keys_go(
    world: World, referent: Actor, lea: str, services: Services, clock: FakeClock
) -> None:
    before = Sheets(world.core).read(OPERATOR, lea).sheet
    pseudonym = services.name_ids.persistent(lea, BIP)
    services.directory.authenticate(OLD, PASSWORD)
    first = world.directory.password_mails.send(OPERATOR, OLD)
    assert first.value == "reset"
    clock.advance(timedelta(seconds=1))
    assert change(world, referent, lea, f" {NEW} ") == Replaced(NEW, invited=True)
    after = Sheets(world.core).read(OPERATOR, lea).sheet
    assert (after.mail, after.has_password) == (NEW, False)
    assert after.photo == before.photo
    assert after.memberships == before.memberships
    assert services.name_ids.persistent(lea, BIP) == pseudonym
    entitlements = services.directory.entitlements(lea, BIP)
    assert isinstance(entitlements, tuple)
    assert [(each.mail, each.uid) for each in entitlements] == [(NEW, NEW)]
    assert world.ended == [(lea, None, "address-changed")]
    for login in (OLD, NEW):
        with pytest.raises(BadCredentials):
            services.directory.authenticate(login, PASSWORD)
    assert world.mails()[-2:] == [("address-changed", OLD), ("password-first-visit", NEW)]
    events = world.events()
    assert "account.address-changed" in events
    about = services.audit.about(lea, most=50)
    changed = next(each for each in about if each.code == "account.address-changed")
    assert (changed.parameters["before"], changed.parameters["after"]) == (OLD, NEW)


def test_whoever_signs_in_at_this_moment_with_the_old_password_stays_out(
    world: World, referent: Actor, lea: str, services: Services, clock: FakeClock
) -> None:
    subject = services.directory.authenticate(OLD, PASSWORD)
    clock.advance(timedelta(seconds=1))
    change(world, referent, lea)
    with pytest.raises(BadCredentials):
        services.directory.note_sign_in(subject)


def test_who_may(world: World, referent: Actor, central: Actor, lea: str) -> None:
    shared = world.add("shared@ville.fr", "a-rh").subject_id
    world.add("shared@ville.fr", "b")
    second = world.add("second@ville.fr", "a-rh").subject_id
    world.directory.mandates.add(OPERATOR, "second@ville.fr", "a-rh", ("bip",))
    foreign = world.add("foreign@ville.fr", "b").subject_id
    for subject_id, mail in (
        (shared, "shared@ville.fr"),
        (second, "second@ville.fr"),
        (referent.subject_id, "referent@ville.fr"),
    ):
        with pytest.raises(NotAllowed):
            AddressChanges(world.core).plan(referent, subject_id)
        with pytest.raises(NotAllowed):
            change(world, referent, subject_id, shown=mail)
    for subject_id in (foreign, "nobody"):
        with pytest.raises(NotFound):
            AddressChanges(world.core).plan(referent, subject_id)
        with pytest.raises(NotFound):
            change(world, referent, subject_id, shown="foreign@ville.fr")
    with pytest.raises(NotAllowed):
        change(world, central, central.subject_id, shown="correspondant@cig.fr")
    assert world.mails() == []
    for number, (subject_id, mail) in enumerate(
        ((shared, "shared@ville.fr"), (second, "second@ville.fr"), (lea, OLD))
    ):
        change(world, central, subject_id, f"new{number}@ville.fr", mail)


def test_what_others_offered_to_the_old_address_is_not_the_new_ones(
    world: World, referent: Actor, central: Actor, lea: str
) -> None:
    """Else a référent took the roles of another town's invitation for an address of his own."""
    chief = world.add("chief@ville.fr", "b").subject_id
    world.directory.mandates.add(OPERATOR, "chief@ville.fr", "b", ("bip",))
    world.add(OLD, "b", world.actor(chief))
    world.add(OLD, "a", referent)
    world.directory.assignments.assign(OPERATOR, Grant(OLD, "b", "bip", "r1"), no_mail=True)
    waiting = Confirmations(world.core).waiting

    def where() -> list[str]:
        return [each.structure_label for each in waiting(lea)]

    offered = where()
    assert offered
    change(world, central, lea, "lea@ville.fr")
    assert where() == offered, "whoever reaches both meant both"
    change(world, referent, lea, shown="lea@ville.fr")
    (kept,) = where()
    sheet = Sheets(world.core).read(OPERATOR, lea).sheet
    assert {each.structure for each in sheet.memberships} == {"a", "a-rh"}
    assert world.events().count("membership.removed") == 1
    binned = BinList(world.core).page(OPERATOR).lines
    assert [line.subject_id for line in binned] == [lea]
    assert kept in offered


def test_many_offers_are_read_in_as_many_statements_as_one(
    world: World, referent: Actor, central: Actor, lea: str
) -> None:
    """For the page, where they stay and where they go, and for the change."""
    changes = AddressChanges(world.core)
    chief = world.add("chief@ville.fr", "b").subject_id
    world.directory.mandates.add(OPERATOR, "chief@ville.fr", "b", ("bip",))
    change(world, central, lea)
    change(world, central, lea, OLD, NEW)
    counts = []
    for first, last in ((0, 1), (1, 9)):
        for code in (f"o{number}" for number in range(first, last)):
            world.directory.structures.add(OPERATOR, code, code, parent="b")
            world.add(OLD, code, world.actor(chief))
        counts.append(
            [
                world.statements(lambda: changes.plan(central, lea)),
                world.statements(lambda: changes.plan(referent, lea)),
                world.statements(lambda: change(world, central, lea)),
            ]
        )
        change(world, central, lea, OLD, NEW)
        assert len(changes.plan(central, lea).offers) == last
        assert changes.plan(referent, lea).offers == ()
    assert counts[0] == counts[1]
    *read, written = counts[0]
    assert max(read) <= 11
    assert written <= 40, "it plans nothing that it asks again"


def test_the_screen_knows_which_applications_he_has(
    world: World, referent: Actor, lea: str
) -> None:
    assert AddressChanges(world.core).plan(referent, lea).applications == {BIP: "BIP"}
    other = world.add("max@ville.fr", "a-rh").subject_id
    assert AddressChanges(world.core).plan(referent, other).applications == {}


@pytest.mark.parametrize(
    ("mail", "cause"),
    [("no address", "mail"), (OLD.upper(), "the same"), ("", "mail"), ("rh@ville.fr", "generic")],
)
def test_wrong_addresses(world: World, referent: Actor, lea: str, mail: str, cause: str) -> None:
    with pytest.raises(DirectoryError, match=cause):
        change(world, referent, lea, mail)
    assert world.mails() == []


def test_a_generic_address_has_to_be_accepted(world: World, referent: Actor, lea: str) -> None:
    with pytest.raises(GenericAddress):
        change(world, referent, lea, "rh@ville.fr")
    done = change(world, referent, lea, "rh@ville.fr", accept_generic=True)
    assert done.mail == "rh@ville.fr"


def test_an_address_that_somebody_has_or_had(world: World, referent: Actor, lea: str) -> None:
    world.add("taken@ville.fr", "b")
    for mail, structure in (("binned@ville.fr", "b"), ("own@ville.fr", "a")):
        world.add(mail, structure)
        world.directory.bin.delete(OPERATOR, mail)
    for mail, told in (
        ("TAKEN@ville.fr", "déjà celle d'un compte"),
        ("own@ville.fr", "déjà celle d'un compte"),
        ("binned@ville.fr", "ne peut pas être utilisée"),  # that it lies there is not his
    ):
        with pytest.raises(AlreadyExists) as refused:
            change(world, referent, lea, mail)
        assert told in refused.value.public


def test_why_an_address_is_reserved_is_told_to_whoever_sees_the_account(
    world: World, referent: Actor, central: Actor, lea: str
) -> None:
    change(world, referent, lea)
    other = world.add("b@ville.fr", "b").subject_id
    world.directory.mandates.add(OPERATOR, "b@ville.fr", "b", ("bip",))
    elsewhere = world.actor(other)
    world.add(NEW, "b", elsewhere)  # she did not confirm it
    creation = Creation(world.core)
    for actor, told in (
        (referent, "était celle d'un compte il y a quelques jours"),
        (central, "était celle d'un compte il y a quelques jours"),
        (elsewhere, f"L'adresse {OLD} ne peut pas être utilisée pour le moment. Le correspondant"),
    ):
        with pytest.raises(AlreadyExists) as refused:
            creation.check(actor, OLD)
        assert refused.value.public.startswith(told) == (actor is elsewhere)
        assert told in refused.value.public
    assert world.core.settings.organization.correspondant in refused.value.public
    assert "réservée" not in refused.value.public


def test_an_address_without_a_mailbox_is_not_taken(world: World, referent: Actor, lea: str) -> None:
    for mail in ("léa@ville.fr", "lea@ville"):
        for attempt in (
            lambda mail=mail: change(world, referent, lea, mail),
            lambda mail=mail: change(world, OPERATOR, lea, mail),
            lambda mail=mail: world.add(mail, "a-rh"),
            lambda mail=mail: Creation(world.core).check(referent, mail),
        ):
            with pytest.raises(DirectoryError, match=r"beyond ASCII|no domain"):
                attempt()
    with world.core.db.unit_of_work() as session:  # one who is recorded already goes on
        account = session.scalars(select(Account).where(Account.subject_id == lea)).one()
        account.mail = account.mail_key = "léa@ville"
    assert Creation(world.core).check(referent, "Léa@ville").found is Found.KNOWN
    assert not world.add("léa@ville", "a").created
    assert change(world, referent, lea, shown="léa@ville").mail == NEW


def test_the_old_address_is_reserved_for_a_week(
    world: World, referent: Actor, lea: str, clock: FakeClock
) -> None:
    other = world.add("other@ville.fr", "a-rh").subject_id
    change(world, referent, lea)
    for refused in (
        lambda: world.add(OLD.upper(), "b"),
        lambda: change(world, OPERATOR, other, OLD, "other@ville.fr"),
    ):
        with pytest.raises(AlreadyExists, match="reserved"):
            refused()
    change(world, referent, lea, OLD, NEW)
    assert Sheets(world.core).read(referent, lea).sheet.mail == OLD, "its own it may take back"
    clock.advance(RESERVED)
    assert world.add(NEW, "b").created


def test_what_was_shown_is_what_is_replaced(world: World, referent: Actor, lea: str) -> None:
    outcomes = at_once(
        lambda: change(world, referent, lea, "one@ville.fr"),
        lambda: change(world, referent, lea, "two@ville.fr"),
    )
    assert sorted(type(each).__name__ for each in outcomes) == ["Replaced", "StaleEdit"]
    with pytest.raises(StaleEdit):
        change(world, referent, lea)


def test_of_two_who_take_one_address_one_gets_it(world: World, referent: Actor, lea: str) -> None:
    outcomes = at_once(
        lambda: change(world, referent, lea),
        lambda: world.directory.accounts.add(referent, Person(NEW, "N", "P"), "a", no_mail=True),
    )
    assert sum(isinstance(each, AlreadyExists) for each in outcomes) == 1


def test_a_locked_account_gets_no_link(world: World, referent: Actor, lea: str) -> None:
    world.directory.accounts.lock(referent, OLD)
    assert change(world, referent, lea) == Replaced(NEW, invited=False)
    assert world.mails()[-1] == ("address-changed", OLD)


def test_the_person_reads_of_it_in_his_copy(world: World, referent: Actor, lea: str) -> None:
    change(world, referent, lea)
    (told,) = Record(world.core).export(lea)["adresses remplacées"]  # type: ignore[misc]
    assert told["ancienne adresse"] == OLD
    assert told["refusé le"] is None


def test_trying_addresses_is_counted(
    world: World, referent: Actor, lea: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("directory.services.accounts.address_checks.PER_HOUR", 2)
    world.add("taken@ville.fr", "b")
    for refusal in (AlreadyExists, AlreadyExists, TooMany):
        with pytest.raises(refusal) as refused:
            change(world, referent, lea, "taken@ville.fr")
    assert "créer" not in refused.value.public, "he changes an address"
    assert world.events().count("account.address-checked") == 2


# --- the refusal -------------------------------------------------------------------------------


def test_the_link_stops_everything_and_tells_the_correspondant(
    world: World, referent: Actor, central: Actor, lea: str, services: Services, clock: FakeClock
) -> None:
    change(world, referent, lea)
    refusals, token = AddressRefusals(world.core), token_of(world)
    assert refusals.link(token).old_mail == OLD
    assert refusals.link(token).changed_at == clock.now()
    refusals.spend(token)
    correspondant = services.settings.organization.correspondant
    assert world.mails()[-1] == ("address-refused", correspondant)
    assert world.ended[-1] == (lea, None, "address-refused")
    assert services.directory.find_subject(lea) is None
    assert world.events()[-2:] == ["account.address-refused", "account.locked"]
    # The référent who did it cannot undo it.
    for forbidden in (
        lambda: world.directory.accounts.unlock(referent, NEW),
        lambda: change(world, referent, lea, "x@ville.fr", NEW),
        lambda: world.directory.bin.delete(referent, NEW),
    ):
        with pytest.raises(NotAllowed):
            forbidden()
    shown = Sheets(world.core).read(referent, lea)
    assert not shown.can.account
    assert "refusé depuis l'ancienne" in shown.can.why_not
    assert Edits(world.core).open(referent, lea).values.account is None
    # The correspondant settles it; then the référent has his account again.
    change(world, central, lea, OLD, NEW)
    world.directory.accounts.unlock(central, OLD)
    assert Sheets(world.core).read(referent, lea).can.account


def test_who_refused_reads_that_it_was_decided_since(
    world: World, referent: Actor, central: Actor, lea: str
) -> None:
    change(world, referent, lea)
    token = token_of(world)
    AddressRefusals(world.core).spend(token)
    for decide, said in (
        (lambda: None, "Le compte est bloqué"),
        (lambda: change(world, central, lea, "third@ville.fr", NEW), "a décidé"),
    ):
        decide()
        with pytest.raises(LinkRefused, match="used") as refused:
            AddressRefusals(world.core).link(token)
        assert said in refused.value.public


@pytest.mark.parametrize("owned", [False, True])
def test_the_correspondant_is_told_of_the_last_change(
    world: World, referent: Actor, central: Actor, lea: str, clock: FakeClock, *, owned: bool
) -> None:
    """Whichever of his links the old address opened, and whoever else may refuse the last."""
    with acting(replace(origin(), actor=referent.subject_id)):
        change(world, referent, lea)
    first = token_of(world)
    if owned:
        world.directory.accounts.set_password(OPERATOR, NEW, PASSWORD)
    clock.advance(DAY)
    with acting(replace(origin(), actor=central.subject_id)):
        change(world, central, lea, "third@ville.fr", NEW)
    with world.core.db.unit_of_work() as session:
        account = session.get_one(Account, central.account_id)
        account.given_name = "Corinne"
    AddressRefusals(world.core).spend(first)
    with world.core.db.reading() as session:
        mails = select(OutboxMail.text).where(OutboxMail.kind == "address-refused")
        text = session.scalars(mails).one()
    zone = world.core.settings.organization.time_zone
    assert f"Dernier changement le {clock.now().astimezone(zone):%d/%m/%Y}" in text
    assert "par Corinne NOM" in text
    assert f"qui refuse : {OLD}" in text
    assert "du compte : third@ville.fr" in text


def test_links_mailed_before_lead_nowhere(world: World, referent: Actor, lea: str) -> None:
    """Nor to a mail at the new address, whether they were over already or not."""
    links = [password_link(world, OLD), password_link(world, OLD)]
    change(world, referent, lea)
    before = world.mails()
    for token in links:
        with pytest.raises(LinkRefused, match="address") as refused:
            OwnPasswords(world.core).link(token)
        assert "a changé depuis l'envoi" in refused.value.public
        assert not OwnPasswords(world.core).ask_again(token)
    world.directory.password_mails.deliver()
    assert world.mails() == before
    fresh = password_link(world, NEW)
    assert OwnPasswords(world.core).link(fresh).login == NEW


def test_unlocking_settles_it(world: World, referent: Actor, central: Actor, lea: str) -> None:
    change(world, referent, lea)
    AddressRefusals(world.core).spend(token_of(world))
    world.directory.accounts.unlock(central, NEW)
    assert Sheets(world.core).read(referent, lea).can.account


def test_a_second_change_does_not_shake_the_first_owner_off(
    world: World, referent: Actor, lea: str
) -> None:
    change(world, referent, lea, "thief@ville.fr")
    token = token_of(world)
    change(world, referent, lea, "thief2@ville.fr", "thief@ville.fr")
    AddressRefusals(world.core).spend(token)
    assert not Sheets(world.core).read(referent, lea).can.account


def test_links_that_are_over(world: World, referent: Actor, lea: str, clock: FakeClock) -> None:
    refusals = AddressRefusals(world.core)
    assert why(lambda: refusals.link("x")) == why(lambda: refusals.spend("x")) == "unknown"
    change(world, referent, lea)
    token = token_of(world)
    clock.advance(RESERVED - timedelta(seconds=1))
    assert refusals.link(token)
    outcomes = at_once(lambda: refusals.spend(token), lambda: refusals.spend(token))
    assert sorted(type(each).__name__ for each in outcomes) == ["LinkRefused", "NoneType"]
    assert why(lambda: refusals.link(token)) == why(lambda: refusals.spend(token)) == "used"
    world.directory.accounts.unlock(OPERATOR, NEW)
    change(world, OPERATOR, lea, "third@ville.fr", NEW)
    late = token_of(world, NEW)
    clock.advance(RESERVED)
    assert why(lambda: refusals.link(late)) == why(lambda: refusals.spend(late)) == "expired"
    assert world.mails().count(("address-refused", world.core.settings.organization.correspondant))


def test_the_last_correspondant_s_is_stopped_as_well(
    world: World, central: Actor, services: Services
) -> None:
    """By the operator, who unlocks it again."""
    world.sign_in("correspondant@cig.fr")
    change(world, OPERATOR, central.subject_id, "new@cig.fr", "correspondant@cig.fr")
    AddressRefusals(world.core).spend(token_of(world, "correspondant@cig.fr"))
    assert services.directory.find_subject(central.subject_id) is None
    world.directory.accounts.unlock(OPERATOR, "new@cig.fr")


def test_what_is_over_is_forgotten_unless_it_is_contested(
    world: World, referent: Actor, lea: str, services: Services, clock: FakeClock
) -> None:
    other = world.add("other@ville.fr", "a-rh").subject_id
    change(world, referent, lea)
    change(world, referent, other, "other2@ville.fr", "other@ville.fr")
    AddressRefusals(world.core).spend(token_of(world))
    purge = next(job for job in jobs(services) if job.name == "address-changes")
    purge.run()
    clock.advance(RESERVED + KEPT)
    purge.run()
    with world.core.db.reading() as session:
        kept = session.scalars(select(AddressChange)).all()
        assert [each.old_mail for each in kept] == [OLD]
        contested = session.scalars(select(Account).where(Account.subject_id == lea)).one()
    assert contested.locked
