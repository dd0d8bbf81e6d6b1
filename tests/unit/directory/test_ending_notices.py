"""30 and 7 days before an account ends its person is told, once each."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import select

from directory.authorisation import OPERATOR
from directory.models import AccountWarning
from directory.services.own.ending_notices import EndingNotices
from idp.mail import OutboxMail
from tests.common.clock import START, FakeClock
from tests.common.threads import all_at_once
from tests.unit.directory.conftest import World

LEA = "lea@ville.fr"
END = datetime(2027, 3, 31, 22, 0, tzinfo=UTC)  # midnight in Paris: the 31st is the last day
DAY = timedelta(days=1)


@pytest.fixture
def notices(world: World) -> EndingNotices:
    world.add(LEA)
    world.directory.accounts.set_validity(OPERATOR, LEA, START, END)
    return EndingNotices(world.core)


def told(world: World) -> list[str]:
    with world.core.db.reading() as session:
        return list(
            session.scalars(
                select(OutboxMail.text)
                .where(OutboxMail.kind == "account-ending")
                .order_by(OutboxMail.id)
            )
        )


def test_a_person_is_told_30_and_7_days_before(
    world: World, notices: EndingNotices, clock: FakeClock
) -> None:
    moments = []
    while clock.now() < END + 2 * DAY:
        if notices.run():
            moments.append((END - clock.now()) / DAY)
        clock.advance(timedelta(hours=6))
    assert [round(each) for each in moments] == [30, 7]
    assert all(each <= limit for each, limit in zip(moments, (30, 7), strict=True))
    first = told(world)[0]
    assert "jusqu'au 31/03/2027 inclus" in first
    assert "correspondantCIG@cig929394.fr" in first, "nobody nearer to ask"
    with world.core.db.reading() as session:
        assert session.scalars(select(AccountWarning)).all() == [], "over: nothing is kept"


def test_a_worker_that_was_away_tells_the_nearest_alone(
    world: World, notices: EndingNotices, clock: FakeClock
) -> None:
    clock.advance(END - clock.now() - 3 * DAY)
    assert notices.run() == 1
    assert notices.run() == 0
    assert len(told(world)) == 1


def test_a_new_end_is_told_anew(world: World, notices: EndingNotices, clock: FakeClock) -> None:
    clock.advance(END - clock.now() - 20 * DAY)
    notices.run()
    world.directory.accounts.set_validity(OPERATOR, LEA, START, END + 365 * DAY)
    assert notices.run() == 0
    clock.advance(360 * DAY)
    assert notices.run() == 1
    assert "30/03/2028" in told(world)[1]


def test_an_account_made_for_a_week_is_no_surprise(world: World, clock: FakeClock) -> None:
    world.add(LEA)
    world.directory.accounts.set_validity(OPERATOR, LEA, clock.now(), clock.now() + 5 * DAY)
    assert EndingNotices(world.core).run() == 0


def test_who_is_locked_is_not_told(world: World, notices: EndingNotices, clock: FakeClock) -> None:
    world.directory.accounts.lock(OPERATOR, LEA)
    clock.advance(END - clock.now() - 20 * DAY)
    assert notices.run() == 0


def test_the_own_referent_is_named(world: World, notices: EndingNotices, clock: FakeClock) -> None:
    world.add("chef@ville.fr")
    world.directory.mandates.add(OPERATOR, "chef@ville.fr", "a", ("bip",))
    clock.advance(END - clock.now() - 20 * DAY)
    notices.run()
    assert "- Prénom NOM, chef@ville.fr" in told(world)[0]


def test_two_workers_tell_once(world: World, notices: EndingNotices, clock: FakeClock) -> None:
    clock.advance(END - clock.now() - 20 * DAY)
    all_at_once(notices.run)
    assert len(told(world)) == 1


def test_a_mail_that_cannot_be_written_stops_nobody_elses(
    world: World, notices: EndingNotices, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.add("max@ville.fr")
    world.directory.accounts.set_validity(OPERATOR, "max@ville.fr", START, END)
    clock.advance(END - clock.now() - 20 * DAY)
    real = world.core.mailer.send
    broken = [LEA]

    def send(recipient: str, kind: str, parameters: Mapping[str, object]) -> None:
        if recipient in broken:
            raise AttributeError(kind)
        real(recipient, kind, parameters)

    monkeypatch.setattr(world.core.mailer, "send", send)
    assert notices.run() == 1
    assert ("account-ending", "max@ville.fr") in world.mails()
    broken.clear()
    assert notices.run() == 1, "told once it can be written"
