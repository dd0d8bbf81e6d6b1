"""The first of many in the order of their names, found along the search keys of the memberships.

Their index leads through a list by name, and tells by itself whom words find, and where; so does
that of the assignments, which repeat the keys, among those that hold a role. Those of one name are
sorted by what settles ties; the ``edge`` tells whether one of them was not looked at.
"""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import (
    CTE,
    ColumnElement,
    FromClause,
    Select,
    Subquery,
    and_,
    func,
    select,
)

from directory.people.names import end_of_keys, first_key
from directory.people.order import Order
from directory.people.wanted import Wanted
from directory.validity import ASSIGNMENT, MEMBERSHIP, STRUCTURE

_Key = Sequence[Any]


def along(
    wanted: Wanted, role_id: int | None, order: Order, key: _Key | None, *, stretch: int, most: int
) -> CTE:
    """At most so many wanted memberships, among so many of which the first may be behind the key.

    A part of the statement and not a bound on it: who is wanted may stand at the very end.
    """
    if role_id is not None:
        return _along_role(wanted, role_id, order, key, stretch=stretch, most=most)
    column = MEMBERSHIP.c.search_key
    every = select(MEMBERSHIP).where(
        MEMBERSHIP.c.deleted_at.is_(None), *_behind(column, order, key)
    )
    near = _sorted(every, column, order).limit(stretch).subquery("near")
    those = (
        select(near.c.id, near.c.account_id, near.c.structure_id, near.c.search_key)
        .select_from(_in_structures(near, near, wanted))
        .where(*wanted.of_live(near), *wanted.within.conditions(near))
    )
    return _first(those, near.c.search_key, order, most)


def _along_role(
    wanted: Wanted, role_id: int, order: Order, key: _Key | None, *, stretch: int, most: int
) -> CTE:
    """The same of those that hold a role and are found by the words."""
    column = ASSIGNMENT.c.search_key
    every = select(ASSIGNMENT).where(
        ASSIGNMENT.c.role_id == role_id,
        *wanted.of_live(MEMBERSHIP, ASSIGNMENT),
        *_behind(column, order, key),
    )
    near = _sorted(every, column, order).limit(stretch).subquery("near")
    live = and_(MEMBERSHIP.c.id == near.c.membership_id, MEMBERSHIP.c.deleted_at.is_(None))
    those = (
        select(MEMBERSHIP.c.id, MEMBERSHIP.c.account_id, near.c.structure_id, near.c.search_key)
        .select_from(_in_structures(near.join(MEMBERSHIP, live), near, wanted))
        .where(*wanted.within.conditions(near))
    )
    return _first(those, near.c.search_key, order, most)


def among(memberships: Select[Any], order: Order, key: _Key | None, most: int) -> CTE:
    """The first of all these, of which so many may be behind the key."""
    column = MEMBERSHIP.c.search_key
    every = memberships.add_columns(column).where(*_behind(column, order, key))
    found = every.cte("among").prefix_with("MATERIALIZED", dialect="postgresql")
    return _first(select(found), found.c.search_key, order, most)


def edge(nearest: CTE, order: Order) -> Subquery:
    """The last of their search keys."""
    key = nearest.c.search_key
    last = func.min(key) if order.descending else func.max(key)
    return select(last.label("edge")).subquery("ends")


def is_whole(last: _Key, order: Order, edge: str) -> bool:
    """Whether all were looked at who stand before this key, or bear its names."""
    return edge < first_key(last) if order.descending else end_of_keys(last) <= edge


def _in_structures(source: FromClause, near: FromClause, wanted: Wanted) -> FromClause:
    """Joined with their structures where the conditions ask those."""
    if not wanted.within.by_structure:
        return source
    return source.join(STRUCTURE, STRUCTURE.c.id == near.c.structure_id)


def _behind(
    column: ColumnElement[str], order: Order, key: _Key | None
) -> list[ColumnElement[bool]]:
    """Behind these names, or of them."""
    if key is None:
        return []
    return [column < end_of_keys(key) if order.descending else column >= first_key(key)]


def _first(those: Select[Any], column: ColumnElement[str], order: Order, most: int) -> CTE:
    nearest = _sorted(those, column, order).limit(most).cte("nearest")
    return nearest.prefix_with("MATERIALIZED", dialect="postgresql")


def _sorted(those: Select[Any], column: ColumnElement[str], order: Order) -> Select[Any]:
    return those.order_by(column.desc() if order.descending else column)
