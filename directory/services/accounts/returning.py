"""An address that is in the bin, and somebody who wants to add its person anew."""

from datetime import datetime
from enum import Enum, auto

from sqlalchemy.orm import Session

from directory.authorisation import Actor, Permission, may
from directory.models import Account
from directory.services.accounts.address_claims import refusable
from directory.services.lookup import account_target, any_account_by_mail
from directory.services.removal.binned import BIN_PERIOD, reads_in_bin
from idp.errors import AlreadyExists


class InBin(AlreadyExists):
    """The address is that of an account in the bin, which the actor may restore."""


class Returning(Enum):
    """What adding somebody comes to whose account is in the bin."""

    RESTORED = auto()
    """The actor takes the account out of it instead."""
    READ = auto()
    """It lies in his bin too, and is not his to restore: a shared one, or one that went later."""
    KEPT = auto()
    """It stays: its person has a mandate or refused a change of address, so it is the
    correspondant's alone; or he may refuse one yet, and his link would go with the account."""
    ANEW = auto()
    """A new account: the actor knows of none, and the old one is erased."""


def returning(session: Session, actor: Actor, account: Account, now: datetime) -> Returning:
    """The same of this account. What a bin promised to keep, nobody erases who reads it there."""
    target = account_target(session, account, now)
    if may(actor, Permission.DELETE_ACCOUNT, target):
        return Returning.RESTORED
    if reads_in_bin(session, actor, account, now):
        return Returning.READ
    kept = target.privileged or target.contested or refusable(session, account, now)
    return Returning.KEPT if kept else Returning.ANEW


def known_account(
    session: Session, actor: Actor, mail: str, now: datetime, *, lock: bool = False
) -> Account | None:
    """The account of this address, in the bin or not.

    One in the bin is then over, or the actor does not see it there: adding somebody erases it as
    the purge would, so that nothing of who had the address passes to who has it now.
    ``lock``: until the transaction ends nobody deletes, restores or shares it.

    Raises:
        InBin: he restores it instead.
        AlreadyExists: it is in the bin, and not his to restore.
    """
    account = any_account_by_mail(session, mail, lock=lock)
    if account is None or account.deleted_at is None:
        return account
    if account.deleted_at + BIN_PERIOD <= now:
        return account
    match returning(session, actor, account, now):
        case Returning.RESTORED:
            raise InBin(
                f"{mail} is in the bin",
                public=f"Le compte {account.mail} est dans la corbeille : rétablissez-le "
                "au lieu de le créer.",
            )
        case Returning.READ:
            raise AlreadyExists(
                f"{mail} is in the bin that he reads, and not his to restore",
                public=f"Le compte {account.mail} est dans la corbeille, et vous ne pouvez pas le "
                "rétablir : demandez-le au correspondant.",
            )
        case Returning.KEPT:
            raise AlreadyExists(
                f"{mail} is in the bin, and the correspondant's",
                public=f"L'adresse {account.mail} est celle d'un compte supprimé, que vous ne "
                "pouvez ni rétablir ni remplacer : adressez-vous au correspondant.",
            )
        case Returning.ANEW:
            return account
