"""How a role is given to a membership and taken from it, whoever asks and however he names them.

Callers have found the membership (locked, so that two changes to it see each other) and the role,
and have asked the decider.
"""

from datetime import datetime
from typing import TYPE_CHECKING

from sqlalchemy import or_, select
from sqlalchemy.orm import Session, contains_eager

from directory import referents
from directory.authorisation import Actor
from directory.models import Assignment, Membership, Role
from directory.search import search_key
from directory.services.dates import UNCHANGED, Change, Dates
from directory.services.memberships.sp_sessions import end_if_last_role
from directory.services.rights.role_news import RoleNews
from idp.context import origin
from idp.errors import DirectoryError

if TYPE_CHECKING:
    from idp.services import Core


def assignment_of(session: Session, membership: Membership, role: Role) -> Assignment | None:
    """That this membership holds this role, over or not; None when it was never given."""
    return session.scalar(
        select(Assignment).where(
            Assignment.membership_id == membership.id, Assignment.role_id == role.id
        )
    )


def assignments_held(
    session: Session, membership: Membership, application_id: int, now: datetime
) -> list[Assignment]:
    """The roles of this application that the membership holds now or later, by label."""
    statement = (
        select(Assignment)
        .join(Assignment.role)
        .options(contains_eager(Assignment.role))
        .where(
            Assignment.membership_id == membership.id,
            Role.application_id == application_id,
            or_(Assignment.valid_until.is_(None), Assignment.valid_until > now),
        )
    )
    return sorted(session.scalars(statement), key=lambda each: search_key(each.role.label))


class Granting:
    """Gives and takes a role inside the caller's transaction: journal, mails, sessions at SPs."""

    def __init__(self, core: "Core") -> None:
        self._core = core
        self._news = RoleNews(core)

    def give(
        self,
        session: Session,
        actor: Actor,
        membership: Membership,
        role: Role,
        *,
        valid_from: Change = UNCHANGED,
        valid_until: Change = UNCHANGED,
        no_mail: bool = False,
    ) -> None:
        """Give the role, or change its dates; nothing happens when it is so already.

        A date that is not given stays as it is; None removes it. A role that is over begins anew.

        Raises:
            DirectoryError: the dates are wrong, or the application takes a single role.
        """
        now = self._core.clock.now()
        known = assignment_of(session, membership, role)
        before = Dates.of(known) if known else None
        anew = before is None or before.over(now)
        after = (Dates() if anew or before is None else before).changed(valid_from, valid_until)
        if after == before:
            return
        self._check_single(session, membership, role, after)
        if known is None:
            known = Assignment(membership=membership, role=role)
            session.add(known)
        if anew:
            known.granted_by, known.granted_at = origin().actor, now
        after.give(known)
        session.flush()
        code = "assignment.granted" if anew else "assignment.dates-changed"
        self.record(code, membership, role, before, after)
        if before is not None:
            self._end_sessions(session, membership, role)
        if anew and not no_mail:
            self._news.note(session, membership, role, granted=True)
        if actor.account_id == membership.account_id:
            self._tell_the_others(session, membership, role)

    def take(self, session: Session, membership: Membership, role: Role, known: Assignment) -> None:
        """Take the role at once; with the last of the application his session there ends."""
        before = Dates.of(known)
        session.delete(known)
        self.record("assignment.withdrawn", membership, role, before, None)
        if not before.over(self._core.clock.now()):
            self._news.note(session, membership, role, granted=False)
        self._end_sessions(session, membership, role)

    def record(
        self,
        code: str,
        membership: Membership,
        role: Role,
        before: Dates | None,
        after: Dates | None,
    ) -> None:
        """Journal a change."""
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
