"""Registrations as the command line shows them: lines for people, data for scripts."""

from collections.abc import Iterable, Iterator
from datetime import datetime

from idp.saml.subject_ids import obey
from idp.types import Refusals, Requests
from metadata.certificates import read
from metadata.diff import Change
from metadata.lint import notes
from metadata.options import Options, as_words
from metadata.parser import ParsedEntity
from metadata.rows import Registration


def line(registration: Registration, application: str | None) -> str:
    """One line: entityID, name, application, state."""
    name = registration.parsed.display_name if registration.parsed else "illisible"
    choices = "".join(
        f", {text}" for text in (*_choices(registration.options), *_ways(registration))
    )
    connected = f"application {application}" if application else "d'aucune application"
    return f"{registration.entity_id} ({name}), {connected} : {_state(registration)}{choices}"


def lines_of(registration: Registration, changes: Iterable[Change] = ()) -> list[str]:
    """What changed, what to look at, and why it cannot be used: one line each, indented."""
    lines = [f"  Changement : {change.sentence()}" for change in changes]
    lines += [f"  Attention : {warning}" for warning in registration.warnings]
    if registration.problem:
        lines.append(f"  Erreur : {registration.problem}")
    return lines


def notes_of(registration: Registration) -> list[str]:
    """What is good to know: one line each, indented."""
    return [f"  À noter : {text}" for text in _notes(registration)]


def details(registration: Registration, application: str | None, now: datetime) -> str:
    """Everything that matters about one SP."""
    lines = [line(registration, application)]
    lines += [f"  {text}" for text in (*_source(registration), *_details(registration))]
    lines += [f"  Exception {each.sentence(now)}" for each in registration.exceptions]
    return "\n".join([*lines, *lines_of(registration), *notes_of(registration)])


def as_json(
    registration: Registration, application: str | None, changes: Iterable[Change] = ()
) -> dict[str, object]:
    """The registration for ``--json``."""
    data: dict[str, object] = {
        "entity_id": registration.entity_id,
        "application": application,
        "enabled": registration.enabled,
        "source_url": registration.source_url,
        "created_at": registration.created_at.isoformat(),
        "updated_at": registration.updated_at.isoformat(),
        "signer": read(registration.signer).fingerprint if registration.signer else None,
        "last_tried_at": _iso(registration.last_tried_at),
        "next_try_at": _iso(registration.next_try_at),
        "last_error": registration.last_error,
        "exceptions": [each.as_json() for each in registration.exceptions],
        "warnings": list(registration.warnings),
        "notes": _notes(registration),
        "problem": registration.problem,
        "changes": [change.as_json() for change in changes],
    }
    parsed, options = registration.parsed, registration.options
    if parsed is None or options is None:
        return data
    return data | {
        "display_name": parsed.display_name,
        "acs": [each.location for each in parsed.assertion_consumer_services],
        "slo": [each.location for each in parsed.single_logout_services],
        "authn_requests_signed": parsed.authn_requests_signed,
        "signing_certificates": [read(der).fingerprint for der in parsed.signing_certificates],
        "encryption_certificates": [
            read(der).fingerprint for der in parsed.encryption_certificates
        ],
        "subject_id_req": parsed.subject_id_req,
        "entity_categories": list(parsed.entity_categories),
        "valid_until": _iso(parsed.valid_until),
        "requested_attributes": {
            str(each.index): [one.name for one in each.requested]
            for each in parsed.attribute_consuming_services
        },
        "attributes": _attributes(parsed, options),
        **as_words(options),
    }


def _choices(options: Options | None) -> Iterator[str]:
    """The rule set, and whatever is not as usual."""
    if options is None:
        return
    yield f"attributs {options.rule_set}"
    if options.requests is Requests.SIGNED:
        yield "demandes signées exigées"
    if options.refusals is Refusals.STATUS:
        yield "refus annoncés à l'application"


def _ways(registration: Registration) -> Iterator[str]:
    """How its last reading went, and what is granted to it."""
    if registration.last_error:
        yield "dernière lecture en échec"
    if registration.exceptions:
        yield f"exceptions {' '.join(each.kind for each in registration.exceptions)}"


def _notes(registration: Registration) -> list[str]:
    if registration.parsed is None or registration.options is None:
        return []
    return list(notes(registration.parsed, registration.options))


def _source(registration: Registration) -> Iterator[str]:
    if registration.source_url is None:
        return
    yield f"Adresse des métadonnées : {registration.source_url}"
    if registration.signer:
        certificate = read(registration.signer)
        yield f"Signées par : {certificate.name}, SHA-256 {certificate.fingerprint}"
    yield (
        f"Dernière lecture : {_moment(registration.last_tried_at)} ; "
        f"prochaine : {_moment(registration.next_try_at)}"
    )


def _moment(moment: datetime | None) -> str:
    return f"{moment:%d/%m/%Y %H:%M} UTC" if moment else "pas encore"


def _iso(moment: datetime | None) -> str | None:
    return moment.isoformat() if moment else None


def _state(registration: Registration) -> str:
    if registration.problem:
        return "inutilisable"
    return "actif" if registration.enabled else "désactivé"


def _details(registration: Registration) -> Iterator[str]:
    parsed, options = registration.parsed, registration.options
    if parsed is None or options is None:
        return
    for each in parsed.assertion_consumer_services:
        yield f"Réponses : {each.location} ({each.binding.rpartition(':')[2]})"
    for each in parsed.single_logout_services:
        yield f"Déconnexion : {each.location} ({each.binding.rpartition(':')[2]})"
    for use, certificates in (
        ("signature", parsed.signing_certificates),
        ("chiffrement", parsed.encryption_certificates),
    ):
        for der in certificates:
            certificate = read(der)
            end = f"{certificate.not_after:%d/%m/%Y}"
            yield f"Certificat de {use} : {certificate.name}, jusqu'au {end}"
            yield f"  SHA-256 {certificate.fingerprint}"
    words = as_words(options)
    yield f"Identifiant : {words['name_id_format'].rpartition(':')[2]}"
    yield f"Signature : {words['sign']} ; chiffrement : {words['encrypt']}"
    yield f"Structures : {words['structures']}"
    yield f"Demandes : {words['requests']} ; refus : {words['refusals']}"
    yield f"Attributs : {', '.join(_attributes(parsed, options))}"
    for service in parsed.attribute_consuming_services:
        names = ", ".join(each.name for each in service.requested)
        yield f"Attributs d'une demande de l'index {service.index}, au plus : {names}"


def _attributes(parsed: ParsedEntity, options: Options) -> list[str]:
    """All that leaves, whoever asked for it: the registration or the metadata's signal."""
    return [rule.name for rule in obey(options.rules, parsed.subject_id_req)]
