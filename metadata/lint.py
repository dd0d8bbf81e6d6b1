"""What is allowed in an SP's metadata but will hurt one day: French sentences with the remedy.

A warning is for somebody to act on; a note is good to know before the SP is registered.
"""

from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta

from idp.errors import MetadataError
from idp.saml import subject_ids
from idp.saml.signature import AUTHENTICATED, BLOCK_ENCRYPTIONS
from idp.types import (
    Binding,
    Encrypt,
    Endpoint,
    NameIDFormat,
    ReleaseRule,
    RequestedAttribute,
    Requests,
    Sign,
    SubjectIdReq,
)
from metadata import categories
from metadata.certificates import MIN_RSA_BITS, Certificate, read
from metadata.extensions import SUBJECT_ID_REQ
from metadata.options import Options
from metadata.parser import ParsedEntity
from metadata.reading import is_plain_http

CERTIFICATE_NOTICE = timedelta(days=60)
VALIDITY_NOTICE = timedelta(days=14)
MODERN_RSA_BITS = 3072


def examine(parsed: ParsedEntity, options: Options, *, now: datetime) -> tuple[str, ...]:
    """Every warning about this service provider, the parser's first.

    Raises:
        MetadataError: it could never work: signed requests announced or demanded without a signing
            key, encryption demanded without an encryption key.
    """
    _check_keys(parsed, options)
    return (
        *parsed.warnings,
        *_certificates(parsed, now),
        *_endpoints(parsed),
        *_encryption(parsed, options),
        *_choices(parsed, options),
        *_unsatisfied(parsed, subject_ids.obey(options.rules, parsed.subject_id_req)),
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


def notes(parsed: ParsedEntity, options: Options) -> tuple[str, ...]:
    """What is as it may be, and good to know; in the order of the metadata's parts."""
    return tuple(_notes(parsed, options))


def _notes(parsed: ParsedEntity, options: Options) -> Iterator[str]:
    for certificate in _both(parsed):
        if certificate.rsa_bits is not None and (
            MIN_RSA_BITS <= certificate.rsa_bits < MODERN_RSA_BITS
        ):
            text = (
                f"Le certificat « {certificate.name} » a une clé RSA de {certificate.rsa_bits} "
                f"bits, ce qui suffit. Pour le prochain, préférez {MODERN_RSA_BITS} bits."
            )
            yield _at(parsed, certificate.der, text)
    if len(parsed.signing_certificates) > 1:
        yield (
            f"L'application a {len(parsed.signing_certificates)} certificats de signature : l'un "
            "ou l'autre peut vérifier ses messages. Faites retirer l'ancien après le changement."
        )
    slo = parsed.single_logout_services
    if slo and {each.binding for each in slo} == {Binding.POST}:
        yield _at(
            parsed,
            slo[0].location,
            "La déconnexion n'est annoncée que par HTTP-POST. C'est accepté ; HTTP-Redirect est "
            "l'usage, et SOAP la rend indépendante du navigateur.",
        )
    if not parsed.described:
        yield (
            "Les métadonnées ne donnent pas de nom lisible (mdui:DisplayName) : l'entityID est "
            "montré à sa place. Demandez à l'éditeur de l'ajouter."
        )
    sent = subject_ids.obey(options.rules, parsed.subject_id_req)
    if parsed.subject_id_req:
        yield _subject_id(parsed.subject_id_req, options.rules, sent)
    for category in parsed.entity_categories:
        yield categories.sentence(category, {rule.source for rule in sent})
    if options.sign is Sign.ASSERTION:
        yield (
            "Seule l'assertion est signée, sans date de fin. Préférez la signature « both » avec "
            "une exception unsigned-response (sp exception add), qui se termine."
        )


def _subject_id(
    needed: SubjectIdReq, rules: tuple[ReleaseRule, ...], sent: tuple[ReleaseRule, ...]
) -> str:
    """What the SP's signal does to what the registration's rules would send."""
    asked = f"L'application signale l'identifiant de sujet « {needed} » ({SUBJECT_ID_REQ})"
    if len(sent) > len(rules):
        return f"{asked} : {sent[-1].friendly_name} part, en plus des règles enregistrées."
    if len(sent) < len(rules):
        return f"{asked} : celui que les règles enregistrées envoient est retenu."
    if needed is SubjectIdReq.NONE:
        return f"{asked} : aucun ne part."
    return f"{asked} : les règles enregistrées l'envoient."


def _at(parsed: ParsedEntity, what: bytes | str, text: str) -> str:
    """The sentence, with the line on which what it is about stands."""
    line = parsed.lines.get(what)
    return f"Ligne {line} : {text[0].lower()}{text[1:]}" if line else text


def _both(parsed: ParsedEntity) -> Iterator[Certificate]:
    both = dict.fromkeys((*parsed.signing_certificates, *parsed.encryption_certificates))
    yield from (read(der) for der in both)


def _certificates(parsed: ParsedEntity, now: datetime) -> Iterator[str]:
    for certificate in _both(parsed):
        for text in _certificate(certificate, now):
            yield _at(parsed, certificate.der, text)


def _certificate(certificate: Certificate, now: datetime) -> Iterator[str]:
    name = f"Le certificat « {certificate.name} »"
    end = f"{certificate.not_after:%d/%m/%Y}"
    if certificate.not_after <= now:
        yield (
            f"{name} a expiré le {end}. Sa clé vaut tant que les métadonnées la donnent ; demandez "
            "à l'éditeur un certificat à jour."
        )
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
    yield from _unprotected(
        parsed, parsed.assertion_consumer_services, "L'application reçoit les réponses"
    )
    yield from _unprotected(
        parsed, parsed.single_logout_services, "L'application reçoit les déconnexions"
    )
    if sum(bool(each.is_default) for each in parsed.assertion_consumer_services) > 1:
        yield (
            "Plusieurs AssertionConsumerService sont marqués isDefault : le premier est employé. "
            "Demandez à l'éditeur de n'en marquer qu'un."
        )
    yield from _mute_logout(parsed)
    if not parsed.single_logout_services:
        yield (
            "L'application n'annonce pas d'adresse de déconnexion (SingleLogoutService) : sa "
            "session restera ouverte après une déconnexion du portail. Demandez-la à l'éditeur."
        )


def _mute_logout(parsed: ParsedEntity) -> Iterator[str]:
    slo = parsed.single_logout_services
    if slo and not parsed.signing_certificates:
        text = (
            "L'application annonce une adresse de déconnexion (SingleLogoutService) mais aucune "
            "clé de signature : les déconnexions qu'elle demande, qui doivent être signées, seront "
            'refusées. Demandez à l\'éditeur un KeyDescriptor use="signing".'
        )
        yield _at(parsed, slo[0].location, text)


def _unprotected(parsed: ParsedEntity, endpoints: Iterable[Endpoint], what: str) -> Iterator[str]:
    for location in dict.fromkeys(each.location for each in endpoints):
        if is_plain_http(location):
            text = (
                f"{what} sans chiffrement, à l'adresse {location}. "
                "Demandez à l'éditeur une adresse en https."
            )
            yield _at(parsed, location, text)


def _encryption(parsed: ParsedEntity, options: Options) -> Iterator[str]:
    certificates = parsed.encryption_certificates
    if not certificates and options.encrypt is Encrypt.AUTO:
        yield (
            "Les métadonnées ne contiennent pas de clé pour chiffrer : les réponses partiront en "
            'clair dans le navigateur. Demandez à l\'éditeur un KeyDescriptor use="encryption".'
        )
    if certificates and options.encrypt is Encrypt.NEVER:
        yield (
            "L'application sait déchiffrer les réponses, mais le chiffrement est désactivé ici, "
            "sans date de fin. Choisissez « auto », avec une exception unencrypted (sp exception "
            "add) le temps qu'il le faut."
        )
    methods = {each for each in parsed.encryption_methods if each in BLOCK_ENCRYPTIONS}
    if certificates and methods and not methods & AUTHENTICATED:
        text = (
            "L'application ne déchiffre qu'AES-CBC, qui ne protège pas contre une modification. "
            "Demandez à l'éditeur AES-GCM (EncryptionMethod aes256-gcm)."
        )
        yield _at(parsed, certificates[0], text)


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


def _unsatisfied(parsed: ParsedEntity, rules: tuple[ReleaseRule, ...]) -> Iterator[str]:
    for attribute in parsed.requested_attributes:
        if attribute.required and not any(map(attribute.means, rules)):
            yield _at(parsed, attribute.name, _exacted(attribute))


def _exacted(attribute: RequestedAttribute) -> str:
    label = attribute.friendly_name or attribute.name
    text = f"L'application exige l'attribut {label} ({attribute.name}), qu'aucune règle n'envoie. "
    for source, rule in subject_ids.RULES.items():
        if rule.name == attribute.name:
            return f"{text}Faites-le signaler dans ses métadonnées ({SUBJECT_ID_REQ} : {source})."
    return f"{text}Choisissez un autre jeu d'attributs, ou faites rendre l'attribut facultatif."


def _validity(parsed: ParsedEntity, now: datetime) -> Iterator[str]:
    if parsed.valid_until is not None and parsed.valid_until - now <= VALIDITY_NOTICE:
        yield (
            f"Ces métadonnées expirent le {parsed.valid_until:%d/%m/%Y} (validUntil) : "
            "l'application ne s'ouvrira plus ensuite. Actualisez-les avant cette date."
        )
