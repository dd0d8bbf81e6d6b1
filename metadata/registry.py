"""The service providers that are registered: read from a snapshot, written by one service."""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial

from sqlalchemy import select
from sqlalchemy.exc import IntegrityError

from idp.db import Database
from idp.errors import AlreadyExists, MetadataError, NotFound, UnknownServiceProvider
from idp.interfaces import IClock, IServiceProviders
from idp.services import Core
from idp.snapshot import Snapshot
from idp.types import ServiceProvider
from metadata import diff, rows
from metadata.lint import examine
from metadata.options import Choice, Options, as_words, change, complete
from metadata.parser import ParsedEntity, parse
from metadata.rows import Registration
from metadata.tables import ServiceProviderRow

REVISION = "service_provider"
BEFORE_ALL_TIME = datetime.min.replace(tzinfo=UTC)  # no validUntil has passed then

SUSPENDED = "La connexion à cette application est suspendue. Adressez-vous au correspondant."

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Written:
    """What a write did: the registration as it is now, and what changed of it."""

    registration: Registration
    changes: tuple[diff.Change, ...] = ()


@dataclass(frozen=True, slots=True)
class _Held:
    """The snapshot. ``valid_until`` holds only the SPs whose metadata has an end."""

    enabled: Mapping[str, ServiceProvider]
    every: tuple[ServiceProvider, ...]
    valid_until: Mapping[str, datetime]


class ServiceProviders:
    """``IServiceProviders`` over the table, parsed once for each change of it."""

    def __init__(self, db: Database, clock: IClock) -> None:
        self._clock = clock
        self._snapshot = Snapshot(db, REVISION, partial(_load, db, clock))

    def get(self, entity_id: str) -> ServiceProvider:
        """See :class:`idp.interfaces.IServiceProviders`.

        Metadata that has expired since is not used any more. [SAMLMeta] 2.3.2, ``validUntil``.
        """
        held = self._snapshot.get()
        found = held.enabled.get(entity_id)
        if found is None:
            known = any(each.entity_id == entity_id for each in held.every)
            raise UnknownServiceProvider(
                f"no enabled service provider {entity_id[:200]!r}",
                public=SUSPENDED if known else None,
            )
        end = held.valid_until.get(entity_id)
        if end is not None and end <= self._clock.now():
            raise UnknownServiceProvider(
                f"the metadata of {entity_id} expired on {end}", public=SUSPENDED
            )
        return found

    def all(self) -> Sequence[ServiceProvider]:
        """See :class:`idp.interfaces.IServiceProviders`; those that cannot be read are left out."""
        return self._snapshot.get().every


def build(core: Core) -> IServiceProviders:
    """The plug-in that the setting ``idp.service_providers`` names."""
    return ServiceProviders(core.db, core.clock)


