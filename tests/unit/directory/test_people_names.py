"""Which search keys are of people between two names."""

from hypothesis import example, given
from hypothesis import strategies as st

from directory.models import Account
from directory.models.search_keys import (
    END_OF_NAME,
    LONGEST_NAME_KEY,
    LONGEST_SEARCH_KEY,
    MOST_BYTES,
    fold,
)
from directory.people.names import end_of_keys, first_key

LONG = "x" * LONGEST_NAME_KEY
names = st.sampled_from(
    ("a", "b", "ab", "a b", "a-a", "a a b", "B", "é", "%", "ø", "-", LONG, LONG + "y")
)
people = st.tuples(names, names)


def folded(person: tuple[str, str]) -> Account:
    account = Account(sn=person[0], given_name=person[1], mail="m@v.fr")
    fold(account)
    return account


def sorted_by(person: tuple[str, str]) -> tuple[str, str]:
    account = folded(person)
    return account.sn_key, account.given_name_key


@example(person=("a b", "a"), other=("a", "b"))
@example(person=("a", "-"), other=("a", "-"))
@given(person=people, other=people)
def test_search_keys_stand_as_the_names_do(person: tuple[str, str], other: tuple[str, str]) -> None:
    key, names = folded(person).search_key, sorted_by(other)
    assert (first_key(names) <= key) == (names <= sorted_by(person))
    assert (key < end_of_keys(names)) == (sorted_by(person) <= names)


def test_the_longest_key_fits_its_column_and_a_row_of_an_index() -> None:
    # A letter of four bytes; one that folds to three.
    for letter in ("𐍈", "\ufb03"):
        account = Account(sn=letter * 30, given_name=letter * 30, mail=letter * 254)
        fold(account)
        names = END_OF_NAME.join((account.sn_key, account.given_name_key, ""))
        assert account.search_key.startswith(names)
        assert len(account.search_key) <= LONGEST_SEARCH_KEY
        assert len(account.search_key.encode()) <= MOST_BYTES
