"""Where: the subtrees that a list of people is bounded by, as SQL."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Dialect,
    FromClause,
    Integer,
    String,
    TypeDecorator,
    false,
    literal,
    or_,
)
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.functions import FunctionElement
from sqlalchemy.sql.operators import OperatorType
from sqlalchemy.types import Boolean, TypeEngine

from directory.authorisation import Actor
from directory.validity import MEMBERSHIP, STRUCTURE


class _Ids(TypeDecorator[Sequence[int]]):
    """Many ids in one value: an array of PostgreSQL, a text of JSON for SQLite."""

    impl = String
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        """What a driver is handed."""
        return dialect.type_descriptor(
            ARRAY(Integer()) if dialect.name == "postgresql" else String()
        )

    def process_bind_param(self, value: Sequence[int] | None, dialect: Dialect) -> Any:  # noqa: ANN401
        """On the way in."""
        ids = list(value or ())
        return ids if dialect.name == "postgresql" else json.dumps(ids)


class one_of(FunctionElement[bool]):  # noqa: N801 - reads as a function of SQL
    """Whether an id is one of these, however many: IN (…) costs a parameter for each, thrice."""

    type = Boolean()
    inherit_cache = True

    def __init__(self, column: ColumnElement[int], ids: Sequence[int], *, leads: bool) -> None:
        """``leads``: SQLite may look each of them up, else it asks of each row that it has."""
        super().__init__(column, literal(ids, _Ids()))
        self._leads = leads

    def self_group(self, against: OperatorType | None = None) -> Any:  # noqa: ANN401 - as the parent's
        """What SQLAlchemy has SQLite compare with 1, which no index tells; or as it is."""
        return self if self._leads else super().self_group(against)


@compiles(one_of)
def _array(element: one_of, compiler: SQLCompiler, **options: Any) -> str:  # noqa: ANN401
    column, ids = (compiler.process(each, **options) for each in element.clauses)
    return f"{column} = ANY ({ids})"


@compiles(one_of, "sqlite")
def _json(element: one_of, compiler: SQLCompiler, **options: Any) -> str:  # noqa: ANN401
    column, ids = (compiler.process(each, **options) for each in element.clauses)
    return f"{column} IN (SELECT value FROM json_each({ids}))"  # noqa: S608 - compiled parts


@dataclass(frozen=True, slots=True)
class Within:
    """Where: at or below one of these paths; None: anywhere.

    ``structure_ids``: the same, once looked up, if they are not too many: PostgreSQL then knows how
    many people that means, which it cannot tell from paths.
    """

    roots: tuple[str, ...] | None
    structure_ids: tuple[int, ...] | None = None

    @classmethod
    def reach(cls, actor: Actor, application_id: int | None = None) -> "Within":
        """The actor's subtrees; with an application those of the mandates that cover it."""
        if actor.everywhere:
            return cls(None)
        roots = {
            scope.root
            for scope in actor.scopes
            if application_id is None or application_id in scope.application_ids
        }
        return cls(_outermost(roots))

    def narrowed(self, path: str, structure_id: int, *, below: bool) -> "Within":
        """What of it lies in this structure, with or without what is beneath."""
        if below:
            if self.roots is None:
                return Within((path,))
            inner = {path for root in self.roots if path.startswith(root)}
            inner |= {root for root in self.roots if root.startswith(path)}
            return Within(_outermost(inner))
        inside = self.roots is None or any(path.startswith(root) for root in self.roots)
        return Within((), (structure_id,) if inside else ())

    def conditions(
        self,
        membership: FromClause = MEMBERSHIP,
        structure: FromClause = STRUCTURE,
        *,
        leads: bool = False,
    ) -> list[ColumnElement[bool]]:
        """As SQL, on a membership and its structure; nothing when nothing bounds it.

        ``leads``: what is found is best found by it, for nothing else leads to its rows.
        """
        if self.structure_ids is not None:
            return [one_of(membership.c.structure_id, self.structure_ids, leads=leads)]
        place = self.holds(structure)
        return [] if place is None else [place]

    @property
    def by_structure(self) -> bool:
        """Whether the conditions ask the structure, not the membership alone."""
        return self.structure_ids is None and self.roots is not None

    def holds(self, structure: FromClause = STRUCTURE) -> ColumnElement[bool] | None:
        """As SQL, on the structure alone; None when nothing bounds it."""
        if self.roots is None:
            return None
        paths = [structure.c.path.startswith(root, autoescape=True) for root in self.roots or ()]
        return or_(*paths) if paths else false()


def _outermost(roots: set[str]) -> tuple[str, ...]:
    """Without those that lie in another."""
    kept: list[str] = []
    for root in sorted(roots):
        if not kept or not root.startswith(kept[-1]):
            kept.append(root)
    return tuple(kept)
