"""Turns the codes of a search into ids, within an actor's scope."""

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from sqlalchemy import BindParameter, Row, bindparam, select

from directory.authorisation import Actor, ApplicationTarget, Permission, StructureTarget, may
from directory.people.lines import Criteria, State
from directory.people.wanted import Wanted, words_of
from directory.people.within import Within
from directory.validity import APPLICATION, ROLE, STRUCTURE
from idp.errors import DirectoryError, NotFound

if TYPE_CHECKING:
    from idp.services import Core

_MOST_LOCATED = 1000

_CODE: BindParameter[str] = bindparam("code")
_STRUCTURE = select(STRUCTURE.c.id, STRUCTURE.c.path).where(STRUCTURE.c.code == _CODE)
_ROLES = (
    select(APPLICATION.c.id.label("application_id"), ROLE.c.id, ROLE.c.code)
    .select_from(APPLICATION.outerjoin(ROLE, ROLE.c.application_id == APPLICATION.c.id))
    .where(APPLICATION.c.code == _CODE)
)


class Resolver:
    """Asks the decider about every code; what is out of scope is as if absent."""

    def __init__(self, core: "Core") -> None:
        self._core = core

    def wanted(self, actor: Actor, criteria: Criteria, *, of_people: bool = False) -> Wanted:
        """What the criteria mean for this actor, of people or of lines. At most three statements.

        Raises:
            NotFound: a code that is unknown or out of scope.
            DirectoryError: a state that does not exist.
        """
        application_id, role_ids = self._roles(actor, criteria)
        within = Within.reach(actor, application_id)
        if criteria.structure:
            structure_id, path = self.structure(actor, criteria.structure)
            within = within.narrowed(path, structure_id, below=criteria.below)
        return Wanted(
            within=self._located(within),
            words=words_of(criteria.text),
            sn=criteria.sn,
            given_name=criteria.given_name,
            mail=criteria.mail,
            identifier=criteria.identifier,
            state=_state(criteria.state),
            role_ids=role_ids,
            actor=actor,
            of_people=of_people,
        )

    def structure(self, actor: Actor, code: str) -> tuple[int, str]:
        """The id and the path of a structure.

        Raises:
            NotFound: unknown or out of scope.
        """
        for row in self._core.db.rows(_STRUCTURE, {"code": code}):
            if may(actor, Permission.SEE_STRUCTURE, StructureTarget(row.path)):
                return row.id, row.path
        raise NotFound(f"structure {code!r}", public="Cette structure n'existe pas.")

    def in_mandates(self, actor: Actor, application_id: int, text: str) -> Wanted:
        """What ``text`` finds where the actor's mandates cover an application. One statement."""
        within = self._located(Within.reach(actor, application_id))
        return Wanted(within, words_of(text), actor=actor)

    def _located(self, within: Within) -> Within:
        """With the structures looked up, if they are not too many to be told one by one."""
        place = within.holds()
        if within.structure_ids is not None or place is None:
            return within
        found = select(STRUCTURE.c.id).where(place).limit(_MOST_LOCATED + 1)
        ids = tuple(row.id for row in self._core.db.rows_planned(found, {}))
        return within if len(ids) > _MOST_LOCATED else replace(within, structure_ids=ids)

    def role(self, actor: Actor, application_code: str, code: str) -> tuple[int, int]:
        """The ids of an application and of a role of it.

        Raises:
            NotFound: unknown, or the application is not one of the actor's.
        """
        rows = self._application(actor, application_code)
        for row in rows:
            if row.code == code:
                return row.application_id, row.id
        raise NotFound(f"role {application_code}:{code}", public="Ce rôle n'existe pas.")

    def _roles(self, actor: Actor, criteria: Criteria) -> tuple[int | None, tuple[int, ...] | None]:
        if criteria.role:
            application_id, role_id = self.role(actor, criteria.application, criteria.role)
            return application_id, (role_id,)
        if not criteria.application:
            return None, None
        rows = self._application(actor, criteria.application)
        return rows[0].application_id, tuple(row.id for row in rows if row.id is not None)

    def _application(self, actor: Actor, code: str) -> Sequence[Row[Any]]:
        """The roles of an application; at least one row."""
        rows = self._core.db.rows(_ROLES, {"code": code})
        if rows:
            target = ApplicationTarget(rows[0].application_id)
            if may(actor, Permission.SEE_APPLICATION, target):
                return rows
        raise NotFound(f"application {code!r}", public="Cette application n'existe pas.")


def _state(text: str) -> State | None:
    if not text:
        return None
    try:
        return State(text)
    except ValueError as error:
        raise DirectoryError(f"state {text!r}", public="Cet état n'existe pas.") from error
