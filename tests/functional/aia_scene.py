"""A référent of Vitry in front of a browser, inside the AIA: made once for a module of tests.

Each test starts from the same rows, at the same time, with him signed in.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Self, TypeVar

from sqlalchemy import event, select
from webtest import TestResponse

from directory.services import DirectoryServices
from idp.audit import AuditEvent
from idp.db import Database
from idp.mail import OutboxMail
from tests.common.databases import Databases
from tests.functional.aia_realm import Realm, realm_on
from tests.functional.conftest import Visitor, World, peopled
from tests.functional.rows import add_administrators


@dataclass
class Scene:
    """The world around him; ``people`` are subject ids by what the address begins with."""

    realm: Realm
    world: World
    visitor: Visitor
    people: dict[str, str]

    @property
    def directory(self) -> DirectoryServices:
        """The services behind the pages."""
        return self.realm.directory

    def furnish(self) -> None:
        """Add what the tests of a module need; he is signed in afterwards."""

    def post(self, path: str, fields: object = (), /, **more: str) -> TestResponse:
        """A forged form: our token, whatever fields."""
        token = {"csrf_token": self.visitor.app.cookies["convergences-csrf"]}
        listed = [*token.items(), *fields, *more.items()]  # type: ignore[misc]
        return self.visitor.app.post(path, listed, expect_errors=True)

    def become(self, name: str) -> None:
        """Somebody else sits down in front of the same browser."""
        self.visitor.app.reset()
        self.visitor.sign_in(name)
        self.visitor.app.get("/connexion")
        self.post("/aia")

    def mails(self) -> list[tuple[str, str]]:
        """What was sent, to whom."""
        with self.world.services.db.reading() as session:
            rows = session.execute(select(OutboxMail.kind, OutboxMail.recipient))
            return [(row.kind, row.recipient) for row in rows]

    def events(self, code: str) -> list[tuple[str | None, str]]:
        """Whom what is journalled by this code concerned, and who did it."""
        with self.world.services.db.reading() as session:
            rows = session.execute(
                select(AuditEvent.subject_id, AuditEvent.actor)
                .where(AuditEvent.code == code)
                .order_by(AuditEvent.id)
            )
            return [(row.subject_id, row.actor) for row in rows]

    def statements(self, call: Callable[[], object]) -> int:
        """How many statements this call runs."""
        return len(statements(self.world.services.db, call))

    def anew(self) -> Self:
        """As it was when it was made."""
        self.realm.put_back("start")
        return replace(self, people=dict(self.people))


def statements(database: Database, call: Callable[[], object]) -> list[str]:
    """Those that this call runs."""
    seen: list[str] = []

    def note(*args: object) -> None:
        seen.append(str(args[2]))

    event.listen(database.engine, "before_cursor_execute", note)
    try:
        call()
    finally:
        event.remove(database.engine, "before_cursor_execute", note)
    return seen


Kind = TypeVar("Kind", bound=Scene)


@contextmanager
def scene_on(
    kind: type[Kind], databases: Databases, folder: Path, **changes: str
) -> Iterator[Kind]:
    """A furnished scene of this kind; ``changes`` are those of the settings."""
    plugin = "tests.common.memory_directory.build"
    with realm_on(databases, folder, idp__directory=plugin, **changes) as realm:
        world = peopled(realm.services, realm.clock)
        add_administrators(world)
        scene = kind(realm, world, Visitor(realm.app), dict(world.people))
        scene.furnish()
        scene.become("referent")
        realm.keep("start")
        yield scene
