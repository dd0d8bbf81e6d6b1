"""A small directory: two collectivités, two applications, a référent of A and a correspondant."""

from collections.abc import Callable
from dataclasses import dataclass

import pytest
from sqlalchemy import event, select

from directory import actors
from directory.authorisation import OPERATOR, Actor
from directory.models import Account
from directory.services import DirectoryServices, build
from directory.services.accounts.changes import Added, Person
from idp.audit import AuditEvent
from idp.mail import OutboxMail
from idp.services import Core, Services
from idp.types import SsoSession

BIP = "https://bip.example"


@dataclass
class World:
    """The services, filled, and what the tests ask about them."""

    core: Core
    directory: DirectoryServices
    ended: list[tuple[str, str | None, str]]

    def add(self, mail: str, structure: str = "a-rh", actor: Actor = OPERATOR) -> Added:
        person = Person(mail, "Nom", "Prénom")
        return self.directory.accounts.add(actor, person, structure, no_mail=True)

    def sign_in(self, mail: str) -> None:
        """As if he had done it now."""
        with self.core.db.unit_of_work() as session:
            account = session.scalars(select(Account).where(Account.mail == mail)).one()
            account.last_sign_in_at = self.core.clock.now()

    def actor(self, subject_id: str) -> Actor:
        found = actors.load(self.core, subject_id)
        assert found is not None
        return found

    def events(self) -> list[str]:
        with self.core.db.reading() as session:
            return list(session.scalars(select(AuditEvent.code).order_by(AuditEvent.id)))

    def mails(self) -> list[tuple[str, str]]:
        with self.core.db.reading() as session:
            rows = session.execute(
                select(OutboxMail.kind, OutboxMail.recipient).order_by(OutboxMail.id)
            )
            return [(row.kind, row.recipient) for row in rows]

    def statements(self, call: Callable[[], object]) -> int:
        """How many statements this call runs."""
        seen: list[str] = []

        def note(*args: object) -> None:
            seen.append(str(args[2]))

        event.listen(self.core.db.engine, "before_cursor_execute", note)
        try:
            call()
        finally:
            event.remove(self.core.db.engine, "before_cursor_execute", note)
        return len(seen)


@pytest.fixture
def world(services: Services, monkeypatch: pytest.MonkeyPatch) -> World:
    """The tree cig > a > a-rh, cig > b; applications bip (attached) and cap."""
    ended: list[tuple[str, str | None, str]] = []
    real = services.core.sessions.end

    def end(
        subject_id: str,
        *,
        entity_id: str | None = None,
        reason: str,
        spared: SsoSession | None = None,
    ) -> None:
        ended.append((subject_id, entity_id, reason))
        real(subject_id, entity_id=entity_id, reason=reason, spared=spared)

    monkeypatch.setattr(services.core.sessions, "end", end)
    directory = build(services.core)
    for code, parent in (("cig", None), ("a", "cig"), ("a-rh", "a"), ("b", "cig")):
        directory.structures.add(OPERATOR, code, f"Structure {code}", parent=parent)
    for code in ("bip", "cap"):
        directory.applications.add(OPERATOR, code, code.upper())
        for role in ("r1", "r2"):
            directory.applications.add_role(OPERATOR, code, role, f"Rôle {role}")
    services.directory.attach(BIP, "bip")
    return World(services.core, directory, ended)


@pytest.fixture
def referent(world: World) -> Actor:
    """Référent of A for BIP."""
    added = world.add("referent@ville.fr", "a")
    world.directory.mandates.add(OPERATOR, "referent@ville.fr", "a", ("bip",))
    return world.actor(added.subject_id)


@pytest.fixture
def central(world: World) -> Actor:
    """The correspondant."""
    added = world.add("correspondant@cig.fr", "cig")
    world.directory.mandates.add_central(OPERATOR, "correspondant@cig.fr")
    return world.actor(added.subject_id)
