"""Changes of roles are told in one mail, a quarter of an hour after the first."""

from collections.abc import Mapping
from datetime import timedelta

import pytest
from sqlalchemy import select, update

from directory.authorisation import OPERATOR, Actor
from directory.jobs import jobs
from directory.models import Account, Membership, RoleChange
from directory.services.rights.assignments import Grant
from directory.services.rights.role_news import GATHERED, LATE, RoleNews
from idp.mail import OutboxMail
from idp.services import Services
from tests.common.clock import FakeClock
from tests.common.threads import all_at_once
from tests.unit.directory.conftest import World

LEA = "lea@ville.fr"


@pytest.fixture
def news(world: World) -> RoleNews:
    """Léa, who chose her password, works in a-rh."""
    world.add(LEA)
    with world.core.db.unit_of_work() as session:
        session.execute(update(Account).values(password_hash="x"))
    return RoleNews(world.core)


def grant(role: str = "r1", application: str = "bip", structure: str = "a-rh") -> Grant:
    return Grant(LEA, structure, application, role)


def texts(world: World) -> list[str]:
    with world.core.db.reading() as session:
        return list(
            session.scalars(select(OutboxMail.text).where(OutboxMail.kind == "roles-changed"))
        )


def waiting(world: World) -> int:
    with world.core.db.reading() as session:
        return len(session.scalars(select(RoleChange)).all())


def test_all_of_a_quarter_of_an_hour_is_one_mail(
    world: World, news: RoleNews, clock: FakeClock
) -> None:
    rights = world.directory.assignments
    rights.assign(OPERATOR, grant("r1"))
    rights.assign(OPERATOR, grant("r2"))
    clock.advance(GATHERED - timedelta(seconds=1))
    assert news.tell() == 0
    rights.assign(OPERATOR, grant("r1", "cap"))
    clock.advance(timedelta(seconds=1))

    assert news.tell() == 1
    (text,) = texts(world)
    assert "Rôles ajoutés :" in text
    assert "Rôles retirés" not in text
    for line in ("- BIP : Rôle r1", "- BIP : Rôle r2", "- CAP : Rôle r1"):
        assert f"{line} (Structure cig / Structure a / Structure a-rh)" in text
    assert waiting(world) == 0
    clock.advance(GATHERED)
    assert news.tell() == 0


def test_a_role_that_is_lost_is_told_and_one_that_came_and_went_is_not(
    world: World, news: RoleNews, clock: FakeClock
) -> None:
    rights = world.directory.assignments
    rights.assign(OPERATOR, grant("r1"))
    clock.advance(GATHERED)
    news.tell()
    rights.assign(OPERATOR, grant("r2"))
    rights.unassign(OPERATOR, grant("r2"))
    clock.advance(GATHERED)
    assert news.tell() == 0
    rights.unassign(OPERATOR, grant("r1"))
    clock.advance(GATHERED)
    assert news.tell() == 1
    assert "Rôles retirés :\n\n- BIP : Rôle r1" in texts(world)[1]


def test_roles_that_went_with_a_membership_are_told_unless_it_comes_back(
    world: World, news: RoleNews, clock: FakeClock, referent: Actor
) -> None:
    """The account lives on in another structure; an account that is deleted is told nothing."""
    world.add(LEA, "b")
    world.directory.memberships.confirm(OPERATOR, LEA, "b")
    world.directory.assignments.assign(OPERATOR, grant("r1"), no_mail=True)
    over = clock.now() + timedelta(minutes=1)
    world.directory.assignments.assign(OPERATOR, grant("r2"), valid_until=over, no_mail=True)
    clock.advance(timedelta(minutes=2))
    world.directory.bin.delete(referent, LEA)
    assert waiting(world) == 1
    world.directory.bin.restore(OPERATOR, LEA)
    clock.advance(GATHERED)
    assert news.tell() == 0, "what came back to where it was is no news"
    world.directory.bin.delete(referent, LEA)
    world.directory.bin.restore(referent, LEA)
    clock.advance(GATHERED)
    assert news.tell() == 1, "it waits for him to confirm it"
    (text,) = texts(world)
    assert "Rôles retirés :\n\n- BIP : Rôle r1" in text
    assert "Rôle r2" not in text, "it was over before"


