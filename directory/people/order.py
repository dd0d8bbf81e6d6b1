"""In which order a list of people stands, and what follows a line of it.

Pages go by key: the columns that a list is sorted by end with an id, and a page begins behind the
values of the last line of the one before. The first columns lie in one table, whose index the
database then walks in order; those behind them settle ties.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import (
    Column,
    ColumnElement,
    FromClause,
    Select,
    Subquery,
    and_,
    literal,
    or_,
    select,
    true,
    tuple_,
)

from directory.people.lines import Sort
from directory.validity import ACCOUNT, MEMBERSHIP, STRUCTURE

LINE = "line"
"""What the id of a line is called beside its key."""

_NAME = (ACCOUNT.c.sn_key, ACCOUNT.c.given_name_key, ACCOUNT.c.id)
_HEADS: dict[Sort, tuple[Column[Any], ...]] = {
    Sort.NAME: _NAME,
    Sort.LAST: _NAME,
    Sort.GIVEN_NAME: (ACCOUNT.c.given_name_key, ACCOUNT.c.sn_key, ACCOUNT.c.id),
    Sort.MAIL: (ACCOUNT.c.mail_key, ACCOUNT.c.id),
    Sort.STRUCTURE: (STRUCTURE.c.path_key, STRUCTURE.c.id),
}


@dataclass(frozen=True, slots=True)
class Order:
    """Sorted by ``head``, columns of one table that end with its id, then by ``tail``."""

    head: tuple[Column[Any], ...]
    tail: tuple[Column[Any], ...]
    descending: bool

    @classmethod
    def of(cls, sort: Sort, *, descending: bool, lines: bool) -> "Order":
        """For people, or for lines, of which a person may have several."""
        if sort is Sort.STRUCTURE:
            return cls(_HEADS[sort], _NAME, descending)
        return cls(_HEADS[sort], (MEMBERSHIP.c.id,) if lines else (), descending)

    @property
    def key(self) -> tuple[Column[Any], ...]:
        """The columns whose values say where a line stands."""
        return self.head + self.tail

    def columns(self, account: FromClause = ACCOUNT) -> tuple[ColumnElement[Any], ...]:
        """The key under names of its own."""
        return tuple(
            each.label(name) for each, name in zip(self.on(account), self.names, strict=True)
        )

    def on(self, account: FromClause) -> tuple[ColumnElement[Any], ...]:
        """The key, of what stands for the accounts."""
        return tuple(account.c[each.name] if each.table is ACCOUNT else each for each in self.key)

    @property
    def names(self) -> tuple[str, ...]:
        """What the columns of the key are called."""
        return tuple(f"key_{at}" for at in range(len(self.key)))

    @property
    def by_account(self) -> bool:
        """Whether an index of the accounts leads through the list."""
        return self.head[0].table is ACCOUNT

    @property
    def by_name(self) -> bool:
        """Whether it begins with name and first name."""
        return self.head is _NAME

    def reversed(self) -> "Order":
        """The same list from its end."""
        return Order(self.head, self.tail, not self.descending)

    def sort(self, statement: Select[Any], key: Sequence[ColumnElement[Any]] = ()) -> Select[Any]:
        """The statement in this order, of columns that stand for those of the key."""
        by = key or self.key
        return statement.order_by(*(each.desc() for each in by) if self.descending else by)

    def behind(
        self, values: Sequence[Any], key: Sequence[ColumnElement[Any]] = ()
    ) -> ColumnElement[bool]:
        """What follows the line of this key, on columns that stand for those of the key."""
        length = len(self.head)
        columns = key or self.key
        head = self._after(columns[:length], values[:length], at_it=bool(self.tail))
        return and_(head, self.further(values, columns))

    def further(
        self, values: Sequence[Any], key: Sequence[ColumnElement[Any]]
    ) -> ColumnElement[bool]:
        """What, from the head of this key on, follows its line."""
        if not self.tail:
            return true()
        length = len(self.head)
        return or_(
            key[length - 1] != values[length - 1],
            self._after(key[length:], values[length:]),
        )

    def stretch(self, key: Sequence[Any] | None, accounts: int) -> Subquery:
        """So many accounts behind a line, or from the start; with all that conditions ask for.

        A part of the statement and not a bound on it: PostgreSQL reckons wrongly how many lie
        between two keys, reads them all and sorts them; so it walks until it has enough.
        """
        live = select(ACCOUNT).where(ACCOUNT.c.deleted_at.is_(None))
        if key is not None:
            values = key[: len(self.head)]
            live = live.where(self._after(self.head, values, at_it=bool(self.tail)))
        return self.sort(live, self.head).limit(accounts).subquery("stretch")

    def _after(
        self, columns: Sequence[ColumnElement[Any]], values: Sequence[Any], *, at_it: bool = False
    ) -> ColumnElement[bool]:
        place = tuple_(*(literal(value) for value in values))
        row = tuple_(*columns)
        # The first column apart: of rows PostgreSQL does not know how many lie in a stretch.
        if self.descending:
            return and_(columns[0] <= values[0], row <= place if at_it else row < place)
        return and_(columns[0] >= values[0], row >= place if at_it else row > place)
