"""Addresses that were replaced lately: nobody else may have them meanwhile."""

from typing import TYPE_CHECKING

from sqlalchemy import select
from sqlalchemy.orm import Session

from directory.authorisation import Actor, Permission, may
from directory.models import Account, AddressChange
from directory.search import mail_key
from directory.services.lookup import account_target
from idp.errors import AlreadyExists

if TYPE_CHECKING:
    from idp.services import Core


def require_free(
    core: "Core", session: Session, actor: Actor, mail: str, *, account: Account | None = None
) -> None:
    """Insist that this address is not reserved; ``account`` may take its own back.

    Raises:
        AlreadyExists: it was another account's until a few days ago; whoever may not see the state
            of that one is told no more than that it can't be had.
    """
    now = core.clock.now()
    reserved = (
        select(Account, AddressChange.expires_at)
        .join(AddressChange, AddressChange.account_id == Account.id)
        .where(AddressChange.old_mail_key == mail_key(mail), AddressChange.expires_at > now)
    )
    if account is not None:
        reserved = reserved.where(Account.id != account.id)
    found = session.execute(reserved.order_by(AddressChange.expires_at.desc()).limit(1)).first()
    if found is None:
        return
    former, until = found
    if not may(actor, Permission.SEE_ACCOUNT_STATE, account_target(session, former, now)):
        raise withheld(core, mail, f"until {until}")
    raise AlreadyExists(
        f"{mail} is reserved until {until}",
        public=f"L'adresse {mail} était celle d'un compte il y a quelques jours : elle reste "
        "réservée une semaine. En cas d'urgence, adressez-vous au correspondant.",
    )


def withheld(core: "Core", mail: str, cause: str) -> AlreadyExists:
    """What is said of an address for a reason that is not his to know; ``cause`` is for the log."""
    return AlreadyExists(
        f"{mail} is reserved: {cause}",
        public=f"L'adresse {mail} ne peut pas être utilisée pour le moment. Le correspondant peut "
        f"vous aider : {core.settings.organization.correspondant}",
    )
