"""Ends at service providers what a membership no longer entitles to."""

from typing import TYPE_CHECKING

from sqlalchemy import select
from sqlalchemy.orm import Session

from directory.models import ApplicationEntity, Assignment, Membership, Role
from directory.validity import ASSIGNMENT, ROLE, within_dates

if TYPE_CHECKING:
    from idp.services import Core


def end_sp_sessions(core: "Core", session: Session, membership: Membership, reason: str) -> None:
    """End the person's sessions at every SP on which this membership holds a role."""
    entity_ids = session.scalars(
        select(ApplicationEntity.entity_id)
        .join(Role, Role.application_id == ApplicationEntity.application_id)
        .join(Assignment, Assignment.role_id == Role.id)
        .where(Assignment.membership_id == membership.id)
        .distinct()
    ).all()
    for entity_id in entity_ids:
        core.sessions.end(membership.account.subject_id, entity_id=entity_id, reason=reason)


def end_if_last_role(
    core: "Core", session: Session, membership: Membership, application_id: int, reason: str
) -> None:
    """End his session at this application's SP when the membership holds no role of it now.

    Judged per membership, not per person: what the SP received may speak of this membership.
    """
    session.flush()
    held = (
        select(ASSIGNMENT.c.id)
        .join(ROLE, ROLE.c.id == ASSIGNMENT.c.role_id)
        .where(
            ASSIGNMENT.c.membership_id == membership.id,
            ROLE.c.application_id == application_id,
            within_dates(ASSIGNMENT),
        )
        .limit(1)
    )
    if session.scalar(held, {"now": core.clock.now()}) is not None:
        return
    entity_id = session.scalar(
        select(ApplicationEntity.entity_id).where(
            ApplicationEntity.application_id == application_id
        )
    )
    if entity_id is not None:
        core.sessions.end(membership.account.subject_id, entity_id=entity_id, reason=reason)
