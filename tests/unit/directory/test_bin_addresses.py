"""The bin where an address changed: it names no later one, and gives nothing to a stranger."""

from datetime import timedelta

import pytest
from sqlalchemy import select

from directory.authorisation import OPERATOR, Actor
from directory.models import Account
from directory.services.accounts.address_change import RESERVED, AddressChanges
from directory.services.accounts.address_checks import CHECKED
from directory.services.accounts.changes import Person
from directory.services.accounts.creation import Creation, Found
from directory.services.memberships.confirmations import Confirmations
from directory.services.removal import fates
from directory.services.removal.bin_list import BinLine
from directory.services.removal.former import AGAIN, ASK
from directory.services.rights.assignments import Grant
from idp.audit import AuditEvent
from idp.errors import AlreadyExists, StaleEdit, TooMany
from tests.common.clock import FakeClock
from tests.unit.directory.conftest import World

OLD, NEW = "lea.martin@ville.fr", "pirate@ville.fr"
B = "Structure cig / Structure b"
DAY = timedelta(days=1)


@pytest.fixture
def other(world: World) -> Actor:
    """Référent of B."""
    added = world.add("referent.b@ville.fr", "b")
    world.directory.mandates.add(OPERATOR, added.mail, "b", ("bip",))
    return world.actor(added.subject_id)


@pytest.fixture
def lea(world: World) -> str:
    """Of A."""
    return world.add(OLD, "a-rh").subject_id


def offer(world: World, other: Actor, *, confirmed: bool) -> None:
    """By B, with a role."""
    world.add(OLD, "b", other)
    world.directory.assignments.assign(OPERATOR, Grant(OLD, "b", "bip", "r1"), no_mail=True)
    if confirmed:
        world.directory.memberships.confirm(OPERATOR, OLD, "b")


def change(world: World, actor: Actor, subject_id: str, new: str = NEW, shown: str = OLD) -> None:
    AddressChanges(world.core).change(actor, subject_id, new, shown=shown)


def line_of(world: World, actor: Actor, text: str = "") -> BinLine | None:
    found = world.directory.bin_list.page(actor, text=text).lines
    return found[0] if found else None


def only(world: World, actor: Actor) -> BinLine:
    (line,) = world.directory.bin_list.page(actor).lines
    return line


@pytest.mark.parametrize("confirmed", [True, False])
def test_what_he_removed_goes_to_no_address_that_he_never_saw(
    world: World,
    referent: Actor,
    central: Actor,
    other: Actor,
    lea: str,
    clock: FakeClock,
    *,
    confirmed: bool,
) -> None:
    """A stale page, and a fresh one: the roles of B are for whom its référent knew."""
    offer(world, other, confirmed=confirmed)
    world.directory.bin.delete(other, OLD)
    stale = only(world, other)
    assert (stale.mail, stale.changed, stale.former, stale.why) == (OLD, False, "", "")
    clock.advance(DAY)
    change(world, referent, lea)
    before = (world.events(), world.mails())
    restore = world.directory.bin.restore_subject
    with pytest.raises(StaleEdit) as refused:
        restore(other, lea, shown=stale.mail)
    assert refused.value.public == (
        "L'adresse de Prénom NOM a changé depuis que cette page est ouverte : "
        f"{OLD} n'est plus la sienne. {ASK}"
    )
    line = only(world, other)
    assert (line.mail, line.changed, line.former) == (OLD, True, "")
    assert (line.structures, line.why) == ((B,), fates.CHANGED_SINCE)
    seen = only(world, central)
    assert (seen.mail, seen.changed, seen.former, seen.why) == (NEW, True, OLD, "")
    with pytest.raises(StaleEdit) as late:
        restore(central, lea, shown=OLD)
    assert late.value.public == (
        "L'adresse de Prénom NOM a changé depuis que cette page est ouverte : "
        f"c'était {OLD}, c'est maintenant {NEW}. {AGAIN}"
    )
    with pytest.raises(StaleEdit) as unread:
        restore(central, lea, shown="")
    assert unread.value.public == f"L'adresse de Prénom NOM est {NEW}. {AGAIN}"
    events, mails = before
    assert (world.events(), world.mails()) == ([*events, CHECKED], mails), "nothing was done"
    assert restore(central, lea, shown=seen.mail.upper()).waiting == (B,)


