"""One list of people in one order, and how far its pages are looked for."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import FromClause, Select, Subquery

from directory.people.order import LINE, Order
from directory.people.statements import lines, lines_whole, memberships, people, people_whole
from directory.people.wanted import Wanted
from directory.validity import ACCOUNT, MEMBERSHIP

NEAR = {"others": 8_000, "words": 1_000, "role": 2_000, "role and words": 4_000}
"""Accounts, in the order of the list, among which a page of a longer one is looked for.

By what is asked of each: for words or a role something is read of each, so they are few. All with
both are gathered at a higher price than all with words, so they are looked for among more.
"""

STRETCHES = {
    "role": ((3, 500), (16, 5_000)),
    "words": ((16, 12_000),),
    "others": ((3, 7_500), (16, 30_000)),
    "sqlite": ((16, 3_000),),
}
"""Search keys among which the first of many are looked for, one stretch after the other.

Of each so many are found for each line of the page: the more where one name is that of many. What
words find is soon gathered where it is rare, and SQLite reads a stretch to its end.
"""


@dataclass(frozen=True, slots=True)
class Listing:
    """One list in one order.

    ``name`` tells it from every other list of every other person: its cursors are good for it
    alone. Of ``people``, or of lines; with ``role_id`` of those that hold it, ``columns`` may tell
    how. ``counted``: up to here counts are exact. ``few``: there is not much of it.
    ``bucketed``: sorted by the last sign-in first.
    """

    name: str
    people: bool
    columns: Sequence[Any]
    wanted: Wanted
    order: Order
    counted: int
    role_id: int | None = None
    few: bool = False
    bucketed: bool = False

    def keys(self, wanted: Wanted, account: FromClause = ACCOUNT) -> Select[Any]:
        """The keys of all that is wanted, unsorted; of these accounts."""
        order = self.order
        key = order.columns(account)
        if self.people:
            return people(wanted, (*key, account.c.id.label(LINE)), order, account)
        return lines(
            wanted,
            (*key, MEMBERSHIP.c.id.label(LINE)),
            self.role_id,
            account=account,
            with_structure=not order.by_account,
        )

    @property
    def looked_at(self) -> int:
        """Memberships, to count so many; of people more, some have two."""
        return self.counted + 1 + (self.counted // 4 if self.people else 0)

    @property
    def sorted_as_counted(self) -> bool:
        """Whether what is counted can be what the page is sorted from."""
        return not self.bucketed and (self.order.by_account or not self.people)

    def memberships(self) -> Select[Any]:
        """The memberships that are counted."""
        return memberships(self.wanted, self.role_id)

    @property
    def along_search_keys(self) -> bool:
        """Whether search keys lead to the first of it."""
        return self.sorted_as_counted and self.order.by_name and self.wanted.told_by_search_key

    @property
    def near(self) -> int:
        """How far a page is looked for along the order of the list."""
        if self.wanted.words:
            return NEAR["role and words" if self.by_role else "words"]
        return NEAR["role" if self.by_role else "others"]

    def stretches(self, *, sqlite: bool) -> Sequence[tuple[int, int]]:
        """Along how many search keys, and for how many of each line of the page."""
        if self.role_id is not None:
            return STRETCHES["role"]
        if sqlite:
            return STRETCHES["sqlite"]
        return STRETCHES["words" if self.wanted.words and not self.by_role else "others"]

    @property
    def by_role(self) -> bool:
        """Whether it is asked of each who holds a role."""
        return self.role_id is not None or self.wanted.role_ids is not None

    def whole(self, keys: Select[Any], order: Order, beside: Subquery | None = None) -> Select[Any]:
        """The lines of some of these keys, each beside this one row."""
        columns = (*(beside.c if beside is not None else ()), *self.columns)
        if self.people:
            return people_whole(columns, order, keys, beside)
        return lines_whole(columns, order, keys, self.role_id, beside)
