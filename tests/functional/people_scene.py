"""A référent of Vitry, who administers BIP, in front of the sheets of people."""

from dataclasses import dataclass

from bs4 import BeautifulSoup
from webtest import Form, TestResponse

from directory.authorisation import OPERATOR
from directory.services.accounts.changes import Person
from directory.services.accounts.sheets import AccountSheet, Sheets
from directory.services.rights.assignments import Grant
from tests.functional import aia_scene

USERS = "/aia/utilisateurs"
LEA, EVE, BOTH = "lea@demo.example", "eve@demo.example", "both@demo.example"


@dataclass
class Scene(aia_scene.Scene):
    """Léa of Vitry's payroll, Ève of Ivry, Ali of both; here ``people`` go by whole addresses."""

    def furnish(self) -> None:
        """Add them."""
        directory = self.directory
        for code, label, parent in (
            ("paie", "Service paie", "vitry"),
            ("ecoles", "Service des écoles", "vitry"),
            ("ivry", "Ivry", None),
        ):
            directory.structures.add(OPERATOR, code, label, parent=parent)
        directory.applications.add(OPERATOR, "net-cap", "Net-CAP")
        directory.applications.add_role(OPERATOR, "net-cap", "gest", "Gestionnaire CAP")
        self.people = {f"{name}@demo.example": who for name, who in self.people.items()}
        for mail, given_name, structure in (
            (LEA, "Léa", "paie"),
            (EVE, "Ève", "ivry"),
            (BOTH, "Ali", "paie"),
        ):
            person = Person(mail, "Noël", given_name)
            added = directory.accounts.add(OPERATOR, person, structure, no_mail=True)
            self.people[mail] = added.subject_id
        directory.accounts.add(OPERATOR, Person(BOTH, "Noël", "Ali"), "ivry", no_mail=True)
        for application in ("bip", "net-cap"):
            grant = Grant(LEA, "paie", application, "gest")
            directory.assignments.assign(OPERATOR, grant, no_mail=True)

    def path(self, mail: str, end: str = "") -> str:
        return f"{USERS}/{self.people[mail]}{end}"

    def get(self, mail: str, end: str = "", status: int = 200) -> TestResponse:
        return self.visitor.app.get(self.path(mail, end), status=status)

    def sheet(self, mail: str) -> AccountSheet:
        """As the operator sees it."""
        return Sheets(self.world.services.core).read(OPERATOR, self.people[mail]).sheet


def text_of(page: TestResponse) -> str:
    """What a person reads on a page, a space between its parts."""
    return " ".join(whole_words(page).get_text(" ").split())


def whole_words(page: TestResponse) -> BeautifulSoup:
    """The page, each word that may break in one."""
    html: BeautifulSoup = page.html
    for mark in html.select("wbr"):
        mark.decompose()
    html.smooth()
    return html


def form_of(page: TestResponse) -> Form:
    return page.forms["formulaire"]


def links(page: TestResponse) -> set[str]:
    return {link.get_text(" ", strip=True) for link in page.html.select("main a")}
