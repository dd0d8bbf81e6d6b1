"""Memberships: a person in a structure."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from secrets import token_hex
from typing import TYPE_CHECKING

from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from directory import referents
from directory.authorisation import Actor, MembershipTarget, Permission, may, require
from directory.models import Account, Membership, Structure
from directory.services.lookup import (
    account_by_mail,
    account_target,
    membership_of,
    membership_target,
    structure_by_code,
)
from directory.services.memberships.sp_sessions import end_sp_sessions
from directory.services.removal.binned import already_there, make_room
from directory.services.texts import optional_text
from directory.validity import is_over
from idp.errors import DirectoryError

if TYPE_CHECKING:
    from idp.services import Core


@dataclass(frozen=True, slots=True)
class MembershipFields:
    """What is recorded of a person in one structure; all of it optional."""

    service: str | None = None
    function: str | None = None
    application_identifier: str | None = None
    teleworking: bool = False
    postal_address: str | None = None
    phone: str | None = None


class Memberships:
    """Confirms, suspends and resumes memberships."""

    def __init__(self, core: "Core") -> None:
        self._core = core

    def confirm(self, actor: Actor, mail: str, structure: str) -> None:
        """Make a second structure's membership effective; nothing happens if it already is.

        Raises:
            NotFound: no such account, structure or membership.
            NotAllowed: neither the person himself nor the command line.
        """
        with self._core.db.unit_of_work() as session:
            membership = self._find(session, actor, mail, structure)
            require(actor, Permission.CONFIRM_MEMBERSHIP, membership_target(membership))
            confirm(self._core, membership)

    def suspend(self, actor: Actor, mail: str, structure: str) -> None:
        """Suspend a membership: it grants nothing until it is resumed.

        Raises:
            NotFound: no such account, structure or membership.
            NotAllowed: outside his subtrees, or his own.
        """
        with self._core.db.unit_of_work() as session:
            membership = self._find(session, actor, mail, structure)
            require(actor, Permission.SUSPEND_MEMBERSHIP, membership_target(membership))
            suspend(self._core, session, membership)

    def resume(self, actor: Actor, mail: str, structure: str) -> None:
        """End a suspension.

        Raises:
            NotFound: no such account, structure or membership.
            NotAllowed: outside his subtrees, or his own.
        """
        with self._core.db.unit_of_work() as session:
            membership = self._find(session, actor, mail, structure)
            require(actor, Permission.SUSPEND_MEMBERSHIP, membership_target(membership))
            resume(self._core, membership)

    @staticmethod
    def _find(session: Session, actor: Actor, mail: str, structure: str) -> Membership:
        """Locked, the account first: whether it is shared is what its deletion depends on."""
        account = account_by_mail(session, actor, mail, lock=True)
        return membership_of(session, account, structure_by_code(session, structure), lock=True)


def confirm(core: "Core", membership: Membership) -> None:
    """Bring it into effect, unless it is. The caller has asked the decider."""
    if membership.confirmed_at is not None:
        return
    membership.confirmed_at = core.clock.now()
    record(core, "membership.confirmed", membership)


def refuse(core: "Core", membership: Membership) -> None:
    """Into the bin, where it had no effect yet. The caller has asked the decider."""
    membership.deleted_at = core.clock.now()
    record(core, "membership.refused", membership)


def withdraw(core: "Core", membership: Membership) -> None:
    """Into the bin before its person answered. The caller has asked the decider."""
    membership.deleted_at = core.clock.now()
    record(core, "membership.removed", membership)


def suspend(core: "Core", session: Session, membership: Membership) -> None:
    """Suspend it, unless it is. The caller has asked the decider."""
    if membership.suspended:
        return
    membership.suspended = True
    record(core, "membership.suspended", membership)
    end_sp_sessions(core, session, membership, "membership-suspended")


def resume(core: "Core", membership: Membership) -> None:
    """End its suspension, if there is one. The caller has asked the decider."""
    if not membership.suspended:
        return
    membership.suspended = False
    record(core, "membership.resumed", membership)


def record(
    core: "Core",
    code: str,
    membership: Membership,
    parameters: Mapping[str, object] | None = None,
) -> None:
    """Journal what happens to a membership."""
    core.audit.record(
        code,
        subject_id=membership.account.subject_id,
        target=f"structure:{membership.structure.code}",
        parameters=parameters,
    )


def attach_membership(
    core: "Core",
    session: Session,
    account: Account,
    structure: Structure,
    fields: MembershipFields,
    *,
    confirmed: bool,
    at: datetime | None = None,
) -> Membership:
    """Add a membership and journal it. The caller has asked the decider.

    The caller has locked the account. ``at``: since when it is there, if not since now.

    Raises:
        AlreadyExists: the person already belongs to this structure.
        MembershipInBin: he did until less than 20 days ago.
        DirectoryError: the structure is closed, or a field is wrong.
    """
    now = at or core.clock.now()
    if is_over(structure.closed_at, now):
        raise DirectoryError(
            f"{structure.code} is closed", public=f"La structure « {structure.label} » est fermée."
        )
    make_room(core, session, account, structure)
    membership = Membership(
        public_id=token_hex(16),
        account=account,
        structure=structure,
        created_at=now,
        confirmed_at=now if confirmed else None,
        **cleaned(fields),
    )
    session.add(membership)
    try:
        session.flush()
    except IntegrityError as error:
        raise already_there(account, structure) from error
    core.audit.record(
        "membership.added",
        subject_id=account.subject_id,
        target=f"structure:{structure.code}",
        parameters={"confirmed": confirmed},
    )
    return membership


def takes_effect(
    session: Session, actor: Actor, account: Account, path: str, now: datetime
) -> bool:
    """Whether a membership of this account does so at once: his only one, or by the command line.

    Else the person confirms it. The caller has locked the account.
    """
    may_confirm = may(actor, Permission.CONFIRM_MEMBERSHIP, MembershipTarget(account.id, path))
    return may_confirm or not account_target(session, account, now).paths


def tell_added(core: "Core", session: Session, membership: Membership) -> None:
    """Mail the person of one structure more, and the nearest référent of those he had."""
    account, parameters = membership.account, mail_parameters(core, membership)
    # Safe to open for whatever opens the links of mails: the page asks, its form answers.
    answer = {"url": core.settings.url("/rattachements")}
    core.mailer.send(account.mail, "membership-added", parameters | answer)
    for referent in referents.of_person(session, account.subject_id, core.clock.now())[:1]:
        core.mailer.send(referent.mail, "membership-added-elsewhere", parameters)


def mail_parameters(core: "Core", membership: Membership) -> dict[str, object]:
    """What a mail about a membership that is new says."""
    account = membership.account
    return {
        "given_name": account.given_name,
        "sn": account.sn,
        "mail": account.mail,
        "portal_url": core.settings.url("/"),
        "structure": membership.structure.label_path,
        "confirmed": membership.confirmed_at is not None,
    }


def cleaned(fields: MembershipFields) -> dict[str, str | bool | None]:
    """What is kept of these fields, by column.

    Raises:
        DirectoryError: one is wrong; the sentence names it.
    """
    return {
        "service": optional_text(fields.service, "Service", 200),
        "function": optional_text(fields.function, "Fonction", 200),
        "application_identifier": optional_text(
            fields.application_identifier, "Identifiant applicatif", 100
        ),
        "teleworking": fields.teleworking,
        "postal_address": optional_text(fields.postal_address, "Adresse postale", 500),
        "phone": optional_text(fields.phone, "Numéro de téléphone", 40),
    }
