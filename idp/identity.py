"""All that leaves about a person in one assertion: the NameID and the attributes."""

from idp.interfaces import INameIDs
from idp.log import logger
from idp.messages import AcceptedRequest
from idp.saml import attributes, subject_ids
from idp.saml.name_id import issue
from idp.types import Entitlement, ReleasedIdentity, ServiceProvider


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
