"""*Changer d'adresse*: a new address for an account, in one safe step.

Memberships, roles, NameIDs, photo and history stay; the password, the sessions and the links go.
The new address gets a first-visit mail. The old one is told, may refuse it for a week, and is
nobody else's meanwhile. Memberships that the person has not confirmed go, except where whoever
changes the address may edit them: the correspondant, everywhere.

Who puts an address back undoes that change, and a mistyped one refuses nothing: see
:mod:`directory.services.accounts.address_claims`.
"""

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

from sqlalchemy import or_, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from directory.authorisation import Actor, Permission, require
from directory.models import Account, AddressChange, Application, ApplicationEntity
from directory.search import mail_key
from directory.services.accounts.address_claims import claims
from directory.services.accounts.address_offers import offers
from directory.services.accounts.creation import Creation
from directory.services.accounts.password import void_links
from directory.services.accounts.reserved import require_free, withheld
from directory.services.accounts.sheets import PersonSheet, Sheets
from directory.services.lookup import (
    account_by_subject,
    account_target,
    any_account_by_mail,
    may_know,
)
from directory.services.memberships.changes import withdraw
from directory.services.own.password_mails import PasswordMails
from directory.services.texts import clean_mail, generic_warning, is_generic, require_deliverable
from directory.validity import ADDRESS_CHANGE, why_unusable
from idp.context import origin
from idp.errors import AlreadyDone, AlreadyExists, DirectoryError, NotAllowed, StaleEdit
from idp.purge import delete_in_chunks
from idp.sessions.tokens import hashed, new_token

if TYPE_CHECKING:
    from idp.services import Core

RESERVED = timedelta(days=7)
"""How long the old address may refuse, and is nobody else's."""
KEPT = timedelta(days=30)
"""After that, how long it is known."""


class GenericAddress(DirectoryError):
    """The address looks like a desk's; whoever wants it all the same says so."""


@dataclass(frozen=True, slots=True)
class AddressPlan:
    """Whose address would change.

    ``applications``: those he has a role of, by their SPs' ids. ``undoable``: the addresses he had
    whose return is no change that anybody may refuse; ``refuser``: who may refuse any other, by his
    address; empty: nobody. ``contested``: a change was refused, and waits for the correspondant.
    ``offers``: where a membership goes on waiting for its person.
    """

    person: PersonSheet
    applications: Mapping[str, str]
    undoable: tuple[str, ...]
    refuser: str
    contested: bool
    offers: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Replaced:
    """What a change did: the address of now; ``invited``: a link for a password left there."""

    mail: str
    invited: bool


