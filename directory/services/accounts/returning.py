"""An address that is in the bin, and somebody who wants to add its person anew."""

from datetime import datetime

from sqlalchemy.orm import Session

from directory.authorisation import Actor, Permission, may
from directory.models import Account
from directory.services.lookup import account_target, any_account_by_mail
from directory.services.removal.binned import BIN_PERIOD, reads_in_bin
from idp.errors import AlreadyExists


class InBin(AlreadyExists):
    """The address is that of an account in the bin, which the actor may restore."""


def known_account(
    session: Session, actor: Actor, mail: str, now: datetime, *, lock: bool = False
) -> Account | None:
    """The account of this address, in the bin or not.

    One in the bin is then over, or the actor does not see it there: adding somebody erases it as
    the purge would, so that nothing of who had the address passes to who has it now.
    ``lock``: until the transaction ends nobody deletes, restores or shares it.

    Raises:
        InBin: he restores it instead.
        AlreadyExists: it is in the bin, and the correspondant's alone to restore: its person has a
            mandate or refused a change of address, or the actor sees it there and shares it.
    """
    account = any_account_by_mail(session, mail, lock=lock)
    if account is None or account.deleted_at is None:
        return account
    if account.deleted_at + BIN_PERIOD <= now:
        return account
    target = account_target(session, account, now)
    if may(actor, Permission.DELETE_ACCOUNT, target):
        raise InBin(
            f"{mail} is in the bin",
            public=f"Le compte {account.mail} est dans la corbeille : rétablissez-le "
            "au lieu de le créer.",
        )
    if reads_in_bin(session, actor, account, target, now):
        raise AlreadyExists(
            f"{mail} is in the bin that he reads, and the correspondant's",
            public=f"Le compte {account.mail} est dans la corbeille, et seul le correspondant peut "
            "le rétablir : adressez-vous à lui.",
        )
    if target.privileged or target.contested:
        raise AlreadyExists(
            f"{mail} is in the bin, and the correspondant's",
            public=f"L'adresse {account.mail} est celle d'un compte supprimé que seul le "
            "correspondant peut rétablir : adressez-vous à lui.",
        )
    return account