def test_who_knows_the_new_address_names_it_himself(
    world: World, referent: Actor, other: Actor, lea: str
) -> None:
    offer(world, other, confirmed=True)
    world.directory.bin.delete(other, OLD)
    change(world, referent, lea)
    Creation(world.core).check(other, NEW)
    (binned,) = Creation(world.core).restorable(other, NEW)
    restored = world.directory.bin.restore_subject(
        other, lea, structure=binned.structure, shown=binned.mail
    )
    assert restored.waiting == (B,), "and its owner confirms"


def test_who_tries_addresses_in_the_bin_is_counted(
    world: World, other: Actor, lea: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A forged form is no way round the address check; nor does it tell which were his."""
    monkeypatch.setattr("directory.services.accounts.address_checks.PER_HOUR", 2)
    offer(world, other, confirmed=True)
    world.directory.bin.delete(other, OLD)
    before, between = world.events().count(CHECKED), "between@ville.fr"
    restore = world.directory.bin.restore_subject
    with pytest.raises(StaleEdit):
        restore(other, lea, shown=between)
    assert world.events().count(CHECKED) == before, "the page shows him the address of now"
    change(world, OPERATOR, lea, between)
    change(world, OPERATOR, lea, shown=between)
    for structure in (None, "b"):
        with pytest.raises(StaleEdit) as refused:
            restore(other, lea, shown=between, structure=structure)
        assert between not in refused.value.public
        assert refused.value.public.endswith(f"est ouverte. {ASK}")
    with pytest.raises(TooMany):
        restore(other, lea, shown=NEW)
    with pytest.raises(TooMany):
        Creation(world.core).check(other, NEW)
    assert world.events().count(CHECKED) == before + 2
    assert "membership.restored" not in world.events()


@pytest.mark.parametrize("typed", ["", "lea\x00@ville.fr", "une phrase assez longue", "é" * 5000])
def test_what_is_no_address_is_counted_and_not_kept(
    world: World, referent: Actor, other: Actor, lea: str, typed: str
) -> None:
    """Somebody may have typed his password there."""
    offer(world, other, confirmed=True)
    world.directory.bin.delete(other, OLD)
    change(world, referent, lea)
    kept = []
    for named in (typed, " Lea.Martin@ville.fr "):
        with pytest.raises(StaleEdit):
            world.directory.bin.restore_subject(other, lea, shown=named)
        with world.core.db.reading() as session:
            of_checks = select(AuditEvent.parameters).where(
                AuditEvent.code == CHECKED, AuditEvent.subject_id == other.subject_id
            )
            kept = session.scalars(of_checks.order_by(AuditEvent.id)).all()
    assert kept == [
        {"mail": "", "found": "not his"},
        {"mail": "Lea.Martin@ville.fr", "found": "not his"},
    ]


@pytest.mark.parametrize("confirmed", [True, False])
def test_no_address_of_before_is_told_to_whom_the_history_is_not(
    world: World, referent: Actor, other: Actor, clock: FakeClock, *, confirmed: bool
) -> None:
    """Somebody of B, whom A added twice and removed once: what he never confirmed tells nothing."""
    first = "first@ville.fr"
    subject_id = world.add(first, "b").subject_id
    change(world, other, subject_id, OLD, first)
    clock.advance(DAY)
    for structure in ("a", "a-rh"):
        world.add(OLD, structure, referent)
    with world.core.db.unit_of_work() as session:
        account = session.scalars(select(Account).where(Account.subject_id == subject_id)).one()
        of = {each.structure.code: each for each in account.memberships}
        of["a-rh"].deleted_at = clock.now()
        of["a"].confirmed_at = clock.now() if confirmed else None
    clock.advance(DAY)
    before = world.events().count(CHECKED)
    for named, told in ((first, confirmed), (OLD, True)):
        if named == OLD:
            change(world, OPERATOR, subject_id)
        with pytest.raises(StaleEdit) as refused:
            world.directory.bin.restore_subject(referent, subject_id, shown=named)
        assert (f"c'était {named}" in refused.value.public) == told, named
    assert world.events().count(CHECKED) == before, "he sees the address"


def test_an_offer_withdrawn_by_the_change_is_read_as_it_was_made(
    world: World, referent: Actor, other: Actor, lea: str, clock: FakeClock
) -> None:
    """Kept in B's bin for its days, whatever becomes of the account: that is not B's to read."""
    offer(world, other, confirmed=False)
    clock.advance(DAY)
    change(world, referent, lea)
    clock.advance(DAY)
    before = only(world, other)
    assert (before.mail, before.changed, before.why) == (OLD, True, fates.CHANGED_SINCE)
    world.directory.bin.delete(referent, NEW)
    assert only(world, other) == before
    clock.advance(18 * DAY)
    assert only(world, other).days_left == 1
    clock.advance(DAY)
    assert line_of(world, other) is None


def test_the_moment_of_the_change_is_before_its_record(
    world: World,
    referent: Actor,
    other: Actor,
    lea: str,
    clock: FakeClock,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Time goes on within the change, too."""
    offer(world, other, confirmed=False)
    real = clock.now

    def ticking() -> object:
        clock.advance(timedelta(microseconds=1))
        return real()

    monkeypatch.setattr(clock, "now", ticking)
    change(world, referent, lea)
    assert only(world, other).mail == OLD


def test_no_filter_finds_an_address_that_is_not_shown(
    world: World, referent: Actor, central: Actor, other: Actor, lea: str
) -> None:
    offer(world, other, confirmed=True)
    world.directory.bin.delete(other, OLD)
    change(world, referent, lea)
    for text in ("pirate", "pir", NEW):
        assert line_of(world, other, text) is None
        assert line_of(world, central, text) is not None
    for text in ("lea.martin", "nom prenom", "structure b"):
        assert line_of(world, other, text) is not None, text


def test_what_was_confirmed_and_removed_before_the_account_is_named_as_then(
    world: World, referent: Actor, other: Actor, lea: str, clock: FakeClock
) -> None:
    offer(world, other, confirmed=True)
    world.directory.bin.delete(other, OLD)
    clock.advance(DAY)
    change(world, referent, lea)
    clock.advance(DAY)
    world.directory.bin.delete(referent, NEW)
    line = only(world, other)
    assert (line.mail, line.changed, line.why) == (OLD, True, fates.DELETED_SINCE)
    here = only(world, referent)
    assert (here.mail, here.changed, here.account) == (NEW, False, True)


def test_who_still_has_him_sees_both_and_restores(
    world: World, referent: Actor, central: Actor, lea: str, clock: FakeClock
) -> None:
    """He is in another structure of his: the sheet shows the new address anyway."""
    world.add(OLD, "a")
    with world.core.db.unit_of_work() as session:
        account = session.scalars(select(Account).where(Account.subject_id == lea)).one()
        (gone,) = (each for each in account.memberships if each.structure.code == "a")
        gone.deleted_at = clock.now()
    clock.advance(DAY)
    change(world, central, lea)
    line = only(world, referent)
    assert (line.mail, line.changed, line.former, line.why) == (NEW, True, OLD, "")
    assert line_of(world, referent, "pirate") is not None
    world.directory.bin.restore_subject(referent, lea, shown=line.mail)
    assert line_of(world, referent) is None


@pytest.mark.parametrize("again", [OLD, "Lea.Martin@ville.fr"])
def test_put_back_it_is_the_one_he_knew(
    world: World, referent: Actor, other: Actor, lea: str, clock: FakeClock, again: str
) -> None:
    """However it is spelled."""
    offer(world, other, confirmed=True)
    world.directory.bin.delete(other, OLD)
    clock.advance(DAY)
    change(world, referent, lea)
    clock.advance(timedelta(minutes=1))
    change(world, referent, lea, again, shown=NEW)
    line = only(world, other)
    assert (line.mail, line.changed, line.why) == (again, False, "")
    assert world.directory.bin.restore_subject(other, lea, shown=OLD).structures == (B,)
    assert len(Confirmations(world.core).waiting(lea)) == 1


def test_whose_owner_may_still_refuse_is_not_replaced(
    world: World, referent: Actor, other: Actor, lea: str, clock: FakeClock
) -> None:
    """Erased, his account would take along what his link promises."""
    world.sign_in(OLD)
    change(world, referent, lea)
    world.directory.bin.delete(referent, NEW)
    creation = Creation(world.core)
    person = Person(NEW, "Autre", "Autre")
    assert creation.check(other, NEW).found is Found.KEPT
    with pytest.raises(AlreadyExists, match="the correspondant's"):
        world.directory.accounts.add(other, person, "b")
    clock.advance(RESERVED)
    assert creation.check(other, NEW).found is Found.NOBODY
    assert world.directory.accounts.add(other, person, "b").created
