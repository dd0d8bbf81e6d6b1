"""What a list of people is asked for, as conditions on accounts and memberships."""

import re
from dataclasses import dataclass, field

from sqlalchemy import ColumnElement, FromClause, bindparam, select

from directory.authorisation import Actor
from directory.people.lines import State
from directory.people.within import Within
from directory.scope import shows_state
from directory.search import mail_key, search_key
from directory.states import LONG, NEVER, RECENT
from directory.validity import ACCOUNT, ASSIGNMENT, MEMBERSHIP, NOW, within_dates
from idp.db import UtcDateTime

LONG_AGO = bindparam("long_ago", type_=UtcDateTime())

UNSEEN = "unseen"
"""The bucket of those whose last sign-in the reader may not know."""

_MOST_WORDS = 8
_USEFUL = 3  # letters that the index of trigrams needs
_WORD = re.compile(r"[^\W_]+")


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
    def of_any_account(self) -> bool:
        """Whether the conditions ask nothing of the account but that it is not in the bin."""
        by_account = self.sn or self.given_name or self.mail or self.bucket or self.beyond
        return not by_account and self.state in {None, State.SUSPENDED}

    @property
    def told_by_search_key(self) -> bool:
        """Whether what is wanted is found by words, role and place alone."""
        return self.of_any_account and self.state is None and not self.identifier

    @property
    def by_both_names(self) -> bool:
        """Whether indexes of name and first name tell together who is wanted."""
        both = _is_indexed(_folded(self.sn)) and _is_indexed(_folded(self.given_name))
        return both and self.by_name

    @property
    def is_search(self) -> bool:
        """Whether more is asked than where people are, or in which state."""
        asked = self.words or self.sn or self.given_name or self.mail or self.identifier
        return bool(asked) or self.role_ids is not None

    @property
    def by_name(self) -> bool:
        """Whether people are looked for by their names, and by no words besides."""
        return bool(self.sn or self.given_name) and not self.words

    def of_account(self, account: FromClause = ACCOUNT) -> list[ColumnElement[bool]]:
        """Conditions on the account; those of a stretch of them are not in the bin."""
        live = [account.c.deleted_at.is_(None)] if account is ACCOUNT else []
        found: list[ColumnElement[bool]] = [*live]
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

    def of_membership(
        self, membership: FromClause = MEMBERSHIP, searched: FromClause | None = None
    ) -> list[ColumnElement[bool]]:
        """Conditions on the membership, but for where it lies and what it shows.

        ``searched``: what repeats its search key, to be asked in its place.
        """
        return [membership.c.deleted_at.is_(None), *self.of_live(membership, searched)]

    def of_live(
        self, membership: FromClause = MEMBERSHIP, searched: FromClause | None = None
    ) -> list[ColumnElement[bool]]:
        """The same of one that is not in the bin."""
        key = (membership if searched is None else searched).c.search_key
        found: list[ColumnElement[bool]] = []
        identifier = _folded(self.identifier)
        # The index of trigrams is one of all that is searched for.
        words = (*self.words, *([identifier] if _is_indexed(identifier) else ()))
        found.extend(_holds(key, word) for word in words)
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
