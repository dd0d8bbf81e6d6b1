"""The shape of the sign-in form."""

import unicodedata
from collections.abc import Callable

import colander
from deform.widget import CheckboxWidget, HiddenWidget, PasswordWidget, TextInputWidget

MAX_LOGIN = 254
MAX_PASSWORD_BYTES = 4096
MAX_FLOW = 200
MAX_WAY_BACK = 1600

Validator = Callable[[colander.SchemaNode, str], None]


def at_most_bytes(limit: int, message: str) -> Validator:
    """A validator: bounded in bytes, because that is what hashing costs."""

    def validate(node: colander.SchemaNode, value: str) -> None:
        if len(value.encode("utf-8", "surrogatepass")) > limit:
            raise colander.Invalid(node, message)

    return validate


def without_controls(message: str) -> Validator:
    """A validator: no control character, which some databases cannot even compare with."""

    def validate(node: colander.SchemaNode, value: str) -> None:
        if any(unicodedata.category(character) in {"Cc", "Cs"} for character in value):
            raise colander.Invalid(node, message)

    return validate


def login_node(description: str, *validators: Validator) -> colander.SchemaNode:
    """The address of an account, as a browser may fill it in; ``validators`` ask for more."""
    return colander.SchemaNode(
        colander.String(),
        name="login",
        title="Adresse e-mail",
        missing_msg="Saisissez votre adresse e-mail.",
        validator=colander.All(
            colander.Length(max=MAX_LOGIN, max_err="Cette adresse e-mail est trop longue."),
            without_controls("Cette adresse e-mail contient un caractère qui n'est pas permis."),
            *validators,
        ),
        widget=TextInputWidget(
            attributes={
                "type": "email",
                "autocomplete": "username",
                "autocapitalize": "none",
                "spellcheck": "false",
                "maxlength": str(MAX_LOGIN),
            }
        ),
        description=description,
    )


def password_node(
    name: str, title: str, missing: str, widget: PasswordWidget
) -> colander.SchemaNode:
    """A password, of a length that is worth hashing."""
    return colander.SchemaNode(
        colander.String(),
        name=name,
        title=title,
        missing_msg=missing,
        validator=at_most_bytes(MAX_PASSWORD_BYTES, "Ce mot de passe est trop long."),
        widget=widget,
    )


def flow_node() -> colander.SchemaNode:
    """The sign-on that waits, carried along."""
    return colander.SchemaNode(
        colander.String(),
        name="flow",
        missing="",
        validator=colander.Length(max=MAX_FLOW),
        widget=HiddenWidget(),
    )


class SignInSchema(colander.MappingSchema):
    """E-mail, password, whether to keep the address, and the sign-on that waits."""

    login = login_node("Votre adresse professionnelle, par exemple prenom.nom@ville.fr")
    password = password_node(
        "password",
        "Mot de passe",
        "Saisissez votre mot de passe.",
        PasswordWidget(strip=False, attributes={"autocomplete": "current-password"}),
    )
    keep = colander.SchemaNode(
        colander.Boolean(),
        title="Retenir mon adresse sur cet ordinateur",
        missing=False,
        widget=CheckboxWidget(),
    )
    suite = colander.SchemaNode(
        colander.String(),
        missing="",
        validator=colander.Length(max=MAX_WAY_BACK),
        widget=HiddenWidget(),
    )
    flow = flow_node()
