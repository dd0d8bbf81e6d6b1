"""*Signaler un problème*: who is told what, and how often."""

from datetime import timedelta

import pytest
from sqlalchemy import select

from directory.authorisation import OPERATOR, Actor
from directory.services.own.problems import PER_DAY, Problems
from idp.audit import AuditEvent
from idp.errors import DirectoryError, NotFound, TooMany
from idp.mail import OutboxMail
from tests.common.clock import FakeClock
from tests.unit.directory.conftest import BIP, World

INCIDENT = "0123456789abcdef"


@pytest.fixture
def agent(world: World, referent: Actor) -> str:
    del referent
    return world.add("agent@ville.fr").subject_id


def texts(world: World) -> list[str]:
    with world.core.db.reading() as session:
        return list(session.scalars(select(OutboxMail.text).order_by(OutboxMail.id)))


def test_the_referents_are_told_with_all_that_they_need(world: World, agent: str) -> None:
    problems = Problems(world.core)
    told = problems.report(agent, incident=INCIDENT, entity_id=BIP, text="Rien ne s'ouvre.")
    assert [each.mail for each in told] == ["referent@ville.fr"]
    assert world.mails() == [("problem-reported", "referent@ville.fr")]
    (text,) = texts(world)
    correspondant = world.core.settings.organization.correspondant
    for said in ("agent@ville.fr", INCIDENT, "BIP", "Rien ne s'ouvre.", correspondant):
        assert said in text
    with world.core.db.reading() as session:
        event = session.scalars(
            select(AuditEvent).where(AuditEvent.code == "problem.reported")
        ).one()
    assert (event.subject_id, event.entity_id) == (agent, BIP)
    assert event.parameters == {"incident": INCIDENT, "told": 1}


@pytest.mark.parametrize(
    ("incident", "entity_id"),
    [("", ""), ("<b>", "https://inconnu.example"), ("0" * 17, ""), ("G" * 16, "x")],
)
def test_what_a_stranger_wrote_in_the_address_is_left_out(
    world: World, agent: str, incident: str, entity_id: str
) -> None:
    Problems(world.core).report(agent, incident=incident, entity_id=entity_id)
    (text,) = texts(world)
    assert "Référence" not in text
    assert "Application :" not in text
    assert world.mails()[0][1] == "referent@ville.fr"


def test_without_a_referent_the_correspondant_is_told_and_need_not_forward(world: World) -> None:
    alone = world.add("seul@ville.fr", "b").subject_id
    Problems(world.core).report(alone, text="Bonjour")
    correspondant = world.core.settings.organization.correspondant
    assert world.mails() == [("problem-reported", correspondant)]
    assert "Transférez" not in texts(world)[0]


def test_ten_a_day(world: World, agent: str, clock: FakeClock) -> None:
    problems = Problems(world.core)
    for _ in range(PER_DAY):
        problems.report(agent)
    with pytest.raises(TooMany):
        problems.report(agent)
    assert len(world.mails()) == PER_DAY
    clock.advance(timedelta(days=1, seconds=1))
    problems.report(agent)


def test_nobody_who_is_not_usable_reports(world: World, agent: str) -> None:
    world.directory.accounts.lock(OPERATOR, "agent@ville.fr")
    for subject_id in (agent, "nobody"):
        with pytest.raises(NotFound):
            Problems(world.core).report(subject_id)
    assert world.mails() == []


def test_the_text_is_bounded(world: World, agent: str) -> None:
    with pytest.raises(DirectoryError):
        Problems(world.core).report(agent, text="x" * 1001)
