"""*Éditer l'utilisateur*: what is recorded of a person, changed at once or not at all.

Each form carries prints of what was shown (:attr:`Values.version`): what changed meanwhile is never
overwritten, and both versions can be shown.
"""

from dataclasses import dataclass
from datetime import tzinfo
from typing import TYPE_CHECKING

from sqlalchemy import select
from sqlalchemy.orm import Session

from directory.authorisation import Actor, Permission, require
from directory.models import Account, Membership
from directory.services.accounts import state as account_state
from directory.services.accounts.edit_values import (
    AccountValues,
    Editable,
    MembershipValues,
    Values,
    editable,
)
from directory.services.accounts.invitations import Invitations
from directory.services.accounts.photos import Photos
from directory.services.accounts.sheets import Sheets
from directory.services.dates import Dates
from directory.services.days import moved_begin, moved_end
from directory.services.lookup import account_by_subject, account_target, membership_target
from directory.services.memberships import changes as memberships
from directory.services.memberships.changes import MembershipFields
from directory.services.memberships.sp_sessions import end_sp_sessions
from directory.services.own.password_mails import PasswordMails
from directory.services.texts import clean_text
from idp.errors import AlreadyDone, NotAllowed, StaleEdit
from idp.self_service import Square

if TYPE_CHECKING:
    from idp.services import Core


@dataclass(frozen=True, slots=True)
class Saved:
    """What an edit did: something ``changed``; a link for a password was ``mailed``."""

    changed: bool
    mailed: bool

    @property
    def done(self) -> bool:
        """Whether it did anything."""
        return self.changed or self.mailed


