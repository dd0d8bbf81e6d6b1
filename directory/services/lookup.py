"""Finds by code or address, and loads the targets that the decider judges."""

from collections import defaultdict
from datetime import datetime
from typing import TypeVar

from sqlalchemy import ColumnElement, Select, and_, exists, or_, select
from sqlalchemy.orm import Session

from directory.authorisation import (
    AccountTarget,
    Actor,
    MembershipTarget,
    Permission,
    StructureTarget,
    may,
)
from directory.models import (
    Account,
    AddressChange,
    Application,
    Mandate,
    Membership,
    Role,
    Structure,
)
from directory.search import mail_key
from idp.errors import NotAllowed, NotFound

R = TypeVar("R")


def structure_by_code(session: Session, code: str) -> Structure:
    """The structure of this code.

    Raises:
        NotFound: there is none.
    """
    found = session.scalar(select(Structure).where(Structure.code == code))
    if found is None:
        raise NotFound(f"structure {code!r}", public=f"Aucune structure n'a le code « {code} ».")
    return found


def structure_in_scope(session: Session, actor: Actor, code: str) -> Structure:
    """The structure of this code, which he may see.

    Raises:
        NotAllowed: there is none, or it lies outside his subtrees: he can't tell which.
    """
    found = session.scalar(select(Structure).where(Structure.code == code))
    if found is None or not may(actor, Permission.SEE_STRUCTURE, StructureTarget(found.path)):
        raise NotAllowed(f"structure {code!r}")
    return found


def application_by_code(session: Session, code: str) -> Application:
    """The application of this code.

    Raises:
        NotFound: there is none.
    """
    found = session.scalar(select(Application).where(Application.code == code))
    if found is None:
        raise NotFound(
            f"application {code!r}", public=f"Aucune application n'a le code « {code} »."
        )
    return found


def role_by_code(session: Session, application_code: str, code: str) -> Role:
    """The role of this code of that application.

    Raises:
        NotFound: there is none.
    """
    application = application_by_code(session, application_code)
    found = session.scalar(
        select(Role).where(Role.application_id == application.id, Role.code == code)
    )
    if found is None:
        raise NotFound(
            f"role {application_code}:{code}",
            public=f"L'application « {application.label} » n'a pas de rôle de code « {code} ».",
        )
    return found


def any_account_by_mail(session: Session, mail: str, *, lock: bool = False) -> Account | None:
    """The account of this address, in the bin or not; None when there is none.

    ``lock``: as in :func:`account_by_mail`.
    """
    statement = select(Account).where(Account.mail_key == mail_key(mail))
    return session.scalar(locking(statement) if lock else statement)


def account_by_mail(session: Session, actor: Actor, mail: str, *, lock: bool = False) -> Account:
    """The account of this address.

    ``lock``: others who lock it wait until the transaction ends; what they did before is read.

    Raises:
        NotFound: there is none, or it is in the bin (whoever may see it there is told so).
    """
    statement = select(Account).where(Account.mail_key == mail_key(mail))
    account = session.scalar(locking(statement) if lock else statement)
    if account is None or not may_know(session, actor, account):
        raise NotFound(f"account {mail!r}", public=f"Aucun compte n'a l'adresse {mail}.")
    if account.deleted_at is not None:
        raise NotFound(
            f"account {mail!r} is in the bin",
            public=f"Le compte {mail} est dans la corbeille ; rétablissez-le d'abord.",
        )
    return account


def account_by_subject(
    session: Session,
    actor: Actor,
    subject_id: str,
    *,
    lock: bool = False,
    binned: bool | None = False,
) -> Account:
    """The account that other rooms know by this id, which this actor may see.

    ``binned``: one in the bin, and no other; None: either. ``lock``: as in :func:`account_by_mail`.

    Raises:
        NotFound: there is none, or he may not see it: alike.
    """
    statement = select(Account).where(Account.subject_id == subject_id)
    account = session.scalar(locking(statement) if lock else statement)
    if account is not None and binned in {None, account.deleted_at is not None}:
        # The date matters to mandates alone, which only rights over the account depend on.
        epoch = account.deleted_at or account.created_at
        target = account_target(session, account, epoch)
        if may(actor, Permission.SEE_ACCOUNT, target):
            return account
    raise NotFound(f"subject {subject_id!r}", public="Cet utilisateur n'existe pas ou plus.")


