"""Assignments: a membership holds a role. By address and codes, as commands and requests name them.

Screens name memberships by their ids: :mod:`directory.services.rights.role_members`.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from sqlalchemy.orm import Session

from directory.authorisation import Actor, AssignmentTarget, Permission, require
from directory.models import Account, Membership, Role
from directory.search import mail_key
from directory.services.dates import UNCHANGED, Change, Dates
from directory.services.lookup import (
    account_by_mail,
    hold_accounts,
    membership_of,
    role_by_code,
    structure_by_code,
)
from directory.services.rights.granting import Granting, assignment_of
from idp.errors import NotFound

if TYPE_CHECKING:
    from idp.services import Core


@dataclass(frozen=True, slots=True)
class Grant:
    """Which role, at which membership: an address, a structure's code, ``application:role``."""

    mail: str
    structure: str
    application: str
    role: str


class Assignments:
    """Grants and withdraws roles."""

    def __init__(self, core: "Core") -> None:
        self._core = core
        self._granting = Granting(core)

    def assign(
        self,
        actor: Actor,
        grant: Grant,
        *,
        valid_from: Change = UNCHANGED,
        valid_until: Change = UNCHANGED,
        no_mail: bool = False,
    ) -> None:
        """Give a membership a role, or change the dates of one that it holds.

        A date that is not given stays as it is; None removes it. A role that is over begins anew.
        A role that is new is told to the person by mail, with others of the same quarter of an
        hour, unless ``no_mail``.

        Raises:
            NotFound: no such account, structure, membership, application or role.
            NotAllowed: not in a mandate that covers both structure and application.
            DirectoryError: the dates are wrong, or the application takes a single role.
        """
        with self._core.db.unit_of_work() as session:
            membership, role = self._find(session, actor, grant, Permission.GRANT_ROLE)
            self._granting.give(
                session,
                actor,
                membership,
                role,
                valid_from=valid_from,
                valid_until=valid_until,
                no_mail=no_mail,
            )

    def unassign(self, actor: Actor, grant: Grant, *, at: datetime | None = None) -> None:
        """Take a role from a membership, at once or (``at``) from that moment on.

        Nothing happens when it ends before ``at`` anyway.
        The person's session at the SP ends with the last role of the application. He is told by
        mail, as in :meth:`assign`.

        Raises:
            NotFound: no such account, structure, membership, application or role, or the
                membership does not hold it.
            NotAllowed: not in a mandate that covers both structure and application.
            DirectoryError: ``at`` lies before the role begins.
        """
        with self._core.db.unit_of_work() as session:
            membership, role = self._find(session, actor, grant, Permission.WITHDRAW_ROLE)
            known = assignment_of(session, membership, role)
            if known is None:
                raise NotFound(
                    f"membership {membership.id} does not hold role {role.id}",
                    public=f"{grant.mail} n'a pas le rôle « {role.label} » dans cette structure.",
                )
            if at is None or at <= self._core.clock.now():
                self._granting.take(session, membership, role, known)
                return
            before = Dates.of(known)
            after = before.changed(UNCHANGED, at)
            if not before.over(at):
                after.give(known)
                code = "assignment.dates-changed"
                self._granting.record(code, membership, role, before, after)

    @staticmethod
    def _find(
        session: Session, actor: Actor, grant: Grant, permission: Permission
    ) -> tuple[Membership, Role]:
        """The membership, locked, and the role, once the decider has agreed."""
        hold_accounts(session, Account.mail_key == mail_key(grant.mail))
        account = account_by_mail(session, actor, grant.mail)
        structure = structure_by_code(session, grant.structure)
        # Locked, so that two grants to one membership see each other.
        membership = membership_of(session, account, structure, lock=True)
        role = role_by_code(session, grant.application, grant.role)
        target = AssignmentTarget(account.id, structure.path, role.application_id)
        require(actor, permission, target)
        return membership, role
