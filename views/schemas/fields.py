"""Fields that several forms have: a line of text, an address, a box, what is carried along."""

import unicodedata
from collections.abc import Callable

import colander
from deform.widget import CheckboxWidget, HiddenWidget, TextInputWidget

from idp.folding import legible, visible

MAX_LOGIN = 254
NOT_PERMITTED = "Ce texte contient un caractère qui n'est pas permis."
NOT_OURS = "Cette page n'est plus valable : ouvrez-la de nouveau."
"""Of what a page carries along and nobody types."""

Validator = Callable[[colander.SchemaNode, str], None]


def without_controls(message: str) -> Validator:
    """A validator: no control character, which some databases cannot even compare with."""

    def validate(node: colander.SchemaNode, value: str) -> None:
        if any(unicodedata.category(character) in {"Cc", "Cs"} for character in value):
            raise colander.Invalid(node, message)

    return validate


def recordable(node: colander.SchemaNode, value: str) -> None:
    """A validator: something to read, and nothing that could not be shown.

    What the directory asks of every text, in its words; said here, it is said at the field.
    """
    if not "".join(visible(value).split()).isprintable():
        raise colander.Invalid(node, NOT_PERMITTED)
    if not legible(value):
        message = f"{node.title} : écrivez au moins une lettre ou un chiffre."
        raise colander.Invalid(node, message)


def at_most(longest: int, message: str = "") -> colander.Length:
    """A validator: no longer than that; every use says so in French, where colander would not."""
    told = message or f"Ce texte est trop long : {longest} caractères au plus."
    return colander.Length(max=longest, max_err=told)


def missing_if_unseen(value: object) -> object:
    """A preparer: what holds nothing but invisible signs was not filled in."""
    return value if not isinstance(value, str) or visible(value).strip() else colander.null


def hidden_node(name: str, longest: int) -> colander.SchemaNode:
    """What a form carries along; empty where it was not sent."""
    return colander.SchemaNode(
        colander.String(),
        name=name,
        missing="",
        validator=at_most(longest, NOT_OURS),
        widget=HiddenWidget(),
    )


def line_node(
    name: str,
    title: str,
    longest: int,
    wanted: str = "",
    *,
    validator: Validator = recordable,
) -> colander.SchemaNode:
    """A line of text; ``wanted``: what is said where it is missing, empty if it may be."""
    return colander.SchemaNode(
        colander.String(),
        name=name,
        title=title,
        starred=True,
        missing=colander.required if wanted else "",
        missing_msg=wanted,
        preparer=missing_if_unseen,
        validator=colander.All(at_most(longest), validator),
        widget=TextInputWidget(attributes={"autocomplete": "off", "maxlength": str(longest)}),
    )


def search_node(name: str, title: str, longest: int) -> colander.SchemaNode:
    """A line that is looked for and never recorded."""
    return line_node(name, title, longest, validator=without_controls(NOT_PERMITTED))


def box_node(name: str, title: str, description: str = "") -> colander.SchemaNode:
    """A box to tick; unticked where it was not sent."""
    return colander.SchemaNode(
        colander.Boolean(),
        name=name,
        title=title,
        description=description,
        missing=False,
        widget=CheckboxWidget(),
    )


def mail_node(name: str, title: str, missing: str) -> colander.SchemaNode:
    """The address of somebody else, which no browser fills in."""
    return colander.SchemaNode(
        colander.String(),
        name=name,
        title=title,
        missing_msg=missing,
        preparer=missing_if_unseen,
        validator=colander.All(
            at_most(MAX_LOGIN, "Cette adresse mail est trop longue."),
            without_controls("Cette adresse mail contient un caractère qui n'est pas permis."),
        ),
        widget=mail_widget(autocomplete="off"),
    )


def mail_widget(*, autocomplete: str) -> TextInputWidget:
    """A field for an address."""
    return TextInputWidget(
        attributes={
            "type": "email",
            "autocomplete": autocomplete,
            "autocapitalize": "none",
            "spellcheck": "false",
            "maxlength": str(MAX_LOGIN),
        }
    )
