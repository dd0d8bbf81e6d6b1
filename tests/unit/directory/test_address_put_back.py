"""An address that is put back: what that undoes, and whom it takes no link from."""

from datetime import timedelta
from itertools import pairwise

import pytest
from sqlalchemy import delete, select

from directory.authorisation import OPERATOR, Actor
from directory.models import Account, AddressChange
from directory.services.accounts import address_refusal
from directory.services.accounts.address_change import RESERVED, AddressChanges
from directory.services.accounts.address_refusal import AddressRefusals
from directory.services.rights.assignments import Grant
from idp.errors import LinkRefused
from idp.mail import OutboxMail
from tests.common.clock import FakeClock
from tests.unit.directory.conftest import World
from tests.unit.directory.test_address_change import change, token_of

OWN, WRONG, THIRD = "lea.martin@ville.fr", "stranger@elsewhere.fr", "third@ville.fr"
FOURTH = "fourth@ville.fr"
CHANGED, WITHDRAWN = "address-changed", "address-put-back"
PASSWORD = "une phrase assez longue"


@pytest.fixture
def lea(world: World) -> str:
    """A colleague in A's HR who signed in with his password."""
    subject_id = world.add(OWN, "a-rh").subject_id
    world.directory.accounts.set_password(OPERATOR, OWN, PASSWORD)
    world.sign_in(OWN)
    return subject_id


def go(world: World, actor: Actor, subject_id: str, *addresses: str) -> None:
    """From the first address to each of the others."""
    for shown, new in pairwise(addresses):
        change(world, actor, subject_id, new, shown)


def told(world: World, mail: str) -> list[str]:
    """The kinds of the notices that this address got of its replacement, latest last."""
    return [kind for kind, to in world.mails() if to == mail and kind.startswith("address-")]


def state(world: World, token: str) -> str:
    """What the link of this token is good for."""
    try:
        AddressRefusals(world.core).link(token)
    except LinkRefused as refused:
        return refused.reason
    return "live"


def undoable(world: World, actor: Actor, subject_id: str) -> tuple[str, ...]:
    return AddressChanges(world.core).plan(actor, subject_id).undoable


def test_a_stranger_at_a_mistyped_address_cannot_lock_the_account(
    world: World, referent: Actor, lea: str
) -> None:
    assert undoable(world, referent, lea) == ()
    go(world, referent, lea, OWN, WRONG)
    assert undoable(world, referent, lea) == (OWN,)
    go(world, referent, lea, WRONG, OWN)
    assert undoable(world, referent, lea) == ()
    assert told(world, WRONG) == ["address-put-back"]
    with world.core.db.reading() as session:
        of_wrong = select(OutboxMail).where(OutboxMail.kind == "address-put-back")
        mail = session.scalars(of_wrong).one()
        for body in (mail.subject, mail.text, mail.html or ""):
            assert "/adresse-remplacee/" not in body
            for name in ("Prénom", "NOM", OWN):
                assert name not in body
    assert world.mails()[-1] == ("password-first-visit", OWN)
    assert world.add(WRONG, "b").created, "nobody ever signed in by it: it is not reserved"


def test_a_slip_at_the_creation_gives_a_stranger_no_link(world: World, referent: Actor) -> None:
    """Nor its correction, by whoever might have created the account as it is."""
    subject_id = world.add(WRONG, "a-rh").subject_id
    world.directory.assignments.assign(referent, Grant(WRONG, "a-rh", "bip", "r1"), no_mail=True)
    go(world, referent, subject_id, WRONG, OWN)
    assert told(world, WRONG) == [WITHDRAWN]
    assert world.add(WRONG, "b").created, "it is not reserved"
    world.sign_in(OWN)
    go(world, referent, subject_id, OWN, THIRD)
    assert told(world, OWN) == [CHANGED], "somebody used it"


@pytest.mark.parametrize(("application", "notice"), [("bip", WITHDRAWN), ("cap", CHANGED)])
def test_nobody_takes_roles_that_he_could_not_give(
    world: World, referent: Actor, application: str, notice: str
) -> None:
    """He administers BIP alone."""
    subject_id = world.add(OWN, "a-rh").subject_id
    world.directory.assignments.assign(
        OPERATOR, Grant(OWN, "a-rh", application, "r1"), no_mail=True
    )
    go(world, referent, subject_id, OWN, THIRD)
    assert told(world, OWN) == [notice]


