"""*Applications* and *Affecter*: who may, what is refused, what is told."""

from collections.abc import Callable
from datetime import timedelta
from functools import partial

import pytest
from sqlalchemy import select, update

from directory.authorisation import OPERATOR, Actor
from directory.models import Account, Membership, Structure
from directory.services.memberships.changes import MembershipFields
from directory.services.rights.administered import Administered, RoleRef
from directory.services.rights.assignments import Grant
from directory.services.rights.role_members import MOST, NobodyAssigned
from idp.errors import DirectoryError, NotAllowed, NotFound
from tests.common.clock import FakeClock
from tests.unit.directory.conftest import World
from tests.unit.directory.role_desk import R1, R2, Desk

DAY = timedelta(days=1)


@pytest.fixture
def desk(world: World, referent: Actor) -> Desk:
    return Desk(world, referent)


# --- what he administers ---------------------------------------------------------------------


def test_applications_of_a_referent_and_of_the_correspondant(
    world: World, referent: Actor, central: Actor
) -> None:
    administered = Administered(world.core)
    assert [one.code for one in administered.applications(referent)] == ["bip"]
    everything = administered.applications(central)
    assert [one.code for one in everything] == ["bip", "cap"]
    assert [role.code for role in everything[0].roles] == ["r1", "r2"]
    assert administered.applications(Actor("nobody", 1)) == ()
    assert world.statements(lambda: administered.applications(central)) == 1


def test_a_closed_application_says_so(world: World, central: Actor, clock: FakeClock) -> None:
    now = clock.now()
    world.directory.applications.schedule(OPERATOR, "bip", opens_at=now + DAY, message="Bientôt.")
    world.directory.applications.schedule(OPERATOR, "cap", closes_at=now)
    bip, cap = Administered(world.core).applications(central)
    assert bip.closed == f"Cette application ouvrira le {now + DAY:%d/%m/%Y}. « Bientôt. »"
    assert cap.closed == f"Cette application est fermée depuis le {now:%d/%m/%Y}."


def test_what_he_does_not_administer_is_as_if_absent(desk: Desk) -> None:
    one = desk.add("one")
    said = set()
    for ref in (RoleRef("cap", "r1"), RoleRef("bip", "r9"), RoleRef("nothing", "r1")):
        calls: tuple[Callable[[], object], ...] = (
            partial(desk.members.ticked, desk.actor, ref, (one,)),
            partial(desk.members.assign, desk.actor, ref, (one,)),
            partial(desk.members.read, desk.actor, ref, one),
            partial(desk.members.withdraw, desk.actor, ref, one),
            partial(desk.members.change_dates, desk.actor, ref, one, None, None, version=""),
            partial(desk.reassignment.read, desk.actor, ref, one),
            partial(desk.reassignment.replace, desk.actor, ref, one, "r2", version=""),
        )
        for call in calls:
            with pytest.raises(NotAllowed) as refused:
                call()
            said.add(refused.value.public)
    assert len(said) == 1
    assert "n'administrez pas" in said.pop()


# --- Affecter --------------------------------------------------------------------------------


def test_several_are_given_the_role_at_once(desk: Desk, clock: FakeClock) -> None:
    one, two = desk.add("one"), desk.add("two", "a")
    until = clock.now() + DAY
    done = desk.members.assign(desk.actor, R1, (one, two, one), valid_until=until)
    assert (done.names, done.already, done.waiting) == (("Prénom NOM",) * 2, (), ())
    assert desk.held() == {("one", "bip:r1"), ("two", "bip:r1")}
    events = desk.last_events(2)
    assert [(code, target) for code, target, _ in events] == [
        ("assignment.granted", "role:bip:r1")
    ] * 2
    assert events[0][2]["after"] == {"from": None, "until": until.isoformat()}


def test_who_is_ticked_in_two_places_is_one_person(desk: Desk) -> None:
    one, two = desk.add("one"), desk.add("two")
    desk.world.add("one@ville.fr", "a")
    done = desk.members.assign(desk.actor, R1, (one, desk.membership("one", "a"), two))
    assert done.names == ("Prénom NOM (2 rattachements)", "Prénom NOM")


