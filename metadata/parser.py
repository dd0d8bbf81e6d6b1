"""Strict reading of a service provider's EntityDescriptor. [SAMLMeta] 2.3.2, 2.4.4.

Whatever could send a person or an assertion astray is refused, in words that name the line and the
remedy; what only breaks the schema's order is taken with a warning, because real SPs do it.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from lxml import etree

from idp.errors import UnreadableMessage
from idp.saml import xml
from idp.saml.checks import SKEW
from idp.saml.names import MD, SAMLP, q
from idp.types import AttributeConsumingService, Binding, Endpoint, RequestedAttribute, SubjectIdReq
from metadata.document import unreadable
from metadata.extensions import display_name, entity_categories, subject_id_req
from metadata.key_descriptors import read_keys
from metadata.order import order_warnings
from metadata.reading import (
    absolute_url,
    boolean,
    duration,
    index,
    instant,
    line_of,
    local_name,
    refuse,
    required,
    shortened,
)

MAX_ENTITY_ID = 1024  # [SAMLCore] 8.3.6


@dataclass(frozen=True, slots=True)
class ParsedEntity:
    """What an SP's metadata says. Certificates are DER; ``valid_until`` is in UTC.

    ``subject_id_req`` is what it signals of ``subject-id`` and ``pairwise-id`` ([SAMLSubj] 4).
    ``warnings`` are French sentences on what was tolerated; ``lines`` where each certificate (by
    its DER), address and requested attribute (by its name) stands first.
    """

    entity_id: str
    display_name: str
    described: bool
    assertion_consumer_services: tuple[Endpoint, ...]
    single_logout_services: tuple[Endpoint, ...]
    signing_certificates: tuple[bytes, ...]
    encryption_certificates: tuple[bytes, ...]
    encryption_methods: tuple[str, ...]
    authn_requests_signed: bool
    want_assertions_signed: bool
    name_id_formats: tuple[str, ...]
    attribute_consuming_services: tuple[AttributeConsumingService, ...]
    subject_id_req: SubjectIdReq | None
    entity_categories: tuple[str, ...]
    valid_until: datetime | None
    cache_duration: timedelta | None
    warnings: tuple[str, ...]
    lines: Mapping[bytes | str, int] = field(repr=False)

    @property
    def requested_attributes(self) -> tuple[RequestedAttribute, ...]:
        """Those of all its AttributeConsumingServices: a request may name any."""
        services = self.attribute_consuming_services
        return tuple(dict.fromkeys(one for each in services for one in each.requested))


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
        display_name=display_name(descriptor) or entity_id,
        described=display_name(descriptor) is not None,
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
        attribute_consuming_services=_attribute_consuming_services(descriptor),
        subject_id_req=subject_id_req(root),
        entity_categories=entity_categories(root),
        valid_until=_valid_until((root, descriptor), now),
        cache_duration=_cache_duration((root, descriptor)),
        warnings=(*order_warnings(root, descriptor), *consumer_warnings, *keys.warnings),
        lines=keys.lines | _lines(descriptor),
    )


def _root(data: bytes) -> etree._Element:
    try:
        root = xml.parse(data, xml.DOCUMENT)
    except UnreadableMessage as error:
        raise unreadable(data, error, xml.DOCUMENT.octets) from error
    if root.tag == q("md", "EntitiesDescriptor"):
        refuse(
            root,
            "le fichier décrit un groupe d'applications (EntitiesDescriptor). "
            "Choisissez celle à enregistrer avec --entity.",
        )
    if root.tag != q("md", "EntityDescriptor"):
        refuse(
            root,
            f"le fichier commence par « {shortened(local_name(root))} ». Donnez les métadonnées "
            f"SAML de l'application : leur premier élément est EntityDescriptor ({MD}).",
        )
    return root


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


def _name_id_formats(descriptor: etree._Element) -> tuple[str, ...]:
    texts = (xml.text_of(element) for element in descriptor.findall(q("md", "NameIDFormat")))
    return tuple(dict.fromkeys(text for text in texts if text))


def _attribute_consuming_services(
    descriptor: etree._Element,
) -> tuple[AttributeConsumingService, ...]:
    """Those that request something, as the schema wants all to."""
    services = (
        AttributeConsumingService(
            index(element),
            tuple(_requested(each) for each in element.findall(q("md", "RequestedAttribute"))),
        )
        for element in descriptor.findall(q("md", "AttributeConsumingService"))
    )
    return tuple(each for each in services if each.requested)


def _requested(element: etree._Element) -> RequestedAttribute:
    return RequestedAttribute(
        name=required(element, "Name"),
        name_format=element.get("NameFormat"),
        friendly_name=element.get("FriendlyName"),
        required=bool(boolean(element, "isRequired")),
    )


def _valid_until(elements: tuple[etree._Element, etree._Element], now: datetime) -> datetime | None:
    ends = []
    for element in elements:
        end = instant(element, "validUntil")
        if end is None:
            continue
        if now - end >= SKEW:
            refuse(
                element,
                f"ces métadonnées ont expiré le {end:%d/%m/%Y} (validUntil). "
                "Demandez à l'éditeur un fichier à jour.",
            )
        ends.append(end)
    return min(ends, default=None)


def _cache_duration(elements: tuple[etree._Element, etree._Element]) -> timedelta | None:
    kept = [found for each in elements if (found := duration(each, "cacheDuration")) is not None]
    return min(kept, default=None)


def _lines(descriptor: etree._Element) -> dict[bytes | str, int]:
    lines: dict[bytes | str, int] = {}
    for name, attribute in (
        ("AssertionConsumerService", "Location"),
        ("SingleLogoutService", "Location"),
        ("RequestedAttribute", "Name"),
    ):
        for element in descriptor.iter(q("md", name)):
            lines.setdefault(element.get(attribute, "").strip(), line_of(element) or 0)
    return lines
