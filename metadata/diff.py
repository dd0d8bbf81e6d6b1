"""What changed between two states of a registration: for the journal and for the operator."""

from collections.abc import Iterable
from dataclasses import dataclass
from hashlib import sha256

from idp.types import AttributeConsumingService, Endpoint
from metadata.options import Options, as_words
from metadata.parser import ParsedEntity

_LABELS = {
    "display_name": "nom affiché",
    "assertion_consumer_services": "adresses de réponse",
    "single_logout_services": "adresses de déconnexion",
    "signing_certificates": "certificats de signature",
    "encryption_certificates": "certificats de chiffrement",
    "encryption_methods": "algorithmes de chiffrement",
    "authn_requests_signed": "demandes signées",
    "want_assertions_signed": "assertions signées demandées",
    "name_id_formats": "formats d'identifiant annoncés",
    "requested_attributes": "attributs demandés",
    "subject_id_req": "identifiant de sujet demandé",
    "entity_categories": "catégories",
    "valid_until": "fin de validité",
    "rule_set": "jeu d'attributs",
    "name_id_format": "identifiant envoyé",
    "sign": "signature",
    "encrypt": "chiffrement",
    "structures": "structures",
    "requests": "demandes acceptées",
    "refusals": "refus",
    "source_url": "adresse des métadonnées",
    "signer": "certificat qui les signe",
}


@dataclass(frozen=True, slots=True)
class Change:
    """One field: what is there no more and what is new, as texts."""

    field: str
    removed: tuple[str, ...]
    added: tuple[str, ...]

    def as_json(self) -> dict[str, object]:
        """For the journal and ``--json``."""
        return {"field": self.field, "removed": list(self.removed), "added": list(self.added)}

    def sentence(self) -> str:
        """For people."""
        parts = []
        if self.removed:
            parts.append(f"retiré {', '.join(self.removed)}")
        if self.added:
            parts.append(f"ajouté {', '.join(self.added)}")
        return f"{_LABELS[self.field]} : {' ; '.join(parts) or 'ordre changé'}"


def changes(
    before: tuple[ParsedEntity, Options], after: tuple[ParsedEntity, Options]
) -> tuple[Change, ...]:
    """Every difference, in the order of the labels."""
    old, new = _texts(*before), _texts(*after)
    return tuple(
        Change(
            field,
            tuple(text for text in old[field] if text not in new[field]),
            tuple(text for text in new[field] if text not in old[field]),
        )
        for field in old
        if old[field] != new[field]
    )


def source(
    before: tuple[str | None, bytes | None], after: tuple[str | None, bytes | None]
) -> tuple[Change, ...]:
    """Where the metadata come from, and whose signature they must have."""
    changed = []
    for name, old, new in (
        ("source_url", before[0], after[0]),
        ("signer", _fingerprint(before[1]), _fingerprint(after[1])),
    ):
        if old != new:
            changed.append(Change(name, (old,) if old else (), (new,) if new else ()))
    return tuple(changed)


def _texts(parsed: ParsedEntity, options: Options) -> dict[str, tuple[str, ...]]:
    return {
        "display_name": (parsed.display_name,),
        "assertion_consumer_services": _endpoints(parsed.assertion_consumer_services),
        "single_logout_services": _endpoints(parsed.single_logout_services),
        "signing_certificates": _fingerprints(parsed.signing_certificates),
        "encryption_certificates": _fingerprints(parsed.encryption_certificates),
        "encryption_methods": parsed.encryption_methods,
        "authn_requests_signed": (_yes_no(value=parsed.authn_requests_signed),),
        "want_assertions_signed": (_yes_no(value=parsed.want_assertions_signed),),
        "name_id_formats": parsed.name_id_formats,
        "requested_attributes": _requested(parsed.attribute_consuming_services),
        "subject_id_req": (parsed.subject_id_req,) if parsed.subject_id_req else (),
        "entity_categories": parsed.entity_categories,
        "valid_until": (f"{parsed.valid_until:%d/%m/%Y %H:%M} UTC",) if parsed.valid_until else (),
        **{name: (value,) for name, value in as_words(options).items()},
    }


def _requested(services: tuple[AttributeConsumingService, ...]) -> tuple[str, ...]:
    return tuple(
        f"{attribute.name}{' (exigé)' if attribute.required else ''}"
        + (f" n° {service.index}" if len(services) > 1 else "")
        for service in services
        for attribute in service.requested
    )


def _endpoints(endpoints: Iterable[Endpoint]) -> tuple[str, ...]:
    return tuple(_endpoint(each) for each in endpoints)


def _endpoint(endpoint: Endpoint) -> str:
    text = f"{endpoint.location} ({endpoint.binding.rpartition(':')[2]})"
    if endpoint.index is not None:
        text += f" n° {endpoint.index}"
    if endpoint.is_default:
        text += " par défaut"
    if endpoint.response_location:
        text += f" réponses : {endpoint.response_location}"
    return text


def _fingerprints(certificates: Iterable[bytes]) -> tuple[str, ...]:
    return tuple(sha256(der).hexdigest() for der in certificates)


def _fingerprint(der: bytes | None) -> str | None:
    return sha256(der).hexdigest() if der else None


def _yes_no(*, value: bool) -> str:
    return "oui" if value else "non"