@pytest.mark.parametrize("over", [False, True])
def test_roles_that_nobody_could_take_give_a_stranger_no_link(
    world: World, referent: Actor, clock: FakeClock, *, over: bool
) -> None:
    """B's of another application: its offer goes with the address; or a role that has ended."""
    subject_id = world.add(WRONG, "a-rh").subject_id
    where, until = ("a-rh", clock.now() + timedelta(days=1)) if over else ("b", None)
    if not over:
        chief = world.add("chief@ville.fr", "b").subject_id
        world.directory.mandates.add(OPERATOR, "chief@ville.fr", "b", ("cap",))
        world.add(WRONG, "b", world.actor(chief))
    world.directory.assignments.assign(
        OPERATOR, Grant(WRONG, where, "cap", "r1"), valid_until=until, no_mail=True
    )
    clock.advance(timedelta(days=1))
    assert AddressChanges(world.core).plan(referent, subject_id).refuser == ""
    go(world, referent, subject_id, WRONG, OWN)
    assert told(world, WRONG) == [WITHDRAWN]


def test_what_was_undone_stays_so(world: World, referent: Actor, lea: str) -> None:
    """The link of the first change does not come alive again; the owner has a newer one."""
    go(world, referent, lea, OWN, WRONG)
    first = token_of(world, OWN)
    assert state(world, first) == "live"
    go(world, referent, lea, WRONG, OWN)
    assert state(world, first) == "undone"
    go(world, referent, lea, OWN, THIRD)
    with pytest.raises(LinkRefused) as refused:
        AddressRefusals(world.core).spend(first)
    assert refused.value.reason == "undone"
    assert "du lien du dernier message" in refused.value.public
    assert THIRD not in refused.value.public
    assert state(world, token_of(world, OWN)) == "live"


