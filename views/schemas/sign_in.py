"""The shape of the sign-in form."""

import unicodedata
from collections.abc import Callable

import colander
from deform.widget import CheckboxWidget, HiddenWidget, PasswordWidget, TextInputWidget

MAX_LOGIN = 254
MAX_PASSWORD_BYTES = 4096
MAX_FLOW = 200
MAX_WAY_BACK = 1600


def at_most_bytes(limit: int, message: str) -> Callable[[colander.SchemaNode, str], None]:
    """A validator: bounded in bytes, because that is what hashing costs."""

    def validate(node: colander.SchemaNode, value: str) -> None:
        if len(value.encode("utf-8", "surrogatepass")) > limit:
            raise colander.Invalid(node, message)

    return validate


def without_controls(message: str) -> Callable[[colander.SchemaNode, str], None]:
    """A validator: no control character, which some databases cannot even compare with."""

    def validate(node: colander.SchemaNode, value: str) -> None:
        if any(unicodedata.category(character) in {"Cc", "Cs"} for character in value):
            raise colander.Invalid(node, message)

    return validate


class SignInSchema(colander.MappingSchema):
    """E-mail, password, whether to keep the address, and the sign-on that waits."""

    login = colander.SchemaNode(
        colander.String(),
        title="Adresse e-mail",
        missing_msg="Saisissez votre adresse e-mail.",
        validator=colander.All(
            colander.Length(max=MAX_LOGIN, max_err="Cette adresse e-mail est trop longue."),
            without_controls("Cette adresse e-mail contient un caractère qui n'est pas permis."),
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
        description="Votre adresse professionnelle, par exemple prenom.nom@ville.fr",
    )
    password = colander.SchemaNode(
        colander.String(),
        title="Mot de passe",
        missing_msg="Saisissez votre mot de passe.",
        validator=at_most_bytes(MAX_PASSWORD_BYTES, "Ce mot de passe est trop long."),
        widget=PasswordWidget(strip=False, attributes={"autocomplete": "current-password"}),
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
    flow = colander.SchemaNode(
        colander.String(),
        missing="",
        validator=colander.Length(max=MAX_FLOW),
        widget=HiddenWidget(),
    )
