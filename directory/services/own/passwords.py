"""A person's own password: :class:`idp.self_service.IPasswords` over this room's tables."""

from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from directory import password_policy
from directory.models import Account, PasswordLinkRow, PasswordRequest
from directory.search import mail_key
from directory.services.accounts.password import end_links, policy_of, store, tell_changed
from directory.validity import why_unusable
from idp.allowance import MailAllowance
from idp.context import acting, origin
from idp.errors import BadCredentials, DirectoryError, LinkRefused, NotFound
from idp.names import full_name
from idp.passwords import Passwords, place
from idp.self_service import PasswordLink, PasswordPolicy, Purpose
from idp.sessions.sign_in import SignedIn
from idp.sessions.tokens import hashed, new_token
from idp.throttle import Throttle, device_token
from idp.types import AuthnContext, SsoSession, Subject

if TYPE_CHECKING:
    from idp.services import Core

RENEWAL_LIFETIME = timedelta(minutes=30)
"""Of the link that follows a sign-in; it never leaves the browser."""

UNKNOWN = (
    "Ce lien n'est pas reconnu. Il est peut-être incomplet : ouvrez-le de nouveau depuis le "
    "message, ou copiez-le en entier."
)
EXPIRED = "Ce lien n'est plus valable : il a été envoyé il y a trop longtemps."
ENDED = {
    "used": "Ce lien a déjà servi à choisir un mot de passe. Si c'était vous, connectez-vous avec "
    "ce mot de passe.",
    "replaced": "Ce lien a été remplacé par un plus récent : ouvrez le dernier message que vous "
    "avez reçu.",
    "changed": "Le mot de passe a été changé depuis l'envoi de ce lien, qui ne sert donc plus. "
    "Connectez-vous avec le nouveau mot de passe.",
    "address": "L'adresse mail de ce compte a changé depuis l'envoi de ce lien, qui ne sert donc "
    "plus. Si ce compte est le vôtre, ouvrez le dernier message reçu à sa nouvelle adresse.",
    "deleted": "Votre compte a été supprimé depuis l'envoi de ce lien, qui ne sert donc plus. S'il "
    "a été rétabli, demandez un nouveau lien ; sinon, adressez-vous à votre référent "
    "administrateur.",
}


