"""All that leaves about a person in one assertion: the NameID and the attributes."""

from idp.interfaces import INameIDs
from idp.log import logger
from idp.messages import AcceptedRequest
from idp.saml import attributes, subject_ids
from idp.saml.name_id import issue
from idp.types import (
    Entitlement,
    NameIDFormat,
    ReleasedIdentity,
    ReleaseRule,
    ServiceProvider,
    Source,
)


def released_identity(
    accepted: AcceptedRequest,
    service_provider: ServiceProvider,
    entitlements: tuple[Entitlement, ...],
    *,
    name_ids: INameIDs,
    scope: str,
) -> ReleasedIdentity:
    """What this SP receives of the person who holds these entitlements there.

    Raises:
        InvalidNameIDPolicy: see :func:`idp.saml.name_id.issue`.
        UnusableServiceProvider: see :func:`idp.saml.attributes.release`.
    """
    entity_id, index = accepted.entity_id, accepted.attribute_consuming_service_index
    name_id = issue(accepted, service_provider, entitlements[0], name_ids)
    if index is not None and attributes.find_service(service_provider, index) is None:
        logger.warning("attribute-consuming-service.unknown", entity_id=entity_id, index=index)
    rules = attributes.rules_for(service_provider, index)
    identifiers = subject_ids.values(
        rules, entitlements[0].subject_id, entity_id, scope=scope, name_ids=name_ids
    )
    released = attributes.release(
        entitlements,
        rules,
        service_provider.structures,
        service_provider.exceptions,
        identifiers,
    )
    for name in attributes.missing(rules, released):
        logger.warning("attribute.missing", entity_id=entity_id, attribute=name)
    for name in attributes.too_long(released):
        logger.warning("attribute.long", entity_id=entity_id, attribute=name)
    return ReleasedIdentity(name_id, released)


def known_by_address(service_provider: ServiceProvider) -> bool:
    """Whether what this SP receives of a person changes with his address.

    Its pseudonyms and subject identifiers do not: whoever it knows by those, it still knows.
    """
    if service_provider.name_id_format in {NameIDFormat.EMAIL_ADDRESS, NameIDFormat.UNSPECIFIED}:
        return True
    return any(_has_address(rule) for rule in attributes.rules_for(service_provider))


def _has_address(rule: ReleaseRule) -> bool:
    if rule.source is Source.TEMPLATE:
        return any(f"{{{source}}}" in rule.argument for source in (Source.MAIL, Source.UID))
    return rule.source in {Source.MAIL, Source.UID}
