"""Closing a structure with what is below it, and opening it again.

Closing takes nothing away: memberships and roles stay recorded and have no effect while their
structure is closed (:func:`directory.validity.membership_valid`), so that opening it again undoes
all of it. :class:`directory.services.memberships.ends.Ends` ends the sessions that lose their
ground.
"""

from dataclasses import dataclass, replace
from datetime import datetime
from hashlib import sha256
from typing import TYPE_CHECKING

from sqlalchemy import ColumnElement, Select, distinct, func, or_, select
from sqlalchemy.orm import Session

from directory.authorisation import (
    Actor,
    ApplicationTarget,
    ClosingTarget,
    Permission,
    may,
    require,
)
from directory.models import Structure
from directory.services.lookup import structure_in_scope
from directory.services.structures.changes import lock_tree
from directory.validity import (
    ACCOUNT,
    APPLICATION,
    ASSIGNMENT,
    MANDATE,
    MEMBERSHIP,
    ROLE,
    STRUCTURE,
    is_over,
)
from idp.errors import AlreadyDone, DirectoryError, StaleEdit

if TYPE_CHECKING:
    from idp.services import Core

OWN = (
    "Vous êtes vous-même rattaché à cette structure ou à une structure placée au-dessous : "
    "demandez au correspondant de s'en charger."
)
MANDATED = (
    "Un référent administrateur a un mandat sur cette structure ou sur une structure placée "
    "au-dessous : demandez au correspondant de s'en charger."
)
PARENT_CLOSED = "Rouvrez d'abord la structure qui la contient : elle est fermée."


@dataclass(frozen=True, slots=True)
class Change:
    """What closing a structure, or opening it again, would do now.

    ``closed``: it is closed now, so it would open again. ``structures``: labels of those below
    that go with it; ``people``: who belong to one of them; ``applications``: labels of those on
    which they hold a role there and that he administers, ``others`` whether there are more;
    ``mandates`` end or come back with it. ``obstacle``: why he can't;
    empty when he can. ``version`` tells whether all this is still so.
    """

    code: str
    label: str
    label_path: str
    closed: bool
    structures: tuple[str, ...]
    people: int
    applications: tuple[str, ...]
    others: bool
    mandates: int
    obstacle: str
    version: str


class Unconfirmed(DirectoryError):
    """People would lose what they reach; whoever wants it all the same says so."""


class StructureClosing:
    """Closes structures and opens them again, as the person saw it announced."""

    def __init__(self, core: "Core") -> None:
        self._core = core

    def preview(self, actor: Actor, code: str) -> Change:
        """What closing it (or, of a closed one, opening it again) would do.

        Raises:
            NotAllowed: no such structure in his subtrees, or the root of his mandate.
        """
        with self._core.db.reading() as session:
            structure = structure_in_scope(session, actor, code)
            require(actor, Permission.CLOSE_STRUCTURE, ClosingTarget(structure.path))
            return self._change(session, actor, structure)

    def close(self, actor: Actor, code: str, version: str, *, people_ok: bool = False) -> None:
        """Close it and what is open below it, now.

        Raises:
            NotAllowed: as :meth:`preview`.
            AlreadyDone: it is closed.
            StaleEdit: it would do something else than what he saw.
            DirectoryError: it would touch himself or a mandate.
            Unconfirmed: people belong to it and not ``people_ok``.
        """
        with self._core.db.unit_of_work() as session:
            structure, change = self._checked(session, actor, code, version, closed=False)
            if change.people and not people_ok:
                raise Unconfirmed(
                    f"structure {code} has members",
                    public="Cochez la case pour confirmer : des personnes y sont rattachées.",
                )
            now = self._core.clock.now()
            for each in session.scalars(select(Structure).where(_going(structure, now))).all():
                each.closed_at = now
                self._record("structure.closed", each, structure)

    def reopen(self, actor: Actor, code: str, version: str) -> None:
        """Open it again with what was closed with it.

        Raises:
            NotAllowed: as :meth:`preview`.
            AlreadyDone: it is open.
            StaleEdit: it would do something else than what he saw.
            DirectoryError: it would touch himself or a mandate, or the structure above is closed.
        """
        with self._core.db.unit_of_work() as session:
            structure, _ = self._checked(session, actor, code, version, closed=True)
            now = self._core.clock.now()
            for each in session.scalars(select(Structure).where(_going(structure, now))).all():
                each.closed_at = None
                self._record("structure.reopened", each, structure)

    def _checked(
        self, session: Session, actor: Actor, code: str, version: str, *, closed: bool
    ) -> tuple[Structure, Change]:
        structure = structure_in_scope(session, actor, code)
        require(actor, Permission.CLOSE_STRUCTURE, ClosingTarget(structure.path))
        lock_tree(session, structure)
        change = self._change(session, actor, structure)
        if change.closed != closed:
            raise AlreadyDone(f"structure {code}: closed or open, as ordered")
        if change.version != version:
            raise StaleEdit(f"structure {code}")
        if change.obstacle:
            raise DirectoryError(f"structure {code}: obstacle", public=change.obstacle)
        return structure, change

    def _record(self, event: str, structure: Structure, asked: Structure) -> None:
        """Journal it of each structure, with the one that was asked for."""
        self._core.audit.record(
            event,
            target=f"structure:{structure.code}",
            parameters={"label": structure.label, "with": asked.code},
        )

    def _change(self, session: Session, actor: Actor, structure: Structure) -> Change:
        now = self._core.clock.now()
        going = _going(structure, now)
        below = session.scalars(
            select(STRUCTURE.c.label)
            .where(going, STRUCTURE.c.id != structure.id)
            .order_by(STRUCTURE.c.search_key, STRUCTURE.c.id)
        ).all()
        people, own = session.execute(_people(actor, going)).one()
        mandates = session.scalar(
            select(func.count(MANDATE.c.id))
            .join(STRUCTURE, STRUCTURE.c.id == MANDATE.c.structure_id)
            .where(going, _not_over(MANDATE.c.valid_until, now))
        )
        held = _applications(session, going, now) if people else []
        seen = [label for key, label in held if _sees(actor, key)]
        change = Change(
            code=structure.code,
            label=structure.label,
            label_path=structure.label_path,
            closed=is_over(structure.closed_at, now),
            structures=tuple(below),
            people=people,
            applications=tuple(seen),
            others=len(seen) < len(held),
            mandates=mandates or 0,
            obstacle=self._obstacle(
                session,
                actor,
                structure,
                ClosingTarget(structure.path, own=bool(own), mandated=bool(mandates)),
            ),
            version="",
        )
        return _versioned(change)

    def _obstacle(
        self, session: Session, actor: Actor, structure: Structure, target: ClosingTarget
    ) -> str:
        """Why the decider or the tree refuses, in words; empty when neither does."""
        now = self._core.clock.now()
        parent = session.get(Structure, structure.parent_id) if structure.parent_id else None
        if (
            is_over(structure.closed_at, now)
            and parent is not None
            and is_over(parent.closed_at, now)
        ):
            return PARENT_CLOSED
        if may(actor, Permission.CLOSE_STRUCTURE, target):
            return ""
        return OWN if target.own else MANDATED


