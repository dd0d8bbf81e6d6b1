"""The shape of the form that changes one's password."""

import colander
from deform.widget import PasswordWidget

from idp.self_service import PasswordPolicy
from views.schemas.passwords import new_password_nodes, shown_login_node, typed_alike
from views.schemas.sign_in import password_node


def change_schema(login: str, policy: PasswordPolicy) -> colander.MappingSchema:
    """Whose it is (password managers ask), the old one, and the new one twice."""
    return colander.MappingSchema(
        shown_login_node(login),
        password_node(
            "old",
            "Mot de passe actuel",
            "Saisissez votre mot de passe actuel.",
            PasswordWidget(strip=False, attributes={"autocomplete": "current-password"}),
        ),
        *new_password_nodes(policy),
        validator=typed_alike,
    )
