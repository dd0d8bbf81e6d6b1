"""The words of the mails: ``idp.mail_texts`` names :func:`build`.

No mail carries a password. What each kind is given is in :mod:`views.mail_parameters`.
"""

import re
from collections.abc import Callable, Mapping
from datetime import date

from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape
from jinja2.filters import do_urlize
from jinja2.nodes import EvalContext
from markupsafe import Markup

from idp.log import logger
from idp.mail import MailText
from idp.names import full_name
from idp.settings import Settings
from views import mail_overrides, mail_parameters
from views.mail_overrides import CLOSING, OwnText
from views.mail_parameters import SAMPLES
from views.theme import BLACK, DARK_SURFACE, LIGHT_SURFACE, WHITE, parse, readable

SUBJECTS = {
    "account-created": "Création de votre profil utilisateur",
    "membership-added": "Nouvelle structure sur votre profil utilisateur",
    "membership-added-elsewhere": "Un de vos utilisateurs est rattaché à une autre structure",
    "membership-refused": "Un rattachement à votre structure est refusé",
    "key-ending": "Le certificat d'une clé prend bientôt fin",
    "role-granted-to-oneself": "Un référent s'est affecté un rôle",
    "access-requested": "Demande d'accès à une application",
    "access-granted": "Votre demande d'accès est acceptée",
    "access-refused": "Votre demande d'accès est refusée",
    "problem-reported": "Un utilisateur signale un problème",
    "account-ending": "Votre compte prend bientôt fin",
    "address-changed": "Votre adresse a été remplacée",
    "address-put-back": "Cette adresse n'est plus celle d'un compte",
    "address-refused": "Un changement d'adresse est refusé",
    "password-first-visit": "Votre première visite",
    "password-reset": "Choisir un nouveau mot de passe",
    "password-refused": "Votre compte ne peut pas être utilisé",
    "password-chosen": "Votre mot de passe est enregistré",
    "password-changed": "Votre mot de passe a été changé",
    "roles-changed": "Vos rôles ont changé",
}

Words = Callable[[str, Mapping[str, object]], MailText]


def build(settings: Settings) -> Words:
    """A function from a kind and its parameters to the mail.

    ``portal_url`` among the parameters replaces the settings' public URL; a ``link`` makes the mail
    one whose text is erased as soon as nobody sends it any more.

    Raises:
        ConfigurationError: a text of the operator's is wrong.

    Raises (the function):
        KeyError: no mail of this kind.
        TypeError: a parameter is missing, or one too many.
    """
    templates = environment(settings)
    own = mail_overrides.read(settings, templates, SAMPLES)
    closing = own.pop(CLOSING, OwnText(None, None)).text
    templates.globals["closing"] = closing.render().strip() if closing else ""

    def write(kind: str, parameters: Mapping[str, object]) -> MailText:
        mail_parameters.check(kind, parameters)
        title = SUBJECTS[kind]
        ours = _ours(templates, kind, title, parameters)
        if kind not in own:
            return ours
        try:
            return _own(templates, own[kind], title, ours, parameters)
        except Exception:  # noqa: BLE001 - whatever a template may raise
            # What the mail tells of must not fail for a word in a file.
            logger.exception("mail.own-text-failed", kind=kind)
            return ours

    return write


def environment(settings: Settings) -> Environment:
    """What renders our own texts."""
    templates = Environment(
        loader=PackageLoader("views", "templates/mails"),
        autoescape=select_autoescape(enabled_extensions=("html.jinja2",)),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    color = parse(settings.organization.color)
    filters: dict[str, Callable[..., str]] = {
        "paragraphs": lambda text: _paragraphs(templates, text),
        "french_date": _french_date,
    }
    templates.filters.update(filters)
    templates.globals.update(
        organization=settings.organization,
        portal_url=settings.public_url,
        closing="",
        full_name=full_name,
        colors={
            "light": readable(color, LIGHT_SURFACE, towards=BLACK),
            "dark": readable(color, DARK_SURFACE, towards=WHITE),
        },
    )
    return templates


def _ours(
    templates: Environment, kind: str, title: str, parameters: Mapping[str, object]
) -> MailText:
    subject = _subject(templates, title)
    text = templates.get_template(f"{kind}.txt.jinja2").render(parameters, subject=subject)
    return MailText(
        subject=subject,
        # A condition that does not hold leaves its blank lines behind.
        text=re.sub(r"\n{3,}", "\n\n", text).strip() + "\n",
        html=templates.get_template(f"{kind}.html.jinja2").render(parameters, subject=subject),
        has_link="link" in parameters,
    )


def _own(
    templates: Environment,
    own: OwnText,
    title: str,
    ours: MailText,
    parameters: Mapping[str, object],
) -> MailText:
    """The operator's words, in our page; ours where he has none."""
    heading = " ".join(own.subject.render(parameters).split()) if own.subject else title
    subject = _subject(templates, heading)
    if own.text is None:
        return MailText(subject, ours.text, ours.html, ours.has_link)
    words = own.text.render(parameters).strip()
    notice = templates.get_template("notice.txt.jinja2").render().strip()
    page = templates.get_template("operator.html.jinja2")
    html = page.render(subject=subject, heading=heading, own_text=words)
    return MailText(subject, f"{words}\n\n{notice}\n", html, ours.has_link)


def _subject(templates: Environment, title: str) -> str:
    organization = templates.globals["organization"]
    return f"[{organization.portal_name}] {title}"  # type: ignore[attr-defined]


def _paragraphs(templates: Environment, text: str) -> Markup:
    """Plain text as a page has it: blank lines part paragraphs, addresses are links."""
    context = EvalContext(templates)
    context.autoescape = True
    made = [
        Markup("<br>\n").join(Markup(do_urlize(context, line)) for line in part.splitlines())  # noqa: S704 - urlize escapes
        for part in re.split(r"\n\s*\n", text.strip())
    ]
    return Markup("\n").join(Markup("<p>{}</p>").format(each) for each in made)


def _french_date(value: date | None) -> str:
    """``20/11/2026``; nothing of no date."""
    return value.strftime("%d/%m/%Y") if value else ""
