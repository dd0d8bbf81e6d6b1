"""The shapes of the forms that lead to a new password."""

from typing import Any

import colander
from deform.widget import HiddenWidget, PasswordWidget, TextInputWidget

from idp.self_service import PasswordPolicy
from views.schemas.sign_in import (
    MAX_FLOW,
    MAX_LOGIN,
    MAX_PASSWORD_BYTES,
    at_most_bytes,
    without_controls,
)

DIFFERENT = "Les deux saisies ne sont pas les mêmes. Saisissez de nouveau le mot de passe."


class AskSchema(colander.MappingSchema):
    """The address that a link is to be mailed to, and the sign-on that waits."""

    login = colander.SchemaNode(
        colander.String(),
        title="Adresse e-mail",
        missing_msg="Saisissez votre adresse e-mail.",
        validator=colander.All(
            colander.Length(max=MAX_LOGIN, max_err="Cette adresse e-mail est trop longue."),
            without_controls("Cette adresse e-mail contient un caractère qui n'est pas permis."),
            colander.Regex(
                r"^\s*[^@\s]+@[^@\s]+\s*$",
                msg="Cette adresse n'est pas complète : elle s'écrit prenom.nom@ville.fr",
            ),
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
        description="L'adresse professionnelle que votre référent administrateur a enregistrée",
    )
    flow = colander.SchemaNode(
        colander.String(),
        missing="",
        validator=colander.Length(max=MAX_FLOW),
        widget=HiddenWidget(),
    )


class ShownLoginWidget(TextInputWidget):
    """The address of the account: shown, kept by password managers, never read from the form."""

    template = "shown_login"

    def __init__(self, login: str) -> None:
        super().__init__()
        self._login = login

    def deserialize(self, field: object, pstruct: object) -> str:
        """What is posted is not looked at."""
        del field, pstruct
        return self._login


class NewPasswordWidget(PasswordWidget):
    """A password with its policy in words, checked while one types (``js/password.js``)."""

    template = "new_password"

    def __init__(self, policy: PasswordPolicy) -> None:
        super().__init__(strip=False, attributes={"autocomplete": "new-password"})
        self.policy = policy


def new_password_nodes(policy: PasswordPolicy) -> list[colander.SchemaNode]:
    """A new password, typed twice: ``new`` and ``confirm``; :func:`typed_alike` compares them."""
    return [
        colander.SchemaNode(
            colander.String(),
            name="new",
            title="Nouveau mot de passe",
            missing_msg="Choisissez un mot de passe.",
            validator=at_most_bytes(MAX_PASSWORD_BYTES, "Ce mot de passe est trop long."),
            widget=NewPasswordWidget(policy),
        ),
        colander.SchemaNode(
            colander.String(),
            name="confirm",
            title="Le même, une seconde fois",
            missing_msg="Saisissez le mot de passe une seconde fois.",
            validator=at_most_bytes(MAX_PASSWORD_BYTES, "Ce mot de passe est trop long."),
            widget=PasswordWidget(strip=False, attributes={"autocomplete": "new-password"}),
        ),
    ]


def typed_alike(node: colander.SchemaNode, values: dict[str, Any]) -> None:
    """A validator of the form: the two are the same.

    Raises:
        colander.Invalid: they are not; said at the second.
    """
    if values["new"] != values["confirm"]:
        error = colander.Invalid(node)
        error["confirm"] = DIFFERENT
        raise error


def choose_schema(login: str, policy: PasswordPolicy) -> colander.MappingSchema:
    """The form of a link: whose password it is, and the password twice."""
    return colander.MappingSchema(
        colander.SchemaNode(
            colander.String(),
            name="login",
            title="Adresse e-mail",
            widget=ShownLoginWidget(login),
        ),
        *new_password_nodes(policy),
        validator=typed_alike,
    )
