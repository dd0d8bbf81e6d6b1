"""What would become of accounts: who would go, who would stay and why, asked before it is done.

The same judgement says it on a confirmation and does it in
:class:`directory.services.removal.bin.Bin`; each right is :func:`directory.authorisation.may`'s.
"""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from hashlib import sha256
from typing import Any

from sqlalchemy import Column, ColumnElement, Select, literal, select
from sqlalchemy.orm import Session

from directory.authorisation import (
    AccountTarget,
    Actor,
    AssignmentTarget,
    MembershipTarget,
    Permission,
    StructureTarget,
    may,
)
from directory.scope import visible_to
from directory.services.lookup import account_targets
from directory.validity import (
    ACCOUNT,
    APPLICATION,
    ASSIGNMENT,
    MEMBERSHIP,
    ROLE,
    STRUCTURE,
    is_over,
)

OWN = "C'est votre propre compte : un autre référent ou le correspondant peut le faire."
OWN_CENTRAL = "C'est votre propre compte : un autre correspondant peut le faire."
PRIVILEGED = (
    "Cette personne a un mandat de référent ou de correspondant : seul le correspondant peut le "
    "faire."
)
SHARED = (
    "Ce compte appartient aussi à une structure que vous n'administrez pas : seul le correspondant "
    "peut le faire."
)
DELETED_SINCE = (
    "Le compte de cette personne a été supprimé ensuite, et vous ne pouvez pas le rétablir : "
    "demandez-le au correspondant."
)
CHANGED_SINCE = (
    "Vous ne voyez pas sa nouvelle adresse. Si vous la connaissez, saisissez-la dans « Créer un "
    "utilisateur » et suivez les étapes. Sinon, demandez-le au correspondant."
)
UNCONFIRMED = (
    "Cette personne n'a pas encore confirmé son rattachement à votre structure : seul le "
    "correspondant peut le faire."
)

CONTESTED = (
    "Le changement de l'adresse mail a été refusé depuis l'ancienne : le correspondant vérifie ce "
    "qui s'est passé, et lui seul peut le faire."
)

LOCKED = (
    "Ce compte est verrouillé : déverrouillez-le avant d'envoyer à cette personne un mail pour se "
    "connecter."
)
LOCKED_FOR_HIM = (
    "Ce compte est verrouillé : d'ici à ce que le correspondant le déverrouille, aucun mail pour "
    "se connecter ne part."
)
OUT_OF_DATES = (
    "Ce compte est hors de ses dates de validité : changez-les avant d'envoyer à cette personne un "
    "mail pour se connecter."
)
OUT_OF_DATES_FOR_HIM = (
    "Ce compte est hors de ses dates de validité : d'ici à ce que le correspondant les change, "
    "aucun mail pour se connecter ne part."
)

ANNOUNCED = 32
"""Characters of a print."""


class Fate(StrEnum):
    """What deleting a person does to the account."""

    ACCOUNT = "account"
    """It goes to the bin with every membership."""
    MEMBERSHIPS = "memberships"
    """The memberships in scope go; it stays, since others have some of it."""
    REFUSED = "refused"
    """Nothing: the decider refuses."""


@dataclass(frozen=True, slots=True)
class HeldFact:
    """A role at a membership, in force or not."""

    application_id: int
    application: str
    role: str


@dataclass(frozen=True, slots=True)
class MembershipFact:
    """A membership that is not in the bin; labels for people, the path for the decider."""

    id: int
    path: str
    label_path: str
    confirmed: bool
    suspended: bool
    roles: tuple[HeldFact, ...] = ()


@dataclass(frozen=True, slots=True)
class AccountFacts:
    """An account that is not in the bin, as far as a judgement needs it."""

    id: int
    subject_id: str
    mail: str
    sn: str
    given_name: str
    locked: bool
    usable: bool
    signed_in: bool
    target: AccountTarget
    memberships: tuple[MembershipFact, ...]


