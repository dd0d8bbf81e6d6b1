"""What is allowed in an SP's metadata but will hurt one day: French sentences with the remedy."""

from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta

from idp.errors import MetadataError
from idp.types import Encrypt, NameFormat, NameIDFormat, ReleaseRule, Requests, Sign
from metadata.certificates import MIN_RSA_BITS, Certificate, read
from metadata.options import Options
from metadata.parser import ParsedEntity, RequestedAttribute
from metadata.reading import is_plain_http

CERTIFICATE_NOTICE = timedelta(days=60)
VALIDITY_NOTICE = timedelta(days=14)


def examine(parsed: ParsedEntity, options: Options, *, now: datetime) -> tuple[str, ...]:
    """Every warning about this service provider, the parser's first.

    Raises:
        MetadataError: it could never work: signed requests announced
            or demanded without a signing key, encryption demanded without an encryption key.
    """
    _check_keys(parsed, options)
    return (
        *parsed.warnings,
        *_certificates(parsed, now),
        *_endpoints(parsed),
        *_encryption(parsed, options),
        *_choices(parsed, options),
        *_unsatisfied(parsed.requested_attributes, options.rules),
        *_validity(parsed, now),
    )


def _check_keys(parsed: ParsedEntity, options: Options) -> None:
    text = None
    if parsed.authn_requests_signed and not parsed.signing_certificates:
        text = (
            "Les métadonnées annoncent des demandes signées (AuthnRequestsSigned) mais ne "
            'contiennent aucune clé de signature. Ajoutez un KeyDescriptor use="signing", ou '
            'écrivez AuthnRequestsSigned="false".'
        )
    elif options.requests is Requests.SIGNED and not parsed.signing_certificates:
        text = (
            "Les demandes signées sont exigées mais les métadonnées ne contiennent aucune clé de "
            'signature. Ajoutez un KeyDescriptor use="signing", ou choisissez les demandes « any ».'
        )
    elif options.encrypt is Encrypt.ALWAYS and not parsed.encryption_certificates:
        text = (
            "Le chiffrement est exigé mais les métadonnées ne contiennent aucune clé pour "
            'chiffrer. Ajoutez un KeyDescriptor use="encryption", ou choisissez le chiffrement '
            "« auto »."
        )
    if text:
        raise MetadataError(text, public=text)


def _certificates(parsed: ParsedEntity, now: datetime) -> Iterator[str]:
    both = dict.fromkeys((*parsed.signing_certificates, *parsed.encryption_certificates))
    for der in both:
        yield from _certificate(read(der), now)


def _certificate(certificate: Certificate, now: datetime) -> Iterator[str]:
    name = f"Le certificat « {certificate.name} »"
    end = f"{certificate.not_after:%d/%m/%Y}"
    if certificate.not_after <= now:
        yield f"{name} a expiré le {end}. Demandez à l'éditeur des métadonnées à jour."
    elif certificate.not_after - now <= CERTIFICATE_NOTICE:
        yield f"{name} expire le {end}. Demandez à l'éditeur le suivant dès maintenant."
    if certificate.not_before > now:
        yield (
            f"{name} n'est valable qu'à partir du {certificate.not_before:%d/%m/%Y}. "
            "Vérifiez auprès de l'éditeur que c'est le bon."
        )
    if certificate.old_hash:
        yield (
            f"{name} est signé avec un algorithme ancien (SHA-1 ou MD5). Demandez-en un signé "
            "avec SHA-256."
        )
    if certificate.rsa_bits is not None and certificate.rsa_bits < MIN_RSA_BITS:
        yield (
            f"{name} a une clé RSA de {certificate.rsa_bits} bits, trop courte. Demandez une clé "
            f"d'au moins {MIN_RSA_BITS} bits."
        )


def _endpoints(parsed: ParsedEntity) -> Iterator[str]:
    locations = dict.fromkeys(each.location for each in parsed.assertion_consumer_services)
    for location in locations:
        if is_plain_http(location):
            yield (
                f"L'application reçoit les réponses sans chiffrement, à l'adresse {location}. "
                "Demandez à l'éditeur une adresse en https."
            )
    if sum(bool(each.is_default) for each in parsed.assertion_consumer_services) > 1:
        yield (
            "Plusieurs AssertionConsumerService sont marqués isDefault : le premier est employé. "
            "Demandez à l'éditeur de n'en marquer qu'un."
        )
    if not parsed.single_logout_services:
        yield (
            "L'application n'annonce pas d'adresse de déconnexion (SingleLogoutService) : sa "
            "session restera ouverte après une déconnexion du portail. Demandez-la à l'éditeur."
        )


def _encryption(parsed: ParsedEntity, options: Options) -> Iterator[str]:
    if not parsed.encryption_certificates and options.encrypt is Encrypt.AUTO:
        yield (
            "Les métadonnées ne contiennent pas de clé pour chiffrer : les réponses partiront en "
            'clair dans le navigateur. Demandez à l\'éditeur un KeyDescriptor use="encryption".'
        )
    if parsed.encryption_certificates and options.encrypt is Encrypt.NEVER:
        yield (
            "L'application sait déchiffrer les réponses, mais le chiffrement est désactivé ici. "
            "Choisissez « auto » pour l'employer."
        )


def _choices(parsed: ParsedEntity, options: Options) -> Iterator[str]:
    if parsed.want_assertions_signed and options.sign is Sign.RESPONSE:
        yield (
            "L'application demande des assertions signées (WantAssertionsSigned) et seule la "
            "réponse l'est. Choisissez la signature « both » ou « assertion »."
        )
    listed = parsed.name_id_formats
    if listed and not {options.name_id_format, NameIDFormat.UNSPECIFIED} & set(listed):
        yield (
            f"L'application n'annonce pas l'identifiant choisi ici ({options.name_id_format}). "
            f"Elle annonce : {', '.join(listed)}."
        )


def _unsatisfied(
    requested: Iterable[RequestedAttribute], rules: Iterable[ReleaseRule]
) -> Iterator[str]:
    sent = {(rule.name, rule.name_format.value) for rule in rules}
    names = {name for name, _ in sent}
    anything = {None, NameFormat.UNSPECIFIED.value}
    for attribute in requested:
        if not attribute.required:
            continue
        if (attribute.name, attribute.name_format) in sent:
            continue
        if attribute.name_format in anything and attribute.name in names:
            continue
        label = attribute.friendly_name or attribute.name
        yield (
            f"L'application exige l'attribut {label} ({attribute.name}), qu'aucune règle n'envoie. "
            "Choisissez un autre jeu d'attributs, ou faites rendre l'attribut facultatif."
        )


def _validity(parsed: ParsedEntity, now: datetime) -> Iterator[str]:
    if parsed.valid_until is not None and parsed.valid_until - now <= VALIDITY_NOTICE:
        yield (
            f"Ces métadonnées expirent le {parsed.valid_until:%d/%m/%Y} (validUntil) : "
            "l'application ne s'ouvrira plus ensuite. Actualisez-les avant cette date."
        )
