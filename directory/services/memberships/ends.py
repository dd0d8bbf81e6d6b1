"""Ends the sessions of what ended by its date: nobody acts at that moment, so the worker looks."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from sqlalchemy import ColumnElement, Row, and_, bindparam, or_, select

from directory.statements import MEMBERSHIPS_HOLDING
from directory.validity import (
    ACCOUNT,
    APPLICATION_ENTITY,
    ASSIGNMENT,
    MEMBERSHIP,
    NOW,
    ROLE,
    STRUCTURE,
    membership_known,
)
from idp.db import UtcDateTime

if TYPE_CHECKING:
    from idp.services import Core

OVERLAP = timedelta(minutes=5)
"""Looked at again each time: dates that were committed late, clocks that were put back."""

_SINCE = bindparam("since", type_=UtcDateTime())
_SUBJECT = ACCOUNT.c.subject_id == bindparam("subject_id")
_ENDS = {
    "assignment_end": ASSIGNMENT.c.valid_until,
    "membership_end": MEMBERSHIP.c.valid_until,
    "structure_end": STRUCTURE.c.closed_at,
}


def _just_over(column: ColumnElement[Any]) -> ColumnElement[bool]:
    return and_(column > _SINCE, column <= NOW)


def _begun(column: ColumnElement[Any]) -> ColumnElement[bool]:
    return or_(column.is_(None), column <= NOW)


_ACCOUNTS = select(ACCOUNT.c.subject_id).where(_just_over(ACCOUNT.c.valid_until))
_STILL_OVER = select(ACCOUNT.c.id).where(_SUBJECT, ACCOUNT.c.valid_until <= NOW)
_ROLES = (
    select(
        ACCOUNT.c.subject_id,
        MEMBERSHIP.c.id.label("membership_id"),
        ROLE.c.application_id,
        APPLICATION_ENTITY.c.entity_id,
        *(column.label(name) for name, column in _ENDS.items()),
    )
    .select_from(ASSIGNMENT)
    .join(MEMBERSHIP, MEMBERSHIP.c.id == ASSIGNMENT.c.membership_id)
    .join(STRUCTURE, STRUCTURE.c.id == MEMBERSHIP.c.structure_id)
    .join(ACCOUNT, ACCOUNT.c.id == MEMBERSHIP.c.account_id)
    .join(ROLE, ROLE.c.id == ASSIGNMENT.c.role_id)
    .join(APPLICATION_ENTITY, APPLICATION_ENTITY.c.application_id == ROLE.c.application_id)
    .where(
        membership_known(),
        MEMBERSHIP.c.suspended.is_(False),
        _begun(MEMBERSHIP.c.valid_from),
        _begun(ASSIGNMENT.c.valid_from),
        or_(*(_just_over(column) for column in _ENDS.values())),
        # What was over before gave nothing that could end now.
        *(or_(column.is_(None), column > _SINCE) for column in _ENDS.values()),
    )
)
"""Roles that were in force and are no more, with the dates that bounded them."""


@dataclass(frozen=True, slots=True)
class _Hold:
    """A membership held roles of an application, which this entity is."""

    subject_id: str
    membership_id: int
    application_id: int
    entity_id: str


class Ends:
    """Looks for what ended since it last looked. One per process: it remembers when that was."""

    def __init__(self, core: "Core") -> None:
        self._core = core
        self._swept: datetime | None = None

    def sweep(self) -> None:
        """End sessions of accounts and roles that are over, each in a transaction of its own.

        The first time, as far back as a session can live: no worker may have run meanwhile. May be
        repeated at will: what still has its right is left alone.
        """
        now, swept = self._core.clock.now(), self._swept
        before = now - self._core.settings.session_lifetime if swept is None else min(swept, now)
        window = {"since": before - OVERLAP, "now": now}
        for account in self._core.db.rows(_ACCOUNTS, window):
            self._end_account(account.subject_id)
        for hold, ended_at in _latest(self._core.db.rows(_ROLES, window)).items():
            self._end_hold(hold, first_seen=swept is not None and ended_at > swept)
        self._swept = now

    def _end_account(self, subject_id: str) -> None:
        with self._core.db.unit_of_work():
            # Asked again: its dates may have been changed since they were read.
            values = {"subject_id": subject_id, "now": self._core.clock.now()}
            if self._core.db.rows(_STILL_OVER, values):
                self._core.sessions.end(subject_id, reason="account-expired")

    def _end_hold(self, hold: _Hold, *, first_seen: bool) -> None:
        """End the session at this SP unless there is still a right to it.

        The first time, the membership's own: what the SP received may speak of it. Later the
        person's, since he may have come back by another membership.
        """
        with self._core.db.unit_of_work():
            values = {
                "subject_id": hold.subject_id,
                "application_id": hold.application_id,
                "now": self._core.clock.now(),
            }
            holding = {row.membership_id for row in self._core.db.rows(MEMBERSHIPS_HOLDING, values)}
            if hold.membership_id in holding or (holding and not first_seen):
                return
            self._core.sessions.end(
                hold.subject_id, entity_id=hold.entity_id, reason="role-expired"
            )


def _latest(rows: Iterable[Row[Any]]) -> dict[_Hold, datetime]:
    """When the last of its roles ended, for each hold."""
    latest: dict[_Hold, datetime] = {}
    for row in rows:
        hold = _Hold(row.subject_id, row.membership_id, row.application_id, row.entity_id)
        dates: list[datetime | None] = [getattr(row, name) for name in _ENDS]
        ended_at = min(date for date in dates if date is not None)
        latest[hold] = max(ended_at, latest.get(hold, ended_at))
    return latest
