"""Assignments: a membership holds a role."""

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from sqlalchemy import or_, select
from sqlalchemy.orm import Session

from directory import referents
from directory.authorisation import Actor, AssignmentTarget, Permission, require
from directory.models import Assignment, Membership, Role
from directory.services.dates import UNCHANGED, Change, Dates
from directory.services.lookup import (
    account_by_mail,
    membership_of,
    role_by_code,
    structure_by_code,
)
from directory.services.role_news import RoleNews
from directory.services.sp_sessions import end_if_last_role
from idp.context import origin
from idp.errors import DirectoryError, NotFound

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
        self._news = RoleNews(core)

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
            now = self._core.clock.now()
            known = _assignment(session, membership, role)
            before = Dates.of(known) if known else None
            anew = before is None or before.over(now)
            after = (Dates() if anew or before is None else before).changed(valid_from, valid_until)
            if after == before:
                return
            self._check_single(session, membership, role, after)
            if known is None:
                known = Assignment(membership_id=membership.id, role_id=role.id)
                session.add(known)
            if anew:
                known.granted_by, known.granted_at = origin().actor, now
            after.give(known)
            session.flush()
            code = "assignment.granted" if anew else "assignment.dates-changed"
            self._record(code, membership, role, before, after)
            self._end_sessions(session, membership, role)
            if anew and not no_mail:
                self._news.note(session, membership, role, granted=True)
            if actor.account_id == membership.account_id:
                self._tell_the_others(session, membership, role)

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
            known = _assignment(session, membership, role)
            if known is None:
                raise NotFound(
                    f"membership {membership.id} does not hold role {role.id}",
                    public=f"{grant.mail} n'a pas le rôle « {role.label} » dans cette structure.",
                )
            before = Dates.of(known)
            if at is not None and at > self._core.clock.now():
                after = before.changed(UNCHANGED, at)
                if not before.over(at):
                    after.give(known)
                    self._record("assignment.dates-changed", membership, role, before, after)
                return
            session.delete(known)
            self._record("assignment.withdrawn", membership, role, before, None)
            if not before.over(self._core.clock.now()):
                self._news.note(session, membership, role, granted=False)
            self._end_sessions(session, membership, role)

    @staticmethod
    def _find(
        session: Session, actor: Actor, grant: Grant, permission: Permission
    ) -> tuple[Membership, Role]:
        """The membership, locked, and the role, once the decider has agreed."""
        account = account_by_mail(session, actor, grant.mail)
        structure = structure_by_code(session, grant.structure)
        # Locked, so that two grants to one membership see each other.
        membership = membership_of(session, account, structure, lock=True)
        role = role_by_code(session, grant.application, grant.role)
        target = AssignmentTarget(account.id, structure.path, role.application_id)
        require(actor, permission, target)
        return membership, role

    def _check_single(
        self, session: Session, membership: Membership, role: Role, dates: Dates
    ) -> None:
        """No other role of the application in these dates, from now on."""
        if not role.application.single_role:
            return
        now = self._core.clock.now()
        start = max(dates.valid_from or now, now)
        held = (
            select(Role.label)
            .join(Assignment, Assignment.role_id == Role.id)
            .where(
                Assignment.membership_id == membership.id,
                Role.application_id == role.application_id,
                Role.id != role.id,
                or_(Assignment.valid_until.is_(None), Assignment.valid_until > start),
            )
        )
        if dates.valid_until is not None:
            begins_before = Assignment.valid_from < dates.valid_until
            held = held.where(or_(Assignment.valid_from.is_(None), begins_before))
        label = session.scalar(held.limit(1))
        if label is not None:
            raise DirectoryError(
                f"application {role.application_id} takes a single role",
                public=f"« {role.application.label} » n'accepte qu'un rôle par personne : "
                f"retirez d'abord « {label} ».",
            )

    def _end_sessions(self, session: Session, membership: Membership, role: Role) -> None:
        end_if_last_role(self._core, session, membership, role.application_id, "role-withdrawn")

    def _tell_the_others(self, session: Session, membership: Membership, role: Role) -> None:
        """A role granted to oneself is told to the other référents and to the correspondant."""
        account, now = membership.account, self._core.clock.now()
        others = referents.of_person(session, account.subject_id, now)
        correspondant = self._core.settings.organization.correspondant
        parameters = {
            "given_name": account.given_name,
            "sn": account.sn,
            "mail": account.mail,
            "portal_url": self._core.settings.url("/"),
            "structure": membership.structure.label_path,
            "application": role.application.label,
            "role": role.label,
        }
        for recipient in dict.fromkeys((*(each.mail for each in others), correspondant)):
            self._core.mailer.send(recipient, "role-granted-to-oneself", parameters)

    def _record(
        self,
        code: str,
        membership: Membership,
        role: Role,
        before: Dates | None,
        after: Dates | None,
    ) -> None:
        self._core.audit.record(
            code,
            subject_id=membership.account.subject_id,
            target=f"role:{role.application.code}:{role.code}",
            parameters={
                "structure": membership.structure.code,
                "before": before.told() if before else None,
                "after": after.told() if after else None,
            },
        )


def _assignment(session: Session, membership: Membership, role: Role) -> Assignment | None:
    return session.scalar(
        select(Assignment).where(
            Assignment.membership_id == membership.id, Assignment.role_id == role.id
        )
    )
