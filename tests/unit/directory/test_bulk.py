"""Orders over many accounts: their consequences, and what becomes of each."""

from collections.abc import Callable
from contextlib import suppress
from functools import partial
from itertools import count
from threading import Barrier, Thread

import pytest
from sqlalchemy import func, select, update

from directory import jobs
from directory.authorisation import OPERATOR, Actor
from directory.models import Account, BulkAction, BulkItem, Membership, Structure
from directory.services.bulk import orders as bulk_module
from directory.services.bulk.orders import KEPT, UNCONFIRMED, Bulk
from directory.services.bulk.sheets import Action, BulkSheet, Outcome, version_of
from directory.services.lookup import account_by_subject
from directory.services.removal import fates
from directory.services.removal.bin import Bin
from directory.services.rights.assignments import Grant
from idp.audit import AuditEvent
from idp.context import Origin, acting
from idp.errors import DirectoryError, NotAllowed, NotFound, StaleEdit
from idp.services import Services
from tests.common.clock import FakeClock
from tests.unit.directory.conftest import World


def add(world: World, number: int, structure: str = "a-rh") -> list[str]:
    """The subject ids of so many people, in the order of their accounts."""
    return [world.add(f"p{each}@{structure}.fr", structure).subject_id for each in range(number)]


def share(world: World, mail: str, structure: str = "b") -> None:
    """Give somebody a second structure, and let him confirm it."""
    world.add(mail, structure)
    world.directory.memberships.confirm(OPERATOR, mail, structure)


def leave(world: World, subject_id: str, structure: str) -> None:
    """He belongs to this structure no longer."""
    with world.core.db.unit_of_work() as session:
        here = select(Structure.id).where(Structure.code == structure).scalar_subquery()
        who = select(Account.id).where(Account.subject_id == subject_id).scalar_subquery()
        his = (Membership.account_id == who) & (Membership.structure_id == here)
        session.execute(update(Membership).where(his).values(deleted_at=world.core.clock.now()))


def order(world: World, actor: Actor, action: Action, subject_ids: list[str]) -> BulkSheet:
    """Choose, confirm, and let the worker finish."""
    bulk = world.directory.bulk
    public_id = bulk.choose(actor, action, subject_ids)
    bulk.start(actor, public_id)
    bulk.work()
    return bulk.sheet(actor, public_id)


def outcomes(sheet: BulkSheet) -> dict[str, Outcome]:
    return {line.mail: line.outcome for line in sheet.lines}


def state(world: World, subject_id: str) -> tuple[bool, bool]:
    """Whether the account is locked, and in the bin."""
    with world.core.db.reading() as session:
        account = session.scalars(select(Account).where(Account.subject_id == subject_id)).one()
        return account.locked, account.deleted_at is not None


def one_at_a_time(world: World) -> Bulk:
    """A bulk whose transactions are over after one account."""
    ticks = count()
    return Bulk(world.core, elapsed=lambda: 2 * next(ticks) * bulk_module.LOCK_SECONDS)


def test_deleting_says_before_what_it_does(world: World, referent: Actor) -> None:
    plain, shared, privileged = add(world, 3)
    share(world, "p1@a-rh.fr")
    world.directory.mandates.add(OPERATOR, "p2@a-rh.fr", "a-rh", ("bip",))
    world.directory.assignments.assign(OPERATOR, Grant("p0@a-rh.fr", "a-rh", "bip", "r1"))
    chosen = [plain, shared, privileged, referent.subject_id]
    public_id = world.directory.bulk.choose(referent, Action.DELETE, chosen)
    before = {each.mail: each for each in world.directory.bulk.prospects(referent, public_id)}
    assert {mail: each.outcome for mail, each in before.items()} == {
        "p0@a-rh.fr": Outcome.DONE,
        "p1@a-rh.fr": Outcome.KEPT,
        "p2@a-rh.fr": Outcome.REFUSED,
        "referent@ville.fr": Outcome.REFUSED,
    }
    assert before["p0@a-rh.fr"].roles == 1
    assert before["p1@a-rh.fr"].structures == ("Structure cig / Structure a / Structure a-rh",)
    assert before["p2@a-rh.fr"].reason == fates.PRIVILEGED
    assert before["referent@ville.fr"].reason == fates.OWN
    assert world.events().count("membership.removed") == 0, "asking does nothing"
    world.directory.bulk.start(referent, public_id)
    world.directory.bulk.work()
    sheet = world.directory.bulk.sheet(referent, public_id)
    assert outcomes(sheet) == {mail: each.outcome for mail, each in before.items()}
    assert sheet.finished_at is not None
    assert sheet.of(Outcome.REFUSED)[0].reason in {fates.PRIVILEGED, fates.OWN}
    assert [state(world, each)[1] for each in chosen] == [True, False, False, False]


