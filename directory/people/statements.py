"""The statements behind lists of people: what is wanted, and how it is found.

Two shapes. *People* are accounts of which at least one membership is wanted; *lines* are the wanted
memberships themselves. Both take the same conditions, so what bounds the one bounds the other.

A page is found by its keys alone (:mod:`directory.people.order`), then its own lines read whole.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import (
    CTE,
    ColumnElement,
    FromClause,
    Join,
    Select,
    Subquery,
    and_,
    bindparam,
    func,
    literal,
    or_,
    select,
    tuple_,
)

from directory.authorisation import Actor
from directory.people.lines import State
from directory.people.order import LINE, Order
from directory.people.within import Within
from directory.scope import shows_state
from directory.search import mail_key, search_key
from directory.states import LONG, NEVER, RECENT
from directory.validity import ACCOUNT, ASSIGNMENT, MEMBERSHIP, NOW, PHOTO, STRUCTURE, within_dates
from idp.db import UtcDateTime

LONG_AGO = bindparam("long_ago", type_=UtcDateTime())

_MOST_WORDS = 8
_USEFUL = 3  # letters that the index of trigrams needs
_WORD = re.compile(r"[^\W_]+")

_MEMBERSHIP_2 = MEMBERSHIP.alias("other_membership")
_STRUCTURE_2 = STRUCTURE.alias("other_structure")


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which memberships, of whom: everything resolved, nothing left to decide.

    Nobody is found by the state of his account, or sorted by his last sign-in, unless the ``actor``
    who asks may see that, exactly as the line shows it: of people if any membership in his reach
    lets him, wanted or not; of lines if this one does.
    """

    within: Within
    words: tuple[str, ...] = ()
    sn: str = ""
    given_name: str = ""
    mail: str = ""
    identifier: str = ""
    state: State | None = None
    role_ids: tuple[int, ...] | None = None
    bucket: str | None = field(default=None, kw_only=True)
    actor: Actor = field(kw_only=True)
    of_people: bool = field(default=False, kw_only=True)

    @property
    def seen(self) -> bool | None:
        """Whether the actor must see the account's state, or must not; None: either will do."""
        if self.actor.everywhere:
            return None
        if self.bucket == UNSEEN:
            return False
        by_state = self.state not in {None, State.SUSPENDED}
        return True if by_state or self.bucket is not None else None

    @property
    def buckets(self) -> tuple[str, ...]:
        """In ascending order; sorting by the last sign-in goes through them, each by name."""
        seen = (NEVER, LONG, RECENT)
        return seen if self.actor.everywhere or self.seen else (*seen, UNSEEN)

    @property
    def reach(self) -> Within:
        """All of the actor's subtrees."""
        every = Within.reach(self.actor)
        # Those of ``within`` may have been looked up.
        return self.within if self.within.roots == every.roots else every

    @property
    def beyond(self) -> bool:
        """Whether the state may be seen by a membership that is in reach, and not wanted."""
        some = self.words or self.identifier or self.state is State.SUSPENDED
        narrowed = some or self.role_ids is not None or self.within != self.reach
        return bool(self.of_people and self.seen and narrowed)

    @property
    def by_name(self) -> bool:
        """Whether people are looked for by their names, and by nothing of their memberships."""
        return bool(self.sn or self.given_name) and not self.words

    def of_account(self, account: FromClause = ACCOUNT) -> list[ColumnElement[bool]]:
        """Conditions on the account."""
        found: list[ColumnElement[bool]] = [account.c.deleted_at.is_(None)]
        for column, text in (
            (account.c.sn_key, _folded(self.sn)),
            (account.c.given_name_key, _folded(self.given_name)),
            (account.c.mail_key, mail_key(self.mail)),
        ):
            if text:
                found.append(_holds(column, text))
        if self.state is not None:
            found.extend(_of_state(account, self.state))
        if self.bucket not in {None, UNSEEN}:
            found.append(_in_bucket(account, self.bucket))
        return found

    def of_membership(self, membership: FromClause = MEMBERSHIP) -> list[ColumnElement[bool]]:
        """Conditions on the membership, but for where it lies and what it shows."""
        found: list[ColumnElement[bool]] = [membership.c.deleted_at.is_(None)]
        identifier = _folded(self.identifier)
        # The index of trigrams is one of all that is searched for.
        words = (*self.words, *([identifier] if _is_indexed(identifier) else ()))
        found.extend(_holds(membership.c.search_key, word) for word in words)
        if identifier:
            found.append(_holds(membership.c.identifier_key, identifier))
        if self.state is State.SUSPENDED:
            found.append(membership.c.suspended)
        if self.role_ids is not None:
            held = select(ASSIGNMENT.c.membership_id).where(ASSIGNMENT.c.role_id.in_(self.role_ids))
            found.append(membership.c.id.in_(held))
        return found

    def of_line(self, membership: FromClause = MEMBERSHIP) -> list[ColumnElement[bool]]:
        """Conditions on what the membership shows of its account, unless another may show it."""
        if self.seen is None or self.beyond:
            return []
        shows = shows_state(self.actor, membership)
        return [shows if self.seen else ~shows]


