"""The shapes of *Éditer l'utilisateur*, *Changer d'adresse* and *Changer de structure*."""

from collections.abc import Iterable
from dataclasses import dataclass

import colander
from deform.widget import FormWidget

from views.schemas.access import Ticks
from views.schemas.creation import (
    ADDRESS,
    MAX_CODE,
    MAX_NAME,
    MAX_SEARCH,
    MORE,
    NOT_OFFERED,
    PERSONAL,
    PHONE,
    Structures,
)
from views.schemas.days import day_node
from views.schemas.fields import (
    MAX_LOGIN,
    at_most,
    box_node,
    hidden_node,
    line_node,
    mail_node,
    search_node,
)

MAX_VERSION = 4000
SUSPENDED = "Suspendre ce rattachement : il n'ouvre plus aucune application"
LOCKED = "Verrouillage du compte"
RESET = "Réinitialisation mot de passe"

COLUMNS = {
    "service": "service",
    "fonction": "function",
    "identifiant": "application_identifier",
    "adresse_postale": "postal_address",
    "telephone": "phone",
}
"""A membership's texts: the name of the field, and of the column."""


@dataclass(frozen=True, slots=True)
class Part:
    """A membership of the form; ``bounded``: with its own dates and suspension."""

    id: str
    title: str
    bounded: bool


def field_name(name: str, part: Part) -> str:
    """A field of this membership."""
    return f"{name}-{part.id}"


def edit_schema(
    *, account: bool, link: bool, parts: Iterable[Part], off: frozenset[str]
) -> colander.MappingSchema:
    """The fields of the account, if they may be changed, then those of each membership."""
    schema = colander.MappingSchema(widget=FormWidget(template="person_form"))
    schema.add(hidden_node("version", MAX_VERSION))
    if account:
        schema.add(line_node("nom", "Nom", MAX_NAME, "Saisissez le nom."))
        schema.add(line_node("prenom", "Prénom", MAX_NAME, "Saisissez le prénom."))
        schema.add(
            day_node("debut", "Date de début de validité du compte", "Premier jour, inclus.")
        )
        schema.add(
            day_node(
                "fin", "Date de fin de validité du compte", "Dernier jour, inclus. Vide : sans fin."
            )
        )
        schema.add(box_node("verrouille", LOCKED, "Coché : la personne ne peut plus se connecter."))
    if link:
        schema.add(
            box_node(
                "reinitialisation",
                RESET,
                "Coché : un mail lui propose d'en choisir un autre, et ses sessions se ferment.",
            )
        )
    for part in parts:
        for node in _membership(part, off):
            node.part = part.id
            schema.add(node)
    for node in schema:
        node.starred = True  # what is wanted has a star; the rest needs no word
    return schema


def _membership(part: Part, off: frozenset[str]) -> Iterable[colander.SchemaNode]:
    for name, title, longest in (*MORE, ADDRESS, PHONE):
        if COLUMNS[name] not in off:
            yield line_node(field_name(name, part), title, longest)
    if "teleworking" not in off:
        yield box_node(field_name("teletravail", part), "Télétravail")
    if part.bounded:
        yield day_node(field_name("debut", part), "Début du rattachement", "Vide : sans début.")
        yield day_node(field_name("fin", part), "Fin du rattachement", "Vide : sans fin.")
        yield box_node(field_name("suspendu", part), SUSPENDED)


def address_change_schema(*, generic: bool) -> colander.MappingSchema:
    """The new address, and the one that was shown; ``generic``: with a box to confirm it."""
    schema = colander.MappingSchema()
    schema.add(hidden_node("ancienne", MAX_LOGIN))
    schema.add(mail_node("adresse", "Nouvelle adresse mail", "Saisissez la nouvelle adresse mail."))
    if generic:
        schema.add(box_node("personnelle", PERSONAL))
    return schema


def move_schema(
    places: Structures, roles: Iterable[tuple[str, str]], *, search: bool
) -> colander.MappingSchema:
    """Where to, and the roles that go along (what a form calls them, and their words).

    ``search``: there are too many structures for one list, and a field that searches them.
    """
    schema = colander.MappingSchema()
    for name, longest in (("rattachement", MAX_CODE), ("version", MAX_VERSION)):
        schema.add(hidden_node(name, longest))
    if search:
        schema.add(search_node("recherche", "Rechercher une structure", MAX_SEARCH))
    schema.add(
        colander.SchemaNode(
            colander.String(),
            name="structure",
            title="Nouvelle structure d'appartenance",
            missing_msg="Choisissez la nouvelle structure.",
            validator=at_most(MAX_CODE, NOT_OFFERED),
            widget=places,
        )
    )
    held = tuple((value, title, "") for value, title in roles)
    if held:
        schema.add(
            colander.SchemaNode(
                colander.Set(),
                name="roles",
                title="Rôles à garder",
                description="Ceux que vous décochez lui sont retirés.",
                missing=(),
                widget=Ticks(held),
            )
        )
    return schema
