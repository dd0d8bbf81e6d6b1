"""What changed between two states of a registration: for the journal and for the operator."""

from collections.abc import Iterable
from dataclasses import dataclass
from hashlib import sha256

from idp.types import Endpoint
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
    "valid_until": "fin de validité",
    "rule_set": "jeu d'attributs",
    "name_id_format": "identifiant envoyé",
    "sign": "signature",
    "encrypt": "chiffrement",
    "structures": "structures",
    "requests": "demandes acceptées",
    "refusals": "refus",
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
        for field in _LABELS
        if old[field] != new[field]
    )


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
        "requested_attributes": tuple(
            f"{each.name}{' (exigé)' if each.required else ''}"
            for each in parsed.requested_attributes
        ),
        "valid_until": (f"{parsed.valid_until:%d/%m/%Y %H:%M} UTC",) if parsed.valid_until else (),
        **{name: (value,) for name, value in as_words(options).items()},
    }


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


def _yes_no(*, value: bool) -> str:
    return "oui" if value else "non"
