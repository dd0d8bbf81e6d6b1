"""An address that is in the bin, and somebody who wants to add its person anew."""

from datetime import datetime

from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from directory.authorisation import Actor, Permission, may
from directory.models import Account, AccountPhoto, Membership
from directory.search import mail_key
from directory.services.lookup import account_target, any_account_by_mail, locking
from directory.services.removal.binned import BIN_PERIOD
from idp.errors import AlreadyExists


class InBin(AlreadyExists):
    """The address is that of an account in the bin, which the actor may restore."""


def known_account(
    session: Session, actor: Actor, mail: str, now: datetime, *, lock: bool = False
) -> Account | None:
    """The account of this address; none when its days in the bin are over.

    Nor is one in the bin that the actor could not restore: he adds it anew, without its history.
    ``lock``: until the transaction ends nobody deletes, restores or shares it.

    Raises:
        InBin: he restores it instead.
        AlreadyExists: it is in the bin, and the correspondant's alone.
    """
    account = any_account_by_mail(session, mail, lock=lock)
    if account is None or account.deleted_at is None:
        return account
    if account.deleted_at + BIN_PERIOD <= now:
        return None
    target = account_target(session, account, now)
    if may(actor, Permission.DELETE_ACCOUNT, target):
        raise InBin(
            f"{mail} is in the bin",
            public=f"Le compte {account.mail} est dans la corbeille : restaurez-le "
            "au lieu de le créer.",
        )
    if target.privileged or target.contested:
        raise AlreadyExists(
            f"{mail} is in the bin, and the correspondant's",
            public=f"L'adresse {account.mail} est celle d'un compte supprimé que seul le "
            "correspondant peut rétablir : adressez-vous à lui.",
        )
    return None


def out_of_bin(session: Session, mail: str) -> Account | None:
    """The account in the bin of this address, emptied as if it were new; None when there is none.

    The person keeps the identifiers by which applications know him, and nothing else: nobody may
    restore a right over him that he never consented to. The caller fills in the name and the dates.
    """
    statement = select(Account).where(
        Account.mail_key == mail_key(mail), Account.deleted_at.is_not(None)
    )
    account = session.scalar(locking(statement))
    if account is None:
        return None
    account.deleted_at = account.valid_until = None
    account.password_hash = account.last_sign_in_at = None
    account.locked = False
    session.execute(delete(AccountPhoto).where(AccountPhoto.account_id == account.id))
    session.execute(delete(Membership).where(Membership.account_id == account.id))
    return account
