"""The bin as a list: whose, for how long, in which order, page by page."""

from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import select

from directory.authorisation import OPERATOR, Actor
from directory.models import Account, AddressChange, Structure
from directory.services.removal import fates
from directory.services.removal.bin_list import BinLine
from directory.services.removal.binned import BIN_PERIOD
from idp.errors import AlreadyDone, DirectoryError, NotFound
from tests.common.clock import FakeClock
from tests.unit.directory.conftest import World

A_RH = "Structure cig / Structure a / Structure a-rh"
LONG_AGO = datetime(2020, 1, 1, tzinfo=UTC)


def lines(world: World, actor: Actor, **more: object) -> dict[str, BinLine]:
    page = world.directory.bin_list.page(actor, **more)  # type: ignore[arg-type]
    return {line.mail: line for line in page.lines}


def share(world: World, mail: str, structure: str = "b") -> None:
    world.add(mail, structure)
    world.directory.memberships.confirm(OPERATOR, mail, structure)


def test_it_shows_what_lies_in_scope_and_for_how_long(
    world: World, referent: Actor, central: Actor, clock: FakeClock
) -> None:
    for mail, structure in (("own@a.fr", "a-rh"), ("both@a.fr", "a-rh"), ("far@b.fr", "b")):
        world.add(mail, structure)
    share(world, "both@a.fr")
    world.directory.bin.delete(referent, "own@a.fr")
    clock.advance(timedelta(days=3, hours=1))
    world.directory.bin.delete(referent, "both@a.fr")
    world.directory.bin.delete(OPERATOR, "far@b.fr")
    found = lines(world, referent)
    assert list(found) == ["both@a.fr", "own@a.fr"], "the latest first"
    own, both = found["own@a.fr"], found["both@a.fr"]
    assert (own.account, own.structures, own.days_left, own.why) == (True, (A_RH,), 17, "")
    assert (both.account, both.structures, both.days_left, both.why) == (False, (A_RH,), 20, "")
    assert set(lines(world, central)) == {"own@a.fr", "both@a.fr", "far@b.fr"}
    clock.advance(BIN_PERIOD - timedelta(days=3, hours=1))
    assert set(lines(world, referent)) == {"both@a.fr"}, "what is over is gone"


def test_who_could_not_have_deleted_reads_why_he_may_not_restore(
    world: World, referent: Actor
) -> None:
    world.add("both@a.fr")
    share(world, "both@a.fr")
    world.add("mandate@a.fr")
    world.directory.mandates.add(OPERATOR, "mandate@a.fr", "a-rh", ("bip",))
    for mail in ("both@a.fr", "mandate@a.fr"):
        world.directory.bin.delete(OPERATOR, mail)
    found = lines(world, referent)
    assert {mail: line.why for mail, line in found.items()} == {
        "both@a.fr": fates.SHARED,
        "mandate@a.fr": fates.PRIVILEGED,
    }
    assert found["both@a.fr"].structures == (A_RH,), "not the other's"
    for line in found.values():
        with pytest.raises(NotFound) as caught:
            world.directory.bin.restore_subject(referent, line.subject_id)
        assert line.mail not in caught.value.public


def test_restoring_by_subject_brings_back_what_went(world: World, referent: Actor) -> None:
    subject_id = world.add("own@a.fr").subject_id
    world.directory.bin.delete(referent, "own@a.fr")
    with world.core.db.unit_of_work() as session:
        session.scalars(
            select(Structure).where(Structure.code == "a-rh")
        ).one().closed_at = LONG_AGO
    back = world.directory.bin.restore_subject(referent, subject_id)
    assert (back.account, back.closed) == (True, (A_RH,))
    assert lines(world, referent) == {}
    with pytest.raises(AlreadyDone):
        world.directory.bin.restore_subject(referent, subject_id)
    assert world.events().count("account.restored") == 1


def test_pages_go_forth_and_back_by_key(world: World, referent: Actor, clock: FakeClock) -> None:
    mails = [f"p{number:02}@a.fr" for number in range(25)]
    for mail in mails:
        world.add(mail)
        world.directory.bin.delete(referent, mail)
        if mail[2] in "05":  # the others went at the same moment
            clock.advance(timedelta(seconds=1))
    bin_list = world.directory.bin_list
    seen: list[str] = []
    cursor, firsts = None, []
    while True:
        page = bin_list.page(referent, cursor=cursor, size=10)
        seen.extend(line.mail for line in page.lines)
        firsts.append(page.first)
        if page.after is None:
            break
        cursor = page.after
    assert seen == mails[::-1]
    assert firsts == [1, 11, 21]
    assert (page.total.number, page.total.exact) == (25, True)
    back = bin_list.page(referent, cursor=page.before, size=10)
    assert [line.mail for line in back.lines] == seen[10:20]
    start = bin_list.page(referent, cursor=back.before, size=10)
    assert ([line.mail for line in start.lines], start.first, start.before) == (seen[:10], 1, None)
    assert lines(world, referent, cursor="forged") == lines(world, referent)


