"""Rows of the registry's table, read and written: the only place that knows their columns."""

from base64 import b64decode, b64encode
from dataclasses import dataclass
from datetime import datetime

from idp.db import Database
from idp.errors import MetadataError, NotFound
from idp.types import Encrypt, NameIDFormat, Refusals, Requests, ServiceProvider, Sign, Structures
from metadata.document import Chosen
from metadata.exceptions import Granted
from metadata.exceptions import from_json as exceptions_from_json
from metadata.lint import examine
from metadata.options import Options
from metadata.parser import ParsedEntity, parse
from metadata.rule_sets import from_json, to_json
from metadata.tables import ServiceProviderRow


@dataclass(frozen=True, slots=True)
class Judged:
    """A document that may be registered: what it says, whence it came, who had to sign it.

    ``keeps_signer``: ``signer`` was the registered one when the document was read, and the row must
    still say so when it is written.
    """

    parsed: ParsedEntity
    chosen: Chosen
    source_url: str | None = None
    signer: bytes | None = None
    keeps_signer: bool = False


@dataclass(frozen=True, slots=True)
class Registration:
    """One registered service provider, for whoever administers it.

    ``parsed`` and ``options`` are None when what is stored cannot be used any more; ``problem``
    says why, in words. ``signer`` is the DER certificate that what the address gives must be
    signed with; ``last_error`` says in words why the last reading changed nothing.
    """

    entity_id: str
    enabled: bool
    source_url: str | None
    created_at: datetime
    updated_at: datetime
    signer: bytes | None = None
    last_tried_at: datetime | None = None
    next_try_at: datetime | None = None
    last_error: str | None = None
    exceptions: tuple[Granted, ...] = ()
    parsed: ParsedEntity | None = None
    options: Options | None = None
    warnings: tuple[str, ...] = ()
    problem: str | None = None


def locked(db: Database, entity_id: str) -> ServiceProviderRow:
    """The row of this SP, nobody else's until the unit of work in progress ends.

    Raises:
        NotFound: this entityID is not registered.
    """
    with db.unit_of_work() as session:
        row = session.get(ServiceProviderRow, entity_id, with_for_update=True)
    if row is None:
        raise unknown(entity_id)
    return row


def unknown(entity_id: str) -> NotFound:
    """What to raise where this entityID is not registered."""
    text = f"Aucun fournisseur de service {entity_id} n'est enregistré."
    return NotFound(text, public=text)


def read_options(row: ServiceProviderRow) -> Options:
    """Our choices, as the row keeps them.

    Raises:
        MetadataError: a value that this version does not know.
    """
    try:
        return Options(
            rule_set=row.rule_set,
            rules=from_json(row.rules),
            name_id_format=NameIDFormat(row.name_id_format),
            sign=Sign(row.sign),
            encrypt=Encrypt(row.encrypt),
            structures=Structures(row.structures),
            requests=Requests(row.requests),
            refusals=Refusals(row.refusals),
        )
    except ValueError as error:
        raise MetadataError(
            f"the registration is unreadable: {error}",
            public="L'enregistrement est illisible. Enregistrez de nouveau l'application.",
        ) from error


def read_metadata(row: ServiceProviderRow, now: datetime) -> ParsedEntity:
    """What the row's metadata says.

    Raises:
        MetadataError: it cannot be used any more, or is another entity's.
    """
    parsed = parse(row.xml.encode(errors="replace"), now=now)
    if parsed.entity_id != row.entity_id:
        text = f"Les métadonnées conservées sont celles de {parsed.entity_id}. Remplacez-les."
        raise MetadataError(text, public=text)
    return parsed


def read_exceptions(row: ServiceProviderRow) -> tuple[Granted, ...]:
    """The legacy exceptions, those that are over too.

    Raises:
        MetadataError: written by another version.
    """
    return exceptions_from_json(row.exceptions or ())


def read_signer(row: ServiceProviderRow) -> bytes | None:
    """The DER certificate that the address is pinned to."""
    return b64decode(row.signer) if row.signer else None


def valid_until(row: ServiceProviderRow, now: datetime) -> datetime | None:
    """When the copy that is held ends; None when it never does, or already has."""
    try:
        return read_metadata(row, now).valid_until
    except MetadataError:
        return None


def examine_row(row: ServiceProviderRow, now: datetime) -> Registration:
    """The row as whoever administers it sees it; never raises."""
    try:
        options = read_options(row)
        parsed = read_metadata(row, now)
        warnings = examine(parsed, options, now=now)
        return registration(row, now, parsed, options, warnings)
    except MetadataError as error:
        return registration(row, now, problem=error.public)


def registration(
    row: ServiceProviderRow,
    now: datetime,
    parsed: ParsedEntity | None = None,
    options: Options | None = None,
    warnings: tuple[str, ...] = (),
    problem: str | None = None,
) -> Registration:
    """The row as whoever administers it sees it."""
    try:
        granted = read_exceptions(row)
    except MetadataError as error:
        granted, problem = (), problem or error.public
    notices = [text for each in granted if (text := each.warning(now))]
    return Registration(
        entity_id=row.entity_id,
        enabled=row.enabled,
        source_url=row.source_url,
        created_at=row.created_at,
        updated_at=row.updated_at,
        signer=read_signer(row),
        last_tried_at=row.last_tried_at,
        next_try_at=row.next_try_at,
        last_error=row.last_error,
        exceptions=granted,
        parsed=None if problem else parsed,
        options=None if problem else options,
        warnings=(*warnings, *_unread(row), *notices),
        problem=problem,
    )


def _unread(row: ServiceProviderRow) -> tuple[str, ...]:
    if row.last_error is None or row.last_tried_at is None:
        return ()
    text = (
        f"La lecture du {row.last_tried_at:%d/%m/%Y à %H:%M} UTC n'a rien changé, la dernière "
        f"copie sert : {row.last_error}"
    )
    return (text,)


def service_provider(parsed: ParsedEntity, options: Options, *, enabled: bool) -> ServiceProvider:
    """What the sign-on path reads."""
    return ServiceProvider(
        entity_id=parsed.entity_id,
        display_name=parsed.display_name,
        assertion_consumer_services=parsed.assertion_consumer_services,
        single_logout_services=parsed.single_logout_services,
        signing_certificates=parsed.signing_certificates,
        encryption_certificates=parsed.encryption_certificates,
        encryption_methods=parsed.encryption_methods,
        authn_requests_signed=parsed.authn_requests_signed,
        want_assertions_signed=parsed.want_assertions_signed,
        name_id_formats=parsed.name_id_formats,
        attribute_consuming_services=parsed.attribute_consuming_services,
        subject_id_req=parsed.subject_id_req,
        rules=options.rules,
        name_id_format=options.name_id_format,
        sign=options.sign,
        encrypt=options.encrypt,
        structures=options.structures,
        requests=options.requests,
        refusals=options.refusals,
        enabled=enabled,
    )


def write(row: ServiceProviderRow, judged: Judged, options: Options) -> None:
    """Put metadata and choices into the row."""
    row.xml = judged.chosen.xml.decode()
    row.valid_until = judged.parsed.valid_until
    row.source_url = judged.source_url
    row.signer = b64encode(judged.signer).decode() if judged.signer else None
    row.rule_set = options.rule_set
    row.rules = to_json(options.rules)
    row.name_id_format = options.name_id_format.value
    row.sign = options.sign.value
    row.encrypt = options.encrypt.value
    row.structures = options.structures.value
    row.requests = options.requests.value
    row.refusals = options.refusals.value