def test_nothing_is_done_that_was_not_announced(world: World, referent: Actor) -> None:
    """What changes between reading and confirming is read again; after that, left alone."""
    ids = add(world, 4)
    share(world, "p2@a-rh.fr")
    world.directory.mandates.add(OPERATOR, "p3@a-rh.fr", "a-rh", ("bip",))
    bulk = one_at_a_time(world)
    public_id = bulk.choose(referent, Action.DELETE, ids)
    read = version_of(bulk.prospects(referent, public_id))
    world.directory.assignments.assign(OPERATOR, Grant("p1@a-rh.fr", "a-rh", "bip", "r1"))
    with pytest.raises(StaleEdit):
        bulk.start(referent, public_id, read)
    assert bulk.sheet(referent, public_id).started_at is None
    read = version_of(bulk.prospects(referent, public_id))
    bulk.start(referent, public_id, read)  # and p0 is deleted
    world.directory.assignments.assign(OPERATOR, Grant("p1@a-rh.fr", "a-rh", "bip", "r2"))
    leave(world, ids[2], "b")
    world.directory.mandates.remove(OPERATOR, "p3@a-rh.fr", "a-rh")
    world.directory.bulk.work()
    sheet = bulk.sheet(referent, public_id)
    assert {each.reason for each in sheet.of(Outcome.REFUSED)} == {bulk_module.CHANGED}
    assert sheet.counts == {Outcome.DONE: 1, Outcome.REFUSED: 3}


def test_what_goes_along_elsewhere_is_not_named(
    world: World, referent: Actor, central: Actor
) -> None:
    """A membership that waits in somebody else's structure keeps no account, and is not his."""
    (alone,) = add(world, 1)
    world.add("p0@a-rh.fr", "b", actor=central)
    own = ("Structure cig / Structure a / Structure a-rh",)
    public_id = world.directory.bulk.choose(referent, Action.DELETE, [alone])
    (before,) = world.directory.bulk.prospects(referent, public_id)
    assert (before.outcome, before.structures) == (Outcome.DONE, own)
    assert world.directory.bin.delete(referent, "p0@a-rh.fr").structures == own
    assert world.directory.bin.restore(referent, "p0@a-rh.fr").structures == own
    assert world.directory.bin.delete(OPERATOR, "p0@a-rh.fr").structures == (
        *own,
        "Structure cig / Structure b",
    )


