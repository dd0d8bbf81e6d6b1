"""The registry of service providers: one service writes it, a snapshot is what is read."""

from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from sqlalchemy.exc import IntegrityError

from idp.errors import AlreadyExists, MetadataError, NotFound
from idp.services import Core
from metadata import diff, rows, tables
from metadata.document import choose
from metadata.lint import examine
from metadata.options import Choice, Options, as_words, change, complete
from metadata.parser import ParsedEntity, parse
from metadata.rows import Judged, Registration
from metadata.schedule import pause
from metadata.snapshot import REVISION, ServiceProviders, build
from metadata.tables import ServiceProviderRow

__all__ = ["Registry", "ServiceProviders", "Written", "build", "check_followed"]

BEFORE_ALL_TIME = datetime.min.replace(tzinfo=UTC)  # no validUntil has passed then
LONGEST_VALIDITY = timedelta(days=400)
"""How far away the end of a copy from an address may be: a year, and some time to renew it."""


@dataclass(frozen=True, slots=True)
class Written:
    """What a write did: the registration as it is now, and what changed of it.

    ``first_line``: where its EntityDescriptor begins in the aggregate that it was taken out of.
    """

    registration: Registration
    changes: tuple[diff.Change, ...] = ()
    first_line: int | None = None


class Registry:
    """Writes the registry: each method is one unit of work with its journal event."""

    def __init__(self, core: Core) -> None:
        self._db = core.db
        self._clock = core.clock
        self._audit = core.audit
        self._own_entity_id = core.settings.entity_id

    def add(
        self,
        document: bytes,
        choice: Choice,
        *,
        application: str,
        source_url: str | None = None,
        signer: bytes | None = None,
        entity_id: str | None = None,
    ) -> Written:
        """Register a service provider for the application of this code.

        ``signer`` is the certificate (DER) whose key must have signed the document, now and each
        time that ``source_url`` is read again; ``entity_id`` the one wanted of an aggregate.

        Raises:
            MetadataError: the metadata cannot be registered, or come from an address without a
                signer and without an end (``validUntil``) that is near enough.
            AlreadyExists: this entityID is registered.
        """
        judged = self.judge(document, source_url=source_url, signer=signer, entity_id=entity_id)
        return self.put(judged, choice, application=application)

    def replace(
        self,
        document: bytes,
        choice: Choice,
        *,
        source_url: str | None = None,
        signer: bytes | None = None,
        entity_id: str | None = None,
    ) -> Written:
        """Replace the metadata of a registered SP; the options that are not chosen stay.

        So does the signer, as long as they come from an address.

        Raises:
            MetadataError: the metadata cannot be registered; what was there stays.
            NotFound: this entityID is not registered.
        """
        judged = self.judge(
            document, source_url=source_url, signer=signer, entity_id=entity_id, replace=True
        )
        return self._replace("replaced", judged, choice)

    def judge(
        self,
        document: bytes,
        *,
        source_url: str | None = None,
        signer: bytes | None = None,
        entity_id: str | None = None,
        replace: bool = False,
    ) -> Judged:
        """Read a document that may have 20 MiB: seconds, in which nothing is written or locked.

        With ``replace`` what comes from an address must be signed by the registered signer, unless
        another is given.

        Raises:
            MetadataError: it cannot be registered.
        """
        chosen = choose(document, entity_id=entity_id, signer=signer)
        parsed = self._accept(chosen.xml)
        keeps_signer = replace and signer is None and source_url is not None
        if keeps_signer:
            with suppress(NotFound):
                signer = self.find(parsed.entity_id).signer
        if keeps_signer and signer is not None:
            chosen = choose(document, entity_id=parsed.entity_id, signer=signer)
        check_followed(parsed, source_url, signer, now=self._clock.now())
        return Judged(parsed, chosen, source_url, signer, keeps_signer)

    def put(
        self, judged: Judged, choice: Choice, *, application: str, replace: bool = False
    ) -> Written:
        """Register what was judged; with ``replace``, in place of what is there, if anything is.

        Raises:
            MetadataError: the choices do not fit it, or the row was changed since it was judged.
            AlreadyExists: this entityID is registered, and not ``replace``.
        """
        if replace:
            with suppress(NotFound):
                return self._replace("replaced", judged, choice)
        return self._add(judged, choice, application)

    def refresh(self, entity_id: str, document: bytes, source_url: str) -> Written:
        """Take what the SP's ``source_url`` gave; the last good copy stays if it is refused.

        Raises:
            MetadataError: it cannot be registered, is not signed by the pinned key, describes
                another entity, or the address or the key is another one meanwhile.
            NotFound: this entityID is not registered.
        """
        signer = self.find(entity_id).signer
        chosen = choose(document, entity_id=entity_id, signer=signer)
        parsed = self._accept(chosen.xml)
        check_followed(parsed, source_url, signer, now=self._clock.now())
        judged = Judged(parsed, chosen, source_url, signer, keeps_signer=True)
        return self._replace("refreshed", judged, Choice())

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
            row = rows.locked(self._db, entity_id)
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
            raise rows.unknown(entity_id)
        return rows.examine_row(row, self._clock.now())

    def list(self) -> tuple[Registration, ...]:
        """Every registration, usable or not, by entityID."""
        now = self._clock.now()
        with self._db.reading() as session:
            found = session.scalars(tables.every()).all()
        by_entity_id = sorted(found, key=lambda row: row.entity_id)
        return tuple(rows.examine_row(row, now) for row in by_entity_id)

    def _accept(self, xml: bytes) -> ParsedEntity:
        parsed = parse(xml, now=self._clock.now())
        if parsed.entity_id == self._own_entity_id:
            text = (
                "Ces métadonnées portent l'entityID de ce portail lui-même. Donnez celles de "
                "l'application."
            )
            raise MetadataError(text, public=text)
        return parsed

    def _add(self, judged: Judged, choice: Choice, application: str) -> Written:
        now, parsed = self._clock.now(), judged.parsed
        options = complete(choice, parsed, application=application)
        warnings = examine(parsed, options, now=now)
        row = ServiceProviderRow(
            entity_id=parsed.entity_id, enabled=True, created_at=now, updated_at=now
        )
        rows.write(row, judged, options)
        _read_at(row, now, parsed)
        with self._db.unit_of_work() as session:
            if session.get(ServiceProviderRow, parsed.entity_id) is not None:
                raise _already(parsed.entity_id)
            session.add(row)
            try:
                session.flush()
            except IntegrityError as error:
                raise _already(parsed.entity_id) from error
            self._record("added", row, {"source_url": judged.source_url, **as_words(options)})
        found = rows.registration(row, now, parsed, options, warnings)
        return Written(found, first_line=judged.chosen.first_line)

    def _replace(self, event: str, judged: Judged, choice: Choice) -> Written:
        now, parsed = self._clock.now(), judged.parsed
        with self._db.unit_of_work():
            row = rows.locked(self._db, parsed.entity_id)
            _check_unmoved(row, judged, followed=event == "refreshed")
            options = _changed(row, choice, parsed)
            before = _before(row)
            warnings = examine(parsed, options, now=now)
            changed = _differences(before, (parsed, options), now) if before else ()
            changed += diff.source(
                (row.source_url, rows.read_signer(row)), (judged.source_url, judged.signer)
            )
            if changed or not before or _is_read_otherwise(before, (parsed, options)):
                row.updated_at = now
                told: list[object] = [each.as_json() for each in changed]
                self._record(event, row, {"changes": told, "source_url": judged.source_url})
            rows.write(row, judged, options)
            _read_at(row, now, parsed)
        found = rows.registration(row, now, parsed, options, warnings)
        return Written(found, changed, judged.chosen.first_line)

    def _set_enabled(self, entity_id: str, *, enabled: bool) -> None:
        with self._db.unit_of_work():
            row = rows.locked(self._db, entity_id)
            if row.enabled is enabled:
                return
            row.enabled = enabled
            row.updated_at = self._clock.now()
            self._record("enabled" if enabled else "disabled", row, {})

    def _record(self, event: str, row: ServiceProviderRow, parameters: dict[str, object]) -> None:
        self._audit.record(
            f"service-provider.{event}", entity_id=row.entity_id, parameters=parameters
        )
        self._db.bump(REVISION)


