"""The worker's half of first visits and forgotten passwords: whose address it is, and the mail.

Nobody waits for it, so what it does for one address and not for another tells a stranger nothing.
"""

from dataclasses import replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from sqlalchemy import bindparam, delete, exists, select, update
from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import Session, aliased

from directory import referents
from directory.authorisation import Actor, Permission, require
from directory.models import Account, PasswordLinkRow, PasswordRequest
from directory.services.lookup import account_by_mail, account_target, any_account_by_mail
from directory.services.own.passwords import add_link
from directory.validity import table, why_unusable
from idp.context import acting, origin
from idp.errors import AlreadyDone, DirectoryError
from idp.log import logger
from idp.mail import GIVEN_UP
from idp.names import full_name
from idp.purge import delete_in_chunks
from idp.self_service import Purpose

if TYPE_CHECKING:
    from idp.services import Core

LIFETIME = timedelta(hours=24)
"""Of a link that was mailed. CNIL 2022-100, ASVS 6.4.1."""
KEPT = timedelta(days=30)
"""How long it is known what became of a link, so that its page says more than "unknown"."""
STALE = timedelta(hours=12)
"""A request that waited longer (no worker ran) is dropped: nobody awaits that mail any more."""
MOMENT = timedelta(minutes=1)
"""How long after one *Réinitialisation mot de passe* another is the same press."""
LATEST = 10
"""Mails to one address, or events of one account, within a moment; there are fewer."""
RESET_ASKED = "account.reset-asked"
"""How the journal calls *Réinitialisation mot de passe*."""
MOST_FAILURES = 5
"""A request that a defect kept unanswered as often is dropped: it would not be answered later."""

_links = table(PasswordLinkRow)
_older = aliased(PasswordRequest)
_NEXT = (
    select(PasswordRequest)
    # Never the second of one address while somebody answers the first.
    .where(
        PasswordRequest.id > bindparam("after"),
        ~exists().where(_older.mail == PasswordRequest.mail, _older.id < PasswordRequest.id),
    )
    .order_by(PasswordRequest.id)
    .limit(1)
)


