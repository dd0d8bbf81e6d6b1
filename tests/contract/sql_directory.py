"""Fills the SQL directory as tests/common/memory_directory.py is filled: same names, same words."""

from datetime import datetime

from sqlalchemy import delete, select, update

from directory.authorisation import OPERATOR
from directory.models import Account, Application, Membership, Structure
from directory.plugin import SqlDirectory
from directory.search import mail_key
from directory.services import build
from directory.services.accounts.changes import Person
from directory.services.memberships.changes import MembershipFields, attach_membership
from directory.services.rights.assignments import Grant
from idp.passwords import Passwords
from idp.services import Core


class FilledSqlDirectory(SqlDirectory):
    """The SQL directory with the means to fill it."""

    def __init__(self, core: Core) -> None:
        super().__init__(core)
        self._services = build(core)
        self.add_root()

    def add_root(self) -> None:
        """Where accounts are born that a test puts in no structure."""
        self._services.structures.add(OPERATOR, "nowhere", "Nulle part")

    def add_structure(
        self, code: str, label: str, *, parent: str | None = None, siret: str | None = None
    ) -> None:
        self._services.structures.add(OPERATOR, code, label, parent=parent, siret=siret)

    def close_structure(self, code: str) -> None:
        with self._core.db.unit_of_work() as session:
            path = session.scalars(select(Structure.path).where(Structure.code == code)).one()
            session.execute(
                update(Structure)
                .where(Structure.path.startswith(path))
                .values(closed_at=self._core.clock.now())
            )

    def add_account(
        self,
        mail: str,
        given_name: str = "Prénom",
        sn: str = "Nom",
        structure: str | None = None,
        password: str | None = None,
    ) -> str:
        added = self._services.accounts.add(
            OPERATOR, Person(mail, sn, given_name), structure or "nowhere", no_mail=True
        )
        with self._core.db.unit_of_work() as session:
            if structure is None:
                session.execute(
                    delete(Membership).where(Membership.public_id == added.membership_id)
                )
            if password is not None:
                # Straight to the table: the contract is not about the password policy.
                passwords = Passwords(self._core.settings.secret, self._core.settings.bcrypt_cost)
                self._set(
                    added.subject_id,
                    password_hash=passwords.hash(password),
                    password_changed_at=self._core.clock.now(),
                )
        return added.subject_id

    def set_password(self, subject_id: str, password: str) -> None:
        self._services.accounts.set_password(OPERATOR, self._mail(subject_id), password)

    def change_mail(self, subject_id: str, mail: str) -> None:
        self._set(subject_id, mail=mail, mail_key=mail_key(mail))

    def last_sign_in_at(self, subject_id: str) -> datetime | None:
        with self._core.db.reading() as session:
            return session.scalars(
                select(Account.last_sign_in_at).where(Account.subject_id == subject_id)
            ).one()

    def lock(self, subject_id: str) -> None:
        self._services.accounts.lock(OPERATOR, self._mail(subject_id))

    def unlock(self, subject_id: str) -> None:
        self._services.accounts.unlock(OPERATOR, self._mail(subject_id))

    def delete(self, subject_id: str) -> None:
        self._services.bin.delete(OPERATOR, self._mail(subject_id))

    def set_validity(
        self, subject_id: str, valid_from: datetime, valid_until: datetime | None
    ) -> None:
        mail = self._mail(subject_id)
        self._services.accounts.set_validity(OPERATOR, mail, valid_from, valid_until)

    def add_membership(
        self,
        subject_id: str,
        structure: str,
        *,
        service: str | None = None,
        function: str | None = None,
        application_id: str | None = None,
        phone: str | None = None,
        confirmed: bool = True,
    ) -> str:
        fields = MembershipFields(
            service=service, function=function, application_identifier=application_id, phone=phone
        )
        with self._core.db.unit_of_work() as session:
            account = session.scalars(select(Account).where(Account.subject_id == subject_id)).one()
            where = session.scalars(select(Structure).where(Structure.code == structure)).one()
            membership = attach_membership(
                self._core, session, account, where, fields, confirmed=confirmed
            )
            return membership.public_id

    def suspend(self, membership_id: str) -> None:
        mail, structure = self._place(membership_id)
        self._services.memberships.suspend(OPERATOR, mail, structure)

    def remove_membership(self, membership_id: str) -> None:
        self._set_membership(membership_id, deleted_at=self._core.clock.now())

    def set_membership_validity(
        self, membership_id: str, valid_from: datetime | None, valid_until: datetime | None
    ) -> None:
        self._set_membership(membership_id, valid_from=valid_from, valid_until=valid_until)

    def add_application(
        self,
        code: str,
        label: str,
        *,
        entity_id: str | None = None,
        start_url: str | None = None,
        description: str = "",
        icon: str = "",
        opens_at: datetime | None = None,
        closes_at: datetime | None = None,
        closed_message: str | None = None,
    ) -> None:
        with self._core.db.unit_of_work() as session:
            self._services.applications.add(
                OPERATOR, code, label, url=start_url, description=description, icon=icon
            )
            session.execute(
                update(Application)
                .where(Application.code == code)
                .values(opens_at=opens_at, closes_at=closes_at, closed_message=closed_message)
            )
            if entity_id:
                self.attach(entity_id, code)

    def add_role(self, application: str, code: str, label: str, value: str | None = None) -> None:
        self._services.applications.add_role(OPERATOR, application, code, label, value=value)

    def assign(
        self,
        membership_id: str,
        application: str,
        role: str,
        *,
        valid_from: datetime | None = None,
        valid_until: datetime | None = None,
    ) -> None:
        grant = Grant(*self._place(membership_id), application, role)
        self._services.assignments.assign(
            OPERATOR, grant, valid_from=valid_from, valid_until=valid_until
        )

    def unassign(self, membership_id: str, application: str, role: str) -> None:
        grant = Grant(*self._place(membership_id), application, role)
        self._services.assignments.unassign(OPERATOR, grant)

    def add_mandate(
        self,
        subject_id: str,
        structure: str,
        applications: tuple[str, ...],
        *,
        valid_from: datetime | None = None,
        valid_until: datetime | None = None,
    ) -> None:
        self._services.mandates.add(
            OPERATOR,
            self._mail(subject_id),
            structure,
            applications,
            valid_from=valid_from,
            valid_until=valid_until,
        )

    def _mail(self, subject_id: str) -> str:
        with self._core.db.reading() as session:
            return session.scalars(
                select(Account.mail).where(Account.subject_id == subject_id)
            ).one()

    def _place(self, membership_id: str) -> tuple[str, str]:
        with self._core.db.reading() as session:
            row = session.execute(
                select(Account.mail, Structure.code)
                .join(Membership, Membership.account_id == Account.id)
                .join(Structure, Structure.id == Membership.structure_id)
                .where(Membership.public_id == membership_id)
            ).one()
        return row.mail, row.code

    def _set(self, subject_id: str, **values: object) -> None:
        with self._core.db.unit_of_work() as session:
            session.execute(update(Account).where(Account.subject_id == subject_id).values(values))

    def _set_membership(self, membership_id: str, **values: object) -> None:
        with self._core.db.unit_of_work() as session:
            session.execute(
                update(Membership).where(Membership.public_id == membership_id).values(values)
            )