class Registry:
    """Writes the registry: each method is one unit of work with its journal event."""

    def __init__(self, core: Core) -> None:
        self._db = core.db
        self._clock = core.clock
        self._audit = core.audit
        self._own_entity_id = core.settings.entity_id

    def add(
        self, xml: bytes, choice: Choice, *, application: str, source_url: str | None = None
    ) -> Written:
        """Register a service provider for the application of this code.

        Metadata of an address that have no end (``validUntil``) are taken once and not followed.

        Raises:
            MetadataError: the metadata cannot be registered.
            AlreadyExists: this entityID is registered.
        """
        now = self._clock.now()
        parsed = self._accept(xml, now)
        source_url, notice = _followed(parsed, source_url)
        options = complete(choice, parsed, application=application)
        warnings = (*examine(parsed, options, now=now), *notice)
        row = ServiceProviderRow(
            entity_id=parsed.entity_id, enabled=True, created_at=now, updated_at=now
        )
        rows.write(row, xml, options, source_url)
        with self._db.unit_of_work() as session:
            if session.get(ServiceProviderRow, parsed.entity_id) is not None:
                raise _already(parsed.entity_id)
            session.add(row)
            try:
                session.flush()
            except IntegrityError as error:
                raise _already(parsed.entity_id) from error
            self._record("added", row, {"source_url": source_url, **as_words(options)})
        return Written(rows.registration(row, parsed, options, warnings))

    def replace(self, xml: bytes, choice: Choice, *, source_url: str | None = None) -> Written:
        """Replace the metadata of a registered SP; the options that are not chosen stay.

        Raises:
            MetadataError: the metadata cannot be registered; what was there stays.
            NotFound: this entityID is not registered.
        """
        parsed = self._accept(xml, self._clock.now())
        return self._replace("replaced", parsed, xml, choice, source_url)

    def refresh(self, entity_id: str, xml: bytes) -> Written:
        """Take the metadata that the SP's ``source_url`` gave now; the last good copy stays if not.

        Raises:
            MetadataError: it cannot be registered, or describes another entity.
            NotFound: this entityID is not registered.
        """
        registration = self.find(entity_id)
        parsed = self._accept(xml, self._clock.now())
        text = None
        if parsed.valid_until is None:
            text = (
                f"Les métadonnées de {registration.source_url} n'ont plus de date de fin "
                "(validUntil) : la dernière copie reste. Vérifiez-les auprès de l'éditeur."
            )
        if parsed.entity_id != entity_id:
            text = (
                f"L'adresse {registration.source_url} donne maintenant les métadonnées d'une autre "
                f"application ({parsed.entity_id}). Vérifiez-la auprès de l'éditeur."
            )
        if text:
            raise MetadataError(text, public=text)
        return self._replace("refreshed", parsed, xml, Choice(), registration.source_url)

    def disable(self, entity_id: str) -> None:
        """Refuse every sign-on to this SP, and keep its registration.

        Raises:
            NotFound: this entityID is not registered.
        """
        self._set_enabled(entity_id, enabled=False)

    def enable(self, entity_id: str) -> None:
        """Open a disabled SP again.

        Raises:
            NotFound: this entityID is not registered.
        """
        self._set_enabled(entity_id, enabled=True)

    def remove(self, entity_id: str) -> None:
        """Forget this SP.

        Raises:
            NotFound: this entityID is not registered.
        """
        with self._db.unit_of_work() as session:
            row = self._row(entity_id)
            session.delete(row)
            self._record("removed", row, {"rule_set": row.rule_set})

    def exists(self, entity_id: str) -> bool:
        """Whether this entityID is registered, enabled or not."""
        with self._db.reading() as session:
            return session.get(ServiceProviderRow, entity_id) is not None

    def find(self, entity_id: str) -> Registration:
        """One registration, usable or not.

        Raises:
            NotFound: this entityID is not registered.
        """
        with self._db.reading() as session:
            row = session.get(ServiceProviderRow, entity_id)
        if row is None:
            raise _unknown(entity_id)
        return rows.examine_row(row, self._clock.now())

    def list(self) -> tuple[Registration, ...]:
        """Every registration, usable or not, by entityID."""
        now = self._clock.now()
        return tuple(rows.examine_row(row, now) for row in _rows(self._db))

    def _accept(self, xml: bytes, now: datetime) -> ParsedEntity:
        parsed = parse(xml, now=now)
        if parsed.entity_id == self._own_entity_id:
            text = (
                "Ces métadonnées portent l'entityID de ce portail lui-même. Donnez celles de "
                "l'application."
            )
            raise MetadataError(text, public=text)
        return parsed

    def _replace(
        self, event: str, parsed: ParsedEntity, xml: bytes, choice: Choice, source_url: str | None
    ) -> Written:
        now = self._clock.now()
        source_url, notice = _followed(parsed, source_url)
        with self._db.unit_of_work():
            row = self._row(parsed.entity_id)
            options = _changed(row, choice, parsed)
            before = _before(row)
            warnings = (*examine(parsed, options, now=now), *notice)
            changed = diff.changes(before, (parsed, options)) if before else ()
            same = row.xml.encode() == xml and row.source_url == source_url
            if not (same and before and not changed):
                rows.write(row, xml, options, source_url)
                row.updated_at = now
                told: list[object] = [each.as_json() for each in changed]
                self._record(event, row, {"changes": told, "source_url": source_url})
        return Written(rows.registration(row, parsed, options, warnings), changed)

    def _set_enabled(self, entity_id: str, *, enabled: bool) -> None:
        with self._db.unit_of_work():
            row = self._row(entity_id)
            if row.enabled is enabled:
                return
            row.enabled = enabled
            row.updated_at = self._clock.now()
            self._record("enabled" if enabled else "disabled", row, {})

    def _row(self, entity_id: str) -> ServiceProviderRow:
        with self._db.unit_of_work() as session:
            row = session.get(ServiceProviderRow, entity_id, with_for_update=True)
        if row is None:
            raise _unknown(entity_id)
        return row

    def _record(self, event: str, row: ServiceProviderRow, parameters: dict[str, object]) -> None:
        self._audit.record(
            f"service-provider.{event}", entity_id=row.entity_id, parameters=parameters
        )
        self._db.bump(REVISION)


def _followed(parsed: ParsedEntity, source_url: str | None) -> tuple[str | None, tuple[str, ...]]:
    """The address to read again later; None, and what to say, when nothing limits its copies."""
    if source_url is None or parsed.valid_until is not None:
        return source_url, ()
    text = (
        f"Les métadonnées de {source_url} n'ont pas de date de fin (validUntil) : elles sont lues "
        "une fois et ne seront pas suivies. Donnez les prochaines vous-même (--replace)."
    )
    return None, (text,)


def _load(db: Database, clock: IClock) -> _Held:
    now = clock.now()
    every: list[ServiceProvider] = []
    valid_until: dict[str, datetime] = {}
    for row in _rows(db):
        try:
            parsed, options = rows.read_metadata(row, now), rows.read_options(row)
        except MetadataError as error:
            log.exception("service provider %s is left out: %s", row.entity_id, error.cause)
            continue
        every.append(rows.service_provider(parsed, options, enabled=row.enabled))
        if parsed.valid_until is not None:
            valid_until[row.entity_id] = parsed.valid_until
    enabled = {each.entity_id: each for each in every if each.enabled}
    return _Held(enabled, tuple(every), valid_until)


def _changed(row: ServiceProviderRow, choice: Choice, parsed: ParsedEntity) -> Options:
    try:
        return change(rows.read_options(row), choice)
    except MetadataError:
        return complete(choice, parsed, application=row.rule_set)


def _before(row: ServiceProviderRow) -> tuple[ParsedEntity, Options] | None:
    """What the row said, were it expired since; None when it is unreadable."""
    try:
        return rows.read_metadata(row, BEFORE_ALL_TIME), rows.read_options(row)
    except MetadataError:
        return None


def _rows(db: Database) -> list[ServiceProviderRow]:
    with db.reading() as session:
        found = session.scalars(select(ServiceProviderRow)).all()
    return sorted(found, key=lambda row: row.entity_id)


def _already(entity_id: str) -> AlreadyExists:
    text = f"Le fournisseur de service {entity_id} est déjà enregistré. Remplacez-le (--replace)."
    return AlreadyExists(text, public=text)


def _unknown(entity_id: str) -> NotFound:
    text = f"Aucun fournisseur de service {entity_id} n'est enregistré."
    return NotFound(text, public=text)
