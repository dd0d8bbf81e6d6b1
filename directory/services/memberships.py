"""Memberships: a person in a structure."""

from dataclasses import dataclass
from secrets import token_hex
from typing import TYPE_CHECKING

from sqlalchemy import delete, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from directory.authorisation import Actor, Permission, require
from directory.models import Account, Membership, Structure
from directory.services.lookup import (
    account_by_mail,
    membership_of,
    membership_target,
    structure_by_code,
)
from directory.services.sp_sessions import end_sp_sessions
from directory.services.texts import clean_text
from idp.errors import AlreadyExists, DirectoryError

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
            if membership.confirmed_at is None:
                membership.confirmed_at = self._core.clock.now()
                self._record("membership.confirmed", membership)

    def suspend(self, actor: Actor, mail: str, structure: str) -> None:
        """Suspend a membership: it grants nothing until it is resumed.

        Raises:
            NotFound: no such account, structure or membership.
            NotAllowed: outside his subtrees, or his own.
        """
        with self._core.db.unit_of_work() as session:
            membership = self._find(session, actor, mail, structure)
            require(actor, Permission.SUSPEND_MEMBERSHIP, membership_target(membership))
            if not membership.suspended:
                membership.suspended = True
                self._record("membership.suspended", membership)
                end_sp_sessions(self._core, session, membership, "membership-suspended")

    def resume(self, actor: Actor, mail: str, structure: str) -> None:
        """End a suspension.

        Raises:
            NotFound: no such account, structure or membership.
            NotAllowed: outside his subtrees, or his own.
        """
        with self._core.db.unit_of_work() as session:
            membership = self._find(session, actor, mail, structure)
            require(actor, Permission.SUSPEND_MEMBERSHIP, membership_target(membership))
            if membership.suspended:
                membership.suspended = False
                self._record("membership.resumed", membership)

    @staticmethod
    def _find(session: Session, actor: Actor, mail: str, structure: str) -> Membership:
        return membership_of(
            session, account_by_mail(session, actor, mail), structure_by_code(session, structure)
        )

    def _record(self, code: str, membership: Membership) -> None:
        self._core.audit.record(
            code,
            subject_id=membership.account.subject_id,
            target=f"structure:{membership.structure.code}",
        )


def attach_membership(
    core: "Core",
    session: Session,
    account: Account,
    structure: Structure,
    fields: MembershipFields,
    *,
    confirmed: bool,
) -> Membership:
    """Add a membership and journal it. The caller has asked the decider.

    One that waits in the bin for the same structure is replaced: the new one has no history.

    Raises:
        AlreadyExists: the person already belongs to this structure.
        DirectoryError: the structure is closed, or a field is wrong.
    """
    now = core.clock.now()
    if structure.closed_at is not None and structure.closed_at <= now:
        raise DirectoryError(
            f"{structure.code} is closed", public=f"La structure « {structure.label} » est fermée."
        )
    _make_room(session, account, structure)
    membership = Membership(
        public_id=token_hex(16),
        account=account,
        structure=structure,
        created_at=now,
        confirmed_at=now if confirmed else None,
        **_cleaned(fields),
    )
    session.add(membership)
    try:
        session.flush()
    except IntegrityError as error:
        raise _already_there(account, structure) from error
    core.audit.record(
        "membership.added",
        subject_id=account.subject_id,
        target=f"structure:{structure.code}",
        parameters={"confirmed": confirmed},
    )
    return membership


def _make_room(session: Session, account: Account, structure: Structure) -> None:
    known = session.execute(
        select(Membership.id, Membership.deleted_at).where(
            Membership.account_id == account.id, Membership.structure_id == structure.id
        )
    ).one_or_none()
    if known is None:
        return
    if known.deleted_at is None:
        raise _already_there(account, structure)
    session.execute(delete(Membership).where(Membership.id == known.id))


def _already_there(account: Account, structure: Structure) -> AlreadyExists:
    return AlreadyExists(
        f"account {account.id} is in {structure.code}",
        public=f"{account.mail} est déjà rattaché à la structure « {structure.label_path} ».",
    )


def _cleaned(fields: MembershipFields) -> dict[str, str | bool | None]:
    def line(text: str | None, name: str, maximum: int) -> str | None:
        return clean_text(text, name, maximum) if text and text.strip() else None

    return {
        "service": line(fields.service, "Service", 200),
        "function": line(fields.function, "Fonction", 200),
        "application_identifier": line(
            fields.application_identifier, "Identifiant applicatif", 100
        ),
        "teleworking": fields.teleworking,
        "postal_address": line(fields.postal_address, "Adresse postale", 500),
        "phone": line(fields.phone, "Numéro de téléphone", 40),
    }
