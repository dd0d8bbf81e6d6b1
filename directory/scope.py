"""What an actor sees, as SQL: :func:`directory.authorisation.may` says the same of one row."""

from sqlalchemy import ColumnElement, FromClause, true

from directory.authorisation import Actor
from directory.people.within import Within
from directory.validity import STRUCTURE


def visible_to(actor: Actor, structure: FromClause = STRUCTURE) -> ColumnElement[bool]:
    """Whether the structure of a row lies in one of his subtrees."""
    place = Within.reach(actor).holds(structure)
    return true() if place is None else place
