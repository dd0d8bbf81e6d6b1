"""Finds by code or address, and loads the targets that the decider judges."""

from datetime import datetime

from sqlalchemy import or_, select
from sqlalchemy.orm import Session

from directory.authorisation import AccountTarget, Actor, MembershipTarget, Permission, may
from directory.models import Account, Application, Mandate, Membership, Role, Structure
from directory.search import mail_key
from idp.errors import NotFound


def structure_by_code(session: Session, code: str) -> Structure:
    """The structure of this code.

    Raises:
        NotFound: there is none.
    """
    found = session.scalar(select(Structure).where(Structure.code == code))
    if found is None:
        raise NotFound(f"structure {code!r}", public=f"Aucune structure n'a le code « {code} ».")
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


def any_account_by_mail(session: Session, mail: str) -> Account | None:
    """The account of this address, in the bin or not; None when there is none."""
    return session.scalar(select(Account).where(Account.mail_key == mail_key(mail)))


def account_by_mail(session: Session, actor: Actor, mail: str) -> Account:
    """The account of this address.

    Raises:
        NotFound: there is none, or it is in the bin (whoever may see it there is told so).
    """
    account = any_account_by_mail(session, mail)
    if account is None or not _may_know(session, actor, account):
        raise NotFound(f"account {mail!r}", public=f"Aucun compte n'a l'adresse {mail}.")
    if account.deleted_at is not None:
        raise NotFound(
            f"account {mail!r} is in the bin",
            public=f"Le compte {mail} est dans la corbeille ; restaurez-le d'abord.",
        )
    return account


def _may_know(session: Session, actor: Actor, account: Account) -> bool:
    """Whether he may be told about this account; of a living one the caller asks the decider."""
    gone = account.deleted_at
    if gone is None:
        return True
    target = account_target(session, account, gone, deleted_at=gone)
    return may(actor, Permission.SEE_ACCOUNT, target)


def membership_of(
    session: Session, account: Account, structure: Structure, *, lock: bool = False
) -> Membership:
    """This account's membership of that structure, bin excepted.

    ``lock``: others who lock it wait until the transaction ends.

    Raises:
        NotFound: there is none.
    """
    statement = select(Membership).where(
        Membership.account_id == account.id,
        Membership.structure_id == structure.id,
        Membership.deleted_at.is_(None),
    )
    found = session.scalar(statement.with_for_update() if lock else statement)
    if found is None:
        raise NotFound(
            f"membership of account {account.id} in {structure.code}",
            public=f"{account.mail} n'est pas rattaché à la structure « {structure.label} ».",
        )
    return found


def account_target(
    session: Session, account: Account, now: datetime, *, deleted_at: datetime | None = None
) -> AccountTarget:
    """What the decider needs to know of an account.

    ``deleted_at``: judge an account in the bin by the memberships that went with it.
    """
    rows = session.execute(
        select(Structure.path, Membership.confirmed_at)
        .join(Membership, Membership.structure_id == Structure.id)
        .where(
            Membership.account_id == account.id,
            Membership.deleted_at.is_(None)
            if deleted_at is None
            else Membership.deleted_at == deleted_at,
        )
    ).all()
    mandate = select(Mandate.id).where(
        Mandate.account_id == account.id,
        or_(Mandate.valid_until.is_(None), Mandate.valid_until > now),
    )
    return AccountTarget(
        account_id=account.id,
        paths=frozenset(path for path, confirmed_at in rows if confirmed_at is not None),
        unconfirmed_paths=frozenset(path for path, confirmed_at in rows if confirmed_at is None),
        privileged=session.scalar(mandate.limit(1)) is not None,
    )


def membership_target(membership: Membership) -> MembershipTarget:
    """What the decider needs to know of a membership."""
    return MembershipTarget(membership.account_id, membership.structure.path)
