"""Which NameID an SP receives. [SAMLCore] 3.4.1.1, 8.3."""

from secrets import token_hex

from idp.errors import InvalidNameIDPolicy
from idp.interfaces import INameIDs
from idp.types import AcceptedRequest, Entitlement, NameID, NameIDFormat, ServiceProvider

# Pseudonyms tell an SP nothing about the person: any SP may ask for them.
_HARMLESS = {NameIDFormat.PERSISTENT, NameIDFormat.TRANSIENT}


def choose_format(accepted: AcceptedRequest, service_provider: ServiceProvider) -> NameIDFormat:
    """The format to issue: the registration's, unless the NameIDPolicy picks an allowed one.

    Raises:
        InvalidNameIDPolicy: a format that is unknown or that this SP may not have, or an
            SPNameQualifier that is not its own (one SP would get another's identifiers).
    """
    policy = accepted.name_id_policy
    if policy is None:
        return service_provider.name_id_format
    if policy.sp_name_qualifier not in {None, service_provider.entity_id}:
        raise InvalidNameIDPolicy(f"the SPNameQualifier is {policy.sp_name_qualifier!r}")
    if policy.format in {None, NameIDFormat.UNSPECIFIED}:
        return service_provider.name_id_format
    allowed = _HARMLESS | {service_provider.name_id_format}
    allowed |= {name for name in NameIDFormat if name in service_provider.name_id_formats}
    if policy.format not in allowed:
        raise InvalidNameIDPolicy(f"the format {policy.format!r} is not for this SP")
    return NameIDFormat(policy.format)


def issue(
    accepted: AcceptedRequest,
    service_provider: ServiceProvider,
    entitlement: Entitlement,
    name_ids: INameIDs,
) -> NameID:
    """The person's NameID for this SP.

    Raises:
        InvalidNameIDPolicy: see :func:`choose_format`; or a persistent one would have to be made
            and the request's policy does not allow it (AllowCreate).
    """
    chosen = choose_format(accepted, service_provider)
    if chosen is NameIDFormat.TRANSIENT:
        return NameID(f"_{token_hex(16)}", chosen)
    if chosen is NameIDFormat.PERSISTENT:
        policy = accepted.name_id_policy
        create = policy is None or policy.format != chosen or policy.allow_create
        name_id = name_ids.persistent(
            entitlement.subject_id, service_provider.entity_id, create=create
        )
        if name_id is None:
            raise InvalidNameIDPolicy("no persistent NameID yet, and AllowCreate is false")
        return name_id
    value = entitlement.mail if chosen is NameIDFormat.EMAIL_ADDRESS else entitlement.uid
    return NameID(value, chosen)
