"""Lock, unlock and dates of an account, once the decider agreed, whoever asked."""

from datetime import datetime
from typing import TYPE_CHECKING

from sqlalchemy import update
from sqlalchemy.orm import Session

from directory.models import Account, AddressChange
from directory.services.rights.mandates import require_another_central
from directory.validity import why_unusable
from idp.errors import DirectoryError

if TYPE_CHECKING:
    from idp.services import Core


def lock(core: "Core", session: Session, account: Account) -> None:
    """Lock it and end its sessions, unless it is locked.

    Raises:
        DirectoryError: he is the last correspondant.
    """
    if account.locked:
        return
    require_another_central(session, account, core.clock.now())
    account.locked = True
    core.audit.record("account.locked", subject_id=account.subject_id)
    core.sessions.end(account.subject_id, reason="account-locked")


def unlock(core: "Core", session: Session, account: Account) -> None:
    """Unlock it, if it is locked; what was contested of its address is settled with that."""
    if not account.locked:
        return
    account.locked = False
    settle(session, account, core.clock.now())
    core.audit.record("account.unlocked", subject_id=account.subject_id)


def settle(session: Session, account: Account, now: datetime) -> None:
    """Whoever may do something about this account decided: a refused change is over."""
    session.execute(
        update(AddressChange)
        .where(
            AddressChange.account_id == account.id,
            AddressChange.refused_at.is_not(None),
            AddressChange.settled_at.is_(None),
        )
        .values(settled_at=now)
        .execution_options(synchronize_session=False)
    )


def set_validity(
    core: "Core",
    session: Session,
    account: Account,
    valid_from: datetime,
    valid_until: datetime | None,
) -> None:
    """Change its dates; its sessions end when it may not be used now.

    Raises:
        DirectoryError: it would end before it begins, or the last correspondant's would end or
            begin later.
    """
    if (valid_from, valid_until) == (account.valid_from, account.valid_until):
        return
    if valid_until is not None and valid_until <= valid_from:
        raise DirectoryError(
            "validity ends before it begins",
            public="La date de fin de validité doit suivre la date de début.",
        )
    now = core.clock.now()
    if valid_until is not None or valid_from > now:
        require_another_central(session, account, now)
    before = [_iso(account.valid_from), _iso(account.valid_until)]
    account.valid_from, account.valid_until = valid_from, valid_until
    core.audit.record(
        "account.validity-changed",
        subject_id=account.subject_id,
        parameters={"before": before, "after": [_iso(valid_from), _iso(valid_until)]},
    )
    if why_unusable(account, now) is not None:
        core.sessions.end(account.subject_id, reason="account-validity")


def _iso(date: datetime | None) -> str | None:
    return date.isoformat() if date else None
