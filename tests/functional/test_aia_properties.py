"""A référent tries everything on directories drawn by dice: never beyond his structures.

He opens pages, fills their forms in, forges them with the ids of others, sends old pages again, and
calls the services behind them. After each step the rows of all tables are held against the rules as
:mod:`tests.functional.aia_bounds` says them anew, and each answer against the words that he may not
read.
"""

from collections.abc import Callable, Iterator
from contextlib import suppress
from itertools import product
from random import Random

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from directory import actors
from directory.services.accounts.changes import Person
from idp.errors import ConvergencesError
from tests.common.databases import Databases
from tests.functional.aia_chance import ME, draw
from tests.functional.aia_play import Play
from tests.functional.aia_realm import Realm, Rows, realm_on
from tests.functional.aia_trespasses import trespasses

pytestmark = pytest.mark.uncovered


@pytest.fixture(scope="module")
def realm(databases: Databases, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Realm]:
    with realm_on(databases, tmp_path_factory.mktemp("properties")) as made:
        made.keep("empty")
        yield made


TRIES = (Play.walk, Play.walk, Play.honestly, Play.honestly, Play.forge, Play.again, Play.compare)
pages = settings(max_examples=8, suppress_health_check=[HealthCheck.too_slow])
services = settings(max_examples=15, suppress_health_check=[HealthCheck.too_slow])
seeds = st.integers(0, 2**32)


@pages
@given(seed=seeds, tries=st.lists(st.sampled_from(TRIES), min_size=4, max_size=8))
def test_pages_and_forms_stay_within_his_structures(
    realm: Realm, seed: int, tries: list[Callable[[Play], None]]
) -> None:
    realm.put_back("empty")
    dice = Random(seed)  # noqa: S311 - reproducible, not secret
    drawn = draw(realm, dice)
    play = Play(realm, drawn, realm.browser(ME), dice)
    for attempt in tries:
        attempt(play)
    play.count()
    play.look_around()


@services
@given(seed=seeds, number=st.integers(5, 30))
def test_services_stay_within_his_structures(realm: Realm, seed: int, number: int) -> None:
    realm.put_back("empty")
    dice = Random(seed)  # noqa: S311 - reproducible, not secret
    play = Play(realm, draw(realm, dice), realm.app, dice)
    for _ in range(number):
        play.serve()


def test_who_is_added_anew_is_held_to_the_same_rules(realm: Realm) -> None:
    """Chance seldom erases whom another town has in its bin; here each address is added."""
    erased = 0
    for seed in range(5):
        realm.put_back("empty")
        drawn = draw(realm, Random(seed))  # noqa: S311 - reproducible, not secret
        actor = actors.load(realm.services.core, drawn.subjects[0])
        assert actor is not None
        for mail, structure in product(drawn.mails, drawn.structures):
            before = realm.rows()
            with suppress(ConvergencesError):
                realm.directory.accounts.add(actor, Person(mail, "Autre", "Autre"), structure)
            after = realm.rows()
            assert trespasses(before, after) == [], f"{seed} {mail} {structure}"
            erased += len(subjects(before) - subjects(after))
    assert erased, "some were in the bin"


def subjects(rows: Rows) -> set[object]:
    return {each["subject_id"] for each in rows["account"].values()}