@dataclass(frozen=True, slots=True)
class Deletion:
    """What deleting one person does: which memberships end, or why not."""

    fate: Fate
    memberships: tuple[MembershipFact, ...] = ()
    why: str = ""

    def structures(self, actor: Actor) -> tuple[str, ...]:
        """The label paths of those in the actor's scope: one elsewhere goes along unnamed."""
        return tuple(each.label_path for each in self.memberships if actor.covers(each.path))

    def roles(self, actor: Actor, account_id: int) -> tuple[tuple[HeldFact, ...], int]:
        """The roles that end: those this actor may know, and how many others.

        What waits for a confirmation in a structure that he does not administer counts for nothing.
        """
        known, others = [], 0
        for membership in self.memberships:
            place = StructureTarget(membership.path)
            for role in membership.roles:
                target = AssignmentTarget(account_id, membership.path, role.application_id)
                if may(actor, Permission.WITHDRAW_ROLE, target):
                    known.append(role)
                elif membership.confirmed or may(actor, Permission.SEE_STRUCTURE, place):
                    others += 1
        return tuple(known), others

    def announced(self, actor: Actor, account_id: int) -> str:
        """A print of what a confirmation says of it; what he may not know changes nothing of it."""
        known, others = self.roles(actor, account_id)
        said = (
            str(self.fate),
            [(each.id, each.path) for each in self.memberships if actor.covers(each.path)],
            [(each.application_id, each.role) for each in known],
            others,
        )
        return sha256(repr(said).encode()).hexdigest()[:ANNOUNCED]


def deletion(actor: Actor, facts: AccountFacts) -> Deletion:
    """What deleting this person would do. A membership unconfirmed keeps no account alive."""
    mine = tuple(
        each
        for each in facts.memberships
        if may(actor, Permission.REMOVE_MEMBERSHIP, MembershipTarget(facts.id, each.path))
    )
    if any(each.confirmed and each not in mine for each in facts.memberships):
        return Deletion(Fate.MEMBERSHIPS, mine) if mine else _refused(actor, facts)
    if not may(actor, Permission.DELETE_ACCOUNT, facts.target):
        return _refused(actor, facts)
    return Deletion(Fate.ACCOUNT, facts.memberships)


def _refused(actor: Actor, facts: AccountFacts) -> Deletion:
    return Deletion(Fate.REFUSED, why=why_not(actor, facts.target))


def why_not(actor: Actor, target: AccountTarget) -> str:
    """In words, why this actor may not lock or delete this account; empty when he may."""
    if may(actor, Permission.DELETE_ACCOUNT, target):
        return ""
    if actor.account_id == target.account_id:
        return own(actor)
    if not any(actor.covers(path) for path in target.paths):
        return UNCONFIRMED
    if not all(actor.covers(path) for path in target.paths):
        return SHARED
    return PRIVILEGED if target.privileged else CONTESTED


def own(actor: Actor) -> str:
    """Why not the actor himself, and who then."""
    return OWN_CENTRAL if actor.central else OWN


def why_no_mail(actor: Actor, target: AccountTarget, *, locked: bool, usable: bool) -> str:
    """In words, why no mail leads into this account now; empty when one does.

    What unlocks it is named to whoever may do that.
    """
    if usable:
        return ""
    if locked:
        able = may(actor, Permission.LOCK_ACCOUNT, target)
        return LOCKED if able else LOCKED_FOR_HIM
    return OUT_OF_DATES if may(actor, Permission.EDIT_ACCOUNT, target) else OUT_OF_DATES_FOR_HIM


def has_membership_in_scope(actor: Actor, account_id: Column[int]) -> ColumnElement[bool]:
    """As SQL, whether this account has a membership in his subtrees that is not in the bin.

    Asked of each account: SQLite would list those of all structures for a handful of them.
    """
    return (
        select(literal(1))
        .select_from(MEMBERSHIP.join(STRUCTURE, STRUCTURE.c.id == MEMBERSHIP.c.structure_id))
        .where(
            MEMBERSHIP.c.account_id == account_id,
            MEMBERSHIP.c.deleted_at.is_(None),
            visible_to(actor),
        )
        .correlate(account_id.table)
        .exists()
    )


