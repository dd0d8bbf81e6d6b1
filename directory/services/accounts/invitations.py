"""Mails that somebody who manages accounts sends again: the invitation, a link for a password."""

from typing import TYPE_CHECKING

from sqlalchemy import select
from sqlalchemy.orm import Session

from directory.authorisation import Actor, Permission, require
from directory.models import Account, Membership, Structure
from directory.services.lookup import account_by_mail, account_target
from directory.services.own.password_mails import (
    LATEST,
    MOMENT,
    PasswordMails,
    require_usable,
)
from idp.errors import AlreadyDone, DirectoryError
from idp.mail import GIVEN_UP
from idp.names import full_name
from idp.self_service import Purpose

if TYPE_CHECKING:
    from idp.services import Core

INVITATION = "account-created"
"""The kind of the mail that a creation sends."""


class Invitations:
    """Sends mails again; what they say is the person's own business."""

    def __init__(self, core: "Core") -> None:
        self._core = core
        self._links = PasswordMails(core)

    def send(self, actor: Actor, mail: str) -> None:
        """Mail the invitation again to somebody who never signed in.

        Raises:
            NotFound: no such account.
            NotAllowed: himself, or nothing of him is in scope but what he has not confirmed.
            AlreadyDone: it left a moment ago, or is about to.
            DirectoryError: he signed in already, or the account may not be used now.
        """
        with self._core.db.unit_of_work() as session:
            account = self._reachable(session, actor, mail)
            if account.last_sign_in_at is not None:
                raise DirectoryError(
                    f"account {account.id} signed in already",
                    public=f"{full_name(account.given_name, account.sn)} s'est déjà connecté : "
                    "il n'a plus besoin de cette invitation.",
                )
            self._require_none_just_left(account)
            self._core.mailer.send(
                account.mail,
                INVITATION,
                {
                    "given_name": account.given_name,
                    "sn": account.sn,
                    "mail": account.mail,
                    "structure": _first_structure(session, account),
                    "confirmed": True,
                },
            )
            self._core.audit.record("account.invited-again", subject_id=account.subject_id)

    def _require_none_just_left(self, account: Account) -> None:
        """The row of the account is locked: of two presses at once one comes second.

        One that was given up arrives nowhere: another may.
        """
        since = self._core.clock.now() - MOMENT
        latest = self._core.mailer.about(account.mail, since=since, most=LATEST)
        if any(each.kind == INVITATION and each.state not in GIVEN_UP for each in latest):
            raise AlreadyDone(
                f"account {account.id} was invited a moment ago",
                public="Ce mail vient déjà de partir à "
                f"{full_name(account.given_name, account.sn)} : aucun second n'est envoyé.",
            )

    def reset(self, actor: Actor, mail: str) -> Purpose:
        """*Réinitialisation mot de passe*: mail a link and end the sessions; what it is to him.

        The password that he has stays until he chooses another.

        Raises:
            NotFound, NotAllowed: as :meth:`send`.
            DirectoryError: the account may not be used now.
        """
        with self._core.db.unit_of_work() as session:
            account = self._reachable(session, actor, mail)
            purpose = self._links.send(actor, account.mail)
            self._core.sessions.end(account.subject_id, reason="password-reset")
            self._links.note_reset(account)
            return purpose

    def _reachable(self, session: Session, actor: Actor, mail: str) -> Account:
        account = account_by_mail(session, actor, mail, lock=True)
        now = self._core.clock.now()
        require(actor, Permission.SEND_LINK, account_target(session, account, now))
        require_usable(account, now)
        return account


def _first_structure(session: Session, account: Account) -> str:
    found = session.scalar(
        select(Structure.label_path)
        .join(Membership, Membership.structure_id == Structure.id)
        .where(
            Membership.account_id == account.id,
            Membership.deleted_at.is_(None),
            Membership.confirmed_at.is_not(None),
        )
        .order_by(Membership.id)
        .limit(1)
    )
    return found or ""
