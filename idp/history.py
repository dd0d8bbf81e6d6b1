"""What was changed, read from the journal: within reach, paged by key, over an index."""

from collections.abc import Collection
from datetime import datetime
from typing import cast

from sqlalchemy import (
    ColumnElement,
    ScalarSelect,
    Select,
    Table,
    and_,
    false,
    or_,
    select,
    true,
    tuple_,
)

from idp.audit import AuditEvent
from idp.db import Database
from idp.records import About, Change, Reach

ROLE, APPLICATION = "role:", "application:"
"""How the ``target`` of an event begins that tells of a role, or of an application."""

_event = cast("Table", AuditEvent.__table__)


def changes(
    db: Database,
    codes: Collection[str],
    reaches: Collection[Reach],
    *,
    most: int,
    about: About | None = None,
    among: Collection[str] | None = None,
    before: tuple[datetime, int] | None = None,
) -> tuple[Change, ...]:
    """The events of these codes within reach, the latest first, ``most`` at the most.

    ``about`` a person: his alone, and as it says also what happened to his account in no structure;
    without it, what happened in structures alone, ``among`` these people if any are named.
    ``before``: when the last one of the page before happened, and its number. One statement, and
    none where nothing is within reach.
    """
    if not codes or (about is None and not reaches):
        return ()
    within = or_(false(), *(_within(reach) for reach in reaches))
    concerns = and_(_event.c.structure.is_not(None), within)
    if about is not None:
        concerns = _of_person(about, concerns)
    if among is not None:
        concerns = and_(concerns, _event.c.subject_id.in_(sorted(among)))
    older = true() if before is None else tuple_(_event.c.at, _event.c.id) < before
    statement = (
        select(*(_event.c[name] for name in Change._fields))
        .where(concerns, _event.c.code.in_(sorted(codes)), older)
        .order_by(_event.c.at.desc(), _event.c.id.desc())
        .limit(most)
    )
    return tuple(Change._make(row) for row in db.rows(statement, {}))


def told(code: str, name: str, subject_id: ColumnElement[str] | str) -> Select[str]:
    """As SQL, this parameter of a person's events of this code, the earliest first."""
    return (
        select(_event.c.parameters[name].as_string())
        .where(_event.c.subject_id == subject_id, _event.c.code == code)
        .order_by(_event.c.at, _event.c.id)
    )


def first_told(
    code: str,
    name: str,
    subject_id: ColumnElement[str],
    since: ColumnElement[datetime] | ColumnElement[datetime | None],
) -> ScalarSelect[str]:
    """As SQL, beside these columns: what the first such event since then says; null without one."""
    first = told(code, name, subject_id).where(_event.c.at >= since).limit(1)
    return first.correlate_except(_event).scalar_subquery()


def last(code: str, subject_id: str) -> Select[datetime, str]:
    """As SQL, when a person's last event of this code happened, and who did it."""
    return (
        select(_event.c.at, _event.c.actor)
        .where(_event.c.subject_id == subject_id, _event.c.code == code)
        .order_by(_event.c.at.desc(), _event.c.id.desc())
        .limit(1)
    )


def _of_person(about: About, concerns: ColumnElement[bool]) -> ColumnElement[bool]:
    nowhere: ColumnElement[bool] = _event.c.structure.is_(None)
    if about.since is not None:
        nowhere = and_(nowhere, _event.c.at >= about.since)
    by_others = or_(
        _event.c.code.not_in(sorted(about.unless_own)), _event.c.actor != about.subject_id
    )
    told = or_(nowhere, concerns) if about.account else concerns
    return and_(_event.c.subject_id == about.subject_id, by_others, told)


def _within(reach: Reach) -> ColumnElement[bool]:
    conditions: list[ColumnElement[bool]] = []
    if reach.structures is not None:
        conditions.append(_event.c.structure.in_(sorted(reach.structures)))
    if reach.applications is not None:
        conditions.append(_of_applications(reach.applications))
    return and_(true(), *conditions)


def _of_applications(applications: Collection[str]) -> ColumnElement[bool]:
    """Of no application, or of one of these. Codes hold no wildcard, and a colon ends them."""
    target = _event.c.target
    of_none = and_(~target.startswith(ROLE), ~target.startswith(APPLICATION))
    return or_(
        target.is_(None),
        of_none,
        *(target.startswith(f"{ROLE}{code}:", autoescape=True) for code in sorted(applications)),
        *(target == f"{APPLICATION}{code}" for code in sorted(applications)),
    )
