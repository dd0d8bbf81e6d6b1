from datetime import timedelta

import pytest
from sqlalchemy import update

from idp.db import Database
from idp.sessions.name_ids import NameIDs
from idp.sessions.tables import SsoSessionRow
from idp.types import NameID, NameIDFormat
from tests.common.clock import FakeClock
from tests.common.threads import all_at_once

SP = "https://sp.example/metadata"
OTHER_SP = "https://autre.example/metadata"


@pytest.fixture
def name_ids(database: Database, clock: FakeClock) -> NameIDs:
    return NameIDs(database, clock, "https://idp.example/saml/metadata")


def value(name_id: NameID | None) -> str:
    assert name_id is not None
    return name_id.value


def test_a_persistent_name_id_stays(name_ids: NameIDs, clock: FakeClock) -> None:
    first = name_ids.persistent("lea", SP)
    clock.advance(timedelta(days=900))

    assert name_ids.persistent("lea", SP) == first
    assert first is not None
    assert first.format == NameIDFormat.PERSISTENT
    assert first.name_qualifier == "https://idp.example/saml/metadata"
    assert first.sp_name_qualifier == SP
    assert len(bytes.fromhex(first.value)) >= 16


def test_persistent_name_ids_are_pairwise(name_ids: NameIDs) -> None:
    values = {
        value(name_ids.persistent(subject, entity_id))
        for subject in ("lea", "max")
        for entity_id in (SP, OTHER_SP)
    }
    assert len(values) == 4


def test_none_is_made_when_none_may_be(name_ids: NameIDs) -> None:
    assert name_ids.persistent("lea", SP, create=False) is None
    made = name_ids.persistent("lea", SP)
    assert name_ids.persistent("lea", SP, create=False) == made


def test_two_first_visits_at_once_get_one_name_id(name_ids: NameIDs) -> None:
    values: list[str | None] = []

    def visit() -> None:
        values.append(name_ids._create("lea", SP))

    all_at_once(visit)

    assert len(values) == 4
    assert set(values) == {value(name_ids.persistent("lea", SP))}


def test_a_name_id_is_made_inside_the_transaction_in_progress(
    name_ids: NameIDs, database: Database
) -> None:
    with database.unit_of_work() as work:
        work.execute(update(SsoSessionRow).values(end_reason="x"))
        inside = name_ids.persistent("lea", SP)

    assert name_ids.persistent("lea", SP) == inside