class AddressChanges:
    """Replaces addresses."""

    def __init__(self, core: "Core") -> None:
        self._core = core
        self._sheets = Sheets(core)
        self._links = PasswordMails(core)

    def plan(self, actor: Actor, subject_id: str) -> AddressPlan:
        """Whose it would be.

        Raises:
            NotFound: nobody has this id, or he may not be seen: alike.
            NotAllowed: shared, privileged, contested, out of scope, or himself.
        """
        person = self._permitted(actor, subject_id)
        with self._core.db.reading() as session:
            account = account_by_subject(session, actor, subject_id)
            stay, go = offers(session, actor, account)
            known = claims(session, actor, account, self._core.clock.now(), go)
            return AddressPlan(
                person,
                _applications(session, person),
                undoable=known.undoable,
                refuser=known.refuser(),
                contested=known.contested,
                offers=tuple(each.structure.label_path for each in stay),
            )

    def change(
        self,
        actor: Actor,
        subject_id: str,
        mail: str,
        *,
        shown: str,
        accept_generic: bool = False,
    ) -> Replaced:
        """Replace the address, which was ``shown`` when it was asked for.

        Raises:
            NotFound, NotAllowed: as :meth:`plan`.
            AlreadyDone: it was replaced by this one meanwhile.
            StaleEdit: it was replaced by another meanwhile.
            GenericAddress: it looks like a desk's, and that was not accepted.
            AlreadyExists: it is another account's, in the bin or not, or reserved.
            TooMany: he tried too many addresses, here or in creating people.
            DirectoryError: it is none, or his already.
        """
        self._permitted(actor, subject_id)
        self._count(actor, mail)
        with self._core.db.unit_of_work() as session:
            account = account_by_subject(session, actor, subject_id, lock=True)
            now = self._core.clock.now()
            target = account_target(session, account, now)
            require(actor, Permission.CHANGE_ADDRESS, target)
            if account.mail != shown and account.mail_key == mail_key(mail):
                raise AlreadyDone(f"the address of account {account.id} is that one")
            if account.mail != shown:
                raise StaleEdit(f"the address of account {account.id} changed since it was shown")
            new = self._checked(session, actor, account, mail, accept_generic=accept_generic)
            old = account.mail
            _, go = offers(session, actor, account, lock=True)
            known = claims(session, actor, account, now, go)
            refuser = known.refuser(new)
            known.settle(new, now)
            # What others offered to the old address is not for whoever opens the new one to accept.
            # First, so that the bin reads of a change since: they were made to the old address.
            for membership in go:
                withdraw(self._core, membership)
            self._replace(session, account, new)
            self._tell(session, account, old, refuser)
            return Replaced(new, self._invite(actor, account))

    def _permitted(self, actor: Actor, subject_id: str) -> PersonSheet:
        """Whose address he may change; raises as :meth:`plan`."""
        person = self._sheets.read(actor, subject_id)
        if not person.can.account:
            raise NotAllowed(f"the address of {subject_id!r}")
        return person

    def _count(self, actor: Actor, mail: str) -> None:
        """Trying an address says whether somebody has it: counted and journalled as there."""
        if actor.operator:
            return
        with suppress(AlreadyExists):  # reserved: for this very account perhaps, see below
            Creation(self._core).check(actor, mail)

    def _checked(
        self,
        session: Session,
        actor: Actor,
        account: Account,
        mail: str,
        *,
        accept_generic: bool,
    ) -> str:
        new = clean_mail(mail)
        if mail_key(new) == account.mail_key:
            raise DirectoryError("the same address", public="C'est déjà son adresse mail.")
        if is_generic(new) and not accept_generic:
            raise GenericAddress(f"generic address {new}", public=generic_warning(new))
        known = any_account_by_mail(session, new)
        if known is not None:
            if may_know(session, actor, known):
                raise _taken(new)
            raise withheld(self._core, new, "in a bin")
        require_deliverable(new)
        require_free(self._core, session, actor, new, account=account)
        return new

    def _remember(self, session: Session, account: Account, mail: str) -> str:
        """This address that he had, reserved; returns the token of the link that refuses."""
        now, token = self._core.clock.now(), new_token()
        session.add(
            AddressChange(
                key=hashed(token),
                account_id=account.id,
                old_mail=mail,
                old_mail_key=mail_key(mail),
                changed_by=origin().actor,
                changed_at=now,
                expires_at=now + RESERVED,
            )
        )
        return token

    def _replace(self, session: Session, account: Account, new: str) -> None:
        before, now = account.mail, self._core.clock.now()
        account.mail, account.mail_key = new, mail_key(new)
        # The date too: who was signing in with the old password at this moment does not get in.
        account.password_hash, account.password_changed_at = None, now
        try:
            session.flush()
        except IntegrityError as error:
            raise _taken(new) from error
        void_links(session, account, now)
        self._core.audit.record(
            "account.address-changed",
            subject_id=account.subject_id,
            parameters={"before": before, "after": new, "generic": is_generic(new)},
        )
        self._core.sessions.end(account.subject_id, reason="address-changed")

    def _tell(self, session: Session, account: Account, old: str, refuser: str) -> None:
        """``refuser`` gets a link; the old address, where it is another, neither one nor a name."""
        if refuser != old:
            self._core.mailer.send(old, "address-put-back", {"mail": old})
        if not refuser:
            return
        token = self._remember(session, account, refuser)
        self._core.mailer.send(
            refuser,
            "address-changed",
            {
                "given_name": account.given_name,
                "sn": account.sn,
                "mail": refuser,
                "invited": self._opens(account),
                "link": self._core.settings.url(f"/adresse-remplacee/{token}"),
            },
        )

    def _invite(self, actor: Actor, account: Account) -> bool:
        """Locked or not yet valid: the link is mailed once somebody asks for it then."""
        if not self._opens(account):
            return False
        self._links.send(actor, account.mail)
        return True

    def _opens(self, account: Account) -> bool:
        return why_unusable(account, self._core.clock.now()) is None

    def purge(self) -> int:
        """Forget what is over for :data:`KEPT`, unless it is contested; returns how many."""
        limit = self._core.clock.now() - KEPT
        settled = or_(
            ADDRESS_CHANGE.c.refused_at.is_(None), ADDRESS_CHANGE.c.settled_at.is_not(None)
        )
        over = ADDRESS_CHANGE.c.expires_at <= limit
        return delete_in_chunks(self._core.db, ADDRESS_CHANGE, over, settled)


def _taken(mail: str) -> AlreadyExists:
    return AlreadyExists(
        f"{mail} is taken",
        public=f"L'adresse {mail} est déjà celle d'un compte, en service ou dans la corbeille.",
    )


def _applications(session: Session, person: PersonSheet) -> dict[str, str]:
    held = {role.application for each in person.sheet.memberships for role in each.roles}
    if not held:
        return {}
    rows = session.execute(
        select(ApplicationEntity.entity_id, Application.label)
        .join(Application, Application.id == ApplicationEntity.application_id)
        .where(Application.code.in_(held))
    )
    return {row.entity_id: row.label for row in rows}
