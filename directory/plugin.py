"""The SQL directory: :class:`idp.interfaces.IDirectory` over this room's tables.

``idp.directory = directory.plugin.build``. Statements are built once, at import, on Core tables,
so that SQLAlchemy's cache compiles each once; all of them are bounded, none runs per row.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

from sqlalchemy import Executable, Row, delete, select

from directory import statements
from directory.models import Application, ApplicationEntity
from directory.password_policy import MINIMUM_PRIVILEGED
from directory.referents import (
    OF_PERSON,
    REFUSAL,
    ReferentRow,
    nearest_first,
    or_correspondant,
)
from directory.search import mail_key, search_key
from directory.services.lookup import application_by_code
from directory.validity import is_over, why_unusable
from idp.errors import AccountUnusable, AlreadyExists, BadCredentials, PasswordOutgrown
from idp.interfaces import IDirectory
from idp.passwords import Passwords
from idp.types import Entitlement, HeldRole, NotEntitled, Profile, Referent, RoleLine, Subject, Tile

if TYPE_CHECKING:
    from idp.services import Core

NOT_CONNECTED = "Cette application n'est pas encore raccordée au portail."
NOT_YET_OPEN = "Cette application n'est pas encore ouverte."
CLOSED = "Cette application est fermée."


def build(core: "Core") -> IDirectory:
    """The directory of this core's database."""
    return SqlDirectory(core)