def test_who_left_between_the_refusal_and_its_reason_is_gone(
    world: World, referent: Actor, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was undone held him; the order goes on with those behind him."""
    left, behind = add(world, 2)

    def refused(self: Bin, actor: Actor, mail: str, **more: str) -> object:
        del self, actor, mail, more
        monkeypatch.setattr(Bin, "delete", real)
        raise NotAllowed("shared meanwhile")

    def find(*args: object, **more: bool) -> Account:
        if args[2] == left and not more:
            raise NotFound("gone")
        return account_by_subject(*args, **more)  # type: ignore[arg-type]

    real = Bin.delete
    monkeypatch.setattr(Bin, "delete", refused)
    monkeypatch.setattr(bulk_module, "account_by_subject", find)
    sheet = order(world, referent, Action.DELETE, [left, behind])
    assert outcomes(sheet) == {"p0@a-rh.fr": Outcome.GONE, "p1@a-rh.fr": Outcome.DONE}


def test_each_account_is_journalled_as_the_person_who_ordered(
    world: World, referent: Actor
) -> None:
    ids = add(world, 2)
    bulk = one_at_a_time(world)
    public_id = bulk.choose(referent, Action.LOCK, ids)
    with acting(Origin(referent.subject_id, "203.0.113.9", "abc")):
        bulk.start(referent, public_id)
    with acting(Origin("worker")):
        world.directory.bulk.work()
    with world.core.db.reading() as session:
        rows = session.execute(
            select(
                AuditEvent.subject_id, AuditEvent.actor, AuditEvent.address, AuditEvent.request_id
            ).where(AuditEvent.code == "account.locked")
        ).all()
    who = (referent.subject_id, "203.0.113.9", "abc")
    assert [tuple(row) for row in rows] == [(each, *who) for each in ids]


def test_foreign_people_are_left_out_like_people_that_do_not_exist(
    world: World, referent: Actor
) -> None:
    (foreign,) = add(world, 1, "b")
    (mine,) = add(world, 1)
    public_id = world.directory.bulk.choose(referent, Action.DELETE, [foreign, mine, "nobody"])
    assert world.directory.bulk.sheet(referent, public_id).total == 1
    with pytest.raises(DirectoryError, match="nobody was chosen"):
        world.directory.bulk.choose(referent, Action.DELETE, [foreign, "nobody"])
    assert world.directory.bulk.recent(referent) == (), "nothing was confirmed"


def test_an_order_is_its_owners_alone(world: World, referent: Actor, central: Actor) -> None:
    public_id = world.directory.bulk.choose(referent, Action.DELETE, add(world, 1))
    bulk = world.directory.bulk
    for call in (bulk.prospects, bulk.start, bulk.sheet):
        with pytest.raises(NotFound):
            call(central, public_id)
    assert world.events().count("account.deleted") == 0


def test_confirming_again_changes_nothing(world: World, referent: Actor) -> None:
    (who,) = add(world, 1)
    bulk = world.directory.bulk
    public_id = bulk.choose(referent, Action.LOCK, [who])
    bulk.start(referent, public_id)
    world.directory.accounts.unlock(OPERATOR, "p0@a-rh.fr")
    bulk.start(referent, public_id)
    bulk.work()
    assert state(world, who) == (False, False)
    assert world.events().count("account.locked") == 1


def test_rights_are_those_of_the_moment(world: World, referent: Actor) -> None:
    ids = add(world, 3)
    bulk = one_at_a_time(world)
    public_id = bulk.choose(referent, Action.DELETE, ids)
    bulk.start(referent, public_id)
    world.directory.mandates.remove(OPERATOR, "referent@ville.fr", "a")
    world.directory.bulk.work()
    sheet = bulk.sheet(referent, public_id)
    assert sheet.counts == {Outcome.DONE: 1, Outcome.REFUSED: 2}
    assert {line.reason for line in sheet.of(Outcome.REFUSED)} == {bulk_module.NO_LONGER}


def test_who_was_moved_away_or_deleted_meanwhile_is_left_alone(
    world: World, referent: Actor
) -> None:
    moved, gone, waiting = add(world, 3)
    public_id = world.directory.bulk.choose(referent, Action.LOCK, [moved, gone, waiting])
    share(world, "p0@a-rh.fr")
    leave(world, moved, "a-rh")
    world.directory.bin.delete(OPERATOR, "p1@a-rh.fr")
    world.directory.bulk.start(referent, public_id)
    world.directory.bulk.work()
    sheet = world.directory.bulk.sheet(referent, public_id)
    found = outcomes(sheet)
    assert found["p0@a-rh.fr"] is Outcome.GONE
    assert found["p1@a-rh.fr"] is Outcome.GONE
    assert {line.reason.rpartition(" : ")[2] for line in sheet.of(Outcome.GONE)} == {
        "il a été supprimé ou déplacé entre-temps."
    }
    assert found["p2@a-rh.fr"] is Outcome.DONE
    assert state(world, moved) == (False, False)


def test_a_kill_in_the_middle_undoes_a_bit_and_the_worker_goes_on(
    world: World, referent: Actor, monkeypatch: pytest.MonkeyPatch
) -> None:
    ids = add(world, 5)
    public_id = world.directory.bulk.choose(referent, Action.DELETE, ids)
    real, asked = Bin.delete, []

    def killed(self: Bin, actor: Actor, mail: str, **more: str) -> object:
        asked.append(mail)
        if len(asked) == 4:
            raise KeyboardInterrupt
        return real(self, actor, mail, **more)

    monkeypatch.setattr(Bin, "delete", killed)
    in_no_time = Bulk(world.core, elapsed=lambda: 0.0)
    with suppress(KeyboardInterrupt):
        in_no_time.start(referent, public_id)
    sheet = world.directory.bulk.sheet(referent, public_id)
    assert (sheet.settled, sheet.total, sheet.finished_at) == (0, 5, None)
    assert world.events().count("account.deleted") == 0
    world.directory.bulk.work()
    sheet = world.directory.bulk.sheet(referent, public_id)
    assert sheet.counts == {Outcome.DONE: 5}
    assert world.events().count("account.deleted") == 5


def test_one_account_that_fails_does_not_stop_those_behind_it(
    world: World, referent: Actor, monkeypatch: pytest.MonkeyPatch
) -> None:
    ids = add(world, 3)
    real = Bin.delete

    def broken(self: Bin, actor: Actor, mail: str, **more: str) -> object:
        result = real(self, actor, mail, **more)
        if mail.startswith("p1@"):
            raise RuntimeError("after half of the work")
        return result

    monkeypatch.setattr(Bin, "delete", broken)
    sheet = order(world, referent, Action.DELETE, ids)
    assert sheet.counts == {Outcome.DONE: 2, Outcome.FAILED: 1}
    assert [state(world, each)[1] for each in ids] == [True, False, True]
    assert world.events().count("account.deleted") == 2, "nothing of the third"


def test_a_transaction_ends_with_the_account_that_fills_its_time(
    world: World, referent: Actor
) -> None:
    ids = add(world, 3)
    bulk = one_at_a_time(world)
    public_id = bulk.choose(referent, Action.LOCK, ids)
    bulk.start(referent, public_id)
    assert bulk.sheet(referent, public_id).settled == 1
    with world.core.db.reading() as session:
        assert bulk.advance(session.scalars(select(BulkAction.id)).one()) is False
    assert bulk.sheet(referent, public_id).settled == 2
    world.directory.bulk.work()
    assert bulk.sheet(referent, public_id).counts == {Outcome.DONE: 3}


def at_once(*calls: Callable[[], object]) -> list[BaseException]:
    """Run these at the same moment; what they raise."""
    ready, raised = Barrier(len(calls)), []

    def run(call: Callable[[], object]) -> None:
        ready.wait()
        try:
            call()
        except BaseException as error:  # noqa: BLE001 - told to the test
            raised.append(error)

    threads = [Thread(target=run, args=(call,)) for call in calls]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return raised


def test_two_who_delete_the_same_people_at_once_end_well(world: World, referent: Actor) -> None:
    other = world.add("autre@ville.fr", "a")
    world.directory.mandates.add(OPERATOR, "autre@ville.fr", "a", ("bip",))
    second = world.actor(other.subject_id)
    ids = add(world, 6)
    bulk = world.directory.bulk
    orders = [(each, bulk.choose(each, Action.DELETE, ids)) for each in (referent, second)]
    assert at_once(*(partial(bulk.start, *each) for each in orders)) == []
    bulk.work()
    sheets = [bulk.sheet(*each) for each in orders]
    assert sum(each.counts.get(Outcome.DONE, 0) for each in sheets) == 6
    assert sum(each.counts.get(Outcome.GONE, 0) for each in sheets) == 6
    assert world.events().count("account.deleted") == 6


def test_two_who_each_remove_the_last_but_the_others_leave_no_empty_account(
    world: World, referent: Actor
) -> None:
    other = world.add("b@ville.fr", "b")
    world.directory.mandates.add(OPERATOR, "b@ville.fr", "b", ("bip",))
    second = world.actor(other.subject_id)
    for number in range(8):
        mail = f"deux{number}@ville.fr"
        who = world.add(mail).subject_id
        share(world, mail)
        delete = partial(world.directory.bin.delete, mail=mail)
        assert at_once(partial(delete, referent), partial(delete, second)) == []
        assert state(world, who) == (False, True), "the second one's was the last"


def test_the_invitation_goes_to_who_never_signed_in(
    world: World, referent: Actor, clock: FakeClock
) -> None:
    new, known, locked = add(world, 3)
    with world.core.db.unit_of_work() as session:
        signed_in = update(Account).where(Account.subject_id == known)
        session.execute(signed_in.values(last_sign_in_at=clock.now()))
    world.directory.accounts.lock(OPERATOR, "p2@a-rh.fr")
    public_id = world.directory.bulk.choose(referent, Action.RESEND, [new, known, locked])
    expected = world.directory.bulk.prospects(referent, public_id)
    world.directory.bulk.start(referent, public_id)
    world.directory.bulk.work()
    found = outcomes(world.directory.bulk.sheet(referent, public_id))
    assert found == {each.mail: each.outcome for each in expected}
    assert found == {
        "p0@a-rh.fr": Outcome.DONE,
        "p1@a-rh.fr": Outcome.REFUSED,
        "p2@a-rh.fr": Outcome.REFUSED,
    }
    assert world.mails() == [("account-created", "p0@a-rh.fr")]
    assert world.events().count("account.invited-again") == 1


@pytest.mark.parametrize(
    ("action", "first", "second"),
    [(Action.LOCK, Outcome.DONE, Outcome.ALREADY), (Action.UNLOCK, Outcome.ALREADY, Outcome.DONE)],
)
def test_locking_foresees_what_it_would_change(
    world: World, referent: Actor, action: Action, first: Outcome, second: Outcome
) -> None:
    ids = add(world, 2)
    world.directory.accounts.lock(OPERATOR, "p1@a-rh.fr")
    public_id = world.directory.bulk.choose(referent, action, ids)
    expected = world.directory.bulk.prospects(referent, public_id)
    assert [each.outcome for each in expected] == [first, second]
    world.directory.bulk.start(referent, public_id)
    world.directory.bulk.work()
    assert world.directory.bulk.sheet(referent, public_id).counts == {first: 1, second: 1}
    locked = action is Action.LOCK
    assert [state(world, each)[0] for each in ids] == [locked, locked]


def test_too_many_are_refused_whole(
    world: World, referent: Actor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bulk_module, "MOST", 2)
    ids = add(world, 3)
    for chosen in (ids, [*ids[:2], referent.subject_id]):
        with pytest.raises(DirectoryError) as caught:
            world.directory.bulk.choose(referent, Action.LOCK, chosen)
        assert "précisez la recherche" in caught.value.public
    with pytest.raises(DirectoryError):
        world.directory.bulk.choose_all(referent, Action.LOCK, select(Account.id))
    assert world.directory.bulk.choose(referent, Action.LOCK, ids[:2])
    with world.core.db.reading() as session:
        assert session.scalars(select(func.count()).select_from(BulkItem)).one() == 2


def test_a_whole_selection_is_bounded_by_the_scope(world: World, referent: Actor) -> None:
    add(world, 2)
    add(world, 2, "b")
    bulk = world.directory.bulk
    public_id = bulk.choose_all(referent, Action.DELETE, select(Account.id))
    mails = {each.mail for each in bulk.prospects(referent, public_id)}
    assert mails == {"p0@a-rh.fr", "p1@a-rh.fr", "referent@ville.fr"}


def test_orders_are_forgotten(world: World, referent: Actor, clock: FakeClock) -> None:
    bulk = world.directory.bulk
    asked = bulk.choose(referent, Action.LOCK, add(world, 1))
    done = bulk.choose(referent, Action.UNLOCK, [referent.subject_id])
    bulk.start(referent, done)
    bulk.work()
    clock.advance(UNCONFIRMED)
    with pytest.raises(NotFound):
        bulk.start(referent, asked)
    assert bulk.sheet(referent, done).finished_at is not None
    assert bulk.purge() == 1
    slow = one_at_a_time(world)
    slow.start(referent, slow.choose(referent, Action.LOCK, add(world, 2, "a")))
    clock.advance(KEPT)
    assert bulk.purge() == 1, "what the worker has not come to is not forgotten"
    bulk.work()
    assert world.events().count("account.locked") == 2
    assert bulk.purge() == 1
    with world.core.db.reading() as session:
        assert session.scalars(select(func.count()).select_from(BulkItem)).one() == 0


def test_a_page_costs_the_same_for_two_people_and_for_forty(world: World, referent: Actor) -> None:
    counted = set()
    ids = add(world, 40)
    for chosen in (ids[:2], ids):
        bulk = world.directory.bulk
        public_id = bulk.choose(referent, Action.DELETE, chosen)
        asked = world.statements(partial(bulk.prospects, referent, public_id))
        shown = world.statements(partial(bulk.sheet, referent, public_id))
        counted.add((asked, shown))
    assert counted == {(6, 3)}


def test_the_worker_has_the_job(services: Services) -> None:
    assert {"bulk", "bulk-purge"} <= {job.name for job in jobs.jobs(services)}


def test_desactivating_locks_or_suspends_what_is_shared(world: World, referent: Actor) -> None:
    plain, shared = add(world, 2)
    share(world, "p1@a-rh.fr")
    deactivation = world.directory.deactivation
    assert deactivation.run(referent, plain).locked
    done = deactivation.run(referent, shared)
    assert (done.locked, done.structures) == (
        False,
        ("Structure cig / Structure a / Structure a-rh",),
    )
    assert state(world, shared) == (False, False)
    assert world.events().count("membership.suspended") == 1
    with pytest.raises(NotAllowed):
        deactivation.run(referent, shared)
    world.add("p1@a-rh.fr", "a")
    again = deactivation.run(referent, shared).structures
    assert again == ("Structure cig / Structure a",), "the other was so before"
    (foreign,) = add(world, 1, "b")
    with pytest.raises(NotFound):
        deactivation.run(referent, foreign)


def test_who_left_before_the_confirmation_is_nobody_s_to_read_of(
    world: World, referent: Actor
) -> None:
    bulk = world.directory.bulk
    stays, leaves = add(world, 2)
    share(world, "p1@a-rh.fr")
    order = bulk.choose(referent, Action.LOCK, [stays, leaves])
    leave(world, leaves, "a-rh")
    with world.core.db.unit_of_work() as session:
        moved = Account.subject_id == leaves
        session.execute(update(Account).where(moved).values(mail="ailleurs@b.fr", sn="Autre"))
    (told,) = bulk.prospects(referent, order)
    assert told.subject_id == stays
    bulk.start(referent, order)
    bulk.work()
    sheet = bulk.sheet(referent, order)
    assert sheet.counts == {Outcome.DONE: 1, Outcome.GONE: 1}
    assert {line.mail for line in sheet.lines} == {"p0@a-rh.fr", "p1@a-rh.fr"}, "as he chose them"
    world.directory.mandates.remove(OPERATOR, "referent@ville.fr", "a")
    without = world.actor(referent.subject_id)
    assert bulk.sheet(without, order).lines == ()
    assert bulk.sheet(without, order).counts == sheet.counts