def test_a_cursor_is_good_for_its_owner_alone(
    world: World, referent: Actor, central: Actor
) -> None:
    for number in range(12):
        world.add(f"p{number}@a.fr")
        world.directory.bin.delete(OPERATOR, f"p{number}@a.fr")
    cursor = world.directory.bin_list.page(referent, size=10).after
    assert world.directory.bin_list.page(central, cursor=cursor, size=10).first == 1


def test_the_filter_is_the_servers_and_sizes_are_four(world: World, referent: Actor) -> None:
    for mail in ("eve@a.fr", "zoe@a.fr"):
        world.add(mail)
        world.directory.bin.delete(referent, mail)
    assert set(lines(world, referent, text="ÉVE structure")) == {"eve@a.fr"}
    with pytest.raises(DirectoryError):
        world.directory.bin_list.page(referent, size=1000)


def test_a_filter_changes_nobodys_day_nor_place(
    world: World, referent: Actor, clock: FakeClock
) -> None:
    """Found by what he lost before his account went, he is told of as ever, and paged by that."""
    colleague = world.add("chef@a.fr")
    world.directory.mandates.add(OPERATOR, "chef@a.fr", "a-rh", ("bip",))
    world.add("two@a.fr", "a")
    share(world, "two@a.fr", "a-rh")
    for number in range(11):
        world.add(f"p{number}@a.fr")
    bin_list, days = world.directory.bin_list, timedelta(days=3)
    world.directory.bin.delete(world.actor(colleague.subject_id), "two@a.fr")
    for mails in (
        ("p0@a.fr", "p1@a.fr"),
        ("two@a.fr",),
        [f"p{each}@a.fr" for each in range(2, 11)],
    ):
        clock.advance(days)
        for mail in mails:
            world.directory.bin.delete(referent, mail)
    first = bin_list.page(referent, text="rh", size=10)
    second = bin_list.page(referent, text="rh", cursor=first.after, size=10)
    assert first.lines + second.lines == bin_list.page(referent).lines
    line = first.lines[-1]
    assert (line.mail, line.structures, line.days_left) == (
        "two@a.fr",
        ("Structure cig / Structure a",),
        17,
    )
    assert bin_list.page(referent, text="rh", cursor=second.before, size=10).lines == first.lines


def test_a_page_costs_the_same_for_two_and_for_twenty(world: World, referent: Actor) -> None:
    costs = set()
    for number in range(20):
        world.add(f"p{number}@a.fr")
        world.directory.bin.delete(referent, f"p{number}@a.fr")
        if number in {2, 19}:
            costs.add(world.statements(lambda: lines(world, referent)))
    assert costs == {4}


def test_what_is_restored_of_a_shared_person_waits_for_him(world: World, referent: Actor) -> None:
    """Removed here, he may be somebody else's by now: it is as if he were added."""
    world.add("both@a.fr")
    share(world, "both@a.fr")
    world.directory.mandates.add(OPERATOR, world.add("head@b.fr", "b").mail, "b", ("cap",))
    world.directory.bin.delete(referent, "both@a.fr")
    removal = world.directory.bin.restore(referent, "both@a.fr")
    assert (removal.structures, removal.account, removal.waiting) == ((A_RH,), False, (A_RH,))
    here, there = world.directory.accounts.show(OPERATOR, "both@a.fr").memberships
    assert (here.state, there.state) == ("à confirmer", "valide")
    assert world.mails() == [
        ("membership-added", "both@a.fr"),
        ("membership-added-elsewhere", "head@b.fr"),
    ]
    world.directory.bin.delete(referent, "both@a.fr")
    assert not world.directory.bin.restore(OPERATOR, "both@a.fr").waiting, "it confirms for him"


def test_of_a_contested_account_the_bin_says_so(
    world: World, referent: Actor, central: Actor, clock: FakeClock
) -> None:
    """Who is in the bin is judged as he was outside of it."""
    subject_id = world.add("own@a.fr").subject_id
    with world.core.db.unit_of_work() as session:
        session.add(
            AddressChange(
                key="k",
                account_id=session.scalars(
                    select(Account.id).where(Account.subject_id == subject_id)
                ).one(),
                old_mail="old@a.fr",
                old_mail_key="old@a.fr",
                changed_by="",
                changed_at=clock.now(),
                expires_at=clock.now() + timedelta(days=7),
                refused_at=clock.now(),
            )
        )
    world.directory.bin.delete(central, "own@a.fr")
    assert lines(world, referent)["own@a.fr"].why == fates.CONTESTED
    assert lines(world, central)["own@a.fr"].why == ""