class SqlDirectory:
    """Facts about people and rights, read from the database at each call."""

    def __init__(self, core: "Core") -> None:
        self._core = core
        self._passwords = Passwords(core.settings.secret, core.settings.bcrypt_cost)

    def authenticate(self, login: str, password: str) -> Subject:
        """See :meth:`idp.interfaces.IDirectory.authenticate`."""
        rows = self._read(statements.CREDENTIALS, mail_key=mail_key(login))
        # No connection is held from here to the end of the hashes.
        try:
            self._passwords.verify(password, rows[0].password_hash if rows else None)
        except BadCredentials as error:
            error.subject_id = rows[0].subject_id if rows else None
            raise
        account = rows[0]
        _require_usable(account, self._core.clock.now())
        self._require_long_enough(account, password)
        stored = account.password_hash
        if self._passwords.needs_rehash(stored):
            fresh = self._passwords.hash(password)
            values = {"of_id": account.id, "stored": stored, "fresh": fresh}
            with self._core.db.writing() as connection:
                connection.execute(statements.REHASH, values)
        return _subject(account)

    def note_sign_in(self, subject: Subject) -> None:
        """See :meth:`idp.interfaces.IDirectory.note_sign_in`. One statement."""
        values = {
            "of_subject": subject.id,
            "of_password": subject.password_changed_at,
            "now": self._core.clock.now(),
        }
        with self._core.db.writing() as connection:
            if connection.execute(statements.NOTE_SIGN_IN, values).rowcount != 1:
                raise BadCredentials(
                    "password changed or account unusable since it was checked",
                    subject_id=subject.id,
                )

    def find_subject(self, subject_id: str) -> Subject | None:
        """See :meth:`idp.interfaces.IDirectory.find_subject`."""
        rows = self._read(statements.SUBJECT, subject_id=subject_id, now=self._core.clock.now())
        return _subject(rows[0], rows[0].photo) if rows else None

    def entitlements(
        self, subject_id: str, entity_id: str
    ) -> tuple[Entitlement, ...] | NotEntitled:
        """See :meth:`idp.interfaces.IDirectory.entitlements`. One statement when there is one."""
        now = self._core.clock.now()
        rows = self._read(
            statements.ENTITLEMENTS, subject_id=subject_id, entity_id=entity_id, now=now
        )
        return _entitlements(rows) if rows else self._refusal(subject_id, entity_id, now)

    def tiles(self, subject_id: str) -> tuple[Tile, ...]:
        """See :meth:`idp.interfaces.IDirectory.tiles`."""
        now = self._core.clock.now()
        rows = self._read(statements.TILES, subject_id=subject_id, now=now)
        found = [
            Tile(
                code=row.code,
                label=row.label,
                description=row.description,
                icon=row.icon,
                entity_id=row.entity_id,
                start_url=row.start_url,
                closed_message=closed_message(row.opens_at, row.closes_at, row.closed_message, now)
                or (None if row.entity_id or row.start_url else NOT_CONNECTED),
                opens_at=row.opens_at,
                closes_at=row.closes_at,
            )
            for row in rows
        ]
        return tuple(sorted(found, key=lambda tile: (search_key(tile.label), tile.code)))

    def referents(self, subject_id: str, entity_id: str | None = None) -> tuple[Referent, ...]:
        """See :meth:`idp.interfaces.IDirectory.referents`."""
        now = self._core.clock.now()
        if entity_id is not None:
            return self._refusal(subject_id, entity_id, now).referents
        rows = self._read(OF_PERSON, subject_id=subject_id, now=now)
        found = nearest_first(ReferentRow._make(row) for row in rows)
        return or_correspondant(found, self._core.settings.organization)

    def profile(self, subject_id: str) -> Profile | None:
        """See :meth:`idp.interfaces.IDirectory.profile`. Three statements."""
        subject = self.find_subject(subject_id)
        if subject is None:
            return None
        paths = self._read(statements.STRUCTURE_PATHS, subject_id=subject_id)
        roles = self._read(statements.ROLES, subject_id=subject_id, now=self._core.clock.now())
        lines = [
            RoleLine(row.application_label, row.role_label, row.structure_path) for row in roles
        ]
        return Profile(
            subject=subject,
            structure_paths=tuple(sorted((row.label_path for row in paths), key=search_key)),
            roles=tuple(
                sorted(
                    lines,
                    key=lambda line: search_key(
                        line.application_label, line.structure_path, line.role_label
                    ),
                )
            ),
        )

    def application_label(self, entity_id: str) -> str:
        """See :meth:`idp.interfaces.IDirectory.application_label`."""
        rows = self._read(statements.APPLICATION_LABEL, entity_id=entity_id)
        return str(rows[0].label) if rows else entity_id

    def application_code(self, entity_id: str) -> str | None:
        """See :meth:`idp.interfaces.IDirectory.application_code`."""
        rows = self._read(statements.APPLICATION_CODE, entity_id=entity_id)
        return str(rows[0].code) if rows else None

    def attach(self, entity_id: str, application_code: str, *, replace: bool = False) -> None:
        """See :meth:`idp.interfaces.IDirectory.attach`."""
        with self._core.db.unit_of_work() as session:
            application = application_by_code(session, application_code)
            is_concerned = (ApplicationEntity.entity_id == entity_id) | (
                ApplicationEntity.application_id == application.id
            )
            held = list(session.scalars(select(ApplicationEntity).where(is_concerned)))
            if [(one.entity_id, one.application_id) for one in held] == [
                (entity_id, application.id)
            ]:
                return
            if held and not replace:
                raise _attached_elsewhere(held[0], entity_id, application_code)
            session.execute(delete(ApplicationEntity).where(is_concerned))
            session.add(ApplicationEntity(entity_id=entity_id, application_id=application.id))
            session.flush()
            self._core.audit.record(
                "application.attached",
                entity_id=entity_id,
                target=f"application:{application.code}",
                parameters={"before": [one.entity_id for one in held]},
            )

    def detach(self, entity_id: str) -> None:
        """See :meth:`idp.interfaces.IDirectory.detach`."""
        with self._core.db.unit_of_work() as session:
            code = session.scalar(
                select(Application.code)
                .join(ApplicationEntity, ApplicationEntity.application_id == Application.id)
                .where(ApplicationEntity.entity_id == entity_id)
            )
            if code is None:
                return
            session.execute(
                delete(ApplicationEntity).where(ApplicationEntity.entity_id == entity_id)
            )
            self._core.audit.record(
                "application.detached", entity_id=entity_id, target=f"application:{code}"
            )

    def _require_long_enough(self, account: Row[Any], password: str) -> None:
        """An agent who became a référent meets the longer minimum at his next sign-in."""
        if len(password) >= MINIMUM_PRIVILEGED:
            return
        if self._read(statements.PRIVILEGED, of_id=account.id, now=self._core.clock.now()):
            raise PasswordOutgrown(
                f"{len(password)} characters, with a mandate", subject_id=account.subject_id
            )

    def _read(self, statement: Executable, **values: object) -> Sequence[Row[Any]]:
        return self._core.db.rows(statement, values)

    def _refusal(self, subject_id: str, entity_id: str, now: datetime) -> NotEntitled:
        """Label, closure and référents, in one statement."""
        rows = self._read(REFUSAL, subject_id=subject_id, entity_id=entity_id, now=now)
        found = nearest_first(ReferentRow._make(row[-len(ReferentRow._fields) :]) for row in rows)
        message = None
        if rows:
            first = rows[0]
            message = closed_message(first.opens_at, first.closes_at, first.closed_message, now)
        return NotEntitled(
            application_label=str(rows[0].label) if rows else entity_id,
            referents=or_correspondant(found, self._core.settings.organization),
            closed_message=message,
        )


