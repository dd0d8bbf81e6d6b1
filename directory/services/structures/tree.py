"""The tree of structures, as it is shown: by level, by search, and one of them with its details."""

from collections import defaultdict
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from sqlalchemy import ColumnElement, Row, false, func, or_, select
from sqlalchemy.orm import Session

from directory.authorisation import (
    Actor,
    ClosingTarget,
    Permission,
    Scope,
    StructureTarget,
    may,
    require,
)
from directory.scope import visible_to
from directory.search import search_key
from directory.services.lookup import structure_in_scope
from directory.services.structures.changes import version_of
from directory.validity import STRUCTURE, is_over
from idp.names import SEPARATOR

if TYPE_CHECKING:
    from idp.services import Core

WHOLE = 2000
"""Structures; beyond, the tree opens level by level only."""
FOUND = 50
"""Lines that a search shows."""
MAX_OPENED = 60
"""Branches that an address may name: without scripts it has to hold them."""
MAX_TEXT = 100  # characters of a search


@dataclass(frozen=True, slots=True)
class Node:
    """A structure in the tree. ``below`` is empty while ``opened`` is false.

    ``above``: the path that leads to it, of a root alone; ``children``: how many are directly
    below.
    """

    code: str
    label: str
    above: str
    closed: bool
    children: int
    opened: bool
    below: tuple["Node", ...] = ()


@dataclass(frozen=True, slots=True)
class Tree:
    """``size``: of all his subtrees; ``opened``: codes whose children are shown, from the top."""

    roots: tuple[Node, ...]
    size: int
    opened: tuple[str, ...]

    @property
    def may_be_whole(self) -> bool:
        """Whether it is small enough to be opened at once."""
        return self.size <= WHOLE


@dataclass(frozen=True, slots=True)
class FoundLine:
    """A structure that a search found; ``above``: the path that leads to it."""

    code: str
    label: str
    above: str
    closed: bool


@dataclass(frozen=True, slots=True)
class Found:
    """The first lines of what a search found, and how many there are."""

    lines: tuple[FoundLine, ...]
    number: int


@dataclass(frozen=True, slots=True)
class StructureSheet:
    """One structure, and what he may do with it.

    ``ancestors``: code and label, from the highest that he may see; ``siret_inherited``: it is an
    ancestor's; ``below``: how many structures are open below it; ``may_close``: or open again,
    as far as the place decides.
    """

    code: str
    label: str
    label_path: str
    ancestors: tuple[tuple[str, str], ...]
    siret: str | None
    siret_inherited: bool
    closed_at: datetime | None
    parent_closed: bool
    below: int
    version: str
    may_create: bool
    may_edit: bool
    may_set_siret: bool
    may_close: bool

    @property
    def own_siret(self) -> str | None:
        """Its own, not an ancestor's."""
        return None if self.siret_inherited else self.siret