def check_followed(
    parsed: ParsedEntity, source_url: str | None, signer: bytes | None, *, now: datetime
) -> None:
    """An address must give copies that end in time, or with a known signer. [saml2int] SDP-MD.

    Raises:
        MetadataError: it does neither.
    """
    if source_url is None or signer is not None:
        return
    end = parsed.valid_until
    if end is None:
        problem = "n'ont pas de date de fin (validUntil) : une copie ancienne pourrait resservir "
        problem += "sans limite"
    elif end > now + LONGEST_VALIDITY:
        problem = f"ne finissent que le {end:%d/%m/%Y} (validUntil), dans plus de "
        problem += (
            f"{LONGEST_VALIDITY.days} jours : une copie ancienne pourrait resservir jusque-là"
        )
    else:
        return
    text = (
        f"Les métadonnées de {source_url} {problem}. Demandez à l'éditeur une date plus proche, "
        "donnez le certificat qui les signe (--signer), ou téléchargez le fichier, vérifiez-le et "
        "enregistrez-le."
    )
    raise MetadataError(text, public=text)


def _read_at(row: ServiceProviderRow, now: datetime, parsed: ParsedEntity) -> None:
    """Note that the address was read well, and when it will be again."""
    followed = row.source_url is not None
    row.last_error, row.failures = None, 0
    row.last_tried_at = now if followed else None
    row.next_try_at = (
        now + pause(now, parsed.cache_duration, parsed.valid_until) if followed else None
    )