def _going(structure: Structure, now: datetime) -> ColumnElement[bool]:
    """What closes with it: itself and what is open below; or opens again: what closed with it."""
    goes = (
        STRUCTURE.c.closed_at == structure.closed_at
        if is_over(structure.closed_at, now)
        else _not_over(STRUCTURE.c.closed_at, now)
    )
    return STRUCTURE.c.path.startswith(structure.path) & goes


def _people(actor: Actor, going: ColumnElement[bool]) -> Select[int, int]:
    """How many people belong there, and in how many memberships it is who asks."""
    return (
        select(
            func.count(distinct(MEMBERSHIP.c.account_id)),
            func.count(MEMBERSHIP.c.id).filter(MEMBERSHIP.c.account_id == actor.account_id),
        )
        .join(STRUCTURE, STRUCTURE.c.id == MEMBERSHIP.c.structure_id)
        .join(ACCOUNT, ACCOUNT.c.id == MEMBERSHIP.c.account_id)
        .where(going, MEMBERSHIP.c.deleted_at.is_(None), ACCOUNT.c.deleted_at.is_(None))
    )


def _sees(actor: Actor, application_id: int) -> bool:
    return may(actor, Permission.SEE_APPLICATION, ApplicationTarget(application_id))


def _applications(
    session: Session, going: ColumnElement[bool], now: datetime
) -> list[tuple[int, str]]:
    """Ids and labels of the applications on which somebody holds a role there that is not over."""
    held = (
        select(ROLE.c.application_id)
        .join(ASSIGNMENT, ASSIGNMENT.c.role_id == ROLE.c.id)
        .join(MEMBERSHIP, MEMBERSHIP.c.id == ASSIGNMENT.c.membership_id)
        .join(STRUCTURE, STRUCTURE.c.id == MEMBERSHIP.c.structure_id)
        .where(going, MEMBERSHIP.c.deleted_at.is_(None), _not_over(ASSIGNMENT.c.valid_until, now))
    )
    named = select(APPLICATION.c.id, APPLICATION.c.label).where(APPLICATION.c.id.in_(held))
    rows = session.execute(named.order_by(APPLICATION.c.label))
    return [(row.id, row.label) for row in rows]


def _not_over(column: ColumnElement[datetime | None], now: datetime) -> ColumnElement[bool]:
    return or_(column.is_(None), column > now)


def _versioned(change: Change) -> Change:
    """With the version of what it says."""
    known = (change.applications, change.others)
    said = (change.closed, change.structures, change.people, known, change.mandates)
    return replace(change, version=sha256(repr(said).encode()).hexdigest()[:16])
