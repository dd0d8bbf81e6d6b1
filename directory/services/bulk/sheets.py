"""What an order over many accounts would do, does and did, as the person who gave it sees it."""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from hashlib import sha256
from typing import Any

from sqlalchemy import Select, func, select
from sqlalchemy.orm import Session

from directory.authorisation import Actor, Permission, may
from directory.models import BulkAction
from directory.models.bulk import BulkItem
from directory.scope import visible_to
from directory.services.removal.fates import (
    ANNOUNCED,
    AccountFacts,
    Fate,
    deletion,
    why_no_mail,
    why_not,
)
from directory.validity import MEMBERSHIP, STRUCTURE, table

LATEST = 20
"""Orders that a list of them shows."""
SHOWN = 200
"""People named of each kind on a page; the others are counted."""

ALREADY_LOCKED = "Ce compte est déjà verrouillé."
NOT_LOCKED = "Ce compte n'est pas verrouillé."
HAS_SIGNED_IN = "Cette personne s'est déjà connectée : ce mail ne lui servirait plus."

_items = table(BulkItem)


class Action(StrEnum):
    """What is done to each account; the words of addresses and forms."""

    LOCK = "verrouiller"
    UNLOCK = "deverrouiller"
    RESEND = "renvoyer"
    DELETE = "supprimer"


class Outcome(StrEnum):
    """What became, or would become, of one account."""

    DONE = "done"
    KEPT = "kept"
    """Deleted from his structures; the account stays, since others have some of it."""
    REFUSED = "refused"
    ALREADY = "already"
    """The account is so already: nothing to do, and nobody's help is needed."""
    GONE = "gone"
    """Deleted or moved by somebody else meanwhile."""
    FAILED = "failed"
    """A defect of ours."""


UNTOUCHED = frozenset({Outcome.REFUSED, Outcome.ALREADY})
"""What leaves an account as it is, foreseen before it is ordered."""


@dataclass(frozen=True, slots=True)
class Prospect:
    """What would become of one account: ``outcome`` DONE, KEPT or in UNTOUCHED, and why or what.

    ``announced``: a print of that, for whoever confirms it; REFUSED itself of one UNTOUCHED.
    """

    subject_id: str
    mail: str
    sn: str
    given_name: str
    outcome: Outcome
    reason: str = ""
    structures: tuple[str, ...] = ()
    roles: int = 0
    announced: str = ""

    @property
    def already(self) -> bool:
        """Whether the account is so already."""
        return self.outcome is Outcome.ALREADY


@dataclass(frozen=True, slots=True)
class ItemLine:
    """What became of one account, named as it was when the order was given."""

    mail: str
    sn: str
    given_name: str
    outcome: Outcome
    reason: str


@dataclass(frozen=True, slots=True)
class BulkSheet:
    """An order: how many accounts, how many of each outcome, and the first of each by name."""

    public_id: str
    action: Action
    way_back: str
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None
    total: int
    counts: dict[Outcome, int]
    lines: tuple[ItemLine, ...]

    @property
    def settled(self) -> int:
        """How many accounts have been seen to."""
        return sum(self.counts.values())

    def of(self, *outcomes: Outcome) -> tuple[ItemLine, ...]:
        """The lines of these outcomes, in their order."""
        return tuple(line for each in outcomes for line in self.lines if line.outcome == each)


def prospects(
    actor: Actor, action: Action, accounts: Iterable[AccountFacts]
) -> tuple[Prospect, ...]:
    """What this action would do to each of them."""
    return tuple(_prospect(actor, action, each) for each in accounts)


def version_of(people: Iterable[Prospect]) -> str:
    """A print of all that a confirmation announces."""
    said = sorted((each.subject_id, each.announced) for each in people)
    return sha256(repr(said).encode()).hexdigest()[:ANNOUNCED]


def _prospect(actor: Actor, action: Action, facts: AccountFacts) -> Prospect:
    structures: tuple[str, ...] = ()
    roles, announced = 0, ""
    if action is Action.DELETE:
        planned = deletion(actor, facts)
        outcome = {
            Fate.ACCOUNT: Outcome.DONE,
            Fate.MEMBERSHIPS: Outcome.KEPT,
            Fate.REFUSED: Outcome.REFUSED,
        }[planned.fate]
        reason, structures = planned.why, planned.structures(actor)
        roles = sum(len(each.roles) for each in planned.memberships)
        announced = planned.announced(actor, facts.id)
    else:
        outcome, reason = _outcome(actor, action, facts)
    return Prospect(
        subject_id=facts.subject_id,
        mail=facts.mail,
        sn=facts.sn,
        given_name=facts.given_name,
        outcome=outcome,
        reason=reason,
        structures=structures,
        roles=roles,
        announced=Outcome.REFUSED.value if outcome in UNTOUCHED else announced,
    )


