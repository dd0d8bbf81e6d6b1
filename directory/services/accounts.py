"""Accounts: creation, lock, dates, password."""

from dataclasses import dataclass, field
from datetime import datetime
from secrets import token_hex
from typing import TYPE_CHECKING

from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from directory import password_policy, referents
from directory.authorisation import (
    AccountTarget,
    Actor,
    MembershipTarget,
    Permission,
    StructureTarget,
    may,
    require,
)
from directory.models import Account, Membership, Structure
from directory.search import mail_key, search_key
from directory.services.account_password import policy_for, policy_of, store, tell_changed
from directory.services.bin import BIN_PERIOD, purge_account
from directory.services.lookup import (
    account_by_mail,
    account_target,
    any_account_by_mail,
    structure_by_code,
)
from directory.services.mandates import require_another_central
from directory.services.memberships import MembershipFields, attach_membership
from directory.services.sheets import AccountSheet, sheet
from directory.services.texts import clean_mail, clean_text, is_generic
from idp.errors import AlreadyExists, DirectoryError
from idp.passwords import Passwords

if TYPE_CHECKING:
    from idp.services import Core

_NOBODY = 0  # the id of no account


@dataclass(frozen=True, slots=True)
class Person:
    """Who is to be added, and what is recorded of him in the structure."""

    mail: str
    sn: str
    given_name: str
    fields: MembershipFields = field(default_factory=MembershipFields)


@dataclass(frozen=True, slots=True)
class Added:
    """What :meth:`Accounts.add` did.

    ``created``: the account is new; else a membership was added to a known one. ``confirmed``:
    the membership is effective at once. ``warnings``: sentences for whoever added.
    """

    subject_id: str
    membership_id: str
    mail: str
    created: bool
    confirmed: bool
    warnings: tuple[str, ...] = ()


class InBin(AlreadyExists):
    """The address is that of an account in the bin, which can be restored."""


