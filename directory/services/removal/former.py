"""The address as it was when something went into the bin: a later one is not everybody's to read.

Whoever has no tie to a person any more learns no new address of him, and gives nothing back to one
that he never saw: he names it himself, which is counted, or asks the correspondant.
"""

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import TYPE_CHECKING

from sqlalchemy import ColumnElement, and_, case, func, null, select
from sqlalchemy.orm import Session

from directory.authorisation import Actor, Permission, may
from directory.models import Account, Membership
from directory.scope import visible_to
from directory.search import mail_key
from directory.services.accounts.address_checks import note, require_few
from directory.services.lookup import account_target
from directory.services.removal.fates import has_membership_in_scope
from directory.services.texts import clean_mail
from directory.validity import ACCOUNT, MEMBERSHIP, STRUCTURE
from idp.errors import DirectoryError, StaleEdit
from idp.history import first_told, told
from idp.names import full_name, of

if TYPE_CHECKING:
    from idp.services import Core

CHANGED, BEFORE = "account.address-changed", "before"
"""The event, and what it says of the address that was replaced."""

AGAIN = "Rien n'a été rétabli. Vérifiez que c'est la bonne personne, puis recommencez."
ASK = "Rien n'a été rétabli : la corbeille dit que faire."


def former_mail() -> ColumnElement[str | None]:
    """As SQL, beside a membership in the bin and its account: the address then, null if it is now.

    What the first change since then replaced: the journal knows of each, also of one undone.
    """
    then = first_told(CHANGED, BEFORE, ACCOUNT.c.subject_id, MEMBERSHIP.c.deleted_at)
    # Another spelling is no other address: before the "@" is ASCII, behind it folded already.
    return case((func.lower(then) == ACCOUNT.c.mail_key, null()), else_=then)


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
    return case((_hidden(actor), known), else_=MEMBERSHIP.c.search_key)


def count_named(core: "Core", actor: Actor, subject_id: str, shown: str) -> None:
    """Whoever names the address of a person that no page shows him checks it: it is counted so.

    Also where nothing comes of it, hence in a transaction of its own, before.

    Raises:
        TooMany: as in checking addresses.
    """
    if actor.everywhere:
        return
    unseen = (
        select(ACCOUNT.c.mail_key)
        .join(MEMBERSHIP, MEMBERSHIP.c.account_id == ACCOUNT.c.id)
        .join(STRUCTURE, STRUCTURE.c.id == MEMBERSHIP.c.structure_id)
        .where(
            ACCOUNT.c.subject_id == subject_id,
            ACCOUNT.c.deleted_at.is_(None),
            MEMBERSHIP.c.deleted_at.is_not(None),
            visible_to(actor),
            _hidden(actor),
        )
    )
    with core.db.unit_of_work() as session:
        present = session.scalar(unseen.limit(1))
        if present is not None:
            require_few(core, session, actor)
            found = "his" if mail_key(shown) == present else "not his"
            note(core, actor, _address_or_nothing(shown), found)


def require_shown(
    session: Session,
    actor: Actor,
    account: Account,
    memberships: Collection[Membership],
    shown: str | None,
    now: datetime,
) -> None:
    """Insist that the address of a person in the bin is the one that was ``shown``, if any was.

    ``memberships``: what would come back; the caller has asked the decider for each of them, or for
    the account.

    Raises:
        StaleEdit: it is another; which one, is told to whoever may see it. That the one shown was
            his, to whoever may see the history of the account, or reads it in the bin.
    """
    if shown is None or mail_key(shown) == account.mail_key:
        return
    name = of(full_name(account.given_name, account.sn))
    target = account_target(session, account, now)
    replaced = (
        session.scalars(told(CHANGED, BEFORE, account.subject_id)).all()
        if may(actor, Permission.SEE_ACCOUNT_STATE, target)
        else _read_in_bin(session, memberships)
    )
    was = next((each for each in replaced if mail_key(each) == mail_key(shown)), None)
    text = f"L'adresse {name} a changé depuis que cette page est ouverte"
    if not may(actor, Permission.SEE_ACCOUNT, target):
        text = f"{text} : {was} n'est plus la sienne. {ASK}" if was else f"{text}. {ASK}"
    elif was:
        text = f"{text} : c'était {was}, c'est maintenant {account.mail}. {AGAIN}"
    else:
        text = f"L'adresse {name} est {account.mail}. {AGAIN}"
    raise StaleEdit(f"the address of account {account.id} is not the one shown", public=text)


def _address_or_nothing(typed: str) -> str:
    """For the journal, which keeps nothing else that was typed there: a password, perhaps."""
    try:
        return clean_mail(typed)
    except DirectoryError:
        return ""


def _hidden(actor: Actor) -> ColumnElement[bool]:
    """As SQL, beside a membership in the bin: whether the address of now is not his to read."""
    return and_(changed_since(), ~has_membership_in_scope(actor, ACCOUNT.c.id))


def _read_in_bin(session: Session, memberships: Collection[Membership]) -> Sequence[str]:
    """The addresses of now no more that the bin shows beside these memberships."""
    former = (
        select(former_mail())
        .join_from(MEMBERSHIP, ACCOUNT, ACCOUNT.c.id == MEMBERSHIP.c.account_id)
        .where(MEMBERSHIP.c.id.in_([each.id for each in memberships]))
    )
    return [each for each in session.scalars(former) if each is not None]