def words_of(text: str) -> tuple[str, ...]:
    """The folded words of a search; those behind the eighth do not narrow it further."""
    return tuple(dict.fromkeys(_folded(text).split()))[:_MOST_WORDS]


def _folded(text: str) -> str:
    """As the keys are; hyphens and apostrophes alone stay, stand in no key and find nobody."""
    return search_key(text) or text.strip()


def _is_indexed(text: str) -> bool:
    return any(len(each) >= _USEFUL for each in _WORD.findall(text))


def _holds(column: ColumnElement[str], text: str) -> ColumnElement[bool]:
    """Whether a text stands in this key.

    Without three letters the index of trigrams would be read from end to end: kept from it.
    """
    return (column if _is_indexed(text) else column.concat("")).contains(text, autoescape=True)


def _of_state(account: FromClause, state: State) -> tuple[ColumnElement[bool], ...]:
    open_ = account.c.locked.is_(False)
    begun = account.c.valid_from <= NOW
    conditions: dict[State, tuple[ColumnElement[bool], ...]] = {
        State.ACTIVE: (open_, within_dates(account)),
        State.LOCKED: (account.c.locked,),
        State.FUTURE: (open_, account.c.valid_from > NOW),
        State.EXPIRED: (open_, begun, account.c.valid_until <= NOW),
        State.NEVER: (account.c.last_sign_in_at.is_(None),),
        State.SUSPENDED: (),
    }
    return conditions[state]


def _in_bucket(account: FromClause, bucket: str) -> ColumnElement[bool]:
    if bucket == NEVER:
        return account.c.last_sign_in_at.is_(None)
    if bucket == LONG:
        return account.c.last_sign_in_at <= LONG_AGO
    return account.c.last_sign_in_at > LONG_AGO


