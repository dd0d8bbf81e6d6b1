"""All that is wanted, where it is not much: counted, and the page of it, by one statement.

What is wanted is found without its order. Only where that is not too much is the order read, of
the accounts and structures, and the page sorted from it.
"""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import CTE, Select, Subquery, case, func, select

from directory.people.order import LINE, Order
from directory.validity import ACCOUNT, MEMBERSHIP, STRUCTURE


def found(memberships: Select[Any], most: int) -> CTE:
    """These memberships, at most so many, found once for all that is asked of them."""
    every = memberships.limit(most).cte("every")
    return every.prefix_with("MATERIALIZED", dialect="postgresql")


def counted(every: CTE) -> Select[int, int]:
    """How many there are, ``found``, and of how many people, ``whose``."""
    each = every.c.account_id
    return select(func.count().label("found"), func.count(each.distinct()).label("whose"))


def all_of(every: CTE, most: int) -> Subquery:
    """All of them where there are less than ``most``, else none."""
    number = select(func.count()).select_from(every).scalar_subquery()
    return select(every).limit(case((number < most, most), else_=0)).subquery("all_of")


def keys(
    these: CTE | Subquery, order: Order, values: Sequence[Any] | None, *, people: bool
) -> Select[Any]:
    """The keys of these lines, or of their people, behind a line, sorted."""
    source = these.join(ACCOUNT, ACCOUNT.c.id == these.c.account_id)
    if not order.by_account:
        source = source.join(STRUCTURE, STRUCTURE.c.id == these.c.structure_id)
    first, *others = order.key
    # Else SQLite would go along the index of the sort, and ask of each account whether it is found.
    apart = first.concat("")
    key = (apart, *(these.c.id if each is MEMBERSHIP.c.id else each for each in others))
    line = ACCOUNT.c.id if people else these.c.id
    columns = (*(each.label(name) for each, name in zip(key, order.names, strict=True)),)
    wanted = select(*columns, line.label(LINE)).select_from(source)
    wanted = wanted.where(ACCOUNT.c.deleted_at.is_(None))
    if people:
        wanted = wanted.distinct()
    if values is not None:
        wanted = wanted.where(order.behind(values, key))
    return order.sort(wanted, key)