def test_a_link_that_is_closed_at_this_moment_refuses_nothing(
    world: World, referent: Actor, lea: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After it was read, and before it is spent."""
    go(world, referent, lea, OWN, WRONG)
    first = token_of(world, OWN)
    go(world, referent, lea, WRONG, OWN, THIRD)
    judge, looks = address_refusal._require_standing, []

    def at_first_standing(change: AddressChange, account: Account) -> None:
        looks.append(change)
        if len(looks) > 1:
            judge(change, account)

    monkeypatch.setattr(address_refusal, "_require_standing", at_first_standing)
    with pytest.raises(LinkRefused):
        AddressRefusals(world.core).spend(first)


@pytest.mark.parametrize("end", [(THIRD,), (THIRD, OWN), (THIRD, WRONG, THIRD), (OWN, THIRD)])
def test_a_stranger_on_the_way_gets_no_link(
    world: World, referent: Actor, lea: str, end: tuple[str, ...]
) -> None:
    """Whatever follows the slip: the right address, or the old one after all."""
    go(world, referent, lea, OWN, WRONG, *end)
    assert set(told(world, WRONG)) == {WITHDRAWN}
    assert set(told(world, OWN)) == {CHANGED}
    assert world.add(WRONG, "b").created, "it is not reserved"


def test_the_owner_is_told_of_each_change(
    world: World, referent: Actor, lea: str, clock: FakeClock
) -> None:
    """Nobody takes the account by waiting on the way for the end of his first link."""
    go(world, referent, lea, OWN, WRONG)
    first = token_of(world, OWN)
    clock.advance(RESERVED - timedelta(seconds=1))
    go(world, referent, lea, WRONG, THIRD)
    assert told(world, OWN) == [CHANGED, CHANGED]
    clock.advance(timedelta(seconds=1))
    with pytest.raises(LinkRefused) as refused:
        AddressRefusals(world.core).spend(first)
    assert refused.value.reason == "expired"
    assert state(world, token_of(world, OWN)) == "live"


def test_an_owner_is_told_also_of_an_address_of_before_him(
    world: World, referent: Actor, lea: str, clock: FakeClock
) -> None:
    """His new address served: the old mailbox may be nobody's by now."""
    go(world, referent, lea, OWN, WRONG)
    world.directory.accounts.set_password(OPERATOR, WRONG, PASSWORD)
    go(world, referent, lea, WRONG, THIRD)
    clock.advance(timedelta(days=1))
    assert undoable(world, referent, lea) == (WRONG,)
    go(world, referent, lea, THIRD, OWN)
    assert told(world, WRONG) == [CHANGED, CHANGED]
    assert told(world, THIRD) == [WITHDRAWN]
    clock.advance(RESERVED - timedelta(days=1))
    assert state(world, token_of(world, WRONG)) == "live"


def test_both_links_of_one_owner_are_one_refusal(
    world: World, referent: Actor, central: Actor, lea: str
) -> None:
    """What the correspondant found in order is not stopped by the other one."""
    go(world, referent, lea, OWN, WRONG)
    first = token_of(world, OWN)
    go(world, referent, lea, WRONG, THIRD)
    AddressRefusals(world.core).spend(first)
    assert state(world, token_of(world, OWN)) == "used"
    world.directory.accounts.unlock(central, THIRD)
    assert state(world, token_of(world, OWN)) == "used"


@pytest.mark.parametrize(
    "ways",
    [
        (OWN, WRONG, THIRD),
        (OWN, WRONG, OWN, WRONG),
        (OWN, WRONG, OWN, THIRD),
        (OWN, WRONG, THIRD, WRONG),
        (OWN, WRONG, OWN, WRONG, THIRD, WRONG),
    ],
)
def test_whatever_way_it_goes_the_owner_has_a_link(
    world: World, referent: Actor, lea: str, ways: tuple[str, ...]
) -> None:
    go(world, referent, lea, *ways)
    assert told(world, OWN)[-1] == "address-changed"
    assert "address-put-back" not in told(world, OWN)
    AddressRefusals(world.core).spend(token_of(world, OWN))
    with world.core.db.reading() as session:
        assert session.scalars(select(OutboxMail.kind)).all().count("address-refused") == 1


@pytest.mark.parametrize("ways", [(WRONG, OWN), (WRONG, THIRD, WRONG, OWN), (WRONG, THIRD, OWN)])
def test_an_address_that_served_keeps_its_link(
    world: World, referent: Actor, lea: str, ways: tuple[str, ...]
) -> None:
    """It was wanted: who puts the old one back may be an intruder, and the old mailbox nobody's."""
    go(world, referent, lea, OWN, WRONG)
    world.directory.accounts.set_password(OPERATOR, WRONG, PASSWORD)
    with world.core.db.unit_of_work() as session:
        session.execute(delete(OutboxMail))
    go(world, referent, lea, *ways)
    assert set(told(world, WRONG)) == {"address-changed"}
    assert state(world, token_of(world, WRONG)) == "live"


def test_after_a_week_it_is_a_change_like_others(
    world: World, referent: Actor, lea: str, clock: FakeClock
) -> None:
    go(world, referent, lea, OWN, WRONG)
    clock.advance(RESERVED - timedelta(seconds=1))
    assert undoable(world, referent, lea) == (OWN,)
    clock.advance(timedelta(seconds=1))
    assert undoable(world, referent, lea) == ()
    go(world, referent, lea, WRONG, OWN)
    assert state(world, token_of(world, WRONG)) == "live"


def test_who_was_refused_cannot_lock_what_the_correspondant_put_right(
    world: World, referent: Actor, central: Actor, lea: str
) -> None:
    go(world, referent, lea, OWN, WRONG)
    world.directory.accounts.set_password(OPERATOR, WRONG, PASSWORD)
    AddressRefusals(world.core).spend(token_of(world, OWN))
    assert undoable(world, central, lea) == (OWN,)
    go(world, central, lea, WRONG, OWN)
    assert told(world, WRONG) == ["address-put-back"]


@pytest.mark.parametrize("right", [OWN, FOURTH])
def test_an_intruder_on_the_way_cannot_lock_what_the_correspondant_put_right(
    world: World, referent: Actor, central: Actor, lea: str, right: str
) -> None:
    """Where he chose a password, too."""
    go(world, referent, lea, OWN, WRONG)
    world.directory.accounts.set_password(OPERATOR, WRONG, PASSWORD)
    go(world, referent, lea, WRONG, THIRD)
    assert state(world, token_of(world, WRONG)) == "live"
    AddressRefusals(world.core).spend(token_of(world, OWN))
    assert AddressChanges(world.core).plan(central, lea).refuser == ""
    go(world, central, lea, THIRD, right)
    assert state(world, token_of(world, WRONG)) == "undone"
    assert told(world, THIRD) == [WITHDRAWN]
    world.directory.accounts.unlock(central, right)
    with pytest.raises(LinkRefused):
        AddressRefusals(world.core).spend(token_of(world, WRONG))


def test_what_the_correspondant_found_in_order_is_not_undone(
    world: World, referent: Actor, central: Actor, lea: str
) -> None:
    """He unlocked the account at its new address: that is the owner's."""
    go(world, referent, lea, OWN, WRONG)
    AddressRefusals(world.core).spend(token_of(world, OWN))
    world.directory.accounts.unlock(central, WRONG)
    assert undoable(world, referent, lea) == ()
    go(world, referent, lea, WRONG, OWN)
    assert state(world, token_of(world, WRONG)) == "live"
