"""The statements behind lists of people: how what is wanted is found.

Two shapes. *People* are accounts of which at least one membership is wanted; *lines* are the wanted
memberships themselves. Both take the same conditions, so what bounds the one bounds the other.

A page is found by its keys alone (:mod:`directory.people.order`), then its own lines read whole.
"""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import (
    ColumnElement,
    FromClause,
    Select,
    Subquery,
    and_,
    func,
    literal,
    or_,
    select,
    true,
    tuple_,
)

from directory.people.order import LINE, Order
from directory.people.wanted import UNSEEN, Wanted
from directory.scope import shows_state
from directory.validity import ACCOUNT, ASSIGNMENT, MEMBERSHIP, PHOTO, STRUCTURE

_MEMBERSHIP_2 = MEMBERSHIP.alias("other_membership")
_STRUCTURE_2 = STRUCTURE.alias("other_structure")


def people(
    wanted: Wanted, columns: Sequence[Any], order: Order, account: FromClause = ACCOUNT
) -> Select[Any]:
    """Accounts with a wanted membership; sorted by structure each stands at his first one."""
    if order.by_account:
        where = [*wanted.of_account(account), _has_wanted(wanted, account)]
        if wanted.beyond:
            where.append(_is_seen(wanted, account))
        elif wanted.bucket == UNSEEN:
            where.append(~_is_seen(wanted, account))
        return select(*columns).select_from(account).where(*where)
    source = ACCOUNT.join(MEMBERSHIP, MEMBERSHIP.c.account_id == ACCOUNT.c.id).join(
        STRUCTURE, STRUCTURE.c.id == MEMBERSHIP.c.structure_id
    )
    where = [
        *wanted.of_account(),
        *wanted.of_membership(),
        *wanted.within.conditions(),
        ~_stands_earlier(wanted),
    ]
    if wanted.seen:
        where.append(_is_seen_at(wanted, ACCOUNT))
    return select(*columns).select_from(source).where(*where)


def lines(
    wanted: Wanted,
    columns: Sequence[Any],
    role_id: int | None = None,
    *,
    account: FromClause = ACCOUNT,
    with_structure: bool = True,
) -> Select[Any]:
    """The wanted memberships; with a role those that hold it, joined with how they do.

    Words are looked for in what holds the role, whose index tells. Structures are joined for
    columns of theirs; without, where the conditions need them.
    """
    source = account.join(MEMBERSHIP, MEMBERSHIP.c.account_id == account.c.id)
    if with_structure or wanted.within.by_structure:
        source = source.join(STRUCTURE, STRUCTURE.c.id == MEMBERSHIP.c.structure_id)
    seen = [_is_seen_at(wanted, account)] if wanted.beyond else wanted.of_line()
    found = select(*columns).where(*wanted.of_account(account), *seen)
    return _placed(found, source, wanted, role_id)


def memberships(wanted: Wanted, role_id: int | None = None) -> Select[Any]:
    """The ids of the wanted memberships, of their accounts and structures, in no order.

    Of accounts nothing is read where nothing is asked: with one in the bin go all its memberships.
    """
    columns = (MEMBERSHIP.c.id, MEMBERSHIP.c.account_id, MEMBERSHIP.c.structure_id)
    if not wanted.of_any_account:
        return lines(wanted, columns, role_id, with_structure=False)
    found = select(*columns).where(*wanted.of_line())
    return _placed(found, _membership(wanted), wanted, role_id, leads=True)


def _placed(
    found: Select[Any],
    source: FromClause,
    wanted: Wanted,
    role_id: int | None,
    *,
    leads: bool = False,
) -> Select[Any]:
    """From this source, where the memberships are wanted, and hold the role."""
    place = MEMBERSHIP if role_id is None else ASSIGNMENT
    within = wanted.within.conditions(place, leads=leads)
    found = found.where(*wanted.of_membership(searched=place), *within)
    return found.select_from(_held(source, role_id))


def people_whole(
    columns: Sequence[Any], order: Order, keys: Select[Any], beside: Subquery | None = None
) -> Select[Any]:
    """The people of these keys, in their order; a row ends with its key.

    ``beside``: one row that goes along with each of them, and alone where there are none.
    """
    found = keys.subquery("found")
    source = (
        _beginning(found, beside)
        .join(ACCOUNT, ACCOUNT.c.id == found.c[LINE], isouter=beside is not None)
        .outerjoin(PHOTO, PHOTO.c.account_id == ACCOUNT.c.id)
    )
    return _whole(columns, order, found, source)


