"""The shape of the sign-in form."""

import colander
from deform.widget import CheckboxWidget, PasswordWidget

from views.schemas.fields import (
    MAX_LOGIN,
    Validator,
    at_most,
    hidden_node,
    mail_widget,
    without_controls,
)

MAX_PASSWORD_BYTES = 4096
MAX_FLOW = 200
MAX_WAY_BACK = 1600


def at_most_bytes(limit: int, message: str) -> Validator:
    """A validator: bounded in bytes, because that is what hashing costs."""

    def validate(node: colander.SchemaNode, value: str) -> None:
        if len(value.encode("utf-8", "surrogatepass")) > limit:
            raise colander.Invalid(node, message)

    return validate


def login_node(description: str, *validators: Validator) -> colander.SchemaNode:
    """The address of an account, as a browser may fill it in; ``validators`` ask for more."""
    return colander.SchemaNode(
        colander.String(),
        name="login",
        title="Adresse mail",
        missing_msg="Saisissez votre adresse mail.",
        validator=colander.All(
            at_most(MAX_LOGIN, "Cette adresse mail est trop longue."),
            without_controls("Cette adresse mail contient un caractère qui n'est pas permis."),
            *validators,
        ),
        widget=mail_widget(autocomplete="username"),
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
    return hidden_node("flow", MAX_FLOW)


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
    suite = hidden_node("suite", MAX_WAY_BACK)
    flow = flow_node()
