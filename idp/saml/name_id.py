"""Which NameID an SP receives, and whom one that it sends names. [SAMLCore] 3.4.1.1, 8.3."""

from collections.abc import Callable, Iterable
from secrets import token_hex

from idp.errors import InvalidNameIDPolicy, UnknownPrincipal
from idp.interfaces import INameIDs
from idp.messages import AcceptedRequest
from idp.types import Entitlement, NameID, NameIDFormat, ServiceProvider, SpSession

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
        raise InvalidNameIDPolicy(
            f"the SPNameQualifier is {policy.sp_name_qualifier[:200]!r}",
            message="The NameIDPolicy's SPNameQualifier is not this service provider's entityID.",
        )
    if policy.format in {None, NameIDFormat.UNSPECIFIED}:
        return service_provider.name_id_format
    allowed = _HARMLESS | {service_provider.name_id_format}
    allowed |= {name for name in NameIDFormat if name in service_provider.name_id_formats}
    if policy.format not in allowed:
        raise InvalidNameIDPolicy(f"the format {policy.format[:200]!r} is not for this SP")
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
            raise InvalidNameIDPolicy(
                "no persistent NameID yet, and AllowCreate is false",
                message="There is no persistent NameID yet, and AllowCreate is not true.",
            )
        return name_id
    value = entitlement.mail if chosen is NameIDFormat.EMAIL_ADDRESS else entitlement.uid
    return NameID(value, chosen)


def check_readable(wanted: NameID | None) -> None:
    """See that the Subject, if there is one, can be somebody at all.

    Raises:
        UnknownPrincipal: an EncryptedID or a BaseID.
    """
    if wanted is not None and not wanted.value:
        raise UnknownPrincipal(
            "the Subject is an EncryptedID or a BaseID",
            message="The request's Subject is an identifier that is not read here.",
        )


def check_subject(
    accepted: AcceptedRequest,
    entitlement: Entitlement,
    name_ids: INameIDs,
    *,
    issuer: str,
    opened: Callable[[], Iterable[SpSession]],
) -> None:
    """Only the person whom the SP names may answer. [SAMLCore] 3.3.4, 3.4.1.4.

    ``issuer`` is the IdP's entityID; ``opened`` gives what this browser session opened at SPs.

    Raises:
        UnknownPrincipal: the Subject is not this person.
    """
    wanted = accepted.subject
    if wanted is None:
        return
    qualified = wanted.name_qualifier in {None, issuer} and wanted.sp_name_qualifier in {
        None,
        accepted.entity_id,
    }
    if not qualified or wanted.value not in _names(wanted, accepted, entitlement, name_ids, opened):
        raise UnknownPrincipal("the request's Subject is not the person who is signed in")


def _names(
    wanted: NameID,
    accepted: AcceptedRequest,
    entitlement: Entitlement,
    name_ids: INameIDs,
    opened: Callable[[], Iterable[SpSession]],
) -> set[str]:
    """The person's identifiers of the wanted format; of pseudonyms, those that this SP received.

    An address is one whatever its case: then it is given as it was written.
    """
    match wanted.format:
        case "" | NameIDFormat.UNSPECIFIED:
            known = {entitlement.mail.casefold(), entitlement.uid.casefold()}
        case NameIDFormat.EMAIL_ADDRESS:
            known = {entitlement.mail.casefold()}
        case NameIDFormat.PERSISTENT:
            own = name_ids.persistent(entitlement.subject_id, accepted.entity_id, create=False)
            return set() if own is None else {own.value}
        case NameIDFormat.TRANSIENT:
            return {one.name_id.value for one in opened() if one.entity_id == accepted.entity_id}
        case _:
            return set()
    return {wanted.value} if wanted.value.casefold() in known else set()