def _check_unmoved(row: ServiceProviderRow, judged: Judged, *, followed: bool) -> None:
    """Reading took its time: nobody may have registered another address or signer meanwhile."""
    moved = followed and row.source_url != judged.source_url
    if moved or (judged.keeps_signer and rows.read_signer(row) != judged.signer):
        text = (
            "L'adresse des métadonnées, ou le certificat qui les signe, a été remplacée pendant "
            "la lecture : rien n'est changé."
        )
        raise MetadataError(text, public=text)


_State = tuple[ParsedEntity, Options]


def _differences(before: _State, after: _State, now: datetime) -> tuple[diff.Change, ...]:
    """What is worth an event: not the end alone, which some addresses move away at each reading.

    An end that has passed is, because its SP was in no snapshot any more; so is one that comes
    nearer, or that comes or goes.
    """
    changed = diff.changes(before, after)
    old, new = before[0].valid_until, after[0].valid_until
    if old is None or new is None or not now < old <= new:
        return changed
    return tuple(each for each in changed if each.field != "valid_until")


def _is_read_otherwise(before: _State, after: _State) -> bool:
    """Whether the sign-on path reads anything that no difference in words tells."""
    old, new = (rows.service_provider(*each, enabled=True) for each in (before, after))
    return old != new


def _changed(row: ServiceProviderRow, choice: Choice, parsed: ParsedEntity) -> Options:
    try:
        return change(rows.read_options(row), choice)
    except MetadataError:
        return complete(choice, parsed, application=row.rule_set)


def _before(row: ServiceProviderRow) -> _State | None:
    """What the row said, were it expired since; None when it is unreadable."""
    try:
        return rows.read_metadata(row, BEFORE_ALL_TIME), rows.read_options(row)
    except MetadataError:
        return None


def _already(entity_id: str) -> AlreadyExists:
    text = f"Le fournisseur de service {entity_id} est déjà enregistré. Remplacez-le (--replace)."
    return AlreadyExists(text, public=text)
