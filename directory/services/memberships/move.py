"""*Changer de structure*: a membership goes elsewhere in one step, with the roles that are kept.

The membership stays the same one: its fields, its dates and what the applications know it by. A
role goes with it only if whoever moves it could give it there; what he cannot see ends, as it
would with the membership.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import TYPE_CHECKING

from sqlalchemy import select
from sqlalchemy.orm import Session

from directory.authorisation import (
    Actor,
    AssignmentTarget,
    MembershipTarget,
    Permission,
    may,
    require,
)
from directory.models import Account, Assignment, Membership, Structure
from directory.services.accounts.sheets import MembershipSheet, PersonSheet, Sheets
from directory.services.lookup import account_by_subject, membership_target, structure_in_scope
from directory.services.memberships.changes import record
from directory.services.memberships.sp_sessions import end_sp_sessions
from directory.services.removal.binned import make_room
from directory.services.rights.granting import Granting
from directory.validity import is_over
from idp.errors import AlreadyDone, DirectoryError, NotAllowed, StaleEdit

if TYPE_CHECKING:
    from idp.services import Core


@dataclass(frozen=True, slots=True)
class Move:
    """What is asked for: where to, and which roles (``application:role``) go along."""

    structure: str
    keep: frozenset[str]
    version: str


@dataclass(frozen=True, slots=True)
class MovePlan:
    """A membership that may be moved."""

    person: PersonSheet
    membership: MembershipSheet

    @property
    def own(self) -> frozenset[str]:
        """Where the person is already, as far as it is seen."""
        return frozenset(each.structure for each in self.person.sheet.memberships)

    @property
    def version(self) -> str:
        """A print of what was shown: the structure and the roles."""
        shown = (
            self.membership.structure,
            self.membership.hidden_roles,
            *role_names(self.membership),
        )
        return sha256(repr(shown).encode()).hexdigest()[:32]

    def done_since(self, move: Move) -> bool:
        """Whether it changed since it was shown, to exactly what is asked for."""
        return (
            self.version != move.version
            and self.membership.structure == move.structure
            and frozenset(role_names(self.membership)) == move.keep
            and not self.membership.hidden_roles
        )


@dataclass(frozen=True, slots=True)
class Moved:
    """What was done: where the person is now, how many roles he kept and lost."""

    label_path: str
    kept: int
    ended: int


class Moves:
    """Moves memberships."""

    def __init__(self, core: "Core") -> None:
        self._core = core
        self._sheets = Sheets(core)
        self._granting = Granting(core)

    def plan(self, actor: Actor, subject_id: str, membership_id: str) -> MovePlan:
        """What a move of this membership would be about.

        Raises:
            NotFound: nobody has this id, or he may not be seen: alike.
            NotAllowed: the membership is none of this person's, out of scope, or one's own.
        """
        person = self._sheets.read(actor, subject_id)
        return MovePlan(person, person.membership(membership_id))

    def run(self, actor: Actor, subject_id: str, membership_id: str, move: Move) -> Moved:
        """Move it, in one transaction.

        Raises:
            NotFound, NotAllowed: as :meth:`plan`; also a structure that he may not see.
            AlreadyDone: it was done since they were shown.
            StaleEdit: its structure or its roles changed otherwise since they were shown.
            AlreadyExists: the person belongs to that structure already.
            MembershipInBin: he did until less than 20 days ago.
            DirectoryError: it is closed, it is the same, or a role may not be given there.
        """
        with self._core.db.unit_of_work() as session:
            account = account_by_subject(session, actor, subject_id, lock=True)
            membership = _locked(session, account, membership_id)
            person = self._sheets.of(session, actor, account)
            plan = MovePlan(person, person.membership(membership_id))
            if plan.done_since(move):
                raise AlreadyDone(f"membership {membership.id} is there with these roles")
            if plan.version != move.version:
                raise StaleEdit(f"membership {membership.id} changed since it was shown")
            require(actor, Permission.REMOVE_MEMBERSHIP, membership_target(membership))
            there = self._destination(session, actor, account, membership, move.structure)
            held = _held(session, membership)
            kept = [each for each in held if _name(each) in move.keep]
            if len(kept) != len(move.keep):
                raise NotAllowed(f"roles {sorted(move.keep)} of membership {membership.id}")
            for each in kept:
                _require_grant(actor, account, membership.structure, there, each)
            return self._move(session, membership, there, kept, held)

    def _destination(
        self,
        session: Session,
        actor: Actor,
        account: Account,
        membership: Membership,
        code: str,
    ) -> Structure:
        there = structure_in_scope(session, actor, code)
        require(actor, Permission.ADD_MEMBERSHIP, MembershipTarget(account.id, there.path))
        if there.id == membership.structure_id:
            raise DirectoryError(
                f"membership {membership.id} is there already",
                public="La personne est déjà dans cette structure : choisissez-en une autre.",
            )
        if is_over(there.closed_at, self._core.clock.now()):
            raise DirectoryError(
                f"{there.code} is closed", public=f"La structure « {there.label} » est fermée."
            )
        make_room(self._core, session, account, there)
        return there

    def _move(
        self,
        session: Session,
        membership: Membership,
        there: Structure,
        kept: Sequence[Assignment],
        held: Sequence[Assignment],
    ) -> Moved:
        before = membership.structure
        # What the applications were told speaks of the structure that he leaves.
        end_sp_sessions(self._core, session, membership, "membership-moved")
        ended = [each for each in held if each not in kept]
        for each in ended:
            self._granting.take(session, membership, each.role, each)
        # Of both structures, each of which may have readers of its own; the roles that end are
        # told one by one, so that each is read by those alone who administer its application.
        told = {"before": before.code, "after": there.code}
        record(self._core, "membership.left", membership, told)
        membership.structure_id, membership.structure = there.id, there
        session.flush()
        record(self._core, "membership.moved", membership, told)
        return Moved(there.label_path, len(kept), len(ended))


def _locked(session: Session, account: Account, membership_id: str) -> Membership:
    """The membership, locked: two changes to it see each other.

    Raises:
        NotAllowed: the person has none of this id.
    """
    found = session.scalar(
        select(Membership)
        .where(
            Membership.public_id == membership_id,
            Membership.account_id == account.id,
            Membership.deleted_at.is_(None),
        )
        .with_for_update()
        .execution_options(populate_existing=True)
    )
    if found is None:
        raise NotAllowed(f"membership {membership_id!r} of account {account.id}")
    return found


def _held(session: Session, membership: Membership) -> Sequence[Assignment]:
    return session.scalars(
        select(Assignment).where(Assignment.membership_id == membership.id).order_by(Assignment.id)
    ).all()


def _require_grant(
    actor: Actor, account: Account, here: Structure, there: Structure, assignment: Assignment
) -> None:
    """He sees the role where it is, and could give it where it goes."""
    role = assignment.role
    target = AssignmentTarget(account.id, here.path, role.application_id)
    require(actor, Permission.WITHDRAW_ROLE, target)
    target = AssignmentTarget(account.id, there.path, role.application_id)
    if not may(actor, Permission.GRANT_ROLE, target):
        raise DirectoryError(
            f"role {role.id} may not be given in {there.code}",
            public=f"Vous n'administrez pas « {role.application.label} » dans « {there.label} » : "
            f"décochez « {role.label} », ou adressez-vous à un référent de cette application, ou "
            "au correspondant.",
        )


def _name(assignment: Assignment) -> str:
    return f"{assignment.role.application.code}:{assignment.role.code}"


def role_names(membership: MembershipSheet) -> tuple[str, ...]:
    """The roles that are seen there, as forms name them."""
    return tuple(f"{role.application}:{role.role}" for role in membership.roles)
