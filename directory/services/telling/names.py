"""The changes of *Historique* with the names in them, as far as their reader may know each."""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Row, select
from sqlalchemy.orm import Session

from directory.authorisation import Actor, Permission, StructureTarget, may
from directory.services.own.record import BY_FORMER, is_person
from directory.services.telling.doers import doer, known
from directory.validity import APPLICATION, ROLE, STRUCTURE
from idp.records import Change

MOVED, LEFT = "membership.moved", "membership.left"
MOVES = frozenset({MOVED, LEFT})
"""A move is two events: one in the structure where the person is now, one where he was."""

SERVICE = "Le service"
YOU = "Vous"
ELSEWHERE = "Une structure que vous n'administrez pas"
NO_STRUCTURE = "Une structure qui n'existe plus"
FORMER = BY_FORMER[:1].lower() + BY_FORMER[1:]  # within a sentence

_PLACE = ("code", "path", "label_path")


@dataclass(frozen=True, slots=True)
class HistoryLine:
    """One change. ``day_only``: the person did it himself, so the hour would tell when he came.

    ``own``: he did, whoever reads it. ``structure`` is a label path; ``application`` and ``role``
    are labels; all three are empty where the change concerns none. ``parameters``: what the journal
    holds of it.
    """

    at: datetime
    code: str
    actor: str
    person: str
    structure: str
    application: str
    role: str
    parameters: Mapping[str, object]
    own: bool
    day_only: bool


class Names:
    """Whom and what the changes of a page speak of: three statements, whatever their number."""

    def __init__(
        self, session: Session, actor: Actor, found: Iterable[Change], now: datetime
    ) -> None:
        self._actor = actor
        told = tuple(found)
        people = {each.actor for each in told} | {each.subject_id or "" for each in told}
        self._people = known(lambda *asked: session.execute(*asked).all(), people, now)
        places = {code for each in told for code in (each.structure, *between(each))}
        self._structures = _structures(session, {code for code in places if code})
        self._labels = _labels(session, {_target(each)[0] for each in told} - {""})

    def line(self, change: Change) -> HistoryLine:
        """This change, with the names in it."""
        application, role = _target(change)
        own = change.actor == change.subject_id
        told_whole = self._actor.everywhere or change.actor == self._actor.subject_id
        place = self._structures.get(change.structure or "")
        return HistoryLine(
            at=change.at,
            code=change.code,
            actor=self._who(change),
            person=self._person(change.subject_id),
            structure=place.label_path if place else change.structure or "",
            application=self._labels.get((application, ""), application),
            role=self._labels.get((application, role), role),
            parameters=self._parameters(change),
            own=own,
            day_only=own and not told_whole,
        )

    def _who(self, change: Change) -> str:
        if change.actor == self._actor.subject_id:
            return YOU
        if not is_person(change.actor):
            return SERVICE
        if change.actor == change.subject_id and change.actor in self._people:
            return self._people[change.actor].name
        return doer(self._actor, change.actor, self._people)

    def _person(self, subject_id: str | None) -> str:
        if subject_id is None:
            return ""
        person = self._people.get(subject_id)
        return FORMER if person is None else person.name

    def _parameters(self, change: Change) -> Mapping[str, object]:
        """What the journal holds; of a move the label paths, as far as he may read them."""
        if change.code not in MOVES:
            return change.parameters
        return dict(zip(("before", "after"), map(self._place, between(change)), strict=True))

    def _place(self, code: str) -> str:
        found = self._structures.get(code)
        if found is None:
            return NO_STRUCTURE
        seen = may(self._actor, Permission.SEE_STRUCTURE, StructureTarget(found.path))
        return str(found.label_path) if seen else ELSEWHERE


def between(change: Change) -> tuple[str, ...]:
    """From which structure to which, by code; nothing where it is no move."""
    if change.code not in MOVES:
        return ()
    return tuple(str(change.parameters.get(name, "")) for name in ("before", "after"))


def _structures(session: Session, codes: Collection[str]) -> dict[str, Row[Any]]:
    """Their paths and label paths, by code."""
    if not codes:
        return {}
    columns: list[ColumnElement[Any]] = [STRUCTURE.c[each] for each in _PLACE]
    found = session.execute(select(*columns).where(STRUCTURE.c.code.in_(sorted(codes)))).all()
    return {row.code: row for row in found}


def _labels(session: Session, codes: Collection[str]) -> dict[tuple[str, str], str]:
    """The labels of these applications (under an empty role) and of all their roles."""
    if not codes:
        return {}
    rows = session.execute(
        select(APPLICATION.c.code, APPLICATION.c.label, ROLE.c.code, ROLE.c.label)
        .outerjoin(ROLE, ROLE.c.application_id == APPLICATION.c.id)
        .where(APPLICATION.c.code.in_(sorted(codes)))
    ).all()
    labels: dict[tuple[str, str], str] = {}
    for application, application_label, role, role_label in rows:
        labels[application, ""] = application_label
        if role is not None:
            labels[application, role] = role_label
    return labels


def _target(change: Change) -> tuple[str, str]:
    """The codes of the application and of the role that it is about, empty where there is none."""
    kind, _, rest = (change.target or "").partition(":")
    application, _, role = rest.partition(":")
    return (application, role) if kind in {"role", "application"} else ("", "")
