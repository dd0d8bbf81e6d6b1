"""What ends by its date ends at the service providers too."""

from datetime import datetime, timedelta

import pytest
from sqlalchemy import select, update

from directory.authorisation import OPERATOR
from directory.jobs import jobs
from directory.models import Account, Application, Assignment, Membership, Structure
from directory.services.rights.assignments import Grant
from idp.db import Base
from idp.services import Services
from idp.sessions.tables import SpSessionRow, SsoSessionRow
from idp.types import AuthnContext, NameID, NameIDFormat, SpSession
from idp.worker import Job
from tests.common.clock import FakeClock
from tests.unit.directory.conftest import BIP, World

MINUTE = timedelta(minutes=1)
CAP = "https://cap.example"


@pytest.fixture
def sweep(services: Services, clock: FakeClock) -> Job:
    """The job, which ran a minute ago."""
    job = swept_by(services)
    job.run()
    clock.advance(MINUTE)
    return job


def swept_by(services: Services) -> Job:
    return next(each for each in jobs(services) if each.name == "ends")


@pytest.fixture
def lea(world: World, services: Services) -> str:
    """Roles on BIP in two structures, one on CAP in the first; signed in, a session at each SP."""
    subject_id = world.add("lea@ville.fr", "a-rh").subject_id
    world.add("lea@ville.fr", "b")
    services.directory.attach(CAP, "cap")
    for structure, application in (("a-rh", "bip"), ("b", "bip"), ("a-rh", "cap")):
        grant = Grant("lea@ville.fr", structure, application, "r1")
        world.directory.assignments.assign(OPERATOR, grant)
    sign_on(services, subject_id, BIP, CAP)
    world.ended.clear()
    return subject_id


def sign_on(services: Services, subject_id: str, *entity_ids: str) -> None:
    subject = services.directory.find_subject(subject_id)
    assert subject is not None
    now = services.clock.now()
    context = AuthnContext.PASSWORD_PROTECTED_TRANSPORT
    _, session = services.sessions.start(subject, context, user_agent="")
    for entity_id in entity_ids:
        name_id = NameID(subject_id, NameIDFormat.PERSISTENT)
        sp_session = SpSession(entity_id, name_id, f"i{now}", now, session.expires_at)
        services.sessions.record(session, sp_session)


def live(services: Services) -> tuple[list[str], int]:
    """The SPs at which a session lives, and how many sessions live here."""
    with services.db.reading() as session:
        ended = SpSessionRow.ended_at.is_(None)
        at = session.scalars(select(SpSessionRow.entity_id).where(ended)).all()
        here = session.scalars(select(SsoSessionRow).where(SsoSessionRow.ended_at.is_(None))).all()
    return sorted(at), len(here)


def ends(world: World, model: type[Base], at: datetime, **where: object) -> None:
    """Set the end of these rows behind the services' back, as time does."""
    column = {Structure: "closed_at", Application: "closes_at"}.get(model, "valid_until")
    with world.core.db.unit_of_work() as session:
        session.execute(update(model).filter_by(**where).values({column: at}))


def ids(world: World, structure: str) -> int:
    with world.core.db.reading() as session:
        return session.scalars(
            select(Membership.id)
            .join(Structure, Structure.id == Membership.structure_id)
            .where(Structure.code == structure)
        ).one()


def test_it_runs_each_minute(services: Services) -> None:
    assert swept_by(services).every == MINUTE


def test_account_that_is_over_is_signed_out_everywhere(
    world: World, services: Services, clock: FakeClock, sweep: Job, lea: str
) -> None:
    ends(world, Account, clock.now() + MINUTE, subject_id=lea)
    sweep.run()
    assert live(services) == ([BIP, CAP], 1), "not yet"
    clock.advance(MINUTE)
    sweep.run()
    assert live(services) == ([], 0)
    assert set(world.ended) == {(lea, None, "account-expired")}


