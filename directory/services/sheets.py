"""An account as an actor may see it."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import select
from sqlalchemy.orm import Session

from directory.authorisation import (
    Actor,
    AssignmentTarget,
    Permission,
    StructureTarget,
    may,
    require,
)
from directory.models import Account, Application, Assignment, Mandate, Membership, Role, Structure
from directory.models.rights import MandateKind
from directory.services.lookup import account_target, any_account_by_mail
from directory.validity import is_over
from idp.errors import NotFound

_LONG_AGO = timedelta(days=183)


@dataclass(frozen=True, slots=True)
class RoleSheet:
    """A role held, in force or not."""

    application: str
    role: str
    label: str
    valid_from: datetime | None
    valid_until: datetime | None


@dataclass(frozen=True, slots=True)
class MembershipSheet:
    """A membership; ``state``: valide, suspendu, à confirmer, à venir, expiré, structure fermée."""

    structure: str
    label_path: str
    state: str
    service: str | None
    function: str | None
    roles: tuple[RoleSheet, ...]


@dataclass(frozen=True, slots=True)
class MandateSheet:
    """A mandate; ``structure`` None: correspondant."""

    structure: str | None
    applications: tuple[str, ...]
    valid_from: datetime | None
    valid_until: datetime | None


@dataclass(frozen=True, slots=True)
class AccountSheet:
    """What may be seen of an account.

    ``state``: actif, verrouillé, à venir, expiré, dans la corbeille. ``activity``: jamais, moins
    de 6 mois, plus de 6 mois; the exact ``last_sign_in_at`` is for the person himself, the
    correspondant and the command line. ``hidden_roles``: how many lie outside the actor's scope.
    """

    subject_id: str
    mail: str
    sn: str
    given_name: str
    state: str
    has_password: bool
    activity: str
    last_sign_in_at: datetime | None
    valid_from: datetime
    valid_until: datetime | None
    memberships: tuple[MembershipSheet, ...]
    mandates: tuple[MandateSheet, ...]
    hidden_roles: int


def sheet(session: Session, actor: Actor, mail: str, now: datetime) -> AccountSheet:
    """The sheet of the account of this address, the bin included. Four statements.

    Raises:
        NotFound: no such account.
        NotAllowed: out of scope.
    """
    account = any_account_by_mail(session, mail)
    if account is None:
        raise NotFound(f"account {mail!r}", public=f"Aucun compte n'a l'adresse {mail}.")
    target = account_target(session, account, now, deleted_at=account.deleted_at)
    require(actor, Permission.SEE_ACCOUNT, target)
    own = actor.account_id == account.id
    memberships, hidden = _memberships(session, actor, account, now, own=own)
    return AccountSheet(
        subject_id=account.subject_id,
        mail=account.mail,
        sn=account.sn,
        given_name=account.given_name,
        state=_account_state(account, now),
        has_password=account.password_hash is not None,
        activity=_activity(account.last_sign_in_at, now),
        last_sign_in_at=account.last_sign_in_at if own or actor.everywhere else None,
        valid_from=account.valid_from,
        valid_until=account.valid_until,
        memberships=memberships,
        mandates=_mandates(session, account) if own or actor.everywhere else (),
        hidden_roles=hidden,
    )


def _memberships(
    session: Session, actor: Actor, account: Account, now: datetime, *, own: bool
) -> tuple[tuple[MembershipSheet, ...], int]:
    """The memberships that may be seen, and how many roles may not."""
    rows = session.execute(
        select(Membership, Structure, Assignment, Role, Application)
        .join(Structure, Structure.id == Membership.structure_id)
        .outerjoin(Assignment, Assignment.membership_id == Membership.id)
        .outerjoin(Role, Role.id == Assignment.role_id)
        .outerjoin(Application, Application.id == Role.application_id)
        .where(
            Membership.account_id == account.id,
            Membership.deleted_at.is_(None)
            if account.deleted_at is None
            else Membership.deleted_at == account.deleted_at,
        )
        .order_by(Structure.label_path, Application.label, Role.label)
    ).all()
    seen: dict[int, tuple[Membership, Structure, list[RoleSheet]]] = {}
    hidden = 0
    for membership, structure, assignment, role, application in rows:
        if own or may(actor, Permission.SEE_STRUCTURE, StructureTarget(structure.path)):
            seen.setdefault(membership.id, (membership, structure, []))
        if assignment is None:
            continue
        target = AssignmentTarget(account.id, structure.path, application.id)
        if own or may(actor, Permission.WITHDRAW_ROLE, target):
            seen[membership.id][2].append(
                RoleSheet(
                    application=application.code,
                    role=role.code,
                    label=role.label,
                    valid_from=assignment.valid_from,
                    valid_until=assignment.valid_until,
                )
            )
        else:
            hidden += 1
    return tuple(_membership(*each, now) for each in seen.values()), hidden


def _membership(
    membership: Membership, structure: Structure, roles: list[RoleSheet], now: datetime
) -> MembershipSheet:
    return MembershipSheet(
        structure=structure.code,
        label_path=structure.label_path,
        state=_membership_state(membership, structure, now),
        service=membership.service,
        function=membership.function,
        roles=tuple(roles),
    )


def _mandates(session: Session, account: Account) -> tuple[MandateSheet, ...]:
    rows = session.execute(
        select(Mandate, Structure.code, Application.code)
        .outerjoin(Structure, Structure.id == Mandate.structure_id)
        .outerjoin(Mandate.applications)
        .where(Mandate.account_id == account.id)
        .order_by(Structure.label_path, Application.code)
    ).all()
    applications: dict[int, list[str]] = {}
    mandates: dict[int, tuple[Mandate, str | None]] = {}
    for mandate, structure, application in rows:
        mandates[mandate.id] = mandate, structure
        applications.setdefault(mandate.id, []).extend([application] if application else [])
    return tuple(
        MandateSheet(
            structure=None if mandate.kind == MandateKind.CENTRAL else structure,
            applications=tuple(applications[mandate.id]),
            valid_from=mandate.valid_from,
            valid_until=mandate.valid_until,
        )
        for mandate, structure in mandates.values()
    )


def _account_state(account: Account, now: datetime) -> str:
    if account.deleted_at is not None:
        return "dans la corbeille"
    if account.locked:
        return "verrouillé"
    if account.valid_from > now:
        return "à venir"
    return "expiré" if is_over(account.valid_until, now) else "actif"


def _membership_state(membership: Membership, structure: Structure, now: datetime) -> str:
    checks = (
        (is_over(structure.closed_at, now), "structure fermée"),
        (membership.confirmed_at is None, "à confirmer"),
        (membership.suspended, "suspendu"),
        (membership.valid_from is not None and membership.valid_from > now, "à venir"),
        (is_over(membership.valid_until, now), "expiré"),
    )
    return next((state for holds, state in checks if holds), "valide")


def _activity(last_sign_in_at: datetime | None, now: datetime) -> str:
    if last_sign_in_at is None:
        return "jamais"
    return "moins de 6 mois" if now - last_sign_in_at < _LONG_AGO else "plus de 6 mois"
