"""The shape of the form that changes one's password."""

import colander
from deform.widget import PasswordWidget

from idp.self_service import PasswordPolicy
from views.schemas.passwords import ShownLoginWidget, new_password_nodes, typed_alike
from views.schemas.sign_in import MAX_PASSWORD_BYTES, at_most_bytes


def change_schema(login: str, policy: PasswordPolicy) -> colander.MappingSchema:
    """Whose it is (password managers ask), the old one, and the new one twice."""
    return colander.MappingSchema(
        colander.SchemaNode(
            colander.String(),
            name="login",
            title="Adresse e-mail",
            widget=ShownLoginWidget(login),
        ),
        colander.SchemaNode(
            colander.String(),
            name="old",
            title="Mot de passe actuel",
            missing_msg="Saisissez votre mot de passe actuel.",
            validator=at_most_bytes(MAX_PASSWORD_BYTES, "Ce mot de passe est trop long."),
            widget=PasswordWidget(strip=False, attributes={"autocomplete": "current-password"}),
        ),
        *new_password_nodes(policy),
        validator=typed_alike,
    )
