"""What may be done with people, one or those of a page, and what it would do."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from directory.authorisation import Actor, MembershipTarget, Permission, may
from directory.services.bulk.sheets import UNTOUCHED, Action, Prospect, prospects
from directory.services.removal.fates import (
    AccountFacts,
    HeldFact,
    by_subject,
    deletion,
    facts_of,
    has_membership_in_scope,
)
from directory.validity import ACCOUNT
from idp.errors import NotFound

if TYPE_CHECKING:
    from idp.services import Core


class Way(StrEnum):
    """How *Désactiver* would be done."""

    LOCK = "lock"
    SUSPEND = "suspend"
    """His memberships in scope: the account is shared."""


@dataclass(frozen=True, slots=True)
class OnePerson:
    """A person before an action; ``roles`` that a deletion ends, and how many ``others``.

    ``deactivation``: how he could be deactivated instead; None when he may not or is already.
    """

    prospect: Prospect
    roles: tuple[HeldFact, ...]
    others: int
    deactivation: Way | None


@dataclass(frozen=True, slots=True)
class Allowed:
    """What would succeed with one person."""

    actions: frozenset[Action]
    edit: bool


NOTHING = Allowed(frozenset(), edit=False)


class Prospects:
    """Judges, and changes nothing."""

    def __init__(self, core: "Core") -> None:
        self._core = core

    def one(self, actor: Actor, action: Action, subject_id: str) -> OnePerson:
        """One person in scope. Five statements.

        Raises:
            NotFound: nobody in scope has this id.
        """
        found = list(self._facts(actor, [subject_id]).values())
        if not found:
            raise NotFound(
                f"subject {subject_id!r}", public="Cet utilisateur n'existe pas ou plus."
            )
        facts = found[0]
        (prospect,) = prospects(actor, action, [facts])
        roles, others = deletion(actor, facts).roles(actor, facts.id)
        return OnePerson(prospect, roles, others, _deactivation(actor, facts))

    def allowed(self, actor: Actor, subject_ids: Sequence[str]) -> Mapping[str, Allowed]:
        """What would succeed with each of these; who is out of scope is left out. As above."""
        facts = self._facts(actor, subject_ids).values()
        return {each.subject_id: _allowed(actor, each) for each in facts}

    def _facts(self, actor: Actor, subject_ids: Sequence[str]) -> dict[int, AccountFacts]:
        which = by_subject(subject_ids).where(has_membership_in_scope(actor, ACCOUNT.c.id))
        with self._core.db.reading() as session:
            return facts_of(session, session.scalars(which).all(), self._core.clock.now())


def _allowed(actor: Actor, facts: AccountFacts) -> Allowed:
    actions = frozenset(
        action
        for action in Action
        for prospect in prospects(actor, action, [facts])
        if prospect.outcome not in UNTOUCHED
    )
    edit = may(actor, Permission.EDIT_ACCOUNT, facts.target) or any(
        may(actor, Permission.EDIT_MEMBERSHIP, MembershipTarget(facts.id, each.path))
        for each in facts.memberships
    )
    return Allowed(actions, edit)


def _deactivation(actor: Actor, facts: AccountFacts) -> Way | None:
    if may(actor, Permission.LOCK_ACCOUNT, facts.target):
        return None if facts.locked else Way.LOCK
    active = any(
        not each.suspended
        and may(actor, Permission.SUSPEND_MEMBERSHIP, MembershipTarget(facts.id, each.path))
        for each in facts.memberships
    )
    return Way.SUSPEND if active else None
