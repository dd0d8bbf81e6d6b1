"""The words of the mails: ``idp.mail_texts`` names :func:`build`.

No mail carries a secret. The first one names whom to ask for a password, as the sign-in page does.
"""

from collections.abc import Callable, Mapping

from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape

from idp.mail import MailText
from idp.settings import Settings

SUBJECTS = {
    "account-created": "Création de votre profil utilisateur",
    "membership-added": "Nouvelle structure sur votre profil utilisateur",
    "membership-added-elsewhere": "Un de vos utilisateurs est rattaché à une autre structure",
    "key-ending": "Le certificat d'une clé prend bientôt fin",
    "role-granted-to-oneself": "Un référent s'est affecté un rôle",
}


def build(settings: Settings) -> Callable[[str, Mapping[str, object]], MailText]:
    """A function from a kind and its parameters to the mail.

    Parameters of ``account-created``: ``given_name``, ``sn``, ``mail``; of ``membership-added``
    and ``membership-added-elsewhere`` (to the person's first référent) also ``structure`` (its
    path); of ``role-granted-to-oneself`` also ``application`` and ``role``; of
    ``key-ending`` alone ``kid``, ``use`` and ``ends_at`` (aware datetime). ``portal_url`` replaces
    the settings' public URL.

    Raises (the function):
        KeyError: no mail of this kind.
        jinja2.UndefinedError: a parameter is missing.
    """
    templates = Environment(
        loader=PackageLoader("views", "templates/mails"),
        autoescape=select_autoescape(enabled_extensions=("html.jinja2",)),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    templates.globals.update(organization=settings.organization, portal_url=settings.public_url)

    def write(kind: str, parameters: Mapping[str, object]) -> MailText:
        subject = f"[{settings.organization.portal_name}] {SUBJECTS[kind]}"
        return MailText(
            subject=subject,
            text=templates.get_template(f"{kind}.txt.jinja2").render(parameters, subject=subject),
            html=templates.get_template(f"{kind}.html.jinja2").render(parameters, subject=subject),
        )

    return write
