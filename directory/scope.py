"""What an actor sees, as SQL, and of one row: :func:`directory.authorisation.may` says the same."""

from collections.abc import Iterable

from sqlalchemy import ColumnElement, FromClause, or_, true

from directory.authorisation import AccountTarget, Actor, Permission, may
from directory.people.within import Within
from directory.validity import MEMBERSHIP, STRUCTURE


def visible_to(actor: Actor, structure: FromClause = STRUCTURE) -> ColumnElement[bool]:
    """Whether the structure of a row lies in one of his subtrees."""
    place = Within.reach(actor).holds(structure)
    return true() if place is None else place


def shows_state(actor: Actor, membership: FromClause = MEMBERSHIP) -> ColumnElement[bool]:
    """Whether a membership in his subtrees lets him see the state of its account.

    ``see-account-state`` of the row's person: whoever reads sees his own, confirmed or not.
    """
    if actor.everywhere:
        return true()
    own = membership.c.account_id == actor.account_id
    return or_(membership.c.confirmed_at.is_not(None), own)


def sees_state(actor: Actor, account_id: int, confirmed: Iterable[str] = ()) -> bool:
    """The same of one person, by the paths of those memberships that he confirmed."""
    target = AccountTarget(account_id, frozenset(confirmed))
    return may(actor, Permission.SEE_ACCOUNT_STATE, target)
