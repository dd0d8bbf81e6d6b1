"""Rows of the registry's table, read and written: the only place that knows their columns."""

from dataclasses import dataclass
from datetime import datetime

from idp.errors import MetadataError
from idp.types import (
    Encrypt,
    NameIDFormat,
    Refusals,
    Requests,
    ServiceProvider,
    Sign,
    Structures,
)
from metadata.lint import examine
from metadata.options import Options
from metadata.parser import ParsedEntity, parse
from metadata.rule_sets import from_json, to_json
from metadata.tables import ServiceProviderRow


@dataclass(frozen=True, slots=True)
class Registration:
    """One registered service provider, for whoever administers it.

    ``parsed`` and ``options`` are None when what is stored cannot be used any more; ``problem``
    says why, in words.
    """

    entity_id: str
    enabled: bool
    source_url: str | None
    created_at: datetime
    updated_at: datetime
    parsed: ParsedEntity | None = None
    options: Options | None = None
    warnings: tuple[str, ...] = ()
    problem: str | None = None


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


def examine_row(row: ServiceProviderRow, now: datetime) -> Registration:
    """The row as whoever administers it sees it; never raises."""
    try:
        options = read_options(row)
        parsed = read_metadata(row, now)
        warnings = examine(parsed, options, now=now)
    except MetadataError as error:
        return Registration(
            row.entity_id,
            row.enabled,
            row.source_url,
            row.created_at,
            row.updated_at,
            problem=error.public,
        )
    return registration(row, parsed, options, warnings)


def registration(
    row: ServiceProviderRow, parsed: ParsedEntity, options: Options, warnings: tuple[str, ...]
) -> Registration:
    """A usable row as whoever administers it sees it."""
    return Registration(
        row.entity_id,
        row.enabled,
        row.source_url,
        row.created_at,
        row.updated_at,
        parsed,
        options,
        warnings,
    )


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
        rules=options.rules,
        name_id_format=options.name_id_format,
        sign=options.sign,
        encrypt=options.encrypt,
        structures=options.structures,
        requests=options.requests,
        refusals=options.refusals,
        enabled=enabled,
    )


def write(row: ServiceProviderRow, xml: bytes, options: Options, source_url: str | None) -> None:
    """Put metadata (UTF-8) and choices into the row."""
    row.xml = xml.decode()
    row.source_url = source_url
    row.rule_set = options.rule_set
    row.rules = to_json(options.rules)
    row.name_id_format = options.name_id_format.value
    row.sign = options.sign.value
    row.encrypt = options.encrypt.value
    row.structures = options.structures.value
    row.requests = options.requests.value
    row.refusals = options.refusals.value
