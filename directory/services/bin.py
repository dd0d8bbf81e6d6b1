"""The bin: what is deleted stays there for 20 days, and can be taken out again."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from directory.authorisation import Actor, Permission, may, require
from directory.models import Account, Membership
from directory.services.lookup import (
    account_by_mail,
    account_target,
    any_account_by_mail,
    membership_target,
)
from directory.services.mandates import require_another_central
from directory.services.role_news import RoleNews
from directory.services.sp_sessions import end_sp_sessions
from idp.errors import DirectoryError, NotAllowed, NotFound

if TYPE_CHECKING:
    from idp.services import Core

BIN_PERIOD = timedelta(days=20)
PURGE_BATCH = 200


@dataclass(frozen=True, slots=True)
class Removal:
    """What went into the bin, or came out of it: label paths, and whether the account with them."""

    structures: tuple[str, ...]
    account: bool


class Bin:
    """Deletes, restores, purges."""

    def __init__(self, core: "Core") -> None:
        self._core = core
        self._news = RoleNews(core)

    def delete(self, actor: Actor, mail: str) -> Removal:
        """Remove a person from the actor's subtrees; the account goes with its last membership.

        A membership that waits for its confirmation keeps no account alive.

        Raises:
            NotFound: no such account.
            NotAllowed: nothing of it is in scope, himself, or the account would go and is
                privileged.
            DirectoryError: he is the last correspondant.
        """
        now = self._core.clock.now()
        with self._core.db.unit_of_work() as session:
            account = account_by_mail(session, actor, mail)
            memberships = _live_memberships(session, account)
            mine = [each for each in memberships if _may_remove(actor, each)]
            stays = any(each.confirmed_at is not None and each not in mine for each in memberships)
            if stays:
                if not mine:
                    raise NotAllowed(f"nothing of account {account.id} is in scope")
                removed = mine
                for membership in mine:
                    self._remove(session, membership, now)
            else:
                require(actor, Permission.DELETE_ACCOUNT, account_target(session, account, now))
                removed = memberships
                self._delete_account(session, account, memberships, now)
            return Removal(tuple(each.structure.label_path for each in removed), not stays)

    def restore(self, actor: Actor, mail: str) -> Removal:
        """Take an account, or the memberships of a living one, out of the bin.

        An account comes back with the memberships that went with it.

        Raises:
            NotFound: no such account, or nothing of it in the bin.
            NotAllowed: the actor could not have deleted it.
            DirectoryError: it has been in the bin for more than 20 days.
        """
        with self._core.db.unit_of_work() as session:
            account = any_account_by_mail(session, mail)
            if account is None:
                raise NotFound(f"account {mail!r}", public=f"Aucun compte n'a l'adresse {mail}.")
            if account.deleted_at is None:
                return self._restore_memberships(session, actor, account)
            return self._restore_account(session, actor, account, account.deleted_at)

    def purge(self) -> int:
        """Destroy what has been in the bin for more than 20 days; how many rows, at most a batch.

        The worker calls it until it answers 0.
        """
        limit = self._core.clock.now() - BIN_PERIOD
        with self._core.db.unit_of_work() as session:
            accounts = session.scalars(
                select(Account).where(Account.deleted_at <= limit).limit(PURGE_BATCH)
            ).all()
            for account in accounts:
                purge_account(self._core, session, account)
            orphans = session.scalars(
                select(Membership.id).where(Membership.deleted_at <= limit).limit(PURGE_BATCH)
            ).all()
            session.execute(delete(Membership).where(Membership.id.in_(orphans)))
            return len(accounts) + len(orphans)

    def _remove(self, session: Session, membership: Membership, now: datetime) -> None:
        end_sp_sessions(self._core, session, membership, "membership-removed")
        membership.deleted_at = now
        self._record("membership.removed", membership)
        self._news.note_all(session, membership, granted=False)

    def _delete_account(
        self, session: Session, account: Account, memberships: list[Membership], now: datetime
    ) -> None:
        require_another_central(session, account, now)
        account.deleted_at = now
        for membership in memberships:
            membership.deleted_at = now
            self._record("membership.removed", membership)
        self._core.audit.record("account.deleted", subject_id=account.subject_id)
        self._core.sessions.end(account.subject_id, reason="account-deleted")

    def _restore_account(
        self, session: Session, actor: Actor, account: Account, deleted_at: datetime
    ) -> Removal:
        now = self._core.clock.now()
        target = account_target(session, account, now, deleted_at=deleted_at)
        require(actor, Permission.DELETE_ACCOUNT, target)
        if deleted_at + BIN_PERIOD <= now:
            raise DirectoryError(
                f"account {account.id} is in the bin since {deleted_at}",
                public=f"Le compte {account.mail} est dans la corbeille depuis plus de 20 jours : "
                "il ne peut plus être restauré.",
            )
        memberships = _binned_memberships(session, account, deleted_at)
        memberships = [each for each in memberships if each.deleted_at == deleted_at]
        account.deleted_at = None
        self._core.audit.record("account.restored", subject_id=account.subject_id)
        self._bring_back(memberships)
        return Removal(tuple(each.structure.label_path for each in memberships), account=True)

    def _restore_memberships(self, session: Session, actor: Actor, account: Account) -> Removal:
        since = self._core.clock.now() - BIN_PERIOD
        binned = _binned_memberships(session, account, since)
        memberships = [
            each for each in binned if each.deleted_at != since and _may_remove(actor, each)
        ]
        if not memberships:
            raise NotFound(
                f"nothing of account {account.id} in the bin",
                public=f"Rien de {account.mail} n'est dans la corbeille.",
            )
        self._bring_back(memberships)
        for membership in memberships:
            self._news.note_all(session, membership, granted=True)
        return Removal(tuple(each.structure.label_path for each in memberships), account=False)

    def _bring_back(self, memberships: list[Membership]) -> None:
        for membership in memberships:
            membership.deleted_at = None
            self._record("membership.restored", membership)

    def _record(self, code: str, membership: Membership) -> None:
        self._core.audit.record(
            code,
            subject_id=membership.account.subject_id,
            target=f"structure:{membership.structure.code}",
        )


def purge_account(core: "Core", session: Session, account: Account) -> None:
    """Destroy an account with its memberships, assignments and mandates; the journal stays."""
    core.audit.record("account.purged", subject_id=account.subject_id)
    session.execute(delete(Account).where(Account.id == account.id))
    session.expunge(account)


def _may_remove(actor: Actor, membership: Membership) -> bool:
    return may(actor, Permission.REMOVE_MEMBERSHIP, membership_target(membership))


def _live_memberships(session: Session, account: Account) -> list[Membership]:
    return list(
        session.scalars(
            select(Membership)
            .where(Membership.account_id == account.id, Membership.deleted_at.is_(None))
            .order_by(Membership.id)
        )
    )


def _binned_memberships(session: Session, account: Account, since: datetime) -> list[Membership]:
    return list(
        session.scalars(
            select(Membership)
            .where(Membership.account_id == account.id, Membership.deleted_at >= since)
            .order_by(Membership.id)
        )
    )