class StructureTree:
    """Reads the tree within the actor's subtrees; each method runs a handful of statements."""

    def __init__(self, core: "Core") -> None:
        self._core = core

    def tree(
        self,
        actor: Actor,
        *,
        selected: str | None = None,
        opened: Collection[str] = (),
        roots: bool = False,
        whole: bool = False,
    ) -> Tree:
        """His roots, opened down to ``selected`` and at ``opened`` (codes; foreign ones: nothing).

        ``roots``: they are opened; ``whole``: everything is, unless it is too large. Three
        statements.
        """
        scope = visible_to(actor)
        with self._core.db.reading() as session:
            size = session.scalar(select(func.count()).select_from(STRUCTURE).where(scope)) or 0
            if whole and size <= WHOLE:
                rows = _rows(session, scope)
                wanted = {row.id for row in rows}
            else:
                codes = list(opened)[:MAX_OPENED]
                tops = _is_root(actor)
                wanted = _opened_ids(session, scope, selected, codes, tops if roots else false())
                rows = _rows(session, scope, or_(tops, STRUCTURE.c.parent_id.in_(wanted)))
        return self._grown(actor, rows, wanted, size)

    def branch(self, actor: Actor, code: str) -> tuple[Node, ...]:
        """What is directly below a structure, closed up.

        Raises:
            NotAllowed: no such structure in his subtrees.
        """
        with self._core.db.reading() as session:
            structure = structure_in_scope(session, actor, code)
            rows = _rows(session, STRUCTURE.c.parent_id == structure.id)
        now = self._core.clock.now()
        return tuple(_node(row, now) for row in rows)

    def search(self, actor: Actor, text: str) -> Found:
        """The structures whose label holds every word, whatever accents, case and hyphens."""
        words = search_key(text[:MAX_TEXT]).split()
        if not words:
            return Found((), 0)
        holds = [STRUCTURE.c.search_key.contains(word, autoescape=True) for word in words]
        with self._core.db.reading() as session:
            matching = select(STRUCTURE).where(visible_to(actor), *holds)
            number = session.scalar(select(func.count()).select_from(matching.subquery())) or 0
            rows = session.execute(
                matching.order_by(STRUCTURE.c.search_key, STRUCTURE.c.id).limit(FOUND)
            ).all()
        now = self._core.clock.now()
        return Found(
            tuple(
                FoundLine(row.code, row.label, _above(row.label_path), is_over(row.closed_at, now))
                for row in rows
            ),
            number,
        )

    def read(
        self, actor: Actor, code: str, permission: Permission = Permission.SEE_STRUCTURE
    ) -> StructureSheet:
        """A structure's details, for who has this permission on it.

        Raises:
            NotAllowed: no such structure in his subtrees, or not this permission.
        """
        now = self._core.clock.now()
        with self._core.db.reading() as session:
            structure = structure_in_scope(session, actor, code)
            ancestors = session.execute(
                select(STRUCTURE.c.code, STRUCTURE.c.label, STRUCTURE.c.path, STRUCTURE.c.closed_at)
                .where(STRUCTURE.c.id.in_(_ids(structure.path)[:-1]))
                .order_by(func.length(STRUCTURE.c.path))
            ).all()
            below = session.scalar(
                select(func.count()).where(
                    STRUCTURE.c.path.startswith(structure.path),
                    STRUCTURE.c.id != structure.id,
                    or_(STRUCTURE.c.closed_at.is_(None), STRUCTURE.c.closed_at > now),
                )
            )
        target = StructureTarget(structure.path)
        require(actor, permission, target)
        seen = [
            row
            for row in ancestors
            if may(actor, Permission.SEE_STRUCTURE, StructureTarget(row.path))
        ]
        return StructureSheet(
            code=structure.code,
            label=structure.label,
            label_path=structure.label_path,
            ancestors=tuple((row.code, row.label) for row in seen),
            siret=structure.siret_in_force,
            siret_inherited=structure.siret is None and structure.siret_in_force is not None,
            closed_at=structure.closed_at,
            parent_closed=any(is_over(row.closed_at, now) for row in seen),
            below=below or 0,
            version=version_of(structure),
            may_create=may(actor, Permission.CREATE_STRUCTURE, target)
            and not is_over(structure.closed_at, now),
            may_edit=may(actor, Permission.RENAME_STRUCTURE, target),
            may_set_siret=may(actor, Permission.SET_SIRET, target),
            may_close=may(actor, Permission.CLOSE_STRUCTURE, ClosingTarget(structure.path)),
        )

    def _grown(
        self, actor: Actor, rows: Iterable[Row[Any]], wanted: Collection[int], size: int
    ) -> Tree:
        """The rows as a tree."""
        now, opened = self._core.clock.now(), list[str]()
        roots, children = [], defaultdict[int, list[Row[Any]]](list)
        for row in rows:
            if _roots_of(actor, row):
                roots.append(row)
            else:
                children[row.parent_id].append(row)

        def grow(row: Row[Any], *, above: str = "") -> Node:
            unfolds = row.id in wanted and bool(row.children)
            if unfolds:
                opened.append(row.code)
            below = tuple(map(grow, children[row.id])) if unfolds else ()
            return _node(row, now, above=above, opened=unfolds, below=below)

        grown = tuple(grow(row, above=_above(row.label_path)) for row in roots)
        return Tree(grown, size, tuple(opened))


def _tops(actor: Actor) -> tuple[Scope, ...]:
    """His scopes but those that lie below another one."""
    return tuple(
        scope
        for scope in actor.scopes
        if not any(other.covers(scope.root) and other.root != scope.root for other in actor.scopes)
    )


def _is_root(actor: Actor) -> ColumnElement[bool]:
    if actor.everywhere:
        return STRUCTURE.c.parent_id.is_(None)
    return STRUCTURE.c.path.in_({scope.root for scope in _tops(actor)})


def _roots_of(actor: Actor, row: Row[Any]) -> bool:
    if actor.everywhere:
        return row.parent_id is None
    return row.path in {scope.root for scope in _tops(actor)}


def _opened_ids(
    session: Session,
    scope: ColumnElement[bool],
    selected: str | None,
    opened: list[str],
    besides: ColumnElement[bool],
) -> set[int]:
    """What is opened: those codes, ``besides``, and what leads to the selected one and itself."""
    codes = [*opened, *([selected] if selected else [])]
    rows = session.execute(
        select(STRUCTURE.c.id, STRUCTURE.c.code, STRUCTURE.c.path).where(
            or_(STRUCTURE.c.code.in_(codes), besides), scope
        )
    )
    found: set[int] = set()
    for row in rows:
        found.update(_ids(row.path) if row.code == selected else (row.id,))
    return found


def _rows(session: Session, *conditions: ColumnElement[bool]) -> list[Row[Any]]:
    """Structures with the number of those directly below, siblings by label."""
    child = STRUCTURE.alias("child")
    below = (
        select(func.count())
        .where(child.c.parent_id == STRUCTURE.c.id)
        .correlate(STRUCTURE)
        .scalar_subquery()
    )
    return list(
        session.execute(
            select(STRUCTURE, below.label("children"))
            .where(*conditions)
            .order_by(STRUCTURE.c.search_key, STRUCTURE.c.id)
        )
    )


def _node(
    row: Row[Any],
    now: datetime,
    *,
    above: str = "",
    opened: bool = False,
    below: tuple[Node, ...] = (),
) -> Node:
    return Node(
        code=row.code,
        label=row.label,
        above=above,
        closed=is_over(row.closed_at, now),
        children=row.children,
        opened=opened,
        below=below,
    )


def _above(label_path: str) -> str:
    return label_path.rpartition(SEPARATOR)[0]


def _ids(path: str) -> list[int]:
    return [int(one) for one in path.strip("/").split("/")]
