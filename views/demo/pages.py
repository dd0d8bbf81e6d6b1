"""The pages of the demonstration applications: French, plain HTML and CSS, no script."""

from datetime import UTC, datetime
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from views.demo.acceptance import Received, SignOnRefused
from views.demo.applications import (
    APPLICATIONS,
    EMAIL_ADDRESS,
    PERSISTENT,
    TRANSIENT,
    DemoApplication,
)

HERE = Path(__file__).parent

NAME_ID_FORMATS = {
    EMAIL_ADDRESS: "adresse mail",
    PERSISTENT: "identifiant permanent, propre à cette application",
    TRANSIENT: "identifiant de passage, nouveau à chaque connexion",
    "urn:oasis:names:tc:SAML:1.1:nameid-format:unspecified": "identifiant du compte",
}
STATUSES = {
    "RequestDenied": "Vous n'avez aucun rôle dans cette application, ou son accès est fermé.",
    "AuthnFailed": "La connexion au portail n'a pas abouti.",
    "NoPassive": "Le portail aurait dû vous poser une question, ce qui lui était interdit.",
    "NoAuthnContext": "Le mode de connexion exigé par l'application n'est pas disponible.",
    "InvalidNameIDPolicy": "L'identifiant demandé par l'application ne peut pas lui être donné.",
    "RequestUnsupported": "Le portail ne sait pas faire ce que l'application a demandé.",
    "UnknownPrincipal": "La personne attendue par l'application n'est pas celle qui est connectée.",
}
ATTRIBUTE_LABELS = {
    "uid": "Identifiant",
    "mail": "Adresse mail",
    "givenName": "Prénom",
    "sn": "Nom",
    "displayName": "Nom complet",
    "role": "Rôles",
    "structure": "Structure",
    "structurePath": "Chemin de la structure",
    "siret": "SIRET",
    "applicationId": "Identifiant applicatif",
}


class Pages:
    """Renders every page; ``portal`` is the public URL of the portal."""

    def __init__(self, portal: str) -> None:
        self._portal = portal.rstrip("/")
        self._environment = Environment(
            loader=FileSystemLoader(HERE / "templates" / "sp"),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )

    def index(self) -> str:
        """The four applications."""
        return self._render("index", applications=APPLICATIONS)

    def session(self, application: DemoApplication, received: Received, page: str) -> str:
        """Who is signed in, what was received, what was verified."""
        return self._render(
            "session",
            application=application,
            received=received,
            page=page if page != f"/{application.name}/" else "",
            name_id_format=NAME_ID_FORMATS.get(received.name_id_format, received.name_id_format),
            attributes=[
                (ATTRIBUTE_LABELS.get(attribute.friendly_name or attribute.name), attribute)
                for attribute in received.attributes
            ],
            checks=_checks(application, received),
        )

    def status(self, application: DemoApplication, refusal: SignOnRefused) -> str:
        """The portal answered that there is no sign-on."""
        code = (refusal.sub_status or refusal.status).rpartition(":")[2]
        sentence = STATUSES.get(code, "Le portail n'a pas pu donner suite à la demande.")
        return self._render(
            "status", application=application, refusal=refusal, code=code, sentence=sentence
        )

    def refused(self, application: DemoApplication) -> str:
        """What came is not to be trusted."""
        return self._render("refused", application=application)

    def closed(self, application: DemoApplication, outcome: str) -> str:
        """The session is over; ``outcome`` as in :class:`views.demo.logout.Ended`, or empty."""
        return self._render("closed", application=application, outcome=outcome)

    def logout_refused(self, application: DemoApplication) -> str:
        """A logout message that is not to be trusted."""
        return self._render("logout_refused", application=application)

    def not_ready(self) -> str:
        """The portal's metadata is not there yet."""
        return self._render("not_ready")

    def absent(self) -> str:
        """No such page."""
        return self._render("absent")

    def _render(self, name: str, **values: object) -> str:
        template = self._environment.get_template(f"{name}.html")
        return template.render(portal=self._portal, **values)


STATIC = {
    f"/{name}": ((HERE / "static" / name).read_bytes(), content_type)
    for name, content_type in (("sp.css", "text/css"), ("sp.svg", "image/svg+xml"))
}


def _checks(application: DemoApplication, received: Received) -> list[tuple[str, str, bool]]:
    """What was verified: title, finding, and whether it is as the application wishes."""
    end = datetime.fromtimestamp(received.not_on_or_after, UTC).astimezone()
    return [
        (
            "Signature",
            f"Réponse et assertion signées par le portail ({_algorithm(received.signature)}).",
            True,
        ),
        _encryption(application, received),
        (
            "Validité",
            f"Valable jusqu'à {end:%H h %M min %S s} (heure {end:%Z}), utilisée une seule fois.",
            True,
        ),
        ("Destinataire", "Assertion adressée à cette application, et à elle seule.", True),
        (
            "Origine",
            "Réponse à la demande que cette application a envoyée."
            if received.in_response_to
            else "Connexion commencée depuis le portail.",
            True,
        ),
    ]


def _encryption(application: DemoApplication, received: Received) -> tuple[str, str, bool]:
    if received.encryption is not None:
        content, key = (_algorithm(name) for name in received.encryption)
        return (
            "Chiffrement",
            f"Assertion chiffrée pour cette application ({content}, {key}).",
            True,
        )
    if application.wants_encryption:
        return ("Chiffrement", "Assertion reçue en clair, alors qu'une clé est publiée.", False)
    return ("Chiffrement", "Assertion en clair : cette application n'en demande pas.", True)


def _algorithm(uri: str) -> str:
    return uri.rpartition("#")[2].upper()
