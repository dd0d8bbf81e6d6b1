"""A list's address: what is wrong in it is as if it were absent, and the addresses beside it."""

from enum import StrEnum
from urllib.parse import parse_qs, urlsplit

import pytest

from directory.people.lines import Count
from idp.request import Request
from views.aia.listing import LONGEST, LONGEST_CURSOR, Listing, listing
from views.templating import counted


class Sort(StrEnum):
    NAME = "nom"
    MAIL = "adresse"


def read(query: str) -> Listing[Sort]:
    request = Request.blank(f"/liste?{query}")
    return listing(request, Sort, path="/liste", kept=("structure",))


def asked(address: str) -> dict[str, str]:
    assert urlsplit(address).path == "/liste"
    return {name: values[0] for name, values in parse_qs(urlsplit(address).query).items()}


@pytest.mark.parametrize(
    "query", ["", "tri=x&taille=7&curseur=", "tri=-&taille=-20", "tri=--nom", "taille=%C2%B2"]
)
def test_what_is_wrong_is_as_usual(query: str) -> None:
    state = read(query)
    assert (state.sort, state.descending, state.size) == (Sort.NAME, False, 20)
    assert (state.cursor, state.text, state.kept) == (None, "", ())


def test_what_is_too_long_is_cut_or_left_out() -> None:
    state = read(f"filtre={'x' * 999}&curseur={'c' * (LONGEST_CURSOR + 1)}&autre=1")
    assert len(state.text) == LONGEST
    assert state.cursor is None
    assert [name for name, _ in state.kept] == ["filtre"]


def test_each_address_keeps_the_rest_and_begins_at_the_first_page() -> None:
    state = read("tri=-adresse&taille=50&curseur=abc&filtre=+l%C3%A9a+&structure=a")
    kept = {"filtre": "léa", "structure": "a"}
    assert asked(state.at("def")) == kept | {"tri": "-adresse", "taille": "50", "curseur": "def"}
    assert asked(state.at(None)) == kept | {"tri": "-adresse", "taille": "50"}
    assert asked(state.sized(10)) == kept | {"tri": "-adresse", "taille": "10"}
    assert asked(state.sorted("nom")) == kept | {"tri": "nom", "taille": "50"}
    assert dict(state.hidden) == {"structure": "a", "tri": "-adresse", "taille": "50"}


def test_sorted_twice_it_is_the_other_way_round() -> None:
    assert asked(read("tri=nom").sorted("nom"))["tri"] == "-nom"
    assert asked(read("tri=-nom").sorted("nom"))["tri"] == "nom"


@pytest.mark.parametrize(
    ("number", "exact", "said"),
    [
        (312, True, "312"),
        (1000, True, "1\N{NO-BREAK SPACE}000"),
        (1000, False, "plus de 1\N{NO-BREAK SPACE}000"),
    ],
)
def test_a_count_says_whether_that_is_all(number: int, exact: bool, said: str) -> None:  # noqa: FBT001
    assert counted(Count(number, exact)) == said