def _outcome(actor: Actor, action: Action, facts: AccountFacts) -> tuple[Outcome, str]:
    """What an action other than a deletion would do; why, where that is nothing."""
    if action is Action.RESEND:
        refusal = _no_mail(actor, facts)
    elif not may(actor, Permission.LOCK_ACCOUNT, facts.target):
        refusal = why_not(actor, facts.target)
    elif facts.locked is (action is Action.LOCK):
        return Outcome.ALREADY, ALREADY_LOCKED if facts.locked else NOT_LOCKED
    else:
        refusal = ""
    return (Outcome.REFUSED if refusal else Outcome.DONE), refusal


def _no_mail(actor: Actor, facts: AccountFacts) -> str:
    """Why no invitation would be sent; empty when one would."""
    if not may(actor, Permission.SEND_LINK, facts.target):
        return why_not(actor, facts.target)
    if facts.signed_in:
        return HAS_SIGNED_IN
    return why_no_mail(actor, facts.target, locked=facts.locked, usable=facts.usable)


def sheet(session: Session, actor: Actor, order: BulkAction) -> BulkSheet:
    """An order as it is now. Two statements.

    Named is whom he has, or had until they went into the bin; the others are counted.
    """
    mine = _items.c.bulk_id == order.id
    counted = session.execute(
        select(_items.c.outcome, func.count()).where(mine).group_by(_items.c.outcome)
    ).all()
    turn = func.row_number().over(
        partition_by=_items.c.outcome,
        order_by=(_items.c.sn, _items.c.given_name, _items.c.account_id),
    )
    ranked = (
        select(*_items.c, turn.label("turn"))
        .where(mine, _items.c.outcome.is_not(None), _items.c.account_id.in_(_his(actor)))
        .subquery()
    )
    rows = session.execute(
        select(ranked).where(ranked.c.turn <= SHOWN).order_by(ranked.c.outcome, ranked.c.turn)
    )
    return _sheet(
        order,
        {row[0]: row[1] for row in counted},
        tuple(
            ItemLine(row.mail, row.sn, row.given_name, Outcome(row.outcome), row.reason)
            for row in rows
        ),
    )


def _his(actor: Actor) -> Select[Any]:
    """The ids of the accounts that have a membership in his subtrees, in the bin or not."""
    return (
        select(MEMBERSHIP.c.account_id)
        .join(STRUCTURE, STRUCTURE.c.id == MEMBERSHIP.c.structure_id)
        .where(visible_to(actor))
    )


def latest(session: Session, subject_id: str, now: datetime) -> tuple[BulkSheet, ...]:
    """The latest orders that this person confirmed, without their lines. Two statements."""
    orders = session.scalars(
        select(BulkAction)
        .where(
            BulkAction.subject_id == subject_id,
            BulkAction.started_at.is_not(None),
            BulkAction.expires_at > now,
        )
        .order_by(BulkAction.started_at.desc(), BulkAction.id.desc())
        .limit(LATEST)
    ).all()
    counted: defaultdict[int, dict[str | None, int]] = defaultdict(dict)
    for row in session.execute(
        select(_items.c.bulk_id, _items.c.outcome, func.count())
        .where(_items.c.bulk_id.in_([each.id for each in orders]))
        .group_by(_items.c.bulk_id, _items.c.outcome)
    ):
        counted[row[0]][row[1]] = row[2]
    return tuple(_sheet(each, counted[each.id], ()) for each in orders)


def _sheet(
    order: BulkAction, counted: dict[str | None, int], lines: tuple[ItemLine, ...]
) -> BulkSheet:
    return BulkSheet(
        public_id=order.public_id,
        action=Action(order.action),
        way_back=order.way_back,
        created_at=order.created_at,
        started_at=order.started_at,
        finished_at=order.finished_at,
        total=sum(counted.values()),
        counts={Outcome(outcome): number for outcome, number in counted.items() if outcome},
        lines=lines,
    )
