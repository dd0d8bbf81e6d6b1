"""*Désactiver*: what to do with a person who leaves, before anything is deleted."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from sqlalchemy import select
from sqlalchemy.orm import Session

from directory.authorisation import Actor, MembershipTarget, Permission, may
from directory.models import Account, Membership, Structure
from directory.services.accounts.changes import Accounts
from directory.services.lookup import account_by_subject, account_target
from directory.services.memberships.changes import Memberships
from idp.errors import NotAllowed

if TYPE_CHECKING:
    from idp.services import Core


@dataclass(frozen=True, slots=True)
class Deactivated:
    """What was done: the account locked, or (a shared one) his memberships here suspended."""

    mail: str
    locked: bool
    structures: tuple[str, ...] = ()


class Deactivation:
    """Locks the account; one that is shared keeps its other structures."""

    def __init__(self, core: "Core") -> None:
        self._core = core
        self._accounts = Accounts(core)
        self._memberships = Memberships(core)

    def run(self, actor: Actor, subject_id: str) -> Deactivated:
        """Lock the account, or suspend the memberships in scope of one that is shared.

        Raises:
            NotFound: no such account in scope.
            NotAllowed: himself, or nothing is left that may be suspended.
            DirectoryError: he is the last correspondant.
        """
        with self._core.db.unit_of_work() as session:
            account = account_by_subject(session, actor, subject_id, lock=True)
            target = account_target(session, account, self._core.clock.now())
            if may(actor, Permission.LOCK_ACCOUNT, target):
                self._accounts.lock(actor, account.mail)
                return Deactivated(account.mail, locked=True)
            structures = self._suspendable(session, actor, account)
            if not structures:
                raise NotAllowed(f"may not deactivate account {account.id}")
            for code, _ in structures:
                self._memberships.suspend(actor, account.mail, code)
            labels = tuple(label_path for _, label_path in structures)
            return Deactivated(account.mail, locked=False, structures=labels)

    def _suspendable(
        self, session: Session, actor: Actor, account: Account
    ) -> tuple[tuple[str, str], ...]:
        rows = session.execute(
            select(Structure.code, Structure.label_path, Structure.path)
            .join(Membership, Membership.structure_id == Structure.id)
            .where(
                Membership.account_id == account.id,
                Membership.deleted_at.is_(None),
                Membership.suspended.is_(False),
            )
            .order_by(Structure.label_path)
        )
        return tuple(
            (row.code, row.label_path)
            for row in rows
            if may(actor, Permission.SUSPEND_MEMBERSHIP, MembershipTarget(account.id, row.path))
        )