UNSEEN = "unseen"
"""The bucket of those whose last sign-in the reader may not know."""


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

    Their structures are joined for columns of theirs; without, where the conditions need them.
    """
    source = account.join(MEMBERSHIP, MEMBERSHIP.c.account_id == account.c.id)
    if with_structure or wanted.within.by_structure:
        source = source.join(STRUCTURE, STRUCTURE.c.id == MEMBERSHIP.c.structure_id)
    where = [
        *wanted.of_account(account),
        *wanted.of_membership(),
        *([_is_seen_at(wanted, account)] if wanted.beyond else wanted.of_line()),
    ]
    if _holders_first(wanted, role_id, account):
        held = _held_within(wanted.within, role_id)
        source = source.join(held, held.c.membership_id == MEMBERSHIP.c.id)
    else:
        where.extend(wanted.within.conditions())
    return select(*columns).select_from(_held(source, role_id)).where(*where)


def _holders_first(wanted: Wanted, role_id: int | None, account: FromClause) -> bool:
    """Whether to begin with who of all holds the role in some structures: indexes tell it alone.

    Else PostgreSQL would look for the words in every membership of those structures.
    """
    located = wanted.within.structure_ids is not None
    return role_id is not None and located and account is ACCOUNT and bool(wanted.words)


def _held_within(within: Within, role_id: int | None) -> CTE:
    return (
        select(ASSIGNMENT.c.membership_id)
        .join(_MEMBERSHIP_2, _MEMBERSHIP_2.c.id == ASSIGNMENT.c.membership_id)
        .where(
            ASSIGNMENT.c.role_id == role_id,
            _MEMBERSHIP_2.c.deleted_at.is_(None),
            *within.conditions(_MEMBERSHIP_2),
        )
        .cte("held")
        .prefix_with("MATERIALIZED", dialect="postgresql")
    )


def people_whole(columns: Sequence[Any], order: Order, keys: Select[Any]) -> Select[Any]:
    """The people of these keys, in their order; a row ends with its key."""
    found = keys.subquery("found")
    source = found.join(ACCOUNT, ACCOUNT.c.id == found.c[LINE]).outerjoin(
        PHOTO, PHOTO.c.account_id == ACCOUNT.c.id
    )
    return _whole(columns, order, found, source)


def lines_whole(
    columns: Sequence[Any], order: Order, keys: Select[Any], role_id: int | None
) -> Select[Any]:
    """The lines of these keys, in their order; a row ends with its key."""
    found = keys.subquery("found")
    source = (
        found.join(MEMBERSHIP, MEMBERSHIP.c.id == found.c[LINE])
        .join(ACCOUNT, ACCOUNT.c.id == MEMBERSHIP.c.account_id)
        .join(STRUCTURE, STRUCTURE.c.id == MEMBERSHIP.c.structure_id)
    )
    return _whole(columns, order, found, _held(source, role_id))


def _whole(
    columns: Sequence[Any], order: Order, found: Subquery, source: FromClause
) -> Select[Any]:
    key = [found.c[name] for name in order.names]
    return order.sort(select(*columns, *key).select_from(source), key)


def _held(source: Join, role_id: int | None) -> Join:
    if role_id is None:
        return source
    return source.join(
        ASSIGNMENT,
        and_(ASSIGNMENT.c.membership_id == MEMBERSHIP.c.id, ASSIGNMENT.c.role_id == role_id),
    )


def gathered(keys: Select[Any], order: Order) -> Select[Any]:
    """The keys sorted after all that there are were found: best when that is not much.

    Else PostgreSQL walks along the sort's index in the hope of finding enough early, and the names
    that are searched for stand close together, perhaps at its end.
    """
    found = keys.cte("all_found").prefix_with("MATERIALIZED", dialect="postgresql")
    return order.sort(select(found), [found.c[name] for name in order.names])


def counted(lines_found: FromClause) -> tuple[ColumnElement[int], ColumnElement[int]]:
    """How many of these lines there are, and of how many: of people, if such are their ids."""
    each = lines_found.c[LINE]
    return (
        select(func.count()).select_from(lines_found).scalar_subquery().label("found"),
        select(func.count(each.distinct())).scalar_subquery().label("whose"),
    )


def some(keys: Select[Any], order: Order, values: Sequence[Any] | None) -> tuple[CTE, Select[Any]]:
    """All of these keys, if they are not too many, to be counted; and those behind a line."""
    every = keys.cte("every").prefix_with("MATERIALIZED", dialect="postgresql")
    key = [every.c[name] for name in order.names]
    behind = select(*key, every.c[LINE]).distinct()
    if values is not None:
        behind = behind.where(order.behind(values, key))
    return every, order.sort(behind, key)


def count(wanted_rows: Select[Any], most: int) -> Select[Any]:
    """How many rows there are, counted no further than ``most`` + 1."""
    return select(func.count()).select_from(wanted_rows.limit(most + 1).subquery())


def _has_wanted(wanted: Wanted, account: FromClause) -> ColumnElement[bool]:
    """Of the account. Not EXISTS: SQLite would look through the structures for each account."""
    found = (
        select(MEMBERSHIP.c.account_id)
        .select_from(_membership(wanted))
        .where(*wanted.of_membership(), *wanted.of_line(), *wanted.within.conditions())
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
    """The memberships, joined with their structures where the conditions need those."""
    if not wanted.within.by_structure:
        return MEMBERSHIP
    return MEMBERSHIP.join(STRUCTURE, STRUCTURE.c.id == MEMBERSHIP.c.structure_id)
