"""*Désaffecter*, *Réaffecter*, dates: what is refused, what is told, races."""

from collections.abc import Callable
from datetime import timedelta
from threading import Barrier, Thread

import pytest

from directory.authorisation import OPERATOR, Actor
from directory.services.rights.assignments import Grant
from idp.errors import AlreadyDone, ConvergencesError, DirectoryError, StaleEdit
from tests.common.clock import FakeClock
from tests.unit.directory.conftest import BIP, World
from tests.unit.directory.role_desk import R1, R2, Desk

DAY = timedelta(days=1)


@pytest.fixture
def desk(world: World, referent: Actor) -> Desk:
    return Desk(world, referent)


# --- Désaffecter -----------------------------------------------------------------------------


def test_a_role_is_withdrawn_once(desk: Desk) -> None:
    one = desk.add("one")
    desk.members.assign(desk.actor, R1, (one,))
    was = desk.members.withdraw(desk.actor, R1, one)
    assert (was.name, was.application, was.role) == ("Prénom NOM", "BIP", "Rôle r1")
    assert desk.held() == set()
    assert desk.last_events(1)[0][:2] == ("assignment.withdrawn", "role:bip:r1")
    (ended,) = desk.world.ended
    assert ended[1:] == (BIP, "role-withdrawn")
    with pytest.raises(AlreadyDone):
        desk.members.withdraw(desk.actor, R1, one)
    for call in (desk.members.read, desk.reassignment.read):
        with pytest.raises(StaleEdit) as late:
            call(desk.actor, R1, one)
        assert "Prénom NOM n'a plus le rôle « Rôle r1 »" in late.value.public


def test_a_role_to_come_is_not_called_present(desk: Desk, clock: FakeClock) -> None:
    one, begin = desk.add("one"), clock.now() + DAY
    desk.members.assign(desk.actor, R1, (one,))
    desk.members.withdraw(desk.actor, R1, one)
    desk.members.assign(desk.actor, R2, (one,), valid_from=begin)
    with pytest.raises(StaleEdit) as late:
        desk.members.read(desk.actor, R1, one)
    day = begin.astimezone(desk.world.core.settings.organization.time_zone)
    assert late.value.public.endswith(
        f"entre-temps. Son rôle « Rôle r2 » dans BIP commencera le {day:%d/%m/%Y}. "
        "Rien n'a été enregistré."
    )
    desk.members.assign(desk.actor, R1, (one,))
    desk.members.withdraw(desk.actor, R2, one)
    with pytest.raises(StaleEdit) as now:
        desk.members.read(desk.actor, R2, one)
    assert "Son rôle dans BIP est maintenant « Rôle r1 ». Rien" in now.value.public


# --- dates -----------------------------------------------------------------------------------


def test_dates_are_changed_and_journalled_before_and_after(desk: Desk, clock: FakeClock) -> None:
    one, now = desk.add("one"), clock.now()
    desk.members.assign(desk.actor, R1, (one,))
    version = desk.version(one)
    now_is = desk.members.change_dates(
        desk.actor, R1, one, now + DAY, now + 2 * DAY, version=version
    )
    assert (now_is.valid_from, now_is.valid_until) == (now + DAY, now + 2 * DAY)
    code, target, said = desk.last_events(1)[0]
    assert (code, target) == ("assignment.dates-changed", "role:bip:r1")
    assert said["before"] == {"from": None, "until": None}
    assert said["after"] == {
        "from": (now + DAY).isoformat(),
        "until": (now + 2 * DAY).isoformat(),
    }
    assert desk.world.ended, "nothing is held until it begins"
    with pytest.raises(StaleEdit):
        desk.members.change_dates(desk.actor, R1, one, None, None, version=version)
    with pytest.raises(DirectoryError, match="over"):
        desk.members.change_dates(desk.actor, R1, one, None, now, version=now_is.version)
    events = desk.world.events()
    same = desk.members.change_dates(
        desk.actor, R1, one, now + DAY, now + 2 * DAY, version=now_is.version
    )
    assert same == now_is
    assert desk.world.events() == events, "nothing changed, nothing is journalled"


def test_dates_that_meet_another_role_of_a_single_role_application(
    desk: Desk, clock: FakeClock
) -> None:
    desk.single()
    one, soon = desk.add("one"), clock.now() + DAY
    desk.members.assign(desk.actor, R1, (one,), valid_until=soon)
    desk.members.assign(desk.actor, R2, (one,), valid_from=soon)
    with pytest.raises(DirectoryError, match="single role"):
        desk.members.change_dates(desk.actor, R1, one, None, None, version=desk.version(one))
    assert desk.members.read(desk.actor, R1, one).valid_until == soon


# --- Réaffecter ------------------------------------------------------------------------------


def test_a_role_is_replaced_in_one_go(desk: Desk, clock: FakeClock) -> None:
    desk.single()
    one, until = desk.add("one"), clock.now() + DAY
    desk.members.assign(desk.actor, R1, (one,), valid_until=until)
    sheet = desk.reassignment.read(desk.actor, R1, one)
    assert [(role.code, role.held) for role in sheet.roles] == [("r2", False)]
    done = desk.reassignment.replace(desk.actor, R1, one, "r2", version=sheet.member.version)
    assert (done.before.role, done.role) == ("Rôle r1", "Rôle r2")
    assert desk.held() == {("one", "bip:r2")}
    assert desk.members.read(desk.actor, R2, one).valid_until == until
    assert [(code, target) for code, target, _ in desk.last_events(2)] == [
        ("assignment.withdrawn", "role:bip:r1"),
        ("assignment.granted", "role:bip:r2"),
    ]
    assert [reason for _, _, reason in desk.world.ended] == ["role-withdrawn"]


