"""A référent of Vitry in front of *Utilisateurs*, with people of his and of others."""

from dataclasses import dataclass

from sqlalchemy import select, update
from webtest import TestResponse

from directory.authorisation import OPERATOR
from directory.models import Account, Membership
from directory.services.accounts.changes import Person
from directory.services.rights.assignments import Grant
from tests.functional import aia_scene

USERS = "/aia/utilisateurs"
EVERYBODY = USERS + "?charger=tous"
ACTIONS = USERS + "/actions"
BIN = USERS + "/corbeille"


@dataclass
class Scene(aia_scene.Scene):
    """Léa and Noé in his structures, Max shared with Ivry, Ève there alone."""

    def furnish(self) -> None:
        """Add them."""
        directory = self.directory
        for code, label, parent in (
            ("rh", "Direction des ressources humaines", "vitry"),
            ("ivry", "Ivry", None),
        ):
            directory.structures.add(OPERATOR, code, label, parent=parent)
        self.add("lea", "Noël", "Léa")
        self.add("noe", "Étienne", "Noé")
        self.add("max", "Petit", "Max")
        self.add("eve", "Étrangère", "Ève", "ivry")
        shared = Person("max@demo.example", "Petit", "Max")
        directory.accounts.add(OPERATOR, shared, "ivry", no_mail=True)
        directory.memberships.confirm(OPERATOR, "max@demo.example", "ivry")
        directory.assignments.assign(OPERATOR, Grant("lea@demo.example", "rh", "bip", "gest"))

    def get(self, path: str, **more: object) -> TestResponse:
        return self.visitor.app.get(path, **more)

    def of(self, name: str, action: str = "") -> str:
        """A person's address."""
        path = f"{USERS}/{self.people[name]}"
        return f"{path}/{action}" if action else path

    def state(self, name: str) -> str:
        with self.world.services.db.reading() as session:
            found = session.scalars(
                select(Account).where(Account.subject_id == self.people[name])
            ).one()
            if found.deleted_at is not None:
                return "deleted"
            return "locked" if found.locked else "usable"

    def lose(self, name: str) -> None:
        """Whatever this person had is in the bin, and the account lives."""
        theirs = select(Account.id).where(Account.subject_id == self.people[name])
        with self.world.services.db.unit_of_work() as session:
            session.execute(
                update(Membership)
                .where(Membership.account_id == theirs.scalar_subquery())
                .values(deleted_at=self.world.services.clock.now())
            )

    def work(self) -> None:
        """What the worker does."""
        self.directory.bulk.work()

    def add(self, name: str, sn: str, given_name: str, structure: str = "rh") -> str:
        person = Person(f"{name}@demo.example", sn, given_name)
        added = self.directory.accounts.add(OPERATOR, person, structure, no_mail=True)
        self.people[name] = added.subject_id
        return added.subject_id


def names(page: TestResponse) -> list[str]:
    """Who is listed, by last name."""
    return [each.get_text(" ", strip=True) for each in page.html.select("tbody th a")]


def choose(scene: Scene, action: str, *names: str, **more: str) -> TestResponse:
    ids = [("subject_id", scene.people.get(name, name)) for name in names]
    return scene.post(ACTIONS, ids, action=action, **more)
