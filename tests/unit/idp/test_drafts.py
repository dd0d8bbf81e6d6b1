from datetime import timedelta

import pytest
from sqlalchemy import func, select, update
from structlog.testing import capture_logs

from idp.db import Database
from idp.sessions.drafts import KEPT, LARGEST, MOST, Drafts
from idp.sessions.tables import DraftRow
from idp.worker import purge
from tests.common.clock import FakeClock

SECRET = b"s" * 32
HERE = "/demander-un-acces"
TYPED = {"motif": "Je remplace Zoé ; <paie> du 20", "application": "bip"}


@pytest.fixture
def drafts(database: Database, clock: FakeClock) -> Drafts:
    return Drafts(database, clock, secret=SECRET)


def rows(database: Database) -> int:
    with database.reading() as reading:
        return reading.scalar(select(func.count()).select_from(DraftRow)) or 0


def test_what_was_typed_comes_back_to_its_person_and_form_alone(drafts: Drafts) -> None:
    assert drafts.keep("lea", HERE, TYPED)
    assert drafts.find("lea", HERE) == TYPED
    assert drafts.find("max", HERE) is None
    assert drafts.find("lea", "/ailleurs") is None


def test_the_newest_of_a_form_replaces_the_one_before(drafts: Drafts, database: Database) -> None:
    drafts.keep("lea", HERE, TYPED)
    drafts.keep("lea", HERE, {"motif": "autre"})
    assert drafts.find("lea", HERE) == {"motif": "autre"}
    assert rows(database) == 1


def test_the_database_shows_nothing_of_it(drafts: Drafts, database: Database) -> None:
    drafts.keep("lea", HERE, TYPED)
    drafts.keep("max", HERE, TYPED)
    with database.reading() as reading:
        one, other = reading.scalars(select(DraftRow.sealed).order_by(DraftRow.id))
    assert b"Zo" not in one
    assert b"motif" not in one
    assert one[12:] != other[12:], "equal texts do not look equal"


def test_a_row_given_to_somebody_else_opens_nothing(drafts: Drafts, database: Database) -> None:
    drafts.keep("lea", HERE, TYPED)
    with database.unit_of_work() as work:
        work.execute(update(DraftRow).values(subject_id="max"))
    with capture_logs() as lines:
        assert drafts.find("max", HERE) is None
    assert [line["event"] for line in lines] == ["draft.unreadable"]


def test_another_secret_opens_nothing(drafts: Drafts, database: Database, clock: FakeClock) -> None:
    drafts.keep("lea", HERE, TYPED)
    assert Drafts(database, clock, secret=b"t" * 32).find("lea", HERE) is None


def test_it_is_gone_after_a_day(drafts: Drafts, database: Database, clock: FakeClock) -> None:
    drafts.keep("lea", HERE, TYPED)
    clock.advance(KEPT - timedelta(seconds=1))
    assert drafts.find("lea", HERE) == TYPED
    purge(database, clock)
    assert rows(database) == 1
    clock.advance(timedelta(seconds=1))
    assert drafts.find("lea", HERE) is None
    purge(database, clock)
    assert rows(database) == 0


@pytest.mark.parametrize(
    ("address", "typed"),
    [
        (HERE, {}),
        (HERE, {"motif": " \n", "application": ""}),
        (HERE, {"motif": "x" * LARGEST}),
        ("/" + "a" * 1024, TYPED),
    ],
)
def test_nothing_empty_and_nothing_huge_is_kept(
    drafts: Drafts, address: str, typed: dict[str, str]
) -> None:
    assert not drafts.keep("lea", address, typed)
    assert drafts.find("lea", address) is None


def test_a_person_has_few_drafts(drafts: Drafts, database: Database, clock: FakeClock) -> None:
    drafts.keep("max", HERE, TYPED)
    for number in range(MOST + 2):
        clock.advance(timedelta(seconds=1))
        drafts.keep("lea", f"/{number}", TYPED)
    assert rows(database) == MOST + 1
    assert drafts.find("lea", "/1") is None, "the oldest made room"
    assert drafts.find("lea", "/2") == TYPED
    assert drafts.find("max", HERE) == TYPED


def test_one_is_forgotten_or_all_of_a_person(drafts: Drafts) -> None:
    for subject_id, address in (("lea", "/a"), ("lea", "/b"), ("max", "/a")):
        drafts.keep(subject_id, address, TYPED)
    assert drafts.forget("lea", "/a")
    assert not drafts.forget("lea", "/a")
    assert drafts.find("lea", "/b") == TYPED
    assert drafts.forget("lea")
    assert drafts.find("lea", "/b") is None
    assert drafts.find("max", "/a") == TYPED