def lines_whole(
    columns: Sequence[Any],
    order: Order,
    keys: Select[Any],
    role_id: int | None,
    beside: Subquery | None = None,
) -> Select[Any]:
    """The lines of these keys, in their order; a row ends with its key. ``beside``: as above."""
    found = keys.subquery("found")
    outer = beside is not None
    source = (
        _beginning(found, beside)
        .join(MEMBERSHIP, MEMBERSHIP.c.id == found.c[LINE], isouter=outer)
        .join(ACCOUNT, ACCOUNT.c.id == MEMBERSHIP.c.account_id, isouter=outer)
        .join(STRUCTURE, STRUCTURE.c.id == MEMBERSHIP.c.structure_id, isouter=outer)
    )
    return _whole(columns, order, found, _held(source, role_id, outer=outer))


def _beginning(found: Subquery, beside: Subquery | None) -> FromClause:
    return found if beside is None else beside.outerjoin(found, true())


def _whole(
    columns: Sequence[Any], order: Order, found: Subquery, source: FromClause
) -> Select[Any]:
    key = [found.c[name] for name in order.names]
    return order.sort(select(*columns, *key).select_from(source), key)


def _held(source: FromClause, role_id: int | None, *, outer: bool = False) -> FromClause:
    if role_id is None:
        return source
    this = and_(ASSIGNMENT.c.membership_id == MEMBERSHIP.c.id, ASSIGNMENT.c.role_id == role_id)
    return source.join(ASSIGNMENT, this, isouter=outer)


def gathered(keys: Select[Any], order: Order) -> Select[Any]:
    """The keys sorted after all that there are were found: best when that is not much.

    Else PostgreSQL walks along the sort's index in the hope of finding enough early, and the names
    that are searched for stand close together, perhaps at its end.
    """
    found = keys.cte("all_found").prefix_with("MATERIALIZED", dialect="postgresql")
    return order.sort(select(found), [found.c[name] for name in order.names])


def count(wanted_rows: Select[Any], most: int) -> Select[Any]:
    """How many rows there are, counted no further than ``most`` + 1."""
    return select(func.count()).select_from(wanted_rows.limit(most + 1).subquery())


def _has_wanted(wanted: Wanted, account: FromClause) -> ColumnElement[bool]:
    """Of the account. Not EXISTS: SQLite would look through the structures for each account."""
    found = (
        select(MEMBERSHIP.c.account_id)
        .select_from(_membership(wanted))
        .where(
            *wanted.of_membership(),
            *wanted.of_line(),
            *wanted.within.conditions(leads=True),
        )
    )
    return account.c.id.in_(found)


def _is_seen_at(wanted: Wanted, account: FromClause) -> ColumnElement[bool]:
    """:func:`_is_seen` of a row with a membership: that one is asked first, most tell."""
    return or_(shows_state(wanted.actor), _is_seen(wanted, account))


def _is_seen(wanted: Wanted, account: FromClause) -> ColumnElement[bool]:
    """The person has a membership, wanted or not, by which the actor sees his state."""
    return (
        select(literal(1))
        .select_from(_MEMBERSHIP_2)
        .join(_STRUCTURE_2, _STRUCTURE_2.c.id == _MEMBERSHIP_2.c.structure_id)
        .where(
            _MEMBERSHIP_2.c.account_id == account.c.id,
            _MEMBERSHIP_2.c.deleted_at.is_(None),
            shows_state(wanted.actor, _MEMBERSHIP_2),
            *wanted.reach.conditions(_MEMBERSHIP_2, _STRUCTURE_2),
        )
        .correlate(account)
        .exists()
    )


def _stands_earlier(wanted: Wanted) -> ColumnElement[bool]:
    """The person has another wanted membership in a structure that comes first."""
    return (
        select(literal(1))
        .select_from(_MEMBERSHIP_2)
        .join(_STRUCTURE_2, _STRUCTURE_2.c.id == _MEMBERSHIP_2.c.structure_id)
        .where(
            _MEMBERSHIP_2.c.account_id == ACCOUNT.c.id,
            *wanted.of_membership(_MEMBERSHIP_2),
            *wanted.within.conditions(_MEMBERSHIP_2, _STRUCTURE_2),
            tuple_(_STRUCTURE_2.c.path_key, _STRUCTURE_2.c.id)
            < tuple_(STRUCTURE.c.path_key, STRUCTURE.c.id),
        )
        .correlate(ACCOUNT, STRUCTURE)
        .exists()
    )


def _membership(wanted: Wanted) -> FromClause:
    """The memberships, joined with their structures where the conditions need those.

    Words are looked for in the memberships as they come: SQLite would go through the structures.
    """
    if not wanted.within.by_structure:
        return MEMBERSHIP
    place = MEMBERSHIP.c.structure_id + 0 if wanted.words else MEMBERSHIP.c.structure_id
    return MEMBERSHIP.join(STRUCTURE, STRUCTURE.c.id == place)