def facts_of(session: Session, ids: Sequence[int], now: datetime) -> dict[int, AccountFacts]:
    """The facts of the accounts of these ids, by id, by name. Four statements.

    The ids themselves, not a selection of them: how few they are decides how they are read.
    """
    roles = _roles(session, ids)
    memberships = _memberships(session, ids, roles)
    targets = account_targets(session, ACCOUNT.c.id.in_(ids), now)
    rows = session.execute(
        select(
            ACCOUNT.c.id,
            ACCOUNT.c.subject_id,
            ACCOUNT.c.mail,
            ACCOUNT.c.sn,
            ACCOUNT.c.given_name,
            ACCOUNT.c.locked,
            ACCOUNT.c.valid_from,
            ACCOUNT.c.valid_until,
            ACCOUNT.c.last_sign_in_at,
        )
        .where(ACCOUNT.c.id.in_(ids), ACCOUNT.c.deleted_at.is_(None))
        .order_by(ACCOUNT.c.search_key, ACCOUNT.c.id)
    )
    return {
        row.id: AccountFacts(
            id=row.id,
            subject_id=row.subject_id,
            mail=row.mail,
            sn=row.sn,
            given_name=row.given_name,
            locked=row.locked,
            usable=not row.locked and row.valid_from <= now and not is_over(row.valid_until, now),
            signed_in=row.last_sign_in_at is not None,
            target=targets[row.id],
            memberships=tuple(memberships[row.id]),
        )
        for row in rows
        if row.id in targets  # else it was added meanwhile
    }


def by_subject(subject_ids: Sequence[str]) -> Select[Any]:
    """The ids of the accounts that other rooms know by these; unknown ones are none."""
    return select(ACCOUNT.c.id).where(ACCOUNT.c.subject_id.in_(subject_ids))


def _roles(session: Session, ids: Sequence[int]) -> dict[int, list[HeldFact]]:
    rows = session.execute(
        select(
            ASSIGNMENT.c.membership_id,
            APPLICATION.c.id,
            APPLICATION.c.label.label("application"),
            ROLE.c.label.label("role"),
        )
        .join(MEMBERSHIP, MEMBERSHIP.c.id == ASSIGNMENT.c.membership_id)
        .join(ROLE, ROLE.c.id == ASSIGNMENT.c.role_id)
        .join(APPLICATION, APPLICATION.c.id == ROLE.c.application_id)
        .where(MEMBERSHIP.c.account_id.in_(ids), MEMBERSHIP.c.deleted_at.is_(None))
        .order_by(APPLICATION.c.label, ROLE.c.label)
    )
    found: defaultdict[int, list[HeldFact]] = defaultdict(list)
    for row in rows:
        found[row.membership_id].append(HeldFact(row.id, row.application, row.role))
    return found


def _memberships(
    session: Session, ids: Sequence[int], roles: dict[int, list[HeldFact]]
) -> dict[int, list[MembershipFact]]:
    rows = session.execute(
        select(
            MEMBERSHIP.c.id,
            MEMBERSHIP.c.account_id,
            MEMBERSHIP.c.confirmed_at,
            MEMBERSHIP.c.suspended,
            STRUCTURE.c.path,
            STRUCTURE.c.label_path,
        )
        .join(STRUCTURE, STRUCTURE.c.id == MEMBERSHIP.c.structure_id)
        .where(MEMBERSHIP.c.account_id.in_(ids), MEMBERSHIP.c.deleted_at.is_(None))
        .order_by(STRUCTURE.c.label_path, MEMBERSHIP.c.id)
    )
    found: defaultdict[int, list[MembershipFact]] = defaultdict(list)
    for row in rows:
        found[row.account_id].append(
            MembershipFact(
                id=row.id,
                path=row.path,
                label_path=row.label_path,
                confirmed=row.confirmed_at is not None,
                suspended=row.suspended,
                roles=tuple(roles.get(row.id, ())),
            )
        )
    return found