def _attached_elsewhere(
    held: ApplicationEntity, entity_id: str, application_code: str
) -> AlreadyExists:
    if held.entity_id == entity_id:
        text = f"Le fournisseur de service {entity_id} est déjà celui d'une autre application."
    else:
        text = (
            f"L'application « {application_code} » a déjà un fournisseur de service : "
            f"{held.entity_id}."
        )
    return AlreadyExists(text, public=text)


def closed_message(
    opens_at: datetime | None, closes_at: datetime | None, text: str | None, now: datetime
) -> str | None:
    """What to say of an application that is closed now; None when it is open."""
    if opens_at is not None and opens_at > now:
        return text or NOT_YET_OPEN
    return (text or CLOSED) if is_over(closes_at, now) else None


def _subject(row: Row[Any], photo: str | None = None) -> Subject:
    return Subject(
        id=row.subject_id,
        login=row.mail,
        given_name=row.given_name,
        sn=row.sn,
        password_changed_at=row.password_changed_at,
        photo=photo,
    )


def _require_usable(account: Row[Any], now: datetime) -> None:
    """Tell the person, who has just proved to know the password, why he can't enter."""
    why = why_unusable(account, now)
    if why is not None:
        raise AccountUnusable(why.cause, public=why.public, subject_id=account.subject_id)


def _entitlements(rows: Sequence[Row[Any]]) -> tuple[Entitlement, ...]:
    """One per membership; the rows of a membership follow one another."""
    memberships: dict[str, Row[Any]] = {}
    roles: dict[str, list[HeldRole]] = {}
    for row in rows:
        memberships.setdefault(row.membership_id, row)
        roles.setdefault(row.membership_id, []).append(HeldRole(row.value, row.label))
    return tuple(
        Entitlement(
            subject_id=row.subject_id,
            membership_id=membership_id,
            mail=row.mail,
            uid=row.mail,
            given_name=row.given_name,
            sn=row.sn,
            structure_code=row.structure_code,
            structure_label=row.structure_label,
            structure_path=row.label_path,
            roles=tuple(roles[membership_id]),
            siret=row.siret_in_force,
            service=row.service,
            function=row.function,
            application_id=row.application_identifier,
            phone=row.phone,
            password_changed_at=row.password_changed_at,
        )
        for membership_id, row in _by_path(memberships)
    )


def _by_path(memberships: dict[str, Row[Any]]) -> Iterable[tuple[str, Row[Any]]]:
    """In the order of the paths; folding one path to order it alone would be a waste."""
    if len(memberships) == 1:
        return memberships.items()
    return sorted(memberships.items(), key=lambda item: (search_key(item[1].label_path), item[0]))
