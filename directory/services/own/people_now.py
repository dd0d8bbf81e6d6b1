"""The person who asks, whose account is usable at this moment."""

from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from directory.models import Account
from directory.validity import account_usable
from idp.errors import NotFound


def lock_person(session: Session, subject_id: str, now: datetime) -> Account:
    """His account, locked: what he does at the same time elsewhere waits until the commit.

    Raises:
        NotFound: nobody usable has this id.
    """
    statement = (
        select(Account).where(Account.subject_id == subject_id, account_usable()).with_for_update()
    )
    found = session.scalar(statement, {"now": now})
    if found is None:
        raise NotFound(f"subject {subject_id}", public="Ce compte n'est plus valable.")
    return found
