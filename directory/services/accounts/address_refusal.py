"""The link that the old address gets: who had it says that its replacement was not wanted.

The account is then locked and the correspondant's alone, who is told: he restores the address, or
finds that all was well.
"""

from dataclasses import dataclass, replace
from datetime import datetime
from typing import TYPE_CHECKING

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from directory.models import Account, AddressChange
from directory.services.accounts.password import end_links
from idp.context import acting, origin
from idp.errors import LinkRefused
from idp.history import last
from idp.names import full_name
from idp.sessions.tokens import hashed

if TYPE_CHECKING:
    from idp.services import Core

UNKNOWN = (
    "Ce lien n'est pas reconnu. Il est peut-être incomplet : ouvrez-le de nouveau depuis le "
    "message, ou copiez-le en entier."
)
EXPIRED = "Ce lien n'est plus valable : il servait pendant sept jours."
USED = "Vous avez déjà refusé ce changement. Le compte est bloqué et le correspondant est prévenu."
DECIDED = (
    "Vous aviez refusé ce changement. Le correspondant l'a vérifié depuis et a décidé : "
    "écrivez-lui si l'adresse du compte n'est pas la bonne."
)
UNDONE = (
    "Il n'y a rien à refuser : l'adresse de votre compte est de nouveau {mail}. Si votre mot de "
    "passe ne sert plus, choisissez-en un autre avec « Première visite ? » sur le portail."
)
CLOSED = (
    "Il n'y a rien à refuser : ce changement a été annulé. Si l'adresse a été remplacée de "
    "nouveau, servez-vous du lien du dernier message reçu."
)


@dataclass(frozen=True, slots=True)
class Refusable:
    """A change that may be refused: which address was replaced, and when."""

    old_mail: str
    changed_at: datetime


class AddressRefusals:
    """Reads and spends these links; nobody need be signed in."""

    def __init__(self, core: "Core") -> None:
        self._core = core

    def link(self, token: str) -> Refusable:
        """What this link refuses. Spends nothing: mail scanners open links.

        Raises:
            LinkRefused: unknown, undone, expired, or used.
        """
        with self._core.db.reading() as session:
            change, account = self._find(session, token)
        self._require_live(change, account)
        return Refusable(change.old_mail, change.changed_at)

    def spend(self, token: str) -> None:
        """Refuse the change: lock the account, end its sessions and links, tell the correspondant.

        Raises:
            LinkRefused: as :meth:`link`; of two who spend it, the second.
        """
        now = self._core.clock.now()
        with self._core.db.unit_of_work() as session:
            change, account = self._find(session, token, lock=True)
            _require_standing(change, account)
            # With every link that this address got: his other one says that he refused already.
            claimed = session.scalars(
                update(AddressChange)
                .where(
                    AddressChange.account_id == account.id,
                    AddressChange.old_mail_key == change.old_mail_key,
                    AddressChange.refused_at.is_(None),
                    AddressChange.settled_at.is_(None),
                    AddressChange.expires_at > now,
                )
                .values(refused_at=now)
                .returning(AddressChange.id)
                .execution_options(synchronize_session=False)
            ).all()
            if change.id not in claimed:
                session.refresh(change)
                self._require_live(change, account)
            # He had the old address, so it is his doing, and the journal says so.
            with acting(replace(origin(), actor=account.subject_id)):
                self._stop(session, account, now)
            self._tell(session, change, account)

    def _stop(self, session: Session, account: Account, now: datetime) -> None:
        """Whoever he is, the last correspondant too: the command line unlocks that one."""
        self._core.audit.record("account.address-refused", subject_id=account.subject_id)
        if not account.locked:
            account.locked = True
            self._core.audit.record("account.locked", subject_id=account.subject_id)
        end_links(session, account, now, "changed")
        self._core.sessions.end(account.subject_id, reason="address-refused")

    def _tell(self, session: Session, change: AddressChange, account: Account) -> None:
        """Of the last change too: another may have followed, which had no link for this address."""
        core = self._core
        changed_at, changed_by = session.execute(
            last("account.address-changed", account.subject_id)
        ).one()
        by = session.scalar(select(Account).where(Account.subject_id == changed_by))
        core.mailer.send(
            core.settings.organization.correspondant,
            "address-refused",
            {
                "given_name": account.given_name,
                "sn": account.sn,
                "mail": account.mail,
                "old_mail": change.old_mail,
                "changed_at": changed_at.astimezone(core.settings.organization.time_zone),
                "changed_by": full_name(by.given_name, by.sn) if by else "",
                "url": core.settings.url(f"/aia/utilisateurs/{account.subject_id}"),
            },
        )

    def _find(
        self, session: Session, token: str, *, lock: bool = False
    ) -> tuple[AddressChange, Account]:
        change = session.scalar(select(AddressChange).where(AddressChange.key == hashed(token)))
        if change is None:
            raise LinkRefused("unknown", public=UNKNOWN, known=False)
        return change, session.get_one(
            Account, change.account_id, with_for_update=lock or None, populate_existing=True
        )

    def _require_live(self, change: AddressChange, account: Account) -> None:
        _require_standing(change, account)
        if change.refused_at is not None:
            raise LinkRefused("used", public=USED if change.settled_at is None else DECIDED)
        if change.expires_at <= self._core.clock.now():
            raise LinkRefused("expired", public=EXPIRED)


def _require_standing(change: AddressChange, account: Account) -> None:
    """That the address is still another: who has his own again would lock himself out.

    Raises:
        LinkRefused: it is what it was before the change, or was that meanwhile.
    """
    if account.mail_key == change.old_mail_key:
        raise LinkRefused("undone", public=UNDONE.format(mail=account.mail))
    if change.settled_at is not None and change.refused_at is None:
        raise LinkRefused("undone", public=CLOSED)