class PasswordMails:
    """Turns requests into mails; makes links for those who manage accounts."""

    def __init__(self, core: "Core") -> None:
        self._core = core

    def deliver(self) -> int:
        """Answer every request that waits, each in a transaction of its own; how many addresses.

        One that cannot be answered must not stop those behind it: it is tried again next time.
        """
        answered = after = 0
        while (request := self._next(after)) is not None:
            after = request.id
            try:
                answered += self._deliver(request.id)
            except OperationalError:
                raise  # the database, not this request: the worker comes back later
            except Exception:  # noqa: BLE001 - one request, not those behind
                logger.exception("password.mail-failed", request=request.id)
                self._failed(request)
        return answered

    def send(self, actor: Actor, mail: str) -> Purpose:
        """Mail somebody a link to choose his password; returns what it is to him.

        Raises:
            NotFound: no such account.
            NotAllowed: out of scope.
            AlreadyDone: :meth:`just_left`.
            DirectoryError: the account may not be used now.
        """
        with self._core.db.unit_of_work() as session:
            account = account_by_mail(session, actor, mail, lock=True)
            now = self._core.clock.now()
            require(actor, Permission.SEND_LINK, account_target(session, account, now))
            require_usable(account, now)
            if self.just_left(session, account):
                raise AlreadyDone(
                    f"account {account.id} got a link a moment ago",
                    public="Ce mail vient déjà de partir à "
                    f"{full_name(account.given_name, account.sn)} : aucun second n'est envoyé, "
                    "pour que le lien du premier reste valable.",
                )
            return self._mail_link(session, account, None)

    def note_reset(self, account: Account) -> None:
        """Journal *Réinitialisation mot de passe*: :meth:`just_left` knows it by that."""
        self._core.audit.record(RESET_ASKED, subject_id=account.subject_id)

    def just_left(self, session: Session, account: Account) -> bool:
        """Whether *Réinitialisation mot de passe* mailed a link a moment ago that still opens.

        Another would kill that one under the person's hand. One that was given up arrives nowhere,
        and one that the person asked for himself ended no session: after these another may. Whoever
        sends one has locked the account: of two presses at once one comes second.
        """
        since = self._core.clock.now() - MOMENT
        open_link = select(PasswordLinkRow.purpose).where(
            PasswordLinkRow.account_id == account.id,
            PasswordLinkRow.ended_at.is_(None),
            PasswordLinkRow.created_at >= since,
        )
        purpose = session.scalar(open_link)
        if purpose is None:
            return False
        events = self._core.audit.about(account.subject_id, most=LATEST)
        if not any(each.code == RESET_ASKED and each.at >= since for each in events):
            return False
        mails = self._core.mailer.about(account.mail, since=since, most=LATEST)
        latest = next((each for each in mails if each.kind == kind_of(purpose)), None)
        return latest is not None and latest.state not in GIVEN_UP

    def purge(self) -> int:
        """Delete the links that are over for :data:`KEPT`; returns how many."""
        limit = self._core.clock.now() - KEPT
        return delete_in_chunks(self._core.db, _links, _links.c.expires_at <= limit)

    def _next(self, after: int) -> PasswordRequest | None:
        with self._core.db.reading() as session:
            return session.scalar(_NEXT, {"after": after})

    def _failed(self, request: PasswordRequest) -> None:
        """Count it; the last time forget what was asked for this address."""
        row = PasswordRequest.id == request.id
        with self._core.db.unit_of_work() as session:
            if request.failures + 1 < MOST_FAILURES:
                counted = update(PasswordRequest).where(row)
                session.execute(counted.values(failures=PasswordRequest.failures + 1))
            else:
                session.execute(delete(PasswordRequest).where(row))

    def _deliver(self, request_id: int) -> bool:
        """Answer one address, once however often it was typed; False: another worker has it."""
        with self._core.db.unit_of_work() as session:
            oldest = session.scalar(
                select(PasswordRequest)
                .where(PasswordRequest.id == request_id)
                .with_for_update(skip_locked=True)
            )
            if oldest is None:
                return False
            latest = session.scalar(
                select(PasswordRequest)
                .where(PasswordRequest.mail == oldest.mail)
                .order_by(PasswordRequest.id.desc())
                .limit(1)
            )
            self._answer(session, latest or oldest)
            session.execute(delete(PasswordRequest).where(PasswordRequest.mail == oldest.mail))
        return True

    def _answer(self, session: Session, request: PasswordRequest) -> None:
        account = any_account_by_mail(session, request.mail)
        now = self._core.clock.now()
        if account is None or request.requested_at <= now - STALE:
            # Without the address: people type their password into that field.
            logger.info("password.request-dropped", known=account is not None)
            return
        # Asked for from there, by whoever it was.
        with acting(replace(origin(), address=request.address)):
            why = why_unusable(account, now)
            if why is None:
                self._mail_link(session, account, request)
            else:
                self._mail_refusal(session, account, why.public)

    def _mail_link(
        self, session: Session, account: Account, request: PasswordRequest | None
    ) -> Purpose:
        """``request`` None: somebody who manages the account sends it."""
        purpose = Purpose.RESET if account.password_hash else Purpose.FIRST_VISIT
        flow = request.flow if request else ""
        token = add_link(self._core, session, account, purpose, flow, lifetime=LIFETIME)
        parameters = {
            **self._common(account),
            "link": self._core.settings.url(f"/mot-de-passe/{token}"),
            "hours": int(LIFETIME / timedelta(hours=1)),
            "asked": request.purpose if request else "",
        }
        self._core.mailer.send(account.mail, kind_of(purpose), parameters)
        return purpose

    def _mail_refusal(self, session: Session, account: Account, why: str) -> None:
        now, organization = self._core.clock.now(), self._core.settings.organization
        found = referents.of_person(session, account.subject_id, now)
        parameters = {
            **self._common(account),
            "why": why,
            "opens_at": account.valid_from.astimezone(organization.time_zone)
            if account.valid_from > now
            else None,
            "referents": [
                {"display_name": each.display_name, "mail": each.mail}
                for each in referents.or_correspondant(found, organization)
            ],
        }
        self._core.mailer.send(account.mail, "password-refused", parameters)
        self._core.audit.record("password.link-refused", subject_id=account.subject_id)

    def _common(self, account: Account) -> dict[str, object]:
        return {
            "given_name": account.given_name,
            "sn": account.sn,
            "mail": account.mail,
            "forgotten_url": self._core.settings.url("/mot-de-passe-oublie"),
        }


def kind_of(purpose: str) -> str:
    """What the mail with a link of this purpose is called."""
    return f"password-{purpose}"


def require_usable(account: Account, now: datetime) -> None:
    """Insist that a mail which leads into the account leads anywhere now.

    Raises:
        DirectoryError: the account may not be used at this moment.
    """
    why = why_unusable(account, now)
    if why is not None:
        raise DirectoryError(
            f"account {account.id} is {why.cause}",
            public=f"Le compte {account.mail} ne peut pas être utilisé en ce moment : "
            "vérifiez son verrouillage et ses dates de validité.",
        )
