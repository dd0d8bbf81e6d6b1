"""Which attributes leave for a service provider: pure, the release rules over the facts.

Nothing that no rule names ever leaves, but the one subject identifier that an SP's metadata says it
needs (:mod:`idp.saml.subject_ids`), for which :func:`rules_for` has a rule like any other.
``role`` holds the roles of this SP's application only,
because the entitlements it is given hold no other.
"""

import re
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from types import MappingProxyType

from idp.errors import UnusableServiceProvider
from idp.saml import subject_ids
from idp.types import (
    AttributeConsumingService,
    Entitlement,
    Legacy,
    NameFormat,
    ReleasedAttribute,
    ReleaseRule,
    ServiceProvider,
    Source,
    Structures,
)

DELIMITER = ";"
MOST_CHARACTERS = 256
"""SPs need not take a longer value. [saml2int] 2.0, string values."""

# What belongs to the person has one value, whatever the number of memberships.
_PERSON: dict[Source, Callable[[Entitlement], str | None]] = {
    Source.MAIL: lambda entitlement: entitlement.mail,
    Source.UID: lambda entitlement: entitlement.uid,
    Source.GIVEN_NAME: lambda entitlement: entitlement.given_name,
    Source.SN: lambda entitlement: entitlement.sn,
    Source.DISPLAY_NAME: lambda entitlement: entitlement.display_name,
}
_MEMBERSHIP: dict[Source, Callable[[Entitlement], str | None]] = {
    Source.STRUCTURE: lambda entitlement: entitlement.structure_code,
    Source.STRUCTURE_PATH: lambda entitlement: entitlement.structure_path,
    Source.SIRET: lambda entitlement: entitlement.siret,
    Source.SERVICE: lambda entitlement: entitlement.service,
    Source.FUNCTION: lambda entitlement: entitlement.function,
    Source.APPLICATION_ID: lambda entitlement: entitlement.application_id,
    Source.PHONE: lambda entitlement: entitlement.phone,
}


def rules_for(
    service_provider: ServiceProvider, index: int | None = None
) -> tuple[ReleaseRule, ...]:
    """The rules that say all that this SP receives: what leaves, and what anybody is shown of it.

    ``index`` is an AuthnRequest's AttributeConsumingServiceIndex ([SAMLCore] 3.4.1). It leaves only
    what that service of the SP's metadata requests, and the identifier that the SP needs; it never
    adds anything. Without one, or with one that the metadata does not hold, the registration's
    rules alone decide.
    """
    needed = service_provider.subject_id_req
    rules = subject_ids.obey(service_provider.rules, needed)
    service = find_service(service_provider, index)
    if service is None:
        return rules
    kept = subject_ids.names_for(needed)
    return tuple(
        rule
        for rule in rules
        if rule.name in kept or any(each.means(rule) for each in service.requested)
    )


def find_service(
    service_provider: ServiceProvider, index: int | None
) -> AttributeConsumingService | None:
    """The AttributeConsumingService of this index; None when the metadata has none such."""
    services = service_provider.attribute_consuming_services
    found = (each for each in services if each.index == index)
    return next(found, None) if index is not None else None


def release(
    entitlements: Sequence[Entitlement],
    rules: Iterable[ReleaseRule],
    structures: Structures,
    exceptions: Collection[Legacy] = (),
    identifiers: Mapping[Source, str] = MappingProxyType({}),
) -> tuple[ReleasedAttribute, ...]:
    """The attributes of these entitlements, in the order of the rules; empty ones are left out.

    ``ask`` is given one entitlement, the chosen one. ``scoped`` writes each role as
    ``role@structure-code``. ``parallel`` keeps one role and one structure per pair, in the same
    order, duplicates included; every other source has distinct values. ``identifiers`` are the
    person's subject identifiers, those that the rules draw from (:func:`subject_ids.values`).

    Raises:
        UnusableServiceProvider: delimited roles (an exception), and one holds the delimiter.
    """
    released = []
    unspecified = Legacy.UNSPECIFIED_NAME_FORMAT in exceptions
    for rule in rules:
        if rule.source in identifiers:
            values = [identifiers[rule.source]]
        else:
            values = _values(rule, entitlements, structures)
        if Legacy.DELIMITED_ROLES in exceptions and _goes_with_roles(rule, structures):
            values = _delimited(values)
        if not rule.multi_valued:
            values = values[:1]
        if values:
            name_format = NameFormat.UNSPECIFIED if unspecified else rule.name_format
            released.append(
                ReleasedAttribute(rule.name, name_format, tuple(values), rule.friendly_name)
            )
    return tuple(released)


def missing(rules: Iterable[ReleaseRule], released: Iterable[ReleasedAttribute]) -> tuple[str, ...]:
    """The names of required attributes that had no value, for the log."""
    present = {attribute.name for attribute in released}
    return tuple(rule.name for rule in rules if rule.required and rule.name not in present)


def too_long(released: Iterable[ReleasedAttribute]) -> tuple[str, ...]:
    """The names of attributes of which some value may be cut or refused by the SP, for the log."""
    return tuple(
        each.name for each in released if any(len(value) > MOST_CHARACTERS for value in each.values)
    )


def _values(
    rule: ReleaseRule, entitlements: Sequence[Entitlement], structures: Structures
) -> list[str]:
    if rule.source is Source.CONSTANT:
        return [rule.argument]
    if rule.source is Source.TEMPLATE:
        return [_fill(rule.argument, entitlements[0])]
    if rule.source in _PERSON:
        return _distinct([_PERSON[rule.source](entitlements[0])])
    if rule.source is Source.ROLE:
        return _roles(entitlements, structures)
    if rule.source is Source.STRUCTURE and structures is Structures.PARALLEL:
        return [
            entitlement.structure_code for entitlement in entitlements for _ in entitlement.roles
        ]
    return _distinct([_MEMBERSHIP[rule.source](entitlement) for entitlement in entitlements])


def _goes_with_roles(rule: ReleaseRule, structures: Structures) -> bool:
    parallel = structures is Structures.PARALLEL and rule.source is Source.STRUCTURE
    return rule.source is Source.ROLE or parallel


def _delimited(values: list[str]) -> list[str]:
    """One value of them all. A value that holds the delimiter would be read as several roles."""
    if any(DELIMITER in value for value in values):
        raise UnusableServiceProvider(f"a role or structure code holds {DELIMITER!r}")
    return [DELIMITER.join(values)] if values else []


def _roles(entitlements: Sequence[Entitlement], structures: Structures) -> list[str]:
    if structures is Structures.SCOPED:
        return [
            f"{role.value}@{entitlement.structure_code}"
            for entitlement in entitlements
            for role in entitlement.roles
        ]
    return [role.value for entitlement in entitlements for role in entitlement.roles]


def _fill(template: str, entitlement: Entitlement) -> str:
    """Replace each ``{source}`` once: a value that looks like a placeholder stays as it is."""
    readers = {str(source): read for source, read in (_PERSON | _MEMBERSHIP).items()}

    def value(match: re.Match[str]) -> str:
        read = readers.get(match.group(1))
        return match.group() if read is None else read(entitlement) or ""

    return re.sub(r"\{(\w+)\}", value, template)


def _distinct(values: Iterable[str | None]) -> list[str]:
    return list(dict.fromkeys(value for value in values if value))