def test_who_has_it_already_keeps_it_as_it_is(desk: Desk, clock: FakeClock) -> None:
    one, two = desk.add("one"), desk.add("two")
    desk.members.assign(desk.actor, R1, (one,), valid_until=clock.now() + DAY)
    ticked = desk.members.ticked(desk.actor, R1, (one, two))
    assert {each.mail: each.held for each in ticked} == {
        "one@ville.fr": True,
        "two@ville.fr": False,
    }
    done = desk.members.assign(desk.actor, R1, (one, two))
    assert (len(done.names), len(done.already)) == (1, 1)
    assert desk.members.read(desk.actor, R1, one).valid_until == clock.now() + DAY
    clock.advance(DAY)
    again = desk.members.assign(desk.actor, R1, (one, two))
    assert (len(again.names), len(again.already)) == (1, 1), "one's was over and begins anew"
    assert desk.members.read(desk.actor, R1, one).valid_until is None


def test_nobody_is_given_it_when_one_may_not_have_it(desk: Desk) -> None:
    desk.single()
    one, two = desk.add("one"), desk.add("two")
    desk.members.assign(desk.actor, R2, (two,))
    before = desk.world.events()
    with pytest.raises(NobodyAssigned) as refused:
        desk.members.assign(desk.actor, R1, (one, two))
    (reason,) = refused.value.reasons
    assert reason.startswith("Prénom NOM : « BIP » n'accepte qu'un rôle par personne")
    assert "« Rôle r2 »" in reason
    assert desk.held() == {("two", "bip:r2")}
    assert desk.world.events() == before


def test_who_is_not_in_reach_is_as_if_absent(desk: Desk) -> None:
    inside, outside, gone = desk.add("one"), desk.add("two", "b"), desk.add("three")
    desk.world.directory.bin.delete(OPERATOR, "three@ville.fr")
    for wrong in (outside, gone, "unknown"):
        with pytest.raises(NotFound, match="1 memberships") as refused:
            desk.members.assign(desk.actor, R1, (inside, wrong))
        assert "n'est plus, dans vos structures" in refused.value.public
        with pytest.raises(NotFound):
            desk.members.withdraw(desk.actor, R1, wrong)
    assert len(desk.members.ticked(desk.actor, R1, (inside, outside, gone, "unknown"))) == 1
    assert desk.held() == set()


def test_two_mandates_never_add_up(world: World) -> None:
    """Structure of the one and application of the other: nothing is reached."""
    subject_id = world.add("both@ville.fr", "cig").subject_id
    world.directory.mandates.add(OPERATOR, "both@ville.fr", "a", ("bip",))
    world.directory.mandates.add(OPERATOR, "both@ville.fr", "b", ("cap",))
    desk = Desk(world, world.actor(subject_id))
    in_a, in_b = desk.add("one"), desk.add("two", "b")
    cap = RoleRef("cap", "r1")
    for ref, membership in ((cap, in_a), (R1, in_b)):
        with pytest.raises(NotFound):
            desk.members.assign(desk.actor, ref, (membership,))
        world.directory.assignments.assign(
            OPERATOR,
            Grant(
                "one@ville.fr" if membership == in_a else "two@ville.fr",
                "a-rh" if membership == in_a else "b",
                ref.application,
                ref.role,
            ),
        )
        for call in (
            lambda ref=ref, it=membership: desk.members.withdraw(desk.actor, ref, it),
            lambda ref=ref, it=membership: desk.reassignment.replace(
                desk.actor, ref, it, "r2", version=""
            ),
        ):
            with pytest.raises(NotFound):
                call()
    desk.members.assign(desk.actor, R1, (in_a,))
    desk.members.assign(desk.actor, cap, (in_b,))


