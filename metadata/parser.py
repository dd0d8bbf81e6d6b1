"""Strict reading of a service provider's EntityDescriptor. [SAMLMeta] 2.3.2, 2.4.4.

Whatever could send a person or an assertion astray is refused, in words that name the line and the
remedy; what only breaks the schema's order is taken with a warning, because real SPs do it.
"""

from dataclasses import dataclass
from datetime import datetime

from lxml import etree

from idp.errors import MetadataError, UnreadableMessage
from idp.saml import xml
from idp.saml.names import MD, MDUI, SAMLP, q
from idp.types import Binding, Endpoint
from metadata.key_descriptors import read_keys
from metadata.order import order_warnings
from metadata.reading import (
    XML_LANG,
    absolute_url,
    boolean,
    index,
    instant,
    line_of,
    local_name,
    refuse,
    required,
    shortened,
)

MAX_ENTITY_ID = 1024  # [SAMLCore] 8.3.6
MAX_NAME = 200
_LANGUAGES = ("fr", "en")


@dataclass(frozen=True, slots=True)
class RequestedAttribute:
    """An attribute that the SP asks for. [SAMLMeta] 2.4.4.2."""

    name: str
    name_format: str | None
    friendly_name: str | None
    required: bool


@dataclass(frozen=True, slots=True)
class ParsedEntity:
    """What an SP's metadata says. Certificates are DER; ``valid_until`` is in UTC.

    ``warnings`` are French sentences on what was tolerated.
    """

    entity_id: str
    display_name: str
    assertion_consumer_services: tuple[Endpoint, ...]
    single_logout_services: tuple[Endpoint, ...]
    signing_certificates: tuple[bytes, ...]
    encryption_certificates: tuple[bytes, ...]
    encryption_methods: tuple[str, ...]
    authn_requests_signed: bool
    want_assertions_signed: bool
    name_id_formats: tuple[str, ...]
    requested_attributes: tuple[RequestedAttribute, ...]
    valid_until: datetime | None
    warnings: tuple[str, ...]


def parse(data: bytes, *, now: datetime) -> ParsedEntity:
    """Read an EntityDescriptor.

    Raises:
        MetadataError: it cannot be registered; ``public`` names the line and the remedy.
    """
    root = _root(data)
    entity_id = _entity_id(root)
    descriptor = _sp_descriptor(root)
    keys = read_keys(descriptor)
    consumers, consumer_warnings = _assertion_consumer_services(descriptor)
    return ParsedEntity(
        entity_id=entity_id,
        display_name=_display_name(descriptor) or entity_id,
        assertion_consumer_services=consumers,
        single_logout_services=tuple(
            _endpoint(element) for element in descriptor.findall(q("md", "SingleLogoutService"))
        ),
        signing_certificates=keys.signing,
        encryption_certificates=keys.encryption,
        encryption_methods=keys.encryption_methods,
        authn_requests_signed=bool(boolean(descriptor, "AuthnRequestsSigned")),
        want_assertions_signed=bool(boolean(descriptor, "WantAssertionsSigned")),
        name_id_formats=_name_id_formats(descriptor),
        requested_attributes=_requested_attributes(descriptor),
        valid_until=_valid_until((root, descriptor), now),
        warnings=(*order_warnings(root, descriptor), *consumer_warnings, *keys.warnings),
    )


def _root(data: bytes) -> etree._Element:
    try:
        root = xml.parse(data, xml.DOCUMENT)
    except UnreadableMessage as error:
        text = _unreadable(data, error)
        raise MetadataError(error.cause, public=text) from error
    if root.tag == q("md", "EntitiesDescriptor"):
        refuse(
            root,
            "le fichier décrit un groupe d'applications (EntitiesDescriptor). "
            "Donnez le seul EntityDescriptor de l'application à enregistrer.",
        )
    if root.tag != q("md", "EntityDescriptor"):
        refuse(
            root,
            f"le fichier commence par « {shortened(local_name(root))} ». Donnez les métadonnées "
            f"SAML de l'application : leur premier élément est EntityDescriptor ({MD}).",
        )
    return root


def _unreadable(data: bytes, error: UnreadableMessage) -> str:
    cause = error.__cause__
    if len(data) > xml.DOCUMENT.octets:
        return (
            f"Le fichier dépasse {xml.DOCUMENT.octets // 1024} Kio. "
            "Donnez les métadonnées de la seule application à enregistrer."
        )
    if isinstance(cause, UnicodeDecodeError):
        line = data.count(b"\n", 0, cause.start) + 1
        return f"Ligne {line} : le fichier n'est pas en UTF-8. Enregistrez-le dans ce codage."
    if isinstance(cause, etree.XMLSyntaxError):
        return (
            f"Ligne {cause.lineno or 1} : ce n'est pas du XML bien formé. "
            "Demandez de nouveau le fichier à l'éditeur, sans l'ouvrir dans un traitement de texte."
        )
    return (
        "Le fichier n'est pas acceptable : il contient une DTD (DOCTYPE), deux fois le même "
        "identifiant (ID), trop d'éléments ou trop de niveaux, ou annonce un autre codage "
        "qu'UTF-8. Demandez à l'éditeur un fichier sans cela."
    )


