"""The shapes of the forms that lead to a new password."""

from typing import Any

import colander
from deform.widget import PasswordWidget, TextInputWidget

from idp.self_service import PasswordPolicy
from views.schemas.sign_in import flow_node, login_node, password_node

DIFFERENT = "Les deux saisies ne sont pas les mêmes. Saisissez de nouveau le mot de passe."


class AskSchema(colander.MappingSchema):
    """The address that a link is to be mailed to, and the sign-on that waits."""

    login = login_node(
        "L'adresse professionnelle que votre référent administrateur a enregistrée",
        colander.Regex(
            r"^\s*[^@\s]+@[^@\s]+\s*$",
            msg="Cette adresse n'est pas complète : elle s'écrit prenom.nom@ville.fr",
        ),
    )
    flow = flow_node()


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
        password_node(
            "new",
            "Nouveau mot de passe",
            "Choisissez un mot de passe.",
            NewPasswordWidget(policy),
        ),
        password_node(
            "confirm",
            "Le même, une seconde fois",
            "Saisissez le mot de passe une seconde fois.",
            PasswordWidget(strip=False, attributes={"autocomplete": "new-password"}),
        ),
    ]


def shown_login_node(login: str) -> colander.SchemaNode:
    """Whose password it is: password managers ask."""
    return colander.SchemaNode(
        colander.String(), name="login", title="Adresse mail", widget=ShownLoginWidget(login)
    )


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
        shown_login_node(login),
        *new_password_nodes(policy),
        validator=typed_alike,
    )
