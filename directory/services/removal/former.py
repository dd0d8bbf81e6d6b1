"""The address as it was when something went into the bin: a later one is not everybody's to read.

Whoever has no tie to a person any more learns no new address of him, and gives nothing back to one
that he never saw: he names it himself, where he creates people, or asks the correspondant.
"""

from datetime import datetime

from sqlalchemy import ColumnElement, and_, case, func
from sqlalchemy.orm import Session

from directory.authorisation import Actor, Permission, may
from directory.models import Account
from directory.search import mail_key
from directory.services.lookup import account_target
from directory.services.removal.fates import has_membership_in_scope
from directory.validity import ACCOUNT, MEMBERSHIP, STRUCTURE
from idp.errors import StaleEdit
from idp.history import first_told, told
from idp.names import full_name, of

CHANGED, BEFORE = "account.address-changed", "before"
"""The event, and what it says of the address that was replaced."""

AGAIN = "Rien n'a été rétabli. Vérifiez que c'est la bonne personne, puis recommencez."
ASK = "Rien n'a été rétabli : la corbeille dit que faire."


def former_mail() -> ColumnElement[str | None]:
    """As SQL, beside a membership in the bin and its account: the address then, null if it is now.

    What the first change since then replaced: the journal knows of each, also of one undone.
    """
    then = first_told(CHANGED, BEFORE, ACCOUNT.c.subject_id, MEMBERSHIP.c.deleted_at)
    return func.nullif(then, ACCOUNT.c.mail)


def changed_since() -> ColumnElement[bool]:
    """As SQL, beside a membership in the bin: whether the address is another by now."""
    return former_mail().is_not(None)


def words_key(actor: Actor) -> ColumnElement[str]:
    """As SQL, beside a membership in the bin, what a filter looks in: no address that is not shown.

    Else whoever filters would find out a new address letter by letter.
    """
    if actor.everywhere:
        return MEMBERSHIP.c.search_key
    known = ACCOUNT.c.sn_key + " " + ACCOUNT.c.given_name_key + " " + func.lower(former_mail())
    known += " " + STRUCTURE.c.search_key + " " + MEMBERSHIP.c.identifier_key
    hidden = and_(changed_since(), ~has_membership_in_scope(actor, ACCOUNT.c.id))
    return case((hidden, known), else_=MEMBERSHIP.c.search_key)


def require_shown(
    session: Session, actor: Actor, account: Account, shown: str | None, now: datetime
) -> None:
    """Insist that the address of a person in the bin is the one that was ``shown``, if any was.

    The caller has asked the decider whether the actor may restore him.

    Raises:
        StaleEdit: it is another; which one, is told to whoever may see it.
    """
    if shown is None or mail_key(shown) == account.mail_key:
        return
    name = of(full_name(account.given_name, account.sn))
    replaced = session.scalars(told(CHANGED, BEFORE, account.subject_id))
    was = next((each for each in replaced if mail_key(each) == mail_key(shown)), None)
    text = f"L'adresse {name} a changé depuis que cette page est ouverte"
    if not may(actor, Permission.SEE_ACCOUNT, account_target(session, account, now)):
        text = f"{text} : {was} n'est plus la sienne. {ASK}" if was else f"{text}. {ASK}"
    elif was:
        text = f"{text} : c'était {was}, c'est maintenant {account.mail}. {AGAIN}"
    else:
        text = f"L'adresse {name} est {account.mail}. {AGAIN}"
    raise StaleEdit(f"the address of account {account.id} is not the one shown", public=text)
