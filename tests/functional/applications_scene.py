"""The demonstration's people in front of *Applications*, and what they do there."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from bs4 import Tag
from sqlalchemy import select
from webtest import TestApp, TestResponse

from directory import demonstration
from directory.models import Account, Application, Assignment, Membership, Role, Structure
from idp.services import Services
from tests.common.databases import Databases
from tests.common.fillings import demonstrated
from tests.functional.aia_realm import Realm, realm_on

BASE = "http://localhost:6543"
ROLES = "/aia/applications"
LECTEUR = f"{ROLES}/bip/lecteur"
LOADED = f"{LECTEUR}?charger=oui"
ASSIGN = f"{LECTEUR}/affecter"
PEOPLE = ("agent", "referent", "referent.b", "correspondant")

Visit = Callable[[str], TestApp]


class Desk:
    """The demonstration; :data:`PEOPLE` are inside the AIA."""

    def __init__(self, realm: Realm) -> None:
        self.realm = realm
        self._cookies = {
            name: list(realm.browser(f"{name}@demo.example", demonstration.PASSWORD).cookiejar)
            for name in PEOPLE
        }
        realm.keep("start")

    def visit(self, name: str) -> TestApp:
        """A browser in front of which this person sits."""
        browser = TestApp(self.realm.app.app, extra_environ=self.realm.app.extra_environ)
        for cookie in self._cookies[name]:
            browser.cookiejar.set_cookie(cookie)
        return browser


@contextmanager
def desk_on(databases: Databases, folder: Path) -> Iterator[Desk]:
    """That, on a database of its own."""
    with realm_on(databases, folder, demonstrated) as realm:
        yield Desk(realm)


def membership(services: Services, name: str, structure: str) -> str:
    """The id of somebody's membership."""
    statement = (
        select(Membership.public_id)
        .join(Account, Account.id == Membership.account_id)
        .join(Structure, Structure.id == Membership.structure_id)
        .where(Account.mail == f"{name}@demo.example", Structure.code == structure)
    )
    with services.db.reading() as session:
        return str(session.scalars(statement).one())


def held(services: Services) -> set[tuple[str, str, str]]:
    """Every assignment: who, where, what."""
    statement = (
        select(Account.mail, Structure.code, Application.code, Role.code)
        .join(Membership, Membership.account_id == Account.id)
        .join(Structure, Structure.id == Membership.structure_id)
        .join(Assignment, Assignment.membership_id == Membership.id)
        .join(Role, Role.id == Assignment.role_id)
        .join(Application, Application.id == Role.application_id)
    )
    with services.db.reading() as session:
        rows = session.execute(statement).all()
    return {
        (mail.partition("@")[0], structure, f"{code}:{role}")
        for mail, structure, code, role in rows
    }


def names(page: TestResponse) -> list[str]:
    """The family names of the list of members."""
    return [cell.text.strip().split("\n")[0] for cell in page.html.select("#membres tbody th")]


def toasts(page: TestResponse) -> list[str]:
    return [" ".join(each.p.text.split()) for each in page.html.select(".toast")]


def search(page: TestResponse, text: str) -> TestResponse:
    form = page.forms["affecter"]
    form["recherche"] = text
    return form.submit("chercher")


def tick(page: TestResponse, membership_id: str) -> None:
    """As a person ticks the box of a line.

    Raises:
        AssertionError: there is no such box.
    """
    boxes = [
        box
        for box in page.forms["affecter"].fields.get("membre", [])
        if box._value == membership_id
    ]
    assert len(boxes) == 1
    boxes[0].checked = True


def item(page: TestResponse, name: str, action: str) -> str:
    """Where a line of a member's three-dots menu leads."""
    rows: list[Tag] = page.html.select("#membres tbody tr")
    (row,) = [row for row in rows if row.th.a.text == name]
    (link,) = [link for link in row.select(".row-menu a") if link.text.strip() == action]
    return str(link["href"])


def csrf(browser: TestApp) -> str:
    return str(browser.cookies["convergences-csrf"])