class Edits:
    """Shows what may be changed, and changes it."""

    def __init__(self, core: "Core") -> None:
        self._core = core
        self._sheets = Sheets(core)
        self._photos = Photos(core)
        self._invitations = Invitations(core)
        self._links = PasswordMails(core)
        self._zone: tzinfo = core.settings.organization.time_zone

    def open(self, actor: Actor, subject_id: str) -> Editable:
        """What this actor may change of this person.

        Raises:
            NotFound: nobody has this id, or he may not be seen: alike.
            NotAllowed: there is nothing that he may change.
        """
        person = self._sheets.read(actor, subject_id)
        if not person.can.edit:
            raise NotAllowed(f"nothing of {subject_id!r} is {actor.subject_id!r}'s to change")
        return editable(person, self._zone)

    def save(
        self,
        actor: Actor,
        subject_id: str,
        typed: Values,
        version: str,
        *,
        reset_password: bool = False,
    ) -> Saved:
        """Change it, in one transaction.

        ``reset_password``: mail a link to choose one, too, unless one left a moment ago.

        Raises:
            NotFound, NotAllowed: as :meth:`open`; also for what is not his to change.
            AlreadyDone: it changed since the form was shown, to what was typed; or nothing but a
                link is wanted, and one left a moment ago.
            StaleEdit: it changed to something else, or some of it is no more his to change; nothing
                is changed.
            DirectoryError: a value is wrong, he is the last correspondant, or the account may not
                be used now and was to get a link.
        """
        with self._core.db.unit_of_work() as session:
            account = account_by_subject(session, actor, subject_id, lock=True)
            rows = _locked_memberships(session, account)
            now = editable(self._sheets.of(session, actor, account), self._zone)
            if now.values.version != version:
                nothing_to_mail = not reset_password or self._links.just_left(session, account)
                if nothing_to_mail and now.seen.hold(typed):
                    raise AlreadyDone(f"account {account.id} is as it was typed")
                raise StaleEdit(f"account {account.id} changed since it was shown")
            changed = self._save_account(session, actor, account, typed.account, now.values)
            for public_id, wanted in typed.memberships.items():
                shown = now.values.memberships.get(public_id)
                if shown is None:
                    raise NotAllowed(f"membership {public_id!r}")
                changed |= self._save_membership(session, actor, rows[public_id], wanted, shown)
            mailed = reset_password and self._reset_password(actor, account, alone=not changed)
            return Saved(changed, mailed)

    def _reset_password(self, actor: Actor, account: Account, *, alone: bool) -> bool:
        """Whether a link left now: that one left before undoes nothing of what else is saved."""
        try:
            self._invitations.reset(actor, account.mail)
        except AlreadyDone:
            if alone:
                raise
            return False
        return True

    def put_photo(
        self, actor: Actor, subject_id: str, upload: bytes, square: Square | None = None
    ) -> None:
        """Give the person a photo; no transaction is open while it is made.

        Raises:
            NotFound, NotAllowed: as :meth:`open`; also when the account is not his to change.
            DirectoryError, Busy: see :meth:`idp.self_service.IPhotos.prepare`.
        """
        if not self.open(actor, subject_id).person.can.account:
            raise NotAllowed(f"the photo of {subject_id!r}")
        image = self._photos.prepare(upload, square).image
        with self._core.db.unit_of_work() as session:
            self._photos.put(session, self._owned(session, actor, subject_id), image)

    def remove_photo(self, actor: Actor, subject_id: str) -> None:
        """Take the person's photo away; nothing happens when there is none.

        Raises:
            NotFound, NotAllowed: as :meth:`put_photo`.
        """
        with self._core.db.unit_of_work() as session:
            self._photos.remove(self._owned(session, actor, subject_id).subject_id)

    def _owned(self, session: Session, actor: Actor, subject_id: str) -> Account:
        account = account_by_subject(session, actor, subject_id, lock=True)
        target = account_target(session, account, self._core.clock.now())
        require(actor, Permission.EDIT_ACCOUNT, target)
        return account

    def _save_account(
        self,
        session: Session,
        actor: Actor,
        account: Account,
        wanted: AccountValues | None,
        now: Values,
    ) -> bool:
        if wanted is None or wanted == now.account:
            return False
        target = account_target(session, account, self._core.clock.now())
        for permission in (Permission.EDIT_ACCOUNT, Permission.LOCK_ACCOUNT):
            require(actor, permission, target)
        self._rename(account, wanted)
        account_state.set_validity(
            self._core,
            session,
            account,
            moved_begin(account.valid_from, wanted.first_day, self._zone) or account.valid_from,
            moved_end(account.valid_until, wanted.last_day, self._zone),
        )
        if wanted.locked:
            account_state.lock(self._core, session, account)
        else:
            account_state.unlock(self._core, session, account)
        return True

    def _rename(self, account: Account, wanted: AccountValues) -> None:
        before = {"sn": account.sn, "given_name": account.given_name}
        after = {
            "sn": clean_text(wanted.sn, "Nom", 100),
            "given_name": clean_text(wanted.given_name, "Prénom", 100),
        }
        if before == after:
            return
        account.sn, account.given_name = after["sn"], after["given_name"]
        self._core.audit.record(
            "account.renamed",
            subject_id=account.subject_id,
            parameters={"before": before, "after": after},
        )

    def _save_membership(
        self,
        session: Session,
        actor: Actor,
        membership: Membership,
        wanted: MembershipValues,
        shown: MembershipValues,
    ) -> bool:
        if wanted == shown:
            return False
        for permission in (Permission.EDIT_MEMBERSHIP, Permission.SUSPEND_MEMBERSHIP):
            require(actor, permission, membership_target(membership))
        self._save_fields(membership, wanted)
        self._save_dates(session, membership, wanted)
        if wanted.suspended:
            memberships.suspend(self._core, session, membership)
        else:
            memberships.resume(self._core, membership)
        return True

    def _save_fields(self, membership: Membership, wanted: MembershipValues) -> None:
        fields = memberships.cleaned(
            MembershipFields(
                service=wanted.service,
                function=wanted.function,
                application_identifier=wanted.application_identifier,
                teleworking=wanted.teleworking,
                postal_address=wanted.postal_address,
                phone=wanted.phone,
            )
        )
        off = self._core.settings.fields_off
        changed = {
            name: value
            for name, value in fields.items()
            if name not in off and getattr(membership, name) != value
        }
        if not changed:
            return
        before = {name: getattr(membership, name) for name in changed}
        for name, value in changed.items():
            setattr(membership, name, value)
        memberships.record(
            self._core, "membership.edited", membership, {"before": before, "after": changed}
        )

    def _save_dates(
        self, session: Session, membership: Membership, wanted: MembershipValues
    ) -> None:
        before = Dates.of(membership)
        after = before.changed(
            moved_begin(membership.valid_from, wanted.first_day, self._zone),
            moved_end(membership.valid_until, wanted.last_day, self._zone),
        )
        if after == before:
            return
        after.give(membership)
        memberships.record(
            self._core,
            "membership.dates-changed",
            membership,
            {"before": before.told(), "after": after.told()},
        )
        now = self._core.clock.now()
        if after.over(now) or (after.valid_from is not None and after.valid_from > now):
            end_sp_sessions(self._core, session, membership, "membership-dates")


def _locked_memberships(session: Session, account: Account) -> dict[str, Membership]:
    """By public id; others who change them wait until the transaction ends."""
    statement = (
        select(Membership)
        .where(Membership.account_id == account.id, Membership.deleted_at.is_(None))
        .order_by(Membership.id)
        .with_for_update()
        .execution_options(populate_existing=True)
    )
    return {each.public_id: each for each in session.scalars(statement)}
