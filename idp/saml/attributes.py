"""Which attributes leave for a service provider: pure, the release rules over the facts.

Nothing that no rule names ever leaves. ``role`` holds the roles of this SP's application only,
because the entitlements it is given hold no other.
"""

import re
from collections.abc import Callable, Iterable, Sequence

from idp.types import (
    Entitlement,
    ReleasedAttribute,
    ReleaseRule,
    Source,
    Structures,
)

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


def release(
    entitlements: Sequence[Entitlement], rules: Iterable[ReleaseRule], structures: Structures
) -> tuple[ReleasedAttribute, ...]:
    """The attributes of these entitlements, in the order of the rules; empty ones are left out.

    ``ask`` is given one entitlement, the chosen one. ``scoped`` writes each role as
    ``role@structure-code``. ``parallel`` keeps one role and one structure per pair, in the same
    order, duplicates included; every other source has distinct values.
    """
    released = []
    for rule in rules:
        values = _values(rule, entitlements, structures)
        if not rule.multi_valued:
            values = values[:1]
        if values:
            released.append(
                ReleasedAttribute(rule.name, rule.name_format, tuple(values), rule.friendly_name)
            )
    return tuple(released)


def missing(rules: Iterable[ReleaseRule], released: Iterable[ReleasedAttribute]) -> tuple[str, ...]:
    """The names of required attributes that had no value, for the log."""
    present = {attribute.name for attribute in released}
    return tuple(rule.name for rule in rules if rule.required and rule.name not in present)


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
