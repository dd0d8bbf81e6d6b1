"""Which search keys may be of people between two names."""

from hypothesis import example, given
from hypothesis import strategies as st

from directory.models.search_keys import LONGEST_NAME_KEY
from directory.people.names import Between
from directory.search import search_key

LONG = "x" * LONGEST_NAME_KEY
names = st.sampled_from(
    ("a", "b", "ab", "a b", "a-a", "a a b", "B", "é", "%", "ø", LONG, LONG + "y")
)
people = st.tuples(names, names)


def sorted_by(person: tuple[str, str]) -> tuple[str, ...]:
    return tuple(search_key(each)[:LONGEST_NAME_KEY] for each in person)


@example(person=("a b", "a"), low=None, high=("a b", "a"))
@given(person=people, low=st.none() | people, high=st.none() | people)
def test_nobody_between_the_names_is_left_out(
    person: tuple[str, str], low: tuple[str, str] | None, high: tuple[str, str] | None
) -> None:
    between = Between.keys(low and sorted_by(low), high and sorted_by(high))
    key = search_key(*person, "m@v.fr")
    if (low is None or sorted_by(low) <= sorted_by(person)) and (
        high is None or sorted_by(person) <= sorted_by(high)
    ):
        assert between.low is None or between.low <= key
        assert between.high is None or key < between.high


def test_others_are_left_out() -> None:
    between = Between.keys(("martin", "leila", 7), ("martin", "noe", 9))
    assert (between.low, between.high) == ("martin", "martin noe!")
    assert Between.keys(None, ("martin dupont", "noe", 9)).high == "martin!"
    assert Between.keys(None, ("martin", LONG, 9)).high == "martin!"
    assert Between.keys(None, (LONG, "noe", 9)).high is None