def test_a_role_without_effect_yet_is_said(desk: Desk, clock: FakeClock) -> None:
    now = clock.now()
    one, two = desk.add("one"), desk.add("two")
    desk.world.directory.accounts.lock(OPERATOR, "one@ville.fr")
    desk.world.directory.memberships.suspend(OPERATOR, "two@ville.fr", "a-rh")
    done = desk.members.assign(desk.actor, R1, (one, two))
    assert done.waiting == (
        "Prénom NOM : son compte est verrouillé.",
        "Prénom NOM : son rattachement est suspendu.",
    )
    cases: tuple[tuple[type, dict[str, object], str], ...] = (
        (Account, {"locked": False, "valid_from": now + DAY}, "son compte s'ouvrira le "),
        (
            Account,
            {"valid_from": now - 2 * DAY, "valid_until": now},
            "son compte n'est plus valable",
        ),
        (Account, {"valid_until": None}, "son rattachement est suspendu"),
        (
            Membership,
            {"suspended": False, "confirmed_at": None},
            "son rattachement attend sa propre confirmation",
        ),
        (
            Membership,
            {"confirmed_at": now, "valid_from": now + DAY},
            "son rattachement commencera le ",
        ),
        (
            Membership,
            {"valid_from": None, "valid_until": now},
            "son rattachement est terminé",
        ),
        (Membership, {"valid_until": None}, ""),
        (Structure, {"closed_at": now}, "sa structure est fermée"),
    )
    for model, values, said in cases:
        with desk.world.core.db.unit_of_work() as session:
            session.execute(update(model).values(values))
        waiting = desk.members.read(OPERATOR, R1, two).waiting
        assert waiting.startswith(said)
        assert bool(waiting) == bool(said)


def test_wrong_dates_nobody_and_too_many(desk: Desk, clock: FakeClock) -> None:
    one, now = desk.add("one"), clock.now()
    for dates, said in (
        ({"valid_from": now + DAY, "valid_until": now + DAY}, "doit suivre"),
        ({"valid_until": now}, "déjà passée"),
    ):
        with pytest.raises(DirectoryError) as refused:
            desk.members.assign(desk.actor, R1, (one,), **dates)
        assert said in refused.value.public
    for ids in ((), tuple(str(number) for number in range(MOST + 1))):
        with pytest.raises(DirectoryError):
            desk.members.assign(desk.actor, R1, ids)
    assert desk.held() == set()


def test_a_role_given_to_oneself_is_told_to_the_others(desk: Desk) -> None:
    done = desk.members.assign(desk.actor, R1, (desk.membership("referent", "a"),))
    assert done.oneself
    assert [kind for kind, _ in desk.world.mails()] == ["role-granted-to-oneself"]


def test_statements_of_a_hundred(desk: Desk) -> None:
    """What is read does not grow with the people; what is written does, by a few each."""
    few = [desk.add(f"few{number}") for number in range(2)]
    many = [desk.add(f"many{number}") for number in range(12)]
    ticked = [
        desk.world.statements(lambda ids=ids: desk.members.ticked(desk.actor, R1, ids))
        for ids in (few, many)
    ]
    assert ticked[0] == ticked[1] <= 5
    counts = [
        desk.world.statements(lambda ids=ids: desk.members.assign(desk.actor, R1, ids))
        for ids in (few, many)
    ]
    assert (counts[1] - counts[0]) / 10 <= 5


def test_a_second_structure_that_waits_may_be_prepared(desk: Desk) -> None:
    """A membership that its person has not confirmed: the role waits with it."""
    desk.add("one", "b")
    person = MembershipFields(function="Renfort")
    with desk.world.core.db.unit_of_work() as session:
        account = session.scalars(select(Account).where(Account.mail == "one@ville.fr")).one()
        structure = session.scalars(select(Structure).where(Structure.code == "a-rh")).one()
        session.add(
            Membership(
                public_id="waits",
                account=account,
                structure=structure,
                function=person.function,
                created_at=desk.world.core.clock.now(),
                confirmed_at=None,
            )
        )
    done = desk.members.assign(desk.actor, R1, ("waits",))
    assert "attend sa propre confirmation" in done.waiting[0]
