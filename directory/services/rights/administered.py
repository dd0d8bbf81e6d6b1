"""The applications that somebody administers, and their roles: screen *Applications*."""

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import groupby
from typing import TYPE_CHECKING, Any

from sqlalchemy import Row, select
from sqlalchemy.orm import Session

from directory.authorisation import Actor, ApplicationTarget, Permission, may
from directory.models import Application, Role
from directory.search import search_key
from directory.validity import APPLICATION, ROLE
from idp.errors import NotAllowed

if TYPE_CHECKING:
    from datetime import datetime

    from idp.services import Core
    from idp.settings import Organization

NOT_YOURS = (
    "Cette application ou ce rôle n'existe pas, ou vous n'administrez pas cette application. "
    "C'est le correspondant qui donne et retire les mandats : écrivez-lui si cela vous étonne."
)
"""The same for what does not exist and for what is another's."""


@dataclass(frozen=True, slots=True)
class RoleRef:
    """A role by its codes."""

    application: str
    role: str


@dataclass(frozen=True, slots=True)
class RoleName:
    """A role as a list names it."""

    code: str
    label: str


@dataclass(frozen=True, slots=True)
class AdministeredApplication:
    """An application with its roles; ``closed``: why nobody can open it now, else empty."""

    code: str
    label: str
    description: str
    icon: str
    single_role: bool
    closed: str
    roles: tuple[RoleName, ...]


class Administered:
    """Reads them; one statement each."""

    def __init__(self, core: "Core") -> None:
        self._core = core

    def applications(self, actor: Actor) -> tuple[AdministeredApplication, ...]:
        """Those in his mandates, by label, with their roles; every one for the correspondant."""
        statement = (
            select(
                APPLICATION,
                ROLE.c.code.label("role_code"),
                ROLE.c.label.label("role_label"),
            )
            .select_from(APPLICATION.outerjoin(ROLE, ROLE.c.application_id == APPLICATION.c.id))
            .order_by(APPLICATION.c.id, ROLE.c.id)
        )
        if not actor.everywhere:
            own = frozenset().union(*(scope.application_ids for scope in actor.scopes))
            statement = statement.where(APPLICATION.c.id.in_(own))
        rows = self._core.db.rows(statement, {})
        found = (self._application(list(lines)) for _, lines in groupby(rows, lambda row: row.id))
        return tuple(sorted(found, key=lambda one: search_key(one.label)))

    def _application(self, rows: list[Row[Any]]) -> AdministeredApplication:
        first = rows[0]
        names = (RoleName(row.role_code, row.role_label) for row in rows if row.role_code)
        return AdministeredApplication(
            code=first.code,
            label=first.label,
            description=first.description,
            icon=first.icon,
            single_role=first.single_role,
            closed=closed(first, self._core.clock.now(), self._core.settings.organization),
            roles=_by_label(names),
        )


def administered_role(session: Session, actor: Actor, ref: RoleRef) -> Role:
    """The role, when the actor administers its application.

    Raises:
        NotAllowed: there is no such application or role, or it is not in his mandates; alike.
    """
    application = session.scalar(select(Application).where(Application.code == ref.application))
    target = ApplicationTarget(application.id) if application else None
    if application is None or target is None or not may(actor, Permission.SEE_APPLICATION, target):
        raise NotAllowed(f"application {ref.application!r} of {actor.subject_id}", public=NOT_YOURS)
    role = session.scalar(
        select(Role).where(Role.application_id == application.id, Role.code == ref.role)
    )
    if role is None:
        raise NotAllowed(f"role {ref.application}:{ref.role!r}", public=NOT_YOURS)
    return role


def closed(
    application: "Row[Any] | Application", now: "datetime", organization: "Organization"
) -> str:
    """Why nobody can open the application now, in a sentence; empty when it is open."""
    zone, said = organization.time_zone, application.closed_message
    message = f" « {said} »" if said else ""
    opens, closes = application.opens_at, application.closes_at
    if closes is not None and closes <= now:
        since = closes.astimezone(zone)
        return f"Cette application est fermée depuis le {since:%d/%m/%Y}.{message}"
    if opens is not None and opens > now:
        return f"Cette application ouvrira le {opens.astimezone(zone):%d/%m/%Y}.{message}"
    return ""


def _by_label(names: Iterable[RoleName]) -> tuple[RoleName, ...]:
    return tuple(sorted(names, key=lambda one: search_key(one.label)))
