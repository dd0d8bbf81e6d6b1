"""The bin: what is deleted stays there for 20 days, and can be taken out again."""

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from directory.authorisation import Actor, Permission, may, require
from directory.models import Account, Membership
from directory.search import mail_key
from directory.services.accounts.password import end_links
from directory.services.lookup import (
    account_by_mail,
    account_by_subject,
    account_target,
    locking,
    membership_target,
    structure_by_code,
)
from directory.services.memberships.changes import confirm, takes_effect, tell_added
from directory.services.memberships.sp_sessions import end_sp_sessions
from directory.services.removal.binned import BIN_PERIOD, restorable
from directory.services.removal.fates import Fate, deletion, facts_of
from directory.services.removal.former import count_named, require_shown
from directory.services.rights.mandates import require_another_central
from directory.services.rights.role_news import RoleNews
from directory.validity import is_over
from idp.errors import AlreadyDone, DirectoryError, NotAllowed, NotFound, StaleEdit

if TYPE_CHECKING:
    from idp.services import Core

PURGE_BATCH = 200


@dataclass(frozen=True, slots=True)
class Removal:
    """What went into the bin, or came out of it, and whether the account with it.

    ``structures``: label paths, those in the actor's scope alone. ``waiting``: those of them that
    have no effect until the person confirms them; ``closed``: those that are closed, where nothing
    has any. ``left``: what he could take out of the bin besides, removed before the account went.
    """

    structures: tuple[str, ...]
    account: bool
    waiting: tuple[str, ...] = ()
    closed: tuple[str, ...] = ()
    left: tuple[str, ...] = ()


