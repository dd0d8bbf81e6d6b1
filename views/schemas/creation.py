"""The shapes of *Créer un utilisateur*: an address, a person in a structure, roles."""

from collections.abc import Callable, Iterable, Sequence
from typing import Protocol

import colander
from deform.widget import (
    CheckboxChoiceWidget,
    SelectWidget,
)

from idp.names import SEPARATOR
from views.schemas.fields import (
    MAX_LOGIN,
    at_most,
    box_node,
    hidden_node,
    line_node,
    mail_node,
    search_node,
)

MAX_NAME = 100
MAX_CODE = 64
MAX_KEY = 40
MAX_SEARCH = 100
NOT_OFFERED = "Choisissez une structure de la liste."
PERSONAL = "Je confirme que cette adresse est celle d'une seule personne"


class Coded(Protocol):
    """A role."""

    @property
    def code(self) -> str:
        """As the directory knows it."""

    @property
    def label(self) -> str:
        """As people do."""


class Place(Coded, Protocol):
    """A structure."""

    @property
    def label_path(self) -> str:
        """From the root down to itself."""


class Offer(Coded, Protocol):
    """An application with the roles on offer."""

    @property
    def single_role(self) -> bool:
        """Whether one person has one of them at most."""

    @property
    def roles(self) -> Sequence[Coded]:
        """In the order of the page."""


Line = tuple[str, str, int]
"""Field, title and the longest text."""

MORE: tuple[Line, ...] = (
    ("service", "Service", 200),
    ("fonction", "Fonction", 200),
    ("identifiant", "Identifiant applicatif", 100),
)
ADDRESS: Line = ("adresse_postale", "Adresse postale", 500)
PHONE: Line = ("telephone", "Numéro de téléphone", 40)


class Structures(SelectWidget):  # type: ignore[misc]
    """One of the structures, by its path without what all of them begin with."""

    def __init__(self, choices: Sequence[Place]) -> None:
        common = _common([each.label_path for each in choices])
        super().__init__(
            values=[
                ("", "Choisissez une structure"),
                *((each.code, each.label_path[common:]) for each in choices),
            ]
        )


class RoleTree(CheckboxChoiceWidget):  # type: ignore[misc]
    """Applications that unfold to their roles; of one that takes a single role at most one."""

    template = "role_tree"

    def __init__(self, applications: Iterable[Offer]) -> None:
        self.applications = tuple(applications)
        super().__init__(values=[])


def key(application: str, role: str) -> str:
    """What a form calls a role; codes have no colon."""
    return f"{application}:{role}"


def address_schema() -> colander.MappingSchema:
    """The first step; ``dossier``: the creation whose address is corrected, empty for a new one."""
    schema = colander.MappingSchema()
    schema.add(hidden_node("dossier", MAX_KEY))
    schema.add(_address())
    return schema


def person_schema(
    choices: Sequence[Place], *, named: bool, off: frozenset[str], search: bool
) -> colander.MappingSchema:
    """The second step. ``named``: the name is asked for; ``off``: fields that are not.

    ``search``: there are too many structures for one list, and a field that searches them.
    """
    schema = colander.MappingSchema()
    _add_creation(schema)
    _add_person(schema, choices, named=named, off=off, search=search)
    return schema


def one_page_schema(
    choices: Sequence[Place], *, off: frozenset[str], search: bool, generic: bool
) -> colander.MappingSchema:
    """*Ajout d'un nouvel utilisateur*: everything but roles.

    ``vu`` is the address of which he was told what it is; ``generic``: it looks like a desk's;
    ``dossier`` tells one form from another.
    """
    schema = colander.MappingSchema()
    schema.add(hidden_node("dossier", MAX_KEY))
    schema.add(hidden_node("vu", MAX_LOGIN))
    schema.add(_address())
    if generic:
        schema.add(box_node("personnelle", PERSONAL))
    _add_person(schema, choices, named=True, off=off, search=search)
    return schema


def roles_schema(applications: Iterable[Offer]) -> colander.MappingSchema:
    """The third step: any of the roles on offer."""
    offered = tuple(applications)
    known = {key(each.code, role.code) for each in offered for role in each.roles}
    schema = colander.MappingSchema()
    _add_creation(schema)
    schema.add(
        colander.SchemaNode(
            colander.Set(),
            name="roles",
            title="Rôles",
            missing=(),
            preparer=lambda values: {each for each in values or () if each},
            validator=_one_of_each(offered, known),
            widget=RoleTree(offered),
        )
    )
    return schema


def _one_of_each(
    offered: tuple[Offer, ...], known: set[str]
) -> Callable[[colander.SchemaNode, set[str]], None]:
    def validate(node: colander.SchemaNode, values: set[str]) -> None:
        if not values <= known:
            raise colander.Invalid(node, "Un rôle n'est plus proposé. Choisissez de nouveau.")
        for each in offered:
            chosen = sum(key(each.code, role.code) in values for role in each.roles)
            if each.single_role and chosen > 1:
                raise colander.Invalid(node, f"« {each.label} » n'accepte qu'un rôle par personne.")

    return validate


def _address() -> colander.SchemaNode:
    node = mail_node("adresse", "Adresse mail", "Saisissez l'adresse mail de la personne.")
    node.description = "L'adresse professionnelle et nominative de la personne."
    node.starred = True
    return node


def _add_creation(schema: colander.MappingSchema) -> None:
    """Of which creation a later step is, and of whom: that is told once it is over."""
    schema.add(hidden_node("dossier", MAX_KEY))
    schema.add(hidden_node("pour", MAX_LOGIN))


def _add_person(
    schema: colander.MappingSchema,
    choices: Sequence[Place],
    *,
    named: bool,
    off: frozenset[str],
    search: bool,
) -> None:
    if named:
        schema.add(line_node("nom", "Nom", MAX_NAME, "Saisissez le nom."))
        schema.add(line_node("prenom", "Prénom", MAX_NAME, "Saisissez le prénom."))
    if search:
        schema.add(search_node("recherche", "Rechercher une structure", MAX_SEARCH))
    schema.add(
        colander.SchemaNode(
            colander.String(),
            name="structure",
            title="Structure d'appartenance",
            starred=True,
            missing_msg="Choisissez la structure d'appartenance.",
            validator=at_most(MAX_CODE, NOT_OFFERED),
            widget=Structures(choices),
        )
    )
    for name, title, longest in MORE:
        schema.add(line_node(name, title, longest))
    if "postal_address" not in off:
        schema.add(line_node(*ADDRESS))
    if "phone" not in off:
        schema.add(line_node(*PHONE))
    if "teleworking" not in off:
        schema.add(box_node("teletravail", "Télétravail"))


def _common(paths: list[str]) -> int:
    """How many characters all paths begin with, up to a whole name; none when one is so alone."""
    if not paths:
        return 0
    first, last = min(paths), max(paths)
    same = next(
        (at for at, letters in enumerate(zip(first, last, strict=False)) if len(set(letters)) > 1),
        len(first),
    )
    cut = first.rfind(SEPARATOR, 0, same)
    return cut + len(SEPARATOR) if cut >= 0 else 0
