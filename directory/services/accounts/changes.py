"""Accounts: creation, lock, dates, password."""

from dataclasses import dataclass, field
from datetime import datetime
from secrets import token_hex
from typing import TYPE_CHECKING

from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from directory import password_policy
from directory.authorisation import (
    AccountTarget,
    Actor,
    MembershipTarget,
    Permission,
    StructureTarget,
    require,
)
from directory.models import Account, Membership, Structure
from directory.search import mail_key
from directory.services.accounts import state as account_state
from directory.services.accounts.password import policy_for, policy_of, store, tell_changed
from directory.services.accounts.reserved import require_free
from directory.services.accounts.returning import known_account
from directory.services.accounts.sheets import AccountSheet, sheet
from directory.services.lookup import (
    account_by_mail,
    account_target,
    structure_by_code,
)
from directory.services.memberships.changes import (
    MembershipFields,
    attach_membership,
    mail_parameters,
    takes_effect,
    tell_added,
)
from directory.services.removal.bin import purge_account
from directory.services.texts import (
    clean_mail,
    clean_text,
    generic_warning,
    is_generic,
    require_deliverable,
)
from idp.errors import AlreadyExists, DirectoryError, StaleEdit
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


class Accounts:
    """Adds, locks, dates, shows accounts; :class:`~directory.services.removal.bin.Bin` deletes."""

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
        known: bool | None = None,
    ) -> Added:
        """Add a person to a structure, and mail him about it unless ``no_mail``.

        With a password, it is hashed before the transaction, unless the caller's is open already.

        A known address adds a membership to its account, whose name stays as it is: effective at
        once when it is his first or the command line adds it, else once he confirms it. Its
        password stays as well. ``known``: whether there was an account when the address was
        checked; None: nobody did.

        Raises:
            StaleEdit: an account appeared or went since the check.
            NotFound: no such structure.
            NotAllowed: outside the actor's subtrees, himself, or a password by other than the
                command line.
            InBin: the account is in the bin, from which the actor may restore it.
            AlreadyExists: the account is already in this structure, or the address is reserved.
            MembershipInBin: it was until less than 20 days ago.
            DirectoryError: a text or the password is wrong, or a generic address not accepted.
        """
        hashed = None
        if password is not None:
            hashed = self._hashed(actor, person, structure, password, accept_generic=accept_generic)
        with self._core.db.unit_of_work() as session:
            plan = self._plan(
                session, actor, person, structure, accept_generic=accept_generic, lock=True
            )
            outdated = known is not None and known != (plan.account is not None)
            if outdated and plan.account is None:
                raise _outdated(plan)  # Before the name is judged, for which nobody was asked.
            account = plan.account or self._create(session, actor, person, plan)
            membership = self._join(session, actor, account, plan, person.fields)
            if outdated:
                raise _outdated(plan)  # After it was said if he is in this very structure.
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
                warnings=(generic_warning(plan.mail),) if plan.generic else (),
            )

    def lock(self, actor: Actor, mail: str) -> None:
        """Lock an account and end its sessions; nothing happens if it is locked already.

        Raises:
            NotFound: no such account.
            NotAllowed: shared, privileged, out of scope, or himself.
            DirectoryError: he is the last correspondant.
        """
        with self._core.db.unit_of_work() as session:
            account_state.lock(self._core, session, self._may_lock(session, actor, mail))

    def unlock(self, actor: Actor, mail: str) -> None:
        """Unlock an account; nothing happens if it is not locked.

        Raises:
            NotFound: no such account.
            NotAllowed: shared, privileged, out of scope, or himself.
        """
        with self._core.db.unit_of_work() as session:
            account_state.unlock(self._core, session, self._may_lock(session, actor, mail))

    def set_validity(
        self, actor: Actor, mail: str, valid_from: datetime, valid_until: datetime | None
    ) -> None:
        """Change the dates of an account; its sessions end when it may not be used now.

        Raises:
            NotFound: no such account.
            NotAllowed: shared, privileged, out of scope, or himself.
            DirectoryError: it would end before it begins, or the last correspondant's would end
                or begin later.
        """
        with self._core.db.unit_of_work() as session:
            account = self._may_lock(session, actor, mail)
            account_state.set_validity(self._core, session, account, valid_from, valid_until)

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

    def _hashed(
        self, actor: Actor, person: Person, structure: str, password: str, *, accept_generic: bool
    ) -> str:
        """The hash of a password that whoever is added may be given; all is judged again later."""
        with self._core.db.reading() as session:
            plan = self._plan(session, actor, person, structure, accept_generic=accept_generic)
            self._check_first(session, actor, person, plan, password)
        return self._passwords.hash(password)

    def _plan(
        self,
        session: Session,
        actor: Actor,
        person: Person,
        structure: str,
        *,
        accept_generic: bool,
        lock: bool = False,
    ) -> "_Plan":
        """What adding this person means. The decider is asked before anything else is told.

        ``lock``: an account that is known, so that it is still so at the commit.
        """
        where = structure_by_code(session, structure)
        require(actor, Permission.CREATE_ACCOUNT, StructureTarget(where.path))
        mail = clean_mail(person.mail)
        found = known_account(session, actor, mail, self._core.clock.now(), lock=lock)
        account = found if found is not None and found.deleted_at is None else None
        if account is None:
            require_deliverable(mail)
            require_free(self._core, session, actor, mail)
        else:
            require(actor, Permission.ADD_MEMBERSHIP, MembershipTarget(account.id, where.path))
        generic = is_generic(mail)
        if generic and not accept_generic:
            raise DirectoryError(f"generic address {mail}", public=generic_warning(mail))
        former = found if account is None else None
        return _Plan(where, account, former, mail, generic)

    def _create(self, session: Session, actor: Actor, person: Person, plan: "_Plan") -> Account:
        mail, now = plan.mail, self._core.clock.now()
        sn = clean_text(person.sn, "Nom", 100)
        given_name = clean_text(person.given_name, "Prénom", 100)
        if plan.former is not None:
            purge_account(self._core, session, plan.former)
        account = Account(
            subject_id=token_hex(16),
            mail=mail,
            mail_key=mail_key(mail),
            sn=sn,
            given_name=given_name,
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
        # Again: it may have been waiting for the transaction that replaced this very address.
        require_free(self._core, session, actor, mail, account=account)
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
        plan: "_Plan",
        fields: MembershipFields,
    ) -> Membership:
        path = plan.where.path
        confirmed = takes_effect(session, actor, account, path, self._core.clock.now())
        # As old as an account that is made for it: who reads of the one reads that he made both.
        at = account.created_at if plan.account is None else None
        return attach_membership(
            self._core, session, account, plan.where, fields, confirmed=confirmed, at=at
        )

    def _tell(self, session: Session, membership: Membership, *, created: bool) -> None:
        """Mail the person; for a second structure also the référents of the first."""
        if created:
            parameters = mail_parameters(self._core, membership)
            self._core.mailer.send(membership.account.mail, "account-created", parameters)
        else:
            tell_added(self._core, session, membership)

    def _may_lock(self, session: Session, actor: Actor, mail: str) -> Account:
        account = account_by_mail(session, actor, mail, lock=True)
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
    """What adding a person means: to which structure, to which account (None: to a new one).

    ``former``: in the bin, and erased for the new one.
    """

    where: Structure
    account: Account | None
    former: Account | None
    mail: str
    generic: bool


def _outdated(plan: _Plan) -> StaleEdit:
    now = "un compte existe" if plan.account is not None else "le compte n'existe plus"
    return StaleEdit(
        "the address check is outdated",
        public=f"Depuis la vérification de l'adresse {plan.mail}, {now}. Rien n'a été enregistré : "
        "vérifiez de nouveau l'adresse.",
    )
