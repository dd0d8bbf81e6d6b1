"""*Créer un utilisateur*: the address check, what may be chosen, the creation with its roles."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from typing import TYPE_CHECKING

from sqlalchemy import select
from sqlalchemy.orm import Session

from directory.authorisation import (
    Actor,
    MembershipTarget,
    Permission,
    StructureTarget,
    may,
    require,
)
from directory.models import Account
from directory.scope import visible_to
from directory.search import search_key
from directory.services.accounts.address_checks import note, require_few
from directory.services.accounts.changes import Accounts, Added, Person
from directory.services.accounts.reserved import require_free
from directory.services.accounts.returning import Returning, returning
from directory.services.lookup import (
    account_target,
    any_account_by_mail,
    structure_in_scope,
)
from directory.services.removal.binned import (
    BIN_PERIOD,
    BinnedMembership,
    require_room,
    restorable,
)
from directory.services.rights.administered import Administered, AdministeredApplication, RoleRef
from directory.services.rights.assignments import Assignments, Grant
from directory.services.texts import clean_mail, is_generic, require_deliverable
from directory.validity import MEMBERSHIP, STRUCTURE, structure_open
from idp.names import full_name

if TYPE_CHECKING:
    from idp.services import Core

OFFERED = 300
"""Structures that a list offers at once; beyond, one searches."""


class Found(StrEnum):
    """What an address turned out to be."""

    NOBODY = "nobody"
    """No account that may be told about: one is created."""
    KNOWN = "known"
    """An account: a membership is added to it."""
    OWN = "own"
    """That of whoever asks."""
    IN_BIN = "in-bin"
    """An account in the bin, which he may restore."""
    KEPT = "kept"
    """An account in the bin that is not his to restore, and stays: the correspondant helps."""


@dataclass(frozen=True, slots=True)
class Place:
    """A structure by its names."""

    label: str
    label_path: str


@dataclass(frozen=True, slots=True)
class AddressCheck:
    """What is told of an address.

    ``places``: the structures where the account is, those in the actor's subtrees, else one alone;
    ``name`` and ``subject_id``: the person's, when the actor may know of him; ``generic``: a
    desk's rather than a person's; ``deleted_at``: when it went into the bin.
    """

    mail: str
    found: Found
    places: tuple[Place, ...] = ()
    name: str = ""
    subject_id: str = ""
    generic: bool = False
    deleted_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class StructureChoice:
    """A structure that may be chosen."""

    code: str
    label: str
    label_path: str


@dataclass(frozen=True, slots=True)
class StructureChoices:
    """``more``: there are others; one searches them."""

    lines: tuple[StructureChoice, ...]
    more: bool


class Creation:
    """Checks addresses, offers structures and roles, adds people with their roles."""

    def __init__(self, core: "Core") -> None:
        self._core = core

    def check(self, actor: Actor, mail: str) -> AddressCheck:
        """Say what this address is; counted and journalled, whatever it is.

        Raises:
            DirectoryError: not an address.
            AlreadyExists: it was another account's until a few days ago.
            TooMany: more than :data:`~directory.services.accounts.address_checks.PER_HOUR`.
        """
        mail = clean_mail(mail)
        now = self._core.clock.now()
        with self._core.db.unit_of_work() as session:
            require_few(self._core, session, actor)
            checked = self._look(session, actor, mail, now)
            note(self._core, actor, mail, checked.found)
        if checked.found is Found.NOBODY:
            require_deliverable(mail)
            with self._core.db.reading() as session:
                require_free(self._core, session, actor, mail)
        return checked

    def restorable(self, actor: Actor, mail: str) -> tuple[BinnedMembership, ...]:
        """What of the person of this address, whose account lives, he may take out of the bin."""
        with self._core.db.reading() as session:
            account = any_account_by_mail(session, mail)
            if account is None or account.deleted_at is not None:
                return ()
            return restorable(self._core, session, actor, account)

    def structures(self, actor: Actor, text: str = "") -> StructureChoices:
        """His open structures whose path holds every word, in the order of the tree."""
        words = search_key(text).split()
        statement = (
            select(STRUCTURE.c.code, STRUCTURE.c.label, STRUCTURE.c.label_path)
            .where(
                visible_to(actor),
                structure_open(),
                *(STRUCTURE.c.path_key.contains(word, autoescape=True) for word in words),
            )
            .order_by(STRUCTURE.c.path_key, STRUCTURE.c.id)
            .limit(OFFERED + 1)
        )
        rows = self._core.db.rows_planned(statement, {"now": self._core.clock.now()})
        lines = tuple(StructureChoice(row.code, row.label, row.label_path) for row in rows)
        return StructureChoices(lines[:OFFERED], len(lines) > OFFERED)

    def structure(self, actor: Actor, code: str) -> StructureChoice:
        """One structure where he may create.

        Raises:
            NotAllowed: there is none, or it lies outside his subtrees; alike.
        """
        with self._core.db.reading() as session:
            found = structure_in_scope(session, actor, code)
            require(actor, Permission.CREATE_ACCOUNT, StructureTarget(found.path))
            return StructureChoice(found.code, found.label, found.label_path)

    def require_room(self, actor: Actor, mail: str, structure: str) -> None:
        """Insist that the person of this address can be added there, as far as is known by now.

        Raises:
            NotAllowed: there is no such structure in his subtrees, or the address is his own.
            AlreadyExists: the person belongs to it.
            MembershipInBin: he did until less than 20 days ago.
        """
        with self._core.db.reading() as session:
            where = structure_in_scope(session, actor, structure)
            account = any_account_by_mail(session, mail)
            if account is None or account.deleted_at is not None:
                return
            target = MembershipTarget(account.id, where.path)
            require(actor, Permission.ADD_MEMBERSHIP, target)
            require_room(self._core, session, account, where)

    def roles(self, actor: Actor, structure: str) -> tuple[AdministeredApplication, ...]:
        """The applications with roles that he may give in this structure.

        Raises:
            NotAllowed: there is no such structure in his subtrees.
        """
        with self._core.db.reading() as session:
            path = structure_in_scope(session, actor, structure).path
        # Two mandates never add up: those on other subtrees give nothing here.
        here = replace(actor, scopes=tuple(each for each in actor.scopes if each.covers(path)))
        found = Administered(self._core).applications(here)
        return tuple(each for each in found if each.roles)

    def add(
        self,
        actor: Actor,
        person: Person,
        structure: str,
        roles: Iterable[RoleRef] = (),
        *,
        known: bool,
        accept_generic: bool = False,
        then: Callable[[Added], None] | None = None,
    ) -> Added:
        """Add the person with these roles, all or nothing, his mail and the journal included.

        ``known``: whether the check found an account; ``then`` is called in the same transaction.

        Raises:
            StaleEdit: an account appeared or went since the check.
            NotAllowed, NotFound: a structure or a role out of scope.
            AlreadyExists, MembershipInBin, DirectoryError: as :meth:`Accounts.add` and
                :meth:`Assignments.assign`.
        """
        with self._core.db.unit_of_work():
            added = Accounts(self._core).add(
                actor, person, structure, accept_generic=accept_generic, known=known
            )
            for ref in roles:
                grant = Grant(added.mail, structure, ref.application, ref.role)
                # The mail that tells of the account speaks of it all; the news are for later.
                Assignments(self._core).assign(actor, grant, no_mail=added.created)
            if then is not None:
                then(added)
            return added

    def _look(self, session: Session, actor: Actor, mail: str, now: datetime) -> AddressCheck:
        generic = is_generic(mail)
        account = any_account_by_mail(session, mail)
        gone = account.deleted_at if account is not None else None
        if account is None or (gone is not None and gone + BIN_PERIOD <= now):
            return AddressCheck(mail, Found.NOBODY, generic=generic)
        if gone is not None:
            return _look_in_bin(session, actor, account, now)
        if account.id == actor.account_id:
            return AddressCheck(account.mail, Found.OWN, generic=generic)
        visible = may(actor, Permission.SEE_ACCOUNT, account_target(session, account, now))
        return AddressCheck(
            account.mail,
            Found.KNOWN,
            places=_places(session, actor, account, None),
            name=full_name(account.given_name, account.sn) if visible else "",
            subject_id=account.subject_id if visible else "",
            generic=generic,
        )


def _look_in_bin(session: Session, actor: Actor, account: Account, now: datetime) -> AddressCheck:
    name = full_name(account.given_name, account.sn)
    match returning(session, actor, account, now):
        case Returning.RESTORED:
            return AddressCheck(
                account.mail,
                Found.IN_BIN,
                places=_places(session, actor, account, account.deleted_at),
                name=name,
                subject_id=account.subject_id,
                deleted_at=account.deleted_at,
            )
        case Returning.READ:
            return AddressCheck(account.mail, Found.KEPT, name=name)
        case Returning.KEPT:
            return AddressCheck(account.mail, Found.KEPT)
        case Returning.ANEW:
            return AddressCheck(account.mail, Found.NOBODY, generic=is_generic(account.mail))


def _places(
    session: Session, actor: Actor, account: Account, gone: datetime | None
) -> tuple[Place, ...]:
    """His structures that the actor may see; of somebody elsewhere the first one alone."""
    alive = MEMBERSHIP.c.deleted_at.is_(None)
    rows = session.execute(
        select(STRUCTURE.c.path, STRUCTURE.c.label, STRUCTURE.c.label_path)
        .join(MEMBERSHIP, MEMBERSHIP.c.structure_id == STRUCTURE.c.id)
        .where(
            MEMBERSHIP.c.account_id == account.id,
            alive if gone is None else MEMBERSHIP.c.deleted_at == gone,
        )
        .order_by(MEMBERSHIP.c.confirmed_at.is_(None), MEMBERSHIP.c.id)
    ).all()
    own = [
        row
        for row in rows
        if may(actor, Permission.SEE_STRUCTURE, StructureTarget(row.path))
        and may(actor, Permission.ADD_MEMBERSHIP, MembershipTarget(account.id, row.path))
    ]
    return tuple(Place(row.label, row.label_path) for row in own or rows[:1])