class Bin:
    """Deletes, restores, purges."""

    def __init__(self, core: "Core") -> None:
        self._core = core
        self._news = RoleNews(core)

    def delete(self, actor: Actor, mail: str, *, announced: str | None = None) -> Removal:
        """Remove a person from the actor's subtrees; the account goes with its last membership.

        A membership that waits for its confirmation keeps no account alive. ``announced``: the
        print of what he confirmed (:meth:`directory.services.removal.fates.Deletion.announced`).

        Raises:
            NotFound: no such account.
            NotAllowed: nothing of it is in scope, himself, or the account would go and is
                privileged.
            StaleEdit: it would do something else than was announced.
            DirectoryError: he is the last correspondant.
        """
        now = self._core.clock.now()
        with self._core.db.unit_of_work() as session:
            # Locked: of two who each remove the last membership but the other's, one sees it.
            account = account_by_mail(session, actor, mail, lock=True)
            planned = deletion(actor, facts_of(session, [account.id], now)[account.id])
            if planned.fate is Fate.REFUSED:
                raise NotAllowed(f"may not delete account {account.id}: {planned.why}")
            if announced not in {None, planned.announced(actor, account.id)}:
                raise StaleEdit(f"deleting account {account.id} is no longer what was confirmed")
            ending = {each.id for each in planned.memberships}
            memberships = [
                each for each in _live_memberships(session, account) if each.id in ending
            ]
            if planned.fate is Fate.ACCOUNT:
                self._delete_account(session, account, memberships, now)
            else:
                for membership in memberships:
                    self._remove(session, membership, now)
            return Removal(planned.structures(actor), planned.fate is Fate.ACCOUNT)

    def require_deleted(self, actor: Actor, subject_id: str) -> None:
        """That somebody is in this actor's bin already, for whoever orders it again.

        With his account; while that lives, with what he had where the actor may remove people.

        Raises:
            NotFound: he is not, or the actor may not see him there: alike.
        """
        with self._core.db.reading() as session:
            account = session.scalar(select(Account).where(Account.subject_id == subject_id))
            if (
                account is not None
                and account.deleted_at is None
                and restorable(self._core, session, actor, account)
            ):
                return
            account_by_subject(session, actor, subject_id, binned=True)

    def restore(self, actor: Actor, mail: str, *, structure: str | None = None) -> Removal:
        """Take an account, or the memberships of a living one, out of the bin.

        An account comes back with the memberships that went with it, as they were. A membership
        alone is as one that is added: the command line brings it into effect; else he confirms it
        if he has another, or never did. Of all that waits he is told, and so is his référent.

        ``structure``: a code; of a living account the membership of this one comes back, no other.

        Raises:
            NotFound: no such account or structure, or nothing of it in the bin.
            NotAllowed: the actor could not have deleted it.
            DirectoryError: it has been in the bin for more than 20 days.
        """
        with self._core.db.unit_of_work() as session:
            statement = select(Account).where(Account.mail_key == mail_key(mail))
            account = session.scalar(locking(statement))
            if account is None:
                raise NotFound(f"account {mail!r}", public=f"Aucun compte n'a l'adresse {mail}.")
            if structure is not None:
                structure_by_code(session, structure)
            return self._restore(session, actor, account, structure)

    def restore_subject(
        self,
        actor: Actor,
        subject_id: str,
        *,
        structure: str | None = None,
        shown: str | None = None,
    ) -> Removal:
        """The same for the account that other rooms know by this id.

        ``shown``: the address that the actor read when he asked for it, or typed: what he gives
        back is for nobody who has another by now.

        Raises:
            AlreadyDone: he is out of it, where the actor could remove him.
            NotFound: nothing of it is in the bin, or the actor could not have deleted it: alike.
            StaleEdit: the address is not the one shown.
            TooMany: he named too many addresses that no page shows him, here or in creating people.
            DirectoryError: it has been in the bin for more than 20 days.
        """
        if shown is not None:
            count_named(self._core, actor, subject_id, shown)
        with self._core.db.unit_of_work() as session:
            statement = select(Account).where(Account.subject_id == subject_id)
            account = session.scalar(locking(statement))
            try:
                if account is not None:
                    return self._restore(session, actor, account, structure, shown)
            except (NotFound, NotAllowed) as error:
                if account is not None and _lives(session, actor, account, structure):
                    raise AlreadyDone(f"subject {subject_id!r} is out of the bin") from error
            raise NotFound(
                f"nothing of subject {subject_id!r} in the bin",
                public="Cet utilisateur n'est plus dans la corbeille : il a été rétabli ou effacé "
                "entre-temps, ou vous ne pouvez pas le rétablir : demandez-le au correspondant.",
            )

    def _restore(
        self,
        session: Session,
        actor: Actor,
        account: Account,
        structure: str | None,
        shown: str | None = None,
    ) -> Removal:
        if account.deleted_at is None:
            return self._restore_memberships(session, actor, account, structure, shown)
        if structure is not None:
            raise NotFound(
                f"account {account.id} went into the bin as a whole",
                public=f"Le compte {account.mail} est dans la corbeille en entier : rétablissez-le "
                "sans nommer de structure.",
            )
        return self._restore_account(session, actor, account, account.deleted_at, shown)

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
            if membership.confirmed_at is not None:
                self._record("membership.removed", membership)
        # What was mailed to him would work again after a restoration.
        end_links(session, account, now, "deleted")
        self._record_account("account.deleted", account, memberships)
        self._core.sessions.end(account.subject_id, reason="account-deleted")

    def _restore_account(
        self,
        session: Session,
        actor: Actor,
        account: Account,
        deleted_at: datetime,
        shown: str | None,
    ) -> Removal:
        now = self._core.clock.now()
        target = account_target(session, account, now)
        require(actor, Permission.DELETE_ACCOUNT, target)
        if deleted_at + BIN_PERIOD <= now:
            raise DirectoryError(
                f"account {account.id} is in the bin since {deleted_at}",
                public=f"Le compte {account.mail} est dans la corbeille depuis plus de 20 jours : "
                "il ne peut plus être rétabli.",
            )
        binned = _binned_memberships(session, account, now)
        memberships = [each for each in binned if each.deleted_at == deleted_at]
        require_shown(session, actor, account, memberships, shown, now)
        account.deleted_at = None
        self._record_account("account.restored", account, memberships)
        waiting = [each for each in memberships if each.confirmed_at is None]
        self._bring_back([each for each in memberships if each not in waiting])
        for membership in waiting:
            membership.deleted_at = None
            tell_added(self._core, session, membership)
        left = [each for each in binned if each.deleted_at and _may_remove(actor, each)]
        return _out(actor, memberships, now, account=True, left=left)

    def _restore_memberships(
        self,
        session: Session,
        actor: Actor,
        account: Account,
        structure: str | None,
        shown: str | None,
    ) -> Removal:
        now = self._core.clock.now()
        memberships = [
            each
            for each in _binned_memberships(session, account, now)
            if structure in {None, each.structure.code} and _may_remove(actor, each)
        ]
        if not memberships:
            raise NotFound(
                f"nothing of account {account.id} in the bin",
                public=f"Rien de {account.mail} n'est dans la corbeille"
                + (f" de la structure « {structure} »." if structure else "."),
            )
        require_shown(session, actor, account, memberships, shown, now)
        # Before any is back: those that come together do not wait for each other.
        at_once = all(
            takes_effect(session, actor, account, each.structure.path, now) for each in memberships
        )
        self._bring_back(memberships)
        for membership in memberships:
            new = not at_once or membership.confirmed_at is None
            if not at_once:
                membership.confirmed_at = None
            elif may(actor, Permission.CONFIRM_MEMBERSHIP, membership_target(membership)):
                confirm(self._core, membership)
            self._news.note_all(session, membership, granted=True)
            if new:
                tell_added(self._core, session, membership)
        return _out(actor, memberships, now, account=False)

    def _bring_back(self, memberships: list[Membership]) -> None:
        for membership in memberships:
            membership.deleted_at = None
            self._record("membership.restored", membership)

    def _record_account(self, code: str, account: Account, memberships: list[Membership]) -> None:
        """Journal what happens to the account.

        What waited for a confirmation goes along, and comes back, untold in its structure's own
        history: that would tell of an account whose person never opened it there.
        """
        along = [each.structure.code for each in memberships if each.confirmed_at is None]
        self._core.audit.record(
            code, subject_id=account.subject_id, parameters={"along": along} if along else None
        )

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