class OwnPasswords:
    """First visit, forgotten password, change. No transaction is open while a password hashes."""

    def __init__(self, core: "Core") -> None:
        self._core = core
        self._passwords = Passwords(core.settings.secret, core.settings.bcrypt_cost)
        self._allowance = MailAllowance(core.db, core.clock)
        self._throttle = Throttle(core.db, core.clock)

    def ask(self, login: str, purpose: Purpose, *, flow: str = "") -> None:
        """See :meth:`idp.self_service.IPasswords.ask`. Nothing is looked up here."""
        address, mail = origin().address, mail_key(login)[:254]
        with self._core.db.unit_of_work() as session:
            if self._allowance.take(mail, address):
                session.add(
                    PasswordRequest(
                        mail=mail,
                        purpose=purpose.value,
                        flow=flow,
                        address=address[:64],
                        requested_at=self._core.clock.now(),
                    )
                )

    def ask_again(self, token: str) -> bool:
        """See :meth:`idp.self_service.IPasswords.ask_again`."""
        with self._core.db.reading() as session:
            found = self._find(session, token)
        if found is None:
            return False
        link, account = found
        if link.end_reason == "address":
            return False
        self.ask(account.mail, Purpose.RESET, flow=link.flow)
        return True

    def link(self, token: str) -> PasswordLink:
        """See :meth:`idp.self_service.IPasswords.link`."""
        with self._core.db.reading() as session:
            return self._open(session, token)

    def spend(
        self, token: str, password: str, *, user_agent: str, current: SsoSession | None
    ) -> SignedIn:
        """See :meth:`idp.self_service.IPasswords.spend`."""
        with place():
            password_policy.check(password, self.link(token).policy)
            fresh = self._passwords.hash(password)
            with self._core.db.unit_of_work() as session:
                account = self._claim(session, token)
                # Again: he may have become a référent while the password was hashed.
                password_policy.check(password, policy_of(self._core, session, account))
                with acting(replace(origin(), actor=account.subject_id)):
                    first = account.password_hash is None
                    store(self._core, session, account, fresh)
                    account.last_sign_in_at = self._core.clock.now()
                    tell_changed(self._core, account, first=first)
                    signed_in = self._start(account, user_agent)
                    self._core.audit.record(
                        "sign-in.success",
                        subject_id=account.subject_id,
                        parameters={"by": "password-link"},
                    )
                    if current is not None and current.subject_id != account.subject_id:
                        self._core.sessions.replace(current, signed_in.session)
        return signed_in

    def renew(self, subject_id: str, *, flow: str = "") -> str:
        """See :meth:`idp.self_service.IPasswords.renew`."""
        with self._core.db.unit_of_work() as session:
            account = _account(session, subject_id)
            return add_link(
                self._core, session, account, Purpose.RENEWAL, flow, lifetime=RENEWAL_LIFETIME
            )

    def policy(self, subject_id: str) -> PasswordPolicy:
        """See :meth:`idp.self_service.IPasswords.policy`."""
        with self._core.db.reading() as session:
            return policy_of(self._core, session, _account(session, subject_id))

    def change(
        self, subject_id: str, old: str, new: str, *, keep: SsoSession, user_agent: str
    ) -> SignedIn:
        """See :meth:`idp.self_service.IPasswords.change`."""
        with place():
            stored = self._verified(subject_id, old)
            if old == new:
                raise DirectoryError(
                    "the same password",
                    public="Le nouveau mot de passe est le même que l'ancien : choisissez-en un "
                    "autre.",
                )
            password_policy.check(new, self.policy(subject_id))
            fresh = self._passwords.hash(new)
            with self._core.db.unit_of_work() as session:
                account = _account(session, subject_id, lock=True)
                if account.password_hash != stored:
                    raise BadCredentials("changed meanwhile", public=_WRONG, subject_id=subject_id)
                password_policy.check(new, policy_of(self._core, session, account))
                store(self._core, session, account, fresh, spared=keep)
                # Only now: a session that began before its password was chosen opens nothing.
                signed_in = self._start(account, user_agent)
                self._core.sessions.replace(keep, signed_in.session)
                tell_changed(self._core, account, first=False)
        return signed_in

    def _verified(self, subject_id: str, password: str) -> str | None:
        """The hash that is stored, of this password. Wrong ones are counted, as at sign-in."""
        with self._core.db.reading() as session:
            stored = _account(session, subject_id).password_hash
        # A count of its own: whoever sits before an open session keeps nobody out of signing in.
        name, address = f"change of {subject_id}", origin().address
        self._throttle.attempt(name, address)
        try:
            self._passwords.verify(password, stored)
        except BadCredentials as error:
            with self._core.db.unit_of_work():
                self._throttle.failed(name, address)
                self._core.audit.record("account.password-refused", subject_id=subject_id)
            raise BadCredentials(error.cause, public=_WRONG, subject_id=subject_id) from error
        self._throttle.succeeded(name, address)
        return stored

    def _start(self, account: Account, user_agent: str) -> SignedIn:
        subject = Subject(
            id=account.subject_id,
            login=account.mail,
            given_name=account.given_name,
            sn=account.sn,
            password_changed_at=account.password_changed_at,
        )
        token, session = self._core.sessions.start(
            subject, AuthnContext.PASSWORD_PROTECTED_TRANSPORT, user_agent=user_agent
        )
        return SignedIn(
            token, session, device_token(self._core.settings.secret, account.mail), subject
        )

    def _open(self, session: Session, token: str) -> PasswordLink:
        found = self._find(session, token)
        if found is None:
            raise LinkRefused("unknown", public=UNKNOWN, known=False)
        link, account = found
        self._require_live(link, account)
        purpose = Purpose(link.purpose)
        if purpose is not Purpose.RENEWAL:
            purpose = Purpose.RESET if account.password_hash else Purpose.FIRST_VISIT
        return PasswordLink(
            login=account.mail,
            display_name=full_name(account.given_name, account.sn),
            purpose=purpose,
            flow=link.flow,
            policy=policy_of(self._core, session, account),
        )

    def _claim(self, session: Session, token: str) -> Account:
        """Spend the link: of two who try, the second finds it used.

        Raises:
            LinkRefused: it may not be spent.
        """
        now = self._core.clock.now()
        found = self._find(session, token)
        if found is None:
            raise LinkRefused("unknown", public=UNKNOWN, known=False)
        # The account first, as everybody locks it: who locks or changes it meanwhile waits, or has.
        account = session.get_one(
            Account, found[1].id, with_for_update=True, populate_existing=True
        )
        claimed = session.execute(
            update(PasswordLinkRow)
            .where(
                PasswordLinkRow.id == found[0].id,
                PasswordLinkRow.ended_at.is_(None),
                PasswordLinkRow.expires_at > now,
            )
            .values(ended_at=now, end_reason="used")
            .returning(PasswordLinkRow.id)
            .execution_options(synchronize_session=False)
        ).all()
        if not claimed:
            session.refresh(found[0])
            self._require_live(found[0], account)
        self._require_usable(account)
        return account

    def _find(self, session: Session, token: str) -> tuple[PasswordLinkRow, Account] | None:
        row = session.execute(
            select(PasswordLinkRow, Account)
            .join(Account, Account.id == PasswordLinkRow.account_id)
            .where(PasswordLinkRow.key == hashed(token))
        ).one_or_none()
        return None if row is None else (row[0], row[1])

    def _require_live(self, link: PasswordLinkRow, account: Account) -> None:
        if link.end_reason is not None:
            raise LinkRefused(link.end_reason, public=ENDED[link.end_reason])
        if link.expires_at <= self._core.clock.now():
            raise LinkRefused("expired", public=EXPIRED)
        self._require_usable(account)

    def _require_usable(self, account: Account) -> None:
        why = why_unusable(account, self._core.clock.now())
        if why is not None:
            correspondant = self._core.settings.organization.correspondant
            raise LinkRefused(
                "unusable",
                public=f"{why.public} Adressez-vous à votre référent administrateur ou, à défaut, "
                f"au correspondant : {correspondant}.",
            )


_WRONG = "Ce mot de passe n'est pas votre mot de passe actuel."


def add_link(
    core: "Core",
    session: Session,
    account: Account,
    purpose: Purpose,
    flow: str,
    *,
    lifetime: timedelta,
) -> str:
    """A new link in place of all others; returns its token, of which only the hash is kept."""
    # The account first, as everybody locks it: of two links made at once the later one remains.
    session.refresh(account, with_for_update=True)
    now = core.clock.now()
    end_links(session, account, now, "replaced")
    token = new_token()
    session.add(
        PasswordLinkRow(
            key=hashed(token),
            account_id=account.id,
            purpose=purpose.value,
            flow=flow,
            created_at=now,
            expires_at=now + lifetime,
        )
    )
    core.audit.record(
        "password.link-made", subject_id=account.subject_id, parameters={"purpose": purpose.value}
    )
    return token


def _account(session: Session, subject_id: str, *, lock: bool = False) -> Account:
    statement = select(Account).where(
        Account.subject_id == subject_id, Account.deleted_at.is_(None)
    )
    found = session.scalar(statement.with_for_update() if lock else statement)
    if found is None:
        raise NotFound(f"subject {subject_id!r}")
    return found