def test_a_beginning_that_is_past_is_not_kept(desk: Desk, clock: FakeClock) -> None:
    one, two = desk.add("one"), desk.add("two")
    start = clock.now() + DAY
    desk.members.assign(desk.actor, R1, (one, two), valid_from=start)
    desk.reassignment.replace(desk.actor, R1, one, "r2", version=desk.version(one))
    clock.advance(DAY)
    desk.reassignment.replace(desk.actor, R1, two, "r2", version=desk.version(two))
    begins = [desk.members.read(desk.actor, R2, each).valid_from for each in (one, two)]
    assert begins == [start, None]


def test_what_cannot_replace(desk: Desk, clock: FakeClock) -> None:
    one = desk.add("one")
    desk.members.assign(desk.actor, R1, (one,), valid_until=clock.now() + DAY)
    desk.members.assign(desk.actor, R2, (one,))
    version = desk.version(one)
    for wanted, said in (
        ("r2", "a déjà le rôle « Rôle r2 »"),
        ("r1", "Choisissez le nouveau rôle"),
        ("", "Choisissez le nouveau rôle"),
        ("r9", "n'administrez pas"),
    ):
        with pytest.raises(ConvergencesError) as refused:
            desk.reassignment.replace(desk.actor, R1, one, wanted, version=version)
        assert said in refused.value.public
    with pytest.raises(StaleEdit):
        desk.reassignment.replace(desk.actor, R1, one, "r2", version="stale")
    desk.members.withdraw(desk.actor, R2, one)
    clock.advance(DAY)
    with pytest.raises(DirectoryError, match="over"):
        desk.reassignment.replace(desk.actor, R1, one, "r2", version=version)
    assert desk.held() == {("one", "bip:r1")}


def test_replacing_one_s_own_role_is_told_to_the_others(desk: Desk) -> None:
    mine = desk.membership("referent", "a")
    desk.world.directory.assignments.assign(OPERATOR, Grant("referent@ville.fr", "a", "bip", "r1"))
    desk.reassignment.replace(desk.actor, R1, mine, "r2", version=desk.version(mine))
    assert [kind for kind, _ in desk.world.mails()] == ["role-granted-to-oneself"]


# --- races -----------------------------------------------------------------------------------


def together(*calls: Callable[[], object]) -> list[str]:
    """Run them at the same time; what became of each: ``done``, or the code of the refusal."""
    barrier, ends = Barrier(len(calls)), [""] * len(calls)

    def run(position: int) -> None:
        barrier.wait()
        try:
            calls[position]()
            ends[position] = "done"
        except ConvergencesError as refused:
            ends[position] = refused.code

    threads = [Thread(target=run, args=(position,)) for position in range(len(calls))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return sorted(ends)


def test_of_two_who_withdraw_one_learns_that_he_was_late(desk: Desk) -> None:
    one = desk.add("one")
    desk.members.assign(desk.actor, R1, (one,))
    ends = together(*(lambda: desk.members.withdraw(desk.actor, R1, one),) * 2)
    assert ends == ["already-done", "done"]
    assert desk.world.events().count("assignment.withdrawn") == 1


def test_withdrawn_while_it_is_replaced_nothing_is_half_done(desk: Desk) -> None:
    one = desk.add("one")
    desk.members.assign(desk.actor, R1, (one,))
    version = desk.version(one)
    ends = together(
        lambda: desk.members.withdraw(desk.actor, R1, one),
        lambda: desk.reassignment.replace(desk.actor, R1, one, "r2", version=version),
    )
    withdrawn = desk.held() == set()
    assert withdrawn or desk.held() == {("one", "bip:r2")}
    assert ends == (["done", "stale-edit"] if withdrawn else ["already-done", "done"])
    assert desk.world.events().count("assignment.withdrawn") == 1


def test_of_two_who_replace_by_different_roles_one_wins(desk: Desk) -> None:
    desk.world.directory.applications.add_role(OPERATOR, "bip", "r3", "Rôle r3")
    desk.single()
    one = desk.add("one")
    desk.members.assign(desk.actor, R1, (one,))
    version = desk.version(one)
    ends = together(
        *(
            lambda wanted=wanted: desk.reassignment.replace(
                desk.actor, R1, one, wanted, version=version
            )
            for wanted in ("r2", "r3")
        )
    )
    assert ends == ["done", "stale-edit"]
    assert len(desk.held()) == 1


def test_two_who_give_the_same_people_the_same_role(desk: Desk) -> None:
    people = [desk.add(name) for name in ("one", "two", "three")]
    orders = (people, people[::-1])
    ends = together(*(lambda ids=ids: desk.members.assign(desk.actor, R1, ids) for ids in orders))
    assert ends == ["done", "done"]
    assert desk.world.events().count("assignment.granted") == len(people)


def test_two_who_give_different_roles_of_a_single_role_application(desk: Desk) -> None:
    desk.single()
    one = desk.add("one")
    ends = together(
        *(lambda ref=ref: desk.members.assign(desk.actor, ref, (one,)) for ref in (R1, R2))
    )
    assert ends == ["done", "nobody-assigned"]
    assert len(desk.held()) == 1