def test_dates_alone_a_wish_and_a_repeated_grant_are_no_news(world: World, news: RoleNews) -> None:
    rights = world.directory.assignments
    rights.assign(OPERATOR, grant("r1"), no_mail=True)
    rights.assign(OPERATOR, grant("r1"))
    rights.assign(OPERATOR, grant("r1"), valid_until=world.core.clock.now() + timedelta(days=9))
    assert waiting(world) == 0
    del news


def test_what_was_over_is_not_lost_again(world: World, news: RoleNews, clock: FakeClock) -> None:
    rights = world.directory.assignments
    rights.assign(OPERATOR, grant(), valid_until=clock.now() + timedelta(days=1), no_mail=True)
    clock.advance(timedelta(days=2))
    rights.unassign(OPERATOR, grant())
    assert waiting(world) == 0
    del news


@pytest.mark.parametrize(
    "state",
    [{"password_hash": None}, {"locked": True}],
    ids=["before the first visit", "locked"],
)
def test_who_cannot_sign_in_is_not_told(
    world: World, news: RoleNews, clock: FakeClock, state: dict[str, object]
) -> None:
    world.directory.assignments.assign(OPERATOR, grant())
    with world.core.db.unit_of_work() as session:
        session.execute(update(Account).values(**state))
    clock.advance(GATHERED)
    assert news.tell() == 0
    assert texts(world) == []
    assert waiting(world) == 0, "and never will be"


def test_a_membership_that_waits_for_its_person_gives_nothing_to_tell_of(
    world: World, news: RoleNews
) -> None:
    with world.core.db.unit_of_work() as session:
        session.execute(update(Membership).values(confirmed_at=None))
    world.directory.assignments.assign(OPERATOR, grant())
    assert waiting(world) == 0
    del news


def test_a_change_that_is_rolled_back_is_no_news(world: World, news: RoleNews) -> None:
    def failing() -> None:
        with world.core.db.unit_of_work():
            world.directory.assignments.assign(OPERATOR, grant())
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        failing()
    assert waiting(world) == 0
    del news


def test_two_workers_send_one_mail(world: World, news: RoleNews, clock: FakeClock) -> None:
    world.directory.assignments.assign(OPERATOR, grant())
    clock.advance(GATHERED)
    all_at_once(news.tell)
    assert len(texts(world)) == 1


def test_the_worker_looks_every_minute(services: Services) -> None:
    every = {job.name: job.every for job in jobs(services)}
    assert every["role-news"] == timedelta(minutes=1)
    assert every["ending-notices"] == timedelta(hours=1)


def test_a_mail_that_cannot_be_written_stops_nobody_elses(
    world: World, news: RoleNews, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.add("max@ville.fr")
    with world.core.db.unit_of_work() as session:
        session.execute(update(Account).values(password_hash="x"))
    for mail in (LEA, "max@ville.fr"):
        world.directory.assignments.assign(OPERATOR, Grant(mail, "a-rh", "bip", "r1"))
        clock.advance(timedelta(seconds=1))
    clock.advance(GATHERED)
    real = world.core.mailer.send

    def send(recipient: str, kind: str, parameters: Mapping[str, object]) -> None:
        if recipient == LEA:
            raise AttributeError(kind)
        real(recipient, kind, parameters)

    monkeypatch.setattr(world.core.mailer, "send", send)
    assert news.tell() == 1
    assert ("roles-changed", "max@ville.fr") in world.mails()
    assert waiting(world) == 1, "it is tried again"
    clock.advance(LATE)
    assert news.tell() == 0
    assert waiting(world) == 0, "not for ever"