class Accounts:
    """Adds, locks, dates and shows accounts. Deletion is :class:`directory.services.bin.Bin`'s."""

    def __init__(self, core: "Core") -> None:
        self._core = core
        self._passwords = Passwords(core.settings.secret, core.settings.bcrypt_cost)

    def add(
        self,
        actor: Actor,
        person: Person,
        structure: str,
        *,
        password: str | None = None,
        accept_generic: bool = False,
        no_mail: bool = False,
    ) -> Added:
        """Add a person to a structure, and mail him about it unless ``no_mail``.

        With a password, it is hashed before the transaction, unless the caller's is open already.

        A known address adds a membership to its account, whose name stays as it is: effective at
        once when it is his first or the command line adds it, else once he confirms it. Its
        password stays as well.

        Raises:
            NotFound: no such structure.
            NotAllowed: outside the actor's subtrees, himself, or a password by other than the
                command line.
            InBin: the account is in the bin.
            AlreadyExists: the account is already in this structure.
            DirectoryError: a text or the password is wrong, or the address is generic and that
                was not accepted.
        """
        hashed = None
        if password is not None:
            with self._core.db.reading() as session:
                plan = self._plan(session, actor, person, structure, accept_generic)
                self._check_first(session, actor, person, plan, password)
            hashed = self._passwords.hash(password)
        with self._core.db.unit_of_work() as session:
            plan = self._plan(session, actor, person, structure, accept_generic)
            account = plan.account or self._create(session, person, plan)
            membership = self._join(session, actor, account, plan.where, person.fields)
            # Somebody who is known keeps the password that he chose.
            if plan.account is None and password is not None and hashed is not None:
                self._check_password(session, actor, account, password)
                store(self._core, session, account, hashed)
            if not no_mail:
                self._tell(session, membership, created=plan.account is None)
            return Added(
                subject_id=account.subject_id,
                membership_id=membership.public_id,
                mail=account.mail,
                created=plan.account is None,
                confirmed=membership.confirmed_at is not None,
                warnings=(_generic_warning(plan.mail),) if plan.generic else (),
            )

    def lock(self, actor: Actor, mail: str) -> None:
        """Lock an account and end its sessions; nothing happens if it is locked already.

        Raises:
            NotFound: no such account.
            NotAllowed: shared, privileged, out of scope, or himself.
            DirectoryError: he is the last correspondant.
        """
        with self._core.db.unit_of_work() as session:
            account = self._may_lock(session, actor, mail)
            if account.locked:
                return
            require_another_central(session, account, self._core.clock.now())
            account.locked = True
            self._core.audit.record("account.locked", subject_id=account.subject_id)
            self._core.sessions.end(account.subject_id, reason="account-locked")

    def unlock(self, actor: Actor, mail: str) -> None:
        """Unlock an account; nothing happens if it is not locked.

        Raises:
            NotFound: no such account.
            NotAllowed: shared, privileged, out of scope, or himself.
        """
        with self._core.db.unit_of_work() as session:
            account = self._may_lock(session, actor, mail)
            if not account.locked:
                return
            account.locked = False
            self._core.audit.record("account.unlocked", subject_id=account.subject_id)

    def set_validity(
        self, actor: Actor, mail: str, valid_from: datetime, valid_until: datetime | None
    ) -> None:
        """Change the dates of an account and end its sessions.

        Raises:
            NotFound: no such account.
            NotAllowed: shared, privileged, out of scope, or himself.
            DirectoryError: it would end before it begins, or the last correspondant's would end
                or begin later.
        """
        with self._core.db.unit_of_work() as session:
            account = self._may_lock(session, actor, mail)
            if valid_until is not None and valid_until <= valid_from:
                raise DirectoryError(
                    "validity ends before it begins",
                    public="La date de fin de validité doit suivre la date de début.",
                )
            now = self._core.clock.now()
            if valid_until is not None or valid_from > now:
                require_another_central(session, account, now)
            before = [_iso(account.valid_from), _iso(account.valid_until)]
            account.valid_from, account.valid_until = valid_from, valid_until
            self._core.audit.record(
                "account.validity-changed",
                subject_id=account.subject_id,
                parameters={"before": before, "after": [_iso(valid_from), _iso(valid_until)]},
            )
            self._core.sessions.end(account.subject_id, reason="account-validity")

    def set_password(self, actor: Actor, mail: str, password: str) -> None:
        """Choose the password of somebody, end his sessions, and mail him.

        It is hashed before the transaction, unless the caller's is open already.

        Raises:
            NotFound: no such account.
            NotAllowed: not the command line.
            DirectoryError: the password does not meet the policy.
        """
        with self._core.db.reading() as session:
            account = account_by_mail(session, actor, mail)
            self._check_password(session, actor, account, password)
        hashed = self._passwords.hash(password)
        with self._core.db.unit_of_work() as session:
            account = account_by_mail(session, actor, mail)
            # Again: the account may have become a référent's while the password was hashed.
            self._check_password(session, actor, account, password)
            store(self._core, session, account, hashed)
            tell_changed(self._core, account, first=False)

    def show(self, actor: Actor, mail: str) -> AccountSheet:
        """All that this actor may see of an account, the bin included.

        Raises:
            NotFound: no such account.
            NotAllowed: out of scope.
        """
        with self._core.db.reading() as session:
            return sheet(session, actor, mail, self._core.clock.now())

    def _plan(
        self,
        session: Session,
        actor: Actor,
        person: Person,
        structure: str,
        accept_generic: bool,  # noqa: FBT001 - handed on
    ) -> "_Plan":
        """What adding this person means. The decider is asked before anything else is told."""
        where = structure_by_code(session, structure)
        require(actor, Permission.CREATE_ACCOUNT, StructureTarget(where.path))
        mail = clean_mail(person.mail)
        account = self._known(session, mail)
        if account is not None:
            require(actor, Permission.ADD_MEMBERSHIP, MembershipTarget(account.id, where.path))
        generic = is_generic(mail)
        if generic and not accept_generic:
            raise DirectoryError(f"generic address {mail}", public=_generic_warning(mail))
        return _Plan(where, account, mail, generic)

    def _known(self, session: Session, mail: str) -> Account | None:
        """The account of this address; one whose days in the bin are over is none."""
        account = any_account_by_mail(session, mail)
        if account is None or account.deleted_at is None:
            return account
        if account.deleted_at + BIN_PERIOD <= self._core.clock.now():
            return None
        raise InBin(
            f"{mail} is in the bin",
            public=f"Le compte {account.mail} est dans la corbeille : restaurez-le "
            "au lieu de le créer.",
        )

    def _create(self, session: Session, person: Person, plan: "_Plan") -> Account:
        mail = plan.mail
        stale = any_account_by_mail(session, mail)
        if stale is not None and stale.deleted_at is not None:
            purge_account(self._core, session, stale)
        now = self._core.clock.now()
        sn = clean_text(person.sn, "Nom", 100)
        given_name = clean_text(person.given_name, "Prénom", 100)
        account = Account(
            subject_id=token_hex(16),
            mail=mail,
            mail_key=mail_key(mail),
            sn=sn,
            given_name=given_name,
            search_key=search_key(sn, given_name, mail)[:500],
            valid_from=now,
            created_at=now,
        )
        session.add(account)
        try:
            session.flush()
        except IntegrityError as error:
            raise AlreadyExists(
                f"{mail} was created meanwhile", public=f"Un compte a déjà l'adresse {mail}."
            ) from error
        self._core.audit.record(
            "account.created",
            subject_id=account.subject_id,
            parameters={"mail": mail, "generic": plan.generic},
        )
        return account

    def _join(
        self,
        session: Session,
        actor: Actor,
        account: Account,
        where: Structure,
        fields: MembershipFields,
    ) -> Membership:
        first = not account_target(session, account, self._core.clock.now()).paths
        target = MembershipTarget(account.id, where.path)
        confirmed = first or may(actor, Permission.CONFIRM_MEMBERSHIP, target)
        return attach_membership(self._core, session, account, where, fields, confirmed=confirmed)

    def _tell(self, session: Session, membership: Membership, *, created: bool) -> None:
        """Mail the person; for a second structure also the référents of the first."""
        account = membership.account
        parameters = {
            "given_name": account.given_name,
            "sn": account.sn,
            "mail": account.mail,
            "portal_url": self._core.settings.url("/"),
            "structure": membership.structure.label_path,
            "confirmed": membership.confirmed_at is not None,
        }
        if created:
            self._core.mailer.send(account.mail, "account-created", parameters)
            return
        self._core.mailer.send(account.mail, "membership-added", parameters)
        now = self._core.clock.now()
        for referent in referents.of_person(session, account.subject_id, now)[:1]:
            self._core.mailer.send(referent.mail, "membership-added-elsewhere", parameters)

    def _may_lock(self, session: Session, actor: Actor, mail: str) -> Account:
        account = account_by_mail(session, actor, mail)
        target = account_target(session, account, self._core.clock.now())
        require(actor, Permission.LOCK_ACCOUNT, target)
        return account

    def _check_first(
        self, session: Session, actor: Actor, person: Person, plan: "_Plan", password: str
    ) -> None:
        """Whether this password may be given to whom the plan is about."""
        if plan.account is not None:
            self._check_password(session, actor, plan.account, password)
            return
        target = AccountTarget(_NOBODY, frozenset({plan.where.path}))
        require(actor, Permission.SET_PASSWORD, target)
        names = (person.sn, person.given_name, plan.mail, plan.where.label_path)
        password_policy.check(password, policy_for(self._core, names, privileged=False))

    def _check_password(
        self, session: Session, actor: Actor, account: Account, password: str
    ) -> None:
        target = account_target(session, account, self._core.clock.now())
        require(actor, Permission.SET_PASSWORD, target)
        password_policy.check(password, policy_of(self._core, session, account))


@dataclass(frozen=True, slots=True)
class _Plan:
    """What adding a person means: to which structure, to which account (None: to a new one)."""

    where: Structure
    account: Account | None
    mail: str
    generic: bool


def _generic_warning(mail: str) -> str:
    return (
        f"L'adresse {mail} semble partagée par plusieurs personnes : "
        "un compte est personnel, préférez une adresse nominative."
    )


def _iso(date: datetime | None) -> str | None:
    return date.isoformat() if date else None