def locking(statement: Select[R]) -> Select[R]:
    """That, where others who lock the same wait for the end of the transaction."""
    return statement.with_for_update().execution_options(populate_existing=True)


def hold_accounts(session: Session, theirs: ColumnElement[bool]) -> None:
    """Nobody deletes or edits these accounts until the transaction ends; others may hold them too.

    Before anything is locked that belongs to them, as whoever deletes them does: what is recorded
    of a role refers to the account, and the two would wait for each other for good.
    """
    statement = select(Account.id).where(theirs).order_by(Account.id)
    session.execute(statement.with_for_update(read=True, key_share=True))


def hold_structure(session: Session, structure: Structure) -> None:
    """It keeps its name until the transaction ends; others may hold it too.

    Before a membership of it is locked or added, as whoever renames it does.
    """
    statement = select(Structure.id).where(Structure.id == structure.id)
    session.execute(statement.with_for_update(read=True, key_share=True))


def may_know(session: Session, actor: Actor, account: Account) -> bool:
    """Whether he may be told about this account; of a living one the caller asks the decider."""
    gone = account.deleted_at
    if gone is None:
        return True
    target = account_target(session, account, gone)
    return may(actor, Permission.SEE_ACCOUNT, target)


def membership_of(
    session: Session, account: Account, structure: Structure, *, lock: bool = False
) -> Membership:
    """This account's membership of that structure, bin excepted.

    ``lock``: as in :func:`account_by_mail`; whoever locks both locks the account first.

    Raises:
        NotFound: there is none.
    """
    statement = select(Membership).where(
        Membership.account_id == account.id,
        Membership.structure_id == structure.id,
        Membership.deleted_at.is_(None),
    )
    found = session.scalar(locking(statement) if lock else statement)
    if found is None:
        raise NotFound(
            f"membership of account {account.id} in {structure.code}",
            public=f"{account.mail} n'est pas rattaché à la structure « {structure.label} ».",
        )
    return found


def account_target(session: Session, account: Account, now: datetime) -> AccountTarget:
    """What the decider needs to know of an account; see :func:`account_targets`."""
    return account_targets(session, Account.id == account.id, now)[account.id]


def account_targets(
    session: Session, theirs: ColumnElement[bool], now: datetime
) -> dict[int, AccountTarget]:
    """What the decider needs to know of these accounts, by id. One statement.

    One in the bin is judged by the memberships that went with it, of which those that waited for a
    confirmation count no more: that it is there is a state of the account.
    """
    rows = session.execute(_facts(now).where(theirs))
    marks: dict[int, tuple[bool, bool]] = {}
    paths: defaultdict[tuple[int, bool], set[str]] = defaultdict(set)
    for row in rows:
        marks[row.id] = bool(row.privileged), bool(row.contested)
        if row.path is not None and (row.confirmed_at is not None or row.deleted_at is None):
            paths[row.id, row.confirmed_at is not None].add(row.path)
    return {
        account_id: AccountTarget(
            account_id=account_id,
            paths=frozenset(paths[account_id, True]),
            unconfirmed_paths=frozenset(paths[account_id, False]),
            privileged=privileged,
            contested=contested,
        )
        for account_id, (privileged, contested) in marks.items()
    }


def _facts(now: datetime) -> Select[int, bool, bool, str, datetime | None, datetime | None]:
    """One row for each membership of an account, in the bin if he is; one without, if none."""
    mandate = exists().where(
        Mandate.account_id == Account.id,
        or_(Mandate.valid_until.is_(None), Mandate.valid_until > now),
    )
    refused = exists().where(
        AddressChange.account_id == Account.id,
        AddressChange.refused_at.is_not(None),
        AddressChange.settled_at.is_(None),
    )
    return (
        select(
            Account.id,
            mandate.label("privileged"),
            refused.label("contested"),
            Structure.path,
            Membership.confirmed_at,
            Membership.deleted_at,
        )
        .outerjoin(
            Membership,
            and_(
                Membership.account_id == Account.id,
                Membership.deleted_at.is_not_distinct_from(Account.deleted_at),
            ),
        )
        .outerjoin(Structure, Structure.id == Membership.structure_id)
    )


def membership_target(membership: Membership) -> MembershipTarget:
    """What the decider needs to know of a membership."""
    return MembershipTarget(membership.account_id, membership.structure.path)
