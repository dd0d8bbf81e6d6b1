"""The password of an account: what it must be, and what storing one means, whoever chose it."""

from datetime import datetime
from typing import TYPE_CHECKING

from sqlalchemy import func, select, update
from sqlalchemy.orm import Session

from directory import password_policy
from directory.models import Account, Membership, PasswordLinkRow, Structure
from directory.services.lookup import account_target
from idp.self_service import PasswordPolicy
from idp.types import SsoSession

if TYPE_CHECKING:
    from idp.services import Core


def policy_of(core: "Core", session: Session, account: Account) -> PasswordPolicy:
    """What the password of this account must be, now."""
    # Up to the root: people call the town their structure, not the office that they sit in.
    paths = session.scalars(
        select(Structure.label_path)
        .join(Membership, Membership.structure_id == Structure.id)
        .where(Membership.account_id == account.id, Membership.deleted_at.is_(None))
    ).all()
    target = account_target(session, account, core.clock.now())
    names = (account.sn, account.given_name, account.mail, *paths)
    return policy_for(core, names, privileged=target.privileged)


def policy_for(core: "Core", names: tuple[str, ...], *, privileged: bool) -> PasswordPolicy:
    """The same for somebody of these names, address and paths of structures."""
    organization = core.settings.organization
    words = (*names, organization.name, organization.portal_name)
    return password_policy.policy(privileged=privileged, personal=words)


def store(
    core: "Core",
    session: Session,
    account: Account,
    hashed: str,
    *,
    spared: SsoSession | None = None,
) -> None:
    """Store the hash of a new password: every session but ``spared`` and every link ends."""
    now = core.clock.now()
    account.password_hash = hashed
    account.password_changed_at = now
    end_links(session, account, now, "changed")
    core.audit.record("account.password-set", subject_id=account.subject_id)
    core.sessions.end(account.subject_id, reason="password-changed", spared=spared)


def end_links(session: Session, account: Account, now: datetime, reason: str) -> None:
    """The links of this account that could still be spent lead nowhere from now on."""
    session.execute(
        update(PasswordLinkRow)
        .where(PasswordLinkRow.account_id == account.id, PasswordLinkRow.ended_at.is_(None))
        .values(ended_at=now, end_reason=reason)
        .execution_options(synchronize_session=False)
    )


def void_links(session: Session, account: Account, now: datetime) -> None:
    """All links of this account, also those that are over: they went to another address.

    None leads to a new one any more, which whoever reads there must not have mailed to this one.
    """
    session.execute(
        update(PasswordLinkRow)
        .where(PasswordLinkRow.account_id == account.id)
        .values(ended_at=func.coalesce(PasswordLinkRow.ended_at, now), end_reason="address")
        .execution_options(synchronize_session=False)
    )


def tell_changed(core: "Core", account: Account, *, first: bool) -> None:
    """Mail the person that his password was chosen (``first``) or changed, and whom to warn."""
    parameters = {"given_name": account.given_name, "sn": account.sn, "mail": account.mail}
    core.mailer.send(account.mail, "password-chosen" if first else "password-changed", parameters)
