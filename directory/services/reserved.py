"""Addresses that were replaced lately: nobody else may have them meanwhile."""

from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from directory.models import Account, AddressChange
from directory.search import mail_key
from idp.errors import AlreadyExists


def require_free(
    session: Session, mail: str, now: datetime, *, account: Account | None = None
) -> None:
    """Insist that this address is not reserved; ``account`` may take its own back.

    Raises:
        AlreadyExists: it was another account's until a few days ago.
    """
    reserved = select(AddressChange.expires_at).where(
        AddressChange.old_mail_key == mail_key(mail), AddressChange.expires_at > now
    )
    if account is not None:
        reserved = reserved.where(AddressChange.account_id != account.id)
    until = session.scalar(reserved.order_by(AddressChange.expires_at.desc()).limit(1))
    if until is not None:
        raise refusal(mail, f"until {until}")


def refusal(mail: str, cause: str) -> AlreadyExists:
    """What is said of an address that nobody else may have now; the cause is for the log."""
    return AlreadyExists(
        f"{mail} is reserved: {cause}",
        public=f"L'adresse {mail} était celle d'un compte il y a quelques jours : elle reste "
        "réservée une semaine. En cas d'urgence, adressez-vous au correspondant.",
    )
