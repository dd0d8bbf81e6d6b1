"""Between which search keys people stand whose names lie between two names.

The search key of a membership begins with its person's name and first name, so it tells nearly
where he stands in a list by name, and nothing of his account need be read to leave him out. It
stands beyond the names themselves by what follows them, and a space sorts before every letter.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement

from directory.models.search_keys import LONGEST_NAME_KEY

_BEHIND_A_SPACE = "!"  # the sign that follows it


@dataclass(frozen=True, slots=True)
class Between:
    """A search key from ``low`` on and before ``high``; None: not bounded there."""

    low: str | None
    high: str | None

    @classmethod
    def keys(cls, low: Sequence[Any] | None, high: Sequence[Any] | None) -> "Between":
        """Of everybody from one pair of folded name and first name up to another, both included."""
        return cls(None if low is None else low[0], None if high is None else _beyond(*high[:2]))

    def holds(self, column: ColumnElement[str]) -> list[ColumnElement[bool]]:
        """As SQL; true of some others as well."""
        conditions = []
        if self.low is not None:
            conditions.append(column >= self.low)
        if self.high is not None:
            conditions.append(column < self.high)
        return conditions


def _beyond(sn: str, given_name: str) -> str | None:
    """Before this stands the search key of each who stands at or before these names."""
    word, more = _first_word(sn)
    if word is None:
        return None
    first, _ = _first_word(given_name)
    if more or first is None:
        # Of "martin dupont" too: the key of a Martin whose first name is Zoé stands behind it.
        return word + _BEHIND_A_SPACE
    return f"{word} {first}{_BEHIND_A_SPACE}"


def _first_word(key: str) -> tuple[str | None, bool]:
    """The word, and whether there are others; no word where the key was cut within it."""
    word, space, _ = key.partition(" ")
    return (word if len(word) < LONGEST_NAME_KEY else None), bool(space)
