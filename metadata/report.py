"""Registrations as the command line shows them: lines for people, data for scripts."""

from collections.abc import Iterable, Iterator

from idp.types import Refusals, Requests
from metadata.certificates import read
from metadata.diff import Change
from metadata.options import Options, as_words
from metadata.rows import Registration


def line(registration: Registration, application: str | None) -> str:
    """One line: entityID, name, application, state."""
    name = registration.parsed.display_name if registration.parsed else "illisible"
    choices = "".join(f", {text}" for text in _choices(registration.options))
    connected = f"application {application}" if application else "d'aucune application"
    return f"{registration.entity_id} ({name}), {connected} : {_state(registration)}{choices}"


def lines_of(registration: Registration, changes: Iterable[Change] = ()) -> list[str]:
    """What changed, what to look at, and why it cannot be used: one line each, indented."""
    lines = [f"  Changement : {change.sentence()}" for change in changes]
    lines += [f"  Attention : {warning}" for warning in registration.warnings]
    if registration.problem:
        lines.append(f"  Erreur : {registration.problem}")
    return lines


def details(registration: Registration, application: str | None) -> str:
    """Everything that matters about one SP."""
    lines = [line(registration, application)]
    if registration.source_url:
        lines.append(f"  Adresse des métadonnées : {registration.source_url}")
    lines += [f"  {text}" for text in _details(registration)]
    return "\n".join([*lines, *lines_of(registration)])


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
        "warnings": list(registration.warnings),
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
        "valid_until": parsed.valid_until.isoformat() if parsed.valid_until else None,
        "attributes": [rule.name for rule in options.rules],
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
    yield f"Attributs : {', '.join(rule.name for rule in options.rules)}"
