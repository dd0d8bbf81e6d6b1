"""The demonstration: a small centre de gestion, its people, applications and rights.

All of it is invented; the addresses end in ``.example``, which no mail server serves. Service
providers are not registered here: ``demo`` does that and attaches them to the codes below.
"""

from typing import TYPE_CHECKING

from sqlalchemy import select, update

from directory import demonstration_portal
from directory.authorisation import OPERATOR
from directory.demonstration_people import ASSIGNMENTS, MEMBERSHIPS, PEOPLE
from directory.models import Account, Structure
from directory.search import mail_key
from directory.services import DirectoryServices, build
from directory.services.accounts.changes import Person
from directory.services.memberships.changes import MembershipFields
from directory.services.rights.assignments import Grant
from idp.passwords import Passwords

if TYPE_CHECKING:
    from idp.services import Core

PASSWORD = "Convergences-2026-demo"  # noqa: S105 - public by intention, the README names it

STRUCTURES = (
    # code, label, parent, SIRET
    ("cig-pc", "cig-pc", None, "28930000400016"),
    ("collectivites", "collectivites", "cig-pc", None),
    ("services-cig", "Services du CIG", "cig-pc", None),
    ("cig-concours", "Direction des concours et de l'emploi", "services-cig", None),
    ("cig-carrieres", "Direction de l'assistance statutaire", "services-cig", None),
    ("collectivite-a", "Ville de Montrieux-sur-Seine", "collectivites", "21930000100019"),
    ("a-rh", "Direction des ressources humaines", "collectivite-a", None),
    ("a-carrieres", "Service carrières et paie", "a-rh", None),
    ("a-formation", "Service formation", "a-rh", None),
    ("a-finances", "Direction des finances", "collectivite-a", None),
    ("a-budget", "Service budget et cotisations", "a-finances", None),
    ("a-education", "Direction de l'éducation et de l'enfance", "collectivite-a", None),
    ("collectivite-b", "Ville de Saint-Évrard", "collectivites", "21940000200016"),
    ("b-generale", "Direction générale des services", "collectivite-b", None),
    ("b-rh", "Direction du personnel", "b-generale", None),
    ("b-paie", "Service paie", "b-rh", None),
    ("b-technique", "Direction des services techniques", "collectivite-b", None),
    ("collectivite-c", "Syndicat intercommunal de la Vallée", "collectivites", "21920000300016"),
    ("c-administration", "Pôle administration générale", "collectivite-c", None),
    ("c-personnel", "Service du personnel", "c-administration", None),
)

APPLICATIONS = (
    # code (and icon), label, description
    ("bip", "BIP", "Banque d'informations statutaires : fiches, modèles et veille."),
    (
        "net-cotisations",
        "Net-Cotisations",
        "Déclarer et suivre les cotisations de votre collectivité.",
    ),
    ("net-cap", "Net-CAP", "Saisir et suivre les dossiers des commissions paritaires."),
    ("site", "Site www.cig929394.fr", "Contenus réservés aux collectivités affiliées."),
)

ROLES = (
    # application, code, label and value
    ("bip", "lecteur", "Lecteur"),
    ("bip", "redacteur", "Rédacteur"),
    ("bip", "abonne", "Abonné à la veille statutaire"),
    ("net-cotisations", "declarant", "Déclarant"),
    ("net-cotisations", "valideur", "Valideur des déclarations"),
    ("net-cotisations", "consultant", "Consultation"),
    ("net-cap", "gestionnaire", "Gestionnaire CAP coll./EP"),
    ("net-cap", "signataire", "Autorité signataire"),
    ("net-cap", "representant", "Représentant du personnel"),
    ("site", "contributeur", "Contributeur des contenus réservés"),
    ("site", "adherent", "Adhérent"),
    ("site", "employeur", "Recruteur, bourse de l'emploi"),
)

EVERYTHING = tuple(code for code, *_ in APPLICATIONS)
MANDATES = (
    ("referent@demo.example", "collectivite-a", EVERYTHING),
    ("referent.b@demo.example", "collectivite-b", ("bip",)),
    ("referent.c@demo.example", "collectivite-c", ("bip", "net-cap")),
)
CENTRAL = "correspondant@demo.example"


def load(core: "Core") -> bool:
    """Load the demonstration in one transaction; False when it is there already.

    The first code of the tree tells: what was changed since then is left as it is.
    """
    with core.db.reading() as session:
        if session.scalar(select(Structure.id).where(Structure.code == STRUCTURES[0][0])):
            return False
    # One hash for all, made before the transaction: thirty would take seconds.
    hashed = Passwords(core.settings.secret, core.settings.bcrypt_cost).hash(PASSWORD)
    with core.db.unit_of_work():
        services = build(core)
        _structures_and_applications(services)
        _people(services)
        _rights(services)
        demonstration_portal.load(core, services)
        _password(core, hashed)
    return True


def _structures_and_applications(services: DirectoryServices) -> None:
    for code, label, parent, siret in STRUCTURES:
        services.structures.add(OPERATOR, code, label, parent=parent, siret=siret)
    for code, label, description in APPLICATIONS:
        services.applications.add(OPERATOR, code, label, description=description, icon=code)
    for application, code, label in ROLES:
        services.applications.add_role(OPERATOR, application, code, label, value=label)


def _people(services: DirectoryServices) -> None:
    for person, structure in PEOPLE:
        services.accounts.add(OPERATOR, person, structure, no_mail=True)
    for mail, structure, function in MEMBERSHIPS:
        known = next(person for person, _ in PEOPLE if person.mail == mail)
        again = Person(mail, known.sn, known.given_name, MembershipFields(function=function))
        services.accounts.add(OPERATOR, again, structure, no_mail=True)


def _rights(services: DirectoryServices) -> None:
    for mail, structure, roles in ASSIGNMENTS:
        for role in roles:
            application, _, code = role.partition(":")
            grant = Grant(mail, structure, application, code)
            services.assignments.assign(OPERATOR, grant, no_mail=True)
    for mail, structure, applications in MANDATES:
        services.mandates.add(OPERATOR, mail, structure, applications)
    services.mandates.add_central(OPERATOR, CENTRAL)


def _password(core: "Core", hashed: str) -> None:
    """Give everybody the one password."""
    keys = [mail_key(person.mail) for person, _ in PEOPLE]
    with core.db.unit_of_work() as session:
        session.execute(
            update(Account)
            .where(Account.mail_key.in_(keys))
            .values(password_hash=hashed, password_changed_at=core.clock.now())
        )
