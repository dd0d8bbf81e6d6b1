"""The référent of A in front of *Créer un utilisateur*, and the steps as he takes them."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy import select
from webtest import Form, TestApp, TestResponse

from directory import actors
from directory.authorisation import OPERATOR
from directory.models import Account
from directory.services import DirectoryServices
from directory.services.accounts.changes import Person
from directory.services.rights.assignments import Grant
from idp.mail import OutboxMail
from idp.services import Services
from tests.common.databases import Databases
from tests.functional.aia_realm import Realm, realm_on
from tests.functional.conftest import PASSWORD

NEW, ONE = "/aia/utilisateurs/nouveau", "/aia/utilisateurs/ajouter"
BASE = "http://localhost:6543"
MAIL = "lea.noel@ville.example"
REMOVED = (
    f"Le rattachement de {MAIL} à la structure Structure cig / Structure a / Structure a-rh a été "
    "supprimé le 20/11/2026 : vous pouvez le rétablir, avec ses rôles, jusqu'au 10/12/2026."
)
WAITS = (
    f"Le rattachement de {MAIL} à la structure « Structure cig / Structure a / Structure a-rh » a "
    "été supprimé le 20/11/2026. Il attend dans la corbeille, avec ses rôles, jusqu'au 10/12/2026 "
    ": rétablissez-le."
)
FIELDS = {"nom": "Noël", "prenom": "Léa", "structure": "a-rh", "fonction": "Gestionnaire"}


def furnish(directory: DirectoryServices) -> None:
    """The tree cig > a > a-rh, cig > b; BIP, and CAP that takes a single role; two référents."""
    for code, parent in (("cig", None), ("a", "cig"), ("a-rh", "a"), ("b", "cig")):
        directory.structures.add(OPERATOR, code, f"Structure {code}", parent=parent)
    directory.applications.add(OPERATOR, "bip", "BIP")
    directory.applications.add(OPERATOR, "cap", "CAP", single_role=True)
    for application in ("bip", "cap"):
        for role in ("lire", "ecrire"):
            directory.applications.add_role(OPERATOR, application, role, f"{role} {application}")
    for name, structure, applications in (
        ("referent", "a", ("bip", "cap")),
        ("autre", "b", ("bip",)),
    ):
        person = Person(f"{name}@ville.example", "Nom", "Prénom")
        directory.accounts.add(OPERATOR, person, structure, password=PASSWORD, no_mail=True)
        directory.mandates.add(OPERATOR, person.mail, structure, applications)


@contextmanager
def realm(databases: Databases, folder: Path) -> Iterator[Realm]:
    """That, with the référent of A inside the AIA."""
    with realm_on(databases, folder) as made:
        furnish(made.directory)
        sign_in(made.app, "referent")
        made.keep("start")
        yield made


def remove(made: Realm) -> None:
    """Somebody of B whom the référent of A had in A-RH, with a role, and has just removed."""
    directory = made.directory
    for structure in ("b", "a-rh"):
        directory.accounts.add(OPERATOR, Person(MAIL, "Noël", "Léa"), structure, no_mail=True)
    grant = Grant(MAIL, "a-rh", "bip", "lire")
    directory.assignments.assign(OPERATOR, grant, no_mail=True)
    subject_id = directory.accounts.show(OPERATOR, "referent@ville.example").subject_id
    referent = actors.load(made.services.core, subject_id)
    assert referent is not None
    directory.bin.delete(referent, MAIL)


def restoring(page: TestResponse) -> Form:
    """What takes somebody out of the bin."""
    (form,) = (each for each in page.forms.values() if "subject_id" in each.fields)
    return form


def held(directory: DirectoryServices) -> dict[str, tuple[str, list[str]]]:
    """Where she is, in which state, with which roles."""
    memberships = directory.accounts.show(OPERATOR, MAIL).memberships
    return {
        each.structure: (each.state, [role.role for role in each.roles]) for each in memberships
    }


def sign_in(app: TestApp, name: str) -> str:
    form = next(one for one in app.get("/connexion").forms.values() if "password" in one.fields)
    form["login"], form["password"] = f"{name}@ville.example", PASSWORD
    form.submit(status=303)
    token = str(app.cookies["convergences-csrf"])
    app.post("/aia", {"csrf_token": token}, status=303)
    return token


def text(page: TestResponse) -> str:
    return " ".join(page.html.main.get_text(" ").split())


def form_to(page: TestResponse, step: int, *, name: str = "") -> object:
    """The form of this step that holds a field of this name."""
    return next(
        form
        for form in page.forms.values()
        if (form.action or "").endswith(f"etape={step}") and (not name or name in form.fields)
    )


def check(app: TestApp, mail: str) -> TestResponse:
    """The first step, as far as what it says of the address."""
    form = form_to(app.get(NEW), 1, name="adresse")
    form["adresse"] = mail  # type: ignore[index]
    answer = form.submit(status=303)  # type: ignore[attr-defined]
    assert answer.location == f"{BASE}{NEW}?etape=1#resultat"
    return answer.follow()


def to_person(app: TestApp, mail: str = MAIL) -> TestResponse:
    """The second step."""
    form = form_to(check(app, mail), 1, name="suivant")
    return form.submit(status=303).follow()  # type: ignore[attr-defined, no-any-return]


def to_roles(app: TestApp, mail: str = MAIL, **fields: str) -> TestResponse:
    """The third step."""
    form = to_person(app, mail).forms["formulaire"]
    for name, value in {**FIELDS, **fields}.items():
        if name in form.fields:
            form[name] = value
    return form.submit(status=303).follow()


def to_recap(app: TestApp, *roles: str, mail: str = MAIL) -> TestResponse:
    """The fourth step."""
    form = to_roles(app, mail).forms["formulaire"]
    for box in (box for name in ("role-bip",) for box in form.fields.get(name, ())):
        box.checked = box._value in roles
    return form.submit(status=303).follow()


def accounts(services: Services) -> set[str]:
    with services.db.reading() as session:
        return set(session.scalars(select(Account.mail)))


def mails(services: Services) -> list[tuple[str, str]]:
    with services.db.reading() as session:
        rows = session.execute(select(OutboxMail.kind, OutboxMail.recipient))
        return [(row.kind, row.recipient) for row in rows]


def key_of(app: TestApp) -> str:
    """That of the creation under way."""
    found = app.get(f"{NEW}?etape=1").html.select_one("#formulaire input[name=dossier]")
    return str(found["value"]) if found else ""