def _out(
    actor: Actor,
    memberships: list[Membership],
    now: datetime,
    *,
    account: bool,
    left: list[Membership] | None = None,
) -> Removal:
    """What came out of the bin."""
    waiting = [each for each in memberships if each.confirmed_at is None]
    closed = [each for each in memberships if is_over(each.structure.closed_at, now)]
    return Removal(
        _named(actor, memberships),
        account,
        _named(actor, waiting),
        _named(actor, closed),
        _named(actor, left or []),
    )


def _named(actor: Actor, memberships: list[Membership]) -> tuple[str, ...]:
    """The label paths that he may read."""
    structures = [each.structure for each in memberships]
    return tuple(each.label_path for each in structures if actor.covers(each.path))


def _may_remove(actor: Actor, membership: Membership) -> bool:
    return may(actor, Permission.REMOVE_MEMBERSHIP, membership_target(membership))


def _lives(session: Session, actor: Actor, account: Account, structure: str | None) -> bool:
    """Whether he is where somebody wants to restore him, as far as this actor could remove him."""
    return account.deleted_at is None and any(
        structure in {None, each.structure.code} and _may_remove(actor, each)
        for each in _live_memberships(session, account)
    )


def _live_memberships(session: Session, account: Account) -> list[Membership]:
    return list(
        session.scalars(
            select(Membership)
            .where(Membership.account_id == account.id, Membership.deleted_at.is_(None))
            .order_by(Membership.id)
        )
    )


def _binned_memberships(session: Session, account: Account, now: datetime) -> list[Membership]:
    """What of his lies in the bin, and may still be taken out of it."""
    since = now - BIN_PERIOD
    return list(
        session.scalars(
            select(Membership)
            .where(Membership.account_id == account.id, Membership.deleted_at > since)
            .order_by(Membership.id)
        )
    )