def _entity_id(root: etree._Element) -> str:
    entity_id = required(root, "entityID")
    if len(entity_id.encode()) > MAX_ENTITY_ID:
        refuse(
            root,
            f"l'entityID dépasse {MAX_ENTITY_ID} caractères. Demandez à l'éditeur d'en choisir un "
            "plus court.",
        )
    if not entity_id.isprintable() or " " in entity_id:
        refuse(
            root,
            "l'entityID contient une espace ou un caractère invisible. Retirez-le.",
        )
    return entity_id


def _sp_descriptor(root: etree._Element) -> etree._Element:
    descriptors = root.findall(q("md", "SPSSODescriptor"))
    spoken = [
        descriptor
        for descriptor in descriptors
        if SAMLP in descriptor.get("protocolSupportEnumeration", "").split()
    ]
    if len(spoken) > 1:
        refuse(
            spoken[1],
            "il y a deux SPSSODescriptor pour SAML 2.0. N'en gardez qu'un.",
        )
    if descriptors and not spoken:
        refuse(
            descriptors[0],
            "l'attribut protocolSupportEnumeration de SPSSODescriptor ne cite pas SAML 2.0. "
            f"Ajoutez-y {SAMLP}.",
        )
    if not spoken:
        refuse(
            root,
            "il n'y a pas de SPSSODescriptor : ce ne sont pas les métadonnées d'un fournisseur de "
            "service. Demandez à l'éditeur celles de son application.",
        )
    return spoken[0]


def _endpoint(element: etree._Element) -> Endpoint:
    response_location = None
    if element.get("ResponseLocation") is not None:
        response_location = absolute_url(element, "ResponseLocation")
    return Endpoint(
        binding=required(element, "Binding"),
        location=absolute_url(element, "Location"),
        index=index(element),
        is_default=boolean(element, "isDefault"),
        response_location=response_location,
    )


def _assertion_consumer_services(
    descriptor: etree._Element,
) -> tuple[tuple[Endpoint, ...], list[str]]:
    endpoints: list[Endpoint] = []
    indexes: set[int] = set()
    warnings: list[str] = []
    for element in descriptor.findall(q("md", "AssertionConsumerService")):
        endpoint = _endpoint(element)
        endpoints.append(endpoint)
        if endpoint.index is None:
            warnings.append(
                f"Ligne {line_of(element)} : l'AssertionConsumerService n'a pas d'attribut "
                "index, que la norme demande. Faites-le ajouter par l'éditeur."
            )
        elif endpoint.index in indexes:
            refuse(
                element,
                f"deux AssertionConsumerService portent l'index {endpoint.index}. "
                "Donnez à chacun un index différent.",
            )
        else:
            indexes.add(endpoint.index)
    if not any(endpoint.binding == Binding.POST for endpoint in endpoints):
        refuse(
            descriptor,
            "aucun AssertionConsumerService n'accepte HTTP-POST, le seul moyen de recevoir nos "
            f'réponses. Ajoutez-en un avec Binding="{Binding.POST}".',
        )
    return tuple(endpoints), warnings


def _display_name(descriptor: etree._Element) -> str | None:
    path = f"{q('md', 'Extensions')}/{{{MDUI}}}UIInfo/{{{MDUI}}}DisplayName"
    names: dict[str, str] = {}
    for element in descriptor.findall(path):
        text = " ".join(xml.text_of(element).split())[:MAX_NAME]
        if text:
            language = element.get(XML_LANG, "").partition("-")[0].lower()
            names.setdefault(language, text)
    for language in _LANGUAGES:
        if language in names:
            return names[language]
    return next(iter(names.values()), None)


def _name_id_formats(descriptor: etree._Element) -> tuple[str, ...]:
    texts = (xml.text_of(element) for element in descriptor.findall(q("md", "NameIDFormat")))
    return tuple(dict.fromkeys(text for text in texts if text))


def _requested_attributes(descriptor: etree._Element) -> tuple[RequestedAttribute, ...]:
    """Those of the default AttributeConsumingService, or else of the first."""
    services = descriptor.findall(q("md", "AttributeConsumingService"))
    default = next((each for each in services if boolean(each, "isDefault")), None)
    if default is None:
        default = services[0] if services else None
    if default is None:
        return ()
    return tuple(
        RequestedAttribute(
            name=required(element, "Name"),
            name_format=element.get("NameFormat"),
            friendly_name=element.get("FriendlyName"),
            required=bool(boolean(element, "isRequired")),
        )
        for element in default.findall(q("md", "RequestedAttribute"))
    )


def _valid_until(elements: tuple[etree._Element, etree._Element], now: datetime) -> datetime | None:
    ends = []
    for element in elements:
        end = instant(element, "validUntil")
        if end is None:
            continue
        if end <= now:
            refuse(
                element,
                f"ces métadonnées ont expiré le {end:%d/%m/%Y} (validUntil). "
                "Demandez à l'éditeur un fichier à jour.",
            )
        ends.append(end)
    return min(ends, default=None)
