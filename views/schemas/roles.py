"""The shapes of *Affecter*, *Désaffecter*, *Réaffecter* and *Modifier les dates*."""

from collections.abc import Iterable

import colander

from views.schemas.access import Option, Options
from views.schemas.days import day_node
from views.schemas.fields import at_most, hidden_node

MAX_ID = 64

BEGINS, ENDS = "debut", "fin"


def dates_schema() -> colander.MappingSchema:
    """From and until, both included, both optional."""
    schema = colander.MappingSchema()
    schema.add(day_node(BEGINS, "À partir du", "Vide : tout de suite."))
    schema.add(day_node(ENDS, "Jusqu'au", "Ce jour est compris. Vide : sans fin."))
    return schema


def member_dates_schema() -> colander.MappingSchema:
    """Those of one member, as they were shown."""
    schema = dates_schema()
    schema.add(hidden_node("membre", MAX_ID))
    schema.add(hidden_node("version", MAX_ID))
    return schema


def member_schema() -> colander.MappingSchema:
    """One member."""
    schema = colander.MappingSchema()
    schema.add(hidden_node("membre", MAX_ID))
    return schema


def other_role_schema(roles: Iterable[Option]) -> colander.MappingSchema:
    """The role that one member gets instead, and what was shown of him."""
    schema = colander.MappingSchema()
    schema.add(
        colander.SchemaNode(
            colander.String(),
            name="nouveau",
            title="Nouveau rôle",
            missing_msg="Choisissez le nouveau rôle.",
            validator=at_most(MAX_ID, "Choisissez un rôle de la liste."),
            widget=Options(roles),
        )
    )
    schema.add(hidden_node("membre", MAX_ID))
    schema.add(hidden_node("version", MAX_ID))
    return schema
