"""A référent who gives and takes roles, and what came of it."""

from dataclasses import dataclass

from sqlalchemy import select, update

from directory.authorisation import Actor
from directory.models import Account, Application, Assignment, Membership, Role, Structure
from directory.services.rights.administered import RoleRef
from directory.services.rights.reassignment import Reassignment
from directory.services.rights.role_members import RoleMembers
from idp.audit import AuditEvent
from tests.unit.directory.conftest import World

R1, R2 = RoleRef("bip", "r1"), RoleRef("bip", "r2")


@dataclass
class Desk:
    """What the tests do and ask."""

    world: World
    actor: Actor

    @property
    def members(self) -> RoleMembers:
        return RoleMembers(self.world.core)

    @property
    def reassignment(self) -> Reassignment:
        return Reassignment(self.world.core)

    def add(self, name: str, structure: str = "a-rh") -> str:
        """A person; the id of his membership."""
        self.world.add(f"{name}@ville.fr", structure)
        return self.membership(name, structure)

    def membership(self, name: str, structure: str = "a-rh") -> str:
        with self.world.core.db.reading() as session:
            statement = (
                select(Membership.public_id)
                .join(Membership.account)
                .join(Membership.structure)
                .where(Account.mail == f"{name}@ville.fr", Structure.code == structure)
            )
            return str(session.scalars(statement).one())

    def held(self) -> set[tuple[str, str]]:
        """Who holds which role: address, ``application:role``."""
        statement = (
            select(Account.mail, Application.code, Role.code)
            .join(Membership, Membership.account_id == Account.id)
            .join(Assignment, Assignment.membership_id == Membership.id)
            .join(Role, Role.id == Assignment.role_id)
            .join(Application, Application.id == Role.application_id)
        )
        with self.world.core.db.reading() as session:
            rows = session.execute(statement).all()
        return {(mail.partition("@")[0], f"{code}:{role}") for mail, code, role in rows}

    def last_events(self, most: int) -> list[tuple[str, str | None, dict[str, object]]]:
        with self.world.core.db.reading() as session:
            rows = session.scalars(select(AuditEvent).order_by(AuditEvent.id.desc()).limit(most))
            return [(one.code, one.target, one.parameters) for one in rows][::-1]

    def single(self) -> None:
        with self.world.core.db.unit_of_work() as session:
            session.execute(update(Application).values(single_role=True))

    def version(self, membership: str, ref: RoleRef = R1) -> str:
        return self.members.read(self.actor, ref, membership).version
