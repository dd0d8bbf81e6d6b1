"""The shape of a structure's edit and of a new one's."""

import colander
from deform.widget import TextInputWidget

from idp.names import ISOLATED_BAR, parts_paths
from views.schemas.fields import at_most, box_node, hidden_node, missing_if_unseen, recordable

MAX_LABEL = 200
MAX_SIRET = 20  # 14 digits, as people space them
MAX_VERSION = 64
MAX_KEY = 40


def structure_schema(*, siret: bool = False, twin: bool = False) -> colander.MappingSchema:
    """Label and the version that was shown; with a SIRET for who keeps it.

    ``twin``: with a box to confirm a label that a sibling has.
    """
    schema = _labelled(twin=twin)
    if siret:
        schema.add(_siret())
    schema.add(hidden_node("version", MAX_VERSION))
    return schema


def new_structure_schema(*, twin: bool = False) -> colander.MappingSchema:
    """The same of a new one: its label alone; ``dossier`` tells one form from another."""
    schema = _labelled(twin=twin)
    schema.add(hidden_node("dossier", MAX_KEY))
    return schema


def _labelled(*, twin: bool) -> colander.MappingSchema:
    schema = colander.MappingSchema()
    schema.add(_label())
    if twin:
        schema.add(box_node("homonyme", "Oui, je veux deux structures de ce nom à cet endroit"))
    return schema


def _label() -> colander.SchemaNode:
    return colander.SchemaNode(
        colander.String(),
        name="libelle",
        title="Nom de la structure",
        description="Par exemple : Direction des ressources humaines, Service paie.",
        missing_msg="Saisissez le nom de la structure.",
        preparer=missing_if_unseen,
        validator=colander.All(
            at_most(MAX_LABEL, f"Ce nom est trop long : {MAX_LABEL} caractères au plus."),
            recordable,
            _of_one_structure,
        ),
        widget=TextInputWidget(
            attributes={"maxlength": str(MAX_LABEL), "autocomplete": "off", "spellcheck": "true"}
        ),
    )


def _of_one_structure(node: colander.SchemaNode, value: str) -> None:
    if parts_paths(value):
        raise colander.Invalid(node, ISOLATED_BAR)


def _siret() -> colander.SchemaNode:
    return colander.SchemaNode(
        colander.String(),
        name="siret",
        title="Numéro SIRET",
        description="14 chiffres. Vide : celui de la structure qui la contient.",
        missing="",
        validator=at_most(MAX_SIRET, "Un numéro SIRET a 14 chiffres."),
        widget=TextInputWidget(
            attributes={"maxlength": str(MAX_SIRET), "inputmode": "numeric", "autocomplete": "off"}
        ),
    )
