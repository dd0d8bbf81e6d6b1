"""What makes the demonstration's portal speak: an application to come, a request, a notice."""

from datetime import timedelta
from typing import TYPE_CHECKING

from sqlalchemy import select

from directory.authorisation import OPERATOR
from directory.models import Account, Membership
from directory.search import mail_key
from directory.services import DirectoryServices
from directory.services.rights.access_requests import AccessRequests
from directory.services.rights.assignments import Grant

if TYPE_CHECKING:
    from idp.services import Core

COMING = ("emploi", "Bourse de l'emploi", "Publier vos offres et suivre les candidatures.")
COMING_ROLE = ("recruteur", "Recruteur")
COMING_MESSAGE = "Vos offres actuelles seront reprises : rien à saisir d'ici là."
WAITS_FOR_IT = (
    ("leila.benali@demo.example", "a-carrieres"),
    ("noemie.perrin@demo.example", "b-generale"),
)

REQUEST = (
    "leila.benali@demo.example",
    "net-cap",
    "Je remplace François Noël pendant son congé et je dois suivre ses dossiers.",
)
NOTICE = (
    "Une application vous manque ? Demandez-la en bas de cette page : votre référent vous répond "
    "par mail."
)


def load(core: "Core", services: DirectoryServices) -> None:
    """Inside the transaction that loads the rest."""
    code, label, description = COMING
    services.applications.add(OPERATOR, code, label, description=description, icon=code)
    services.applications.add_role(OPERATOR, code, *COMING_ROLE)
    services.applications.schedule(
        OPERATOR,
        code,
        opens_at=core.clock.now() + timedelta(days=30),
        message=COMING_MESSAGE,
    )
    for mail, structure in WAITS_FOR_IT:
        services.assignments.assign(OPERATOR, Grant(mail, structure, code, COMING_ROLE[0]))
    services.notices.add(OPERATOR, NOTICE)
    _request(core)


def _request(core: "Core") -> None:
    mail, application, reason = REQUEST
    with core.db.reading() as session:
        subject_id, membership_id = session.execute(
            select(Account.subject_id, Membership.public_id)
            .join(Membership, Membership.account_id == Account.id)
            .where(Account.mail_key == mail_key(mail))
        ).one()
    AccessRequests(core).ask(subject_id, membership_id, application, reason)