@pytest.mark.parametrize("what", ["membership", "structure", "assignment"])
def test_last_role_of_a_membership_ends_the_session_at_its_sp(
    world: World, services: Services, clock: FakeClock, sweep: Job, lea: str, what: str
) -> None:
    first = ids(world, "a-rh")
    match what:
        case "membership":
            ends(world, Membership, clock.now() + MINUTE, id=first)
        case "structure":
            ends(world, Structure, clock.now() + MINUTE, code="a-rh")
        case "assignment":
            ends(world, Assignment, clock.now() + MINUTE, membership_id=first)
    sweep.run()
    assert world.ended == []
    clock.advance(MINUTE)
    sweep.run()
    assert sorted(world.ended) == [(lea, BIP, "role-expired"), (lea, CAP, "role-expired")]
    assert live(services) == ([], 1), "he stays signed in here"


def test_another_role_of_the_membership_keeps_the_session(
    world: World, services: Services, clock: FakeClock, sweep: Job, lea: str
) -> None:
    grant = Grant("lea@ville.fr", "a-rh", "bip", "r2")
    world.directory.assignments.assign(OPERATOR, grant, valid_until=clock.now() + MINUTE)
    clock.advance(MINUTE)
    sweep.run()
    assert (world.ended, live(services)) == ([], ([BIP, CAP], 1))
    assert lea


def test_what_was_ended_once_is_not_ended_again(
    world: World, services: Services, clock: FakeClock, sweep: Job, lea: str
) -> None:
    ends(world, Membership, clock.now(), id=ids(world, "a-rh"))
    sweep.run()
    assert live(services) == ([], 1)
    clock.advance(timedelta(seconds=1))
    sign_on(services, lea, BIP)
    for again in (sweep, swept_by(services)):
        clock.advance(MINUTE)
        again.run()
    assert live(services) == ([BIP], 2), "by the other structure, to which he still belongs"


def test_what_ended_while_no_worker_ran_ends_at_its_first_run(
    world: World, services: Services, clock: FakeClock, lea: str
) -> None:
    ends(world, Assignment, clock.now() + MINUTE, membership_id=ids(world, "a-rh"))
    clock.advance(services.settings.session_lifetime - MINUTE)
    swept_by(services).run()
    assert live(services) == ([BIP], 1), "at BIP the other structure still gives him a role"
    assert world.ended == [(lea, CAP, "role-expired")]


def test_what_never_opened_anything_ends_nothing(
    world: World, services: Services, clock: FakeClock, sweep: Job, lea: str
) -> None:
    first = ids(world, "a-rh")
    long_ago = clock.now() - timedelta(days=2)
    ends(world, Membership, long_ago, id=first)
    ends(world, Assignment, clock.now(), membership_id=first)
    ends(world, Application, clock.now())
    sweep.run()
    assert (world.ended, live(services)) == ([], ([BIP, CAP], 1))
    assert lea


def test_what_was_prolonged_meanwhile_stays(
    world: World,
    services: Services,
    clock: FakeClock,
    sweep: Job,
    lea: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    clock.advance(MINUTE)
    ends(world, Account, clock.now(), subject_id=lea)
    real = services.db.rows

    def rows(statement: object, values: dict[str, object]) -> object:
        found = real(statement, values)  # type: ignore[arg-type]
        if found:
            monkeypatch.undo()
            ends(world, Account, clock.now() + MINUTE, subject_id=lea)
        return found

    monkeypatch.setattr(services.db, "rows", rows)
    sweep.run()
    assert live(services) == ([BIP, CAP], 1)


def test_one_that_fails_is_tried_again(
    world: World,
    services: Services,
    clock: FakeClock,
    sweep: Job,
    lea: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    ends(world, Membership, clock.now(), id=ids(world, "a-rh"))

    def broken(subject_id: str, *, entity_id: str, reason: str) -> None:
        raise OSError(subject_id, entity_id, reason)

    with monkeypatch.context() as patched:
        patched.setattr(services.sessions, "end", broken)
        with pytest.raises(OSError, match=lea):
            sweep.run()
    clock.advance(timedelta(minutes=20))
    sweep.run()
    assert live(services) == ([], 1)
