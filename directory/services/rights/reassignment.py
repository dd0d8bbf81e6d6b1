"""*Réaffecter*: another role of the same application instead of the one that a membership holds."""

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from sqlalchemy.orm import Session

from directory.authorisation import Actor, AssignmentTarget, Permission, require
from directory.models import Assignment, Membership, Role
from directory.search import search_key
from directory.services.dates import Dates
from directory.services.rights.administered import RoleRef, administered_role
from directory.services.rights.granting import Granting, assignments_held
from directory.services.rights.role_members import RoleMember, RoleMembers, version_of
from idp.errors import AlreadyDone, DirectoryError, StaleEdit
from idp.names import of

if TYPE_CHECKING:
    from idp.services import Core


@dataclass(frozen=True, slots=True)
class OtherRole:
    """Another role of the application; ``held``: the membership has it too, so it is no choice."""

    code: str
    label: str
    held: bool


@dataclass(frozen=True, slots=True)
class ReassignmentSheet:
    """Who is to get another role, and which there are."""

    member: RoleMember
    roles: tuple[OtherRole, ...]


@dataclass(frozen=True, slots=True)
class Reassigned:
    """What was, and the label of what is instead."""

    before: RoleMember
    role: str


class Reassignment:
    """Replaces a role by another, in one transaction."""

    def __init__(self, core: "Core") -> None:
        self._core = core
        self._members = RoleMembers(core)
        self._granting = Granting(core)

    def read(self, actor: Actor, ref: RoleRef, membership_id: str) -> ReassignmentSheet:
        """What is there to choose from.

        Raises:
            NotAllowed, NotFound, StaleEdit: as :meth:`RoleMembers.read`.
        """
        with self._core.db.reading() as session:
            membership, role, known = self._members.held_by(session, actor, ref, membership_id)
            held = {one.id for one in self._held(session, membership, role)}
            others = [
                OtherRole(one.code, one.label, one.id in held)
                for one in sorted(role.application.roles, key=lambda one: search_key(one.label))
                if one.id != role.id
            ]
            member = self._members.told(actor, membership, role, known)
            return ReassignmentSheet(member, tuple(others))

    def replace(
        self, actor: Actor, ref: RoleRef, membership_id: str, wanted: str, *, version: str
    ) -> Reassigned:
        """Take the role and give ``wanted`` (a code) of the same application: both or neither.

        The end stays, and a beginning that is still to come. The person's session at the
        application's SP ends when he held no other role of it: it spoke of the old one.

        Raises:
            NotAllowed: no such role among those that he administers.
            NotFound: no such membership in reach.
            AlreadyDone: it has ``wanted``, and the other no more.
            StaleEdit: the role was withdrawn or its dates were changed since ``version``.
            DirectoryError: it is over, the same, held already, or in the way of a single role.
        """
        if not wanted or wanted == ref.role:
            raise DirectoryError(f"role {wanted!r}", public="Choisissez le nouveau rôle.")
        with self._core.db.unit_of_work() as session:
            new = administered_role(session, actor, RoleRef(ref.application, wanted))
            membership, old, known = self._held_or_done(session, actor, ref, membership_id, new)
            target = AssignmentTarget(
                membership.account_id, membership.structure.path, new.application_id
            )
            require(actor, Permission.GRANT_ROLE, target)
            if version != version_of(known):
                raise StaleEdit(f"assignment {known.id} is not {version!r}")
            before = self._members.told(actor, membership, old, known)
            dates = self._kept(before)
            if new in self._held(session, membership, old):
                raise DirectoryError(
                    f"membership {membership.id} holds role {new.id}",
                    public=f"{before.name} a déjà le rôle « {new.label} ». Pour qu'il ne reste que "
                    f"celui-là, désaffectez « {old.label} ».",
                )
            self._granting.take(session, membership, old, known)
            self._granting.give(
                session,
                actor,
                membership,
                new,
                valid_from=dates.valid_from,
                valid_until=dates.valid_until,
            )
            return Reassigned(before, new.label)

    def _held_or_done(
        self, session: Session, actor: Actor, ref: RoleRef, membership_id: str, new: Role
    ) -> tuple[Membership, Role, Assignment]:
        """The role that it holds, locked.

        Raises:
            NotAllowed, NotFound: as :meth:`RoleMembers.read`.
            AlreadyDone: it holds ``new``, and that one no more.
            StaleEdit: it holds neither; the sentence says what it holds, and names ``new``.
        """
        try:
            return self._members.held_by(session, actor, ref, membership_id, lock=True)
        except StaleEdit as gone:
            if self._replaced(session, actor, RoleRef(ref.application, new.code), membership_id):
                raise AlreadyDone(gone.cause) from gone
            chosen = f"Vous aviez choisi « {new.label} »."
            raise StaleEdit(gone.cause, public=f"{gone.public} {chosen}") from gone

    def _replaced(
        self, session: Session, actor: Actor, wanted: RoleRef, membership_id: str
    ) -> bool:
        """Whether the membership holds what it was to get."""
        try:
            *_, known = self._members.held_by(session, actor, wanted, membership_id)
        except StaleEdit:
            return False
        return not Dates.of(known).over(self._core.clock.now())

    def _kept(self, before: RoleMember) -> Dates:
        """The dates of the new role."""
        if before.over:
            raise DirectoryError(
                "the role is over",
                public=f"Le rôle « {before.role} » {of(before.name)} est terminé : affectez-lui "
                "plutôt un rôle.",
            )
        now: datetime = self._core.clock.now()
        start = before.valid_from
        return Dates(start if start is not None and start > now else None, before.valid_until)

    def _held(self, session: Session, membership: Membership, role: Role) -> list[Role]:
        """The application's roles that the membership holds, now or later."""
        now = self._core.clock.now()
        held = assignments_held(session, membership, role.application_id, now)
        return [each.role for each in held]
