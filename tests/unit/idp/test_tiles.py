"""The order of the tiles and what a search finds."""

from datetime import timedelta

import pytest

from idp.services import Services
from idp.tiles import last_used_first, matches
from idp.types import Tile
from tests.common.clock import START, FakeClock


def tile(code: str, entity_id: str | None = None) -> Tile:
    return Tile(code=code, label=code.upper(), description="", icon="", entity_id=entity_id)


def test_the_last_used_comes_first_and_the_others_stay() -> None:
    tiles = (tile("a", "a"), tile("b"), tile("c", "c"), tile("d", "d"), tile("e", "e"))
    used = {"d": (1, START), "c": (9, START - timedelta(days=1)), "x": (1, START), None: (1, START)}
    assert [each.code for each in last_used_first(tiles, used)] == ["d", "c", "a", "b", "e"]


@pytest.mark.parametrize(
    ("search", "found"),
    [
        ("", True),
        ("élection", True),
        ("ELECTION  œuvre", True),
        ("oeuvre l'", True),
        ("vote x", False),
    ],
)
def test_each_word_must_occur(search: str, found: bool) -> None:  # noqa: FBT001 - pytest's own
    described = Tile(code="v", label="Élections", description="L'Œuvre du vote", icon="")
    assert matches(described, search) is found


def test_the_journal_counts_what_happened_to_one_person(
    services: Services, clock: FakeClock
) -> None:
    audit = services.audit
    for subject_id, entity_id in (("s", "a"), ("s", "a"), ("s", None), ("other", "a")):
        audit.record("sign-on.success", subject_id=subject_id, entity_id=entity_id)
        clock.advance(timedelta(minutes=1))
    audit.record("sign-on.refused", subject_id="s", entity_id="b")
    since = START + timedelta(seconds=1)
    assert audit.tally("sign-on.success", "s", since=START) == {
        "a": (2, START + timedelta(minutes=1)),
        None: (1, START + timedelta(minutes=2)),
    }
    assert audit.tally("sign-on.success", "s", since=since)["a"] == (
        1,
        START + timedelta(minutes=1),
    )
    assert audit.tally("sign-on.success", "nobody", since=START) == {}
