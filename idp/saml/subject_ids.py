"""The subject identifiers ``subject-id`` and ``pairwise-id``, and the SPs that say they need one.

[SAMLSubj] is the *SAML V2.0 Subject Identifier Attributes Profile* 1.0. Both are written
``unique@scope``; the scope is the setting ``idp.scope``, which our metadata publishes.
"""

from collections.abc import Iterable, Mapping
from types import MappingProxyType

from idp.interfaces import INameIDs
from idp.types import NameFormat, ReleaseRule, Source, SubjectIdReq

_ATTRIBUTE = "urn:oasis:names:tc:SAML:attribute"

RULES: Mapping[Source, ReleaseRule] = MappingProxyType(
    {
        source: ReleaseRule(
            f"{_ATTRIBUTE}:{source.value}", source, NameFormat.URI, friendly_name=source.value
        )
        for source in (Source.SUBJECT_ID, Source.PAIRWISE_ID)
    }
)
"""The profile's two attributes. [SAMLSubj] 3.3, 3.4."""

_NAMES = frozenset(rule.name for rule in RULES.values())

# What meets each need; the first is added when no rule sends one. Pairwise where the SP leaves the
# choice: it tells two SPs nothing about each other's people.
_MEETS: Mapping[SubjectIdReq, tuple[Source, ...]] = MappingProxyType(
    {
        SubjectIdReq.SUBJECT_ID: (Source.SUBJECT_ID,),
        SubjectIdReq.PAIRWISE_ID: (Source.PAIRWISE_ID,),
        SubjectIdReq.ANY: (Source.PAIRWISE_ID, Source.SUBJECT_ID),
        SubjectIdReq.NONE: (),
    }
)


def obey(rules: Iterable[ReleaseRule], needed: SubjectIdReq | None) -> tuple[ReleaseRule, ...]:
    """The rules with the identifier that the SP needs, if none of them sends it. [SAMLSubj] 4.

    ``none`` is an SP that works without: then neither leaves, whatever the rules say (what is not
    needed is not sent).
    """
    rules = tuple(rules)
    if needed is None:
        return rules
    if needed is SubjectIdReq.NONE:
        return tuple(rule for rule in rules if rule.name not in _NAMES)
    if {rule.name for rule in rules} & names_for(needed):
        return rules
    return (*rules, RULES[_MEETS[needed][0]])


def names_for(needed: SubjectIdReq | None) -> frozenset[str]:
    """The attributes any of which meets this need; empty when nothing is needed."""
    return frozenset(RULES[source].name for source in (_MEETS[needed] if needed else ()))


def values(
    rules: Iterable[ReleaseRule],
    subject_id: str,
    entity_id: str,
    *,
    scope: str,
    name_ids: INameIDs,
) -> dict[Source, str]:
    """The person's identifiers for this SP, those from which a rule draws.

    ``subject-id`` is the account's identifier, the same for every SP; ``pairwise-id`` the value of
    the persistent NameID, random for each SP and stored. Neither has anything of the e-mail in it,
    and neither is ever another person's. ``eduPersonPrincipalName`` is ``subject-id`` under the
    name by which older SPs know a scoped identifier.
    """
    sources = {rule.source for rule in rules}
    found = {}
    for source in sources & {Source.SUBJECT_ID, Source.EDU_PERSON_PRINCIPAL_NAME}:
        found[source] = f"{subject_id}@{scope}"
    if Source.PAIRWISE_ID in sources and (own := name_ids.persistent(subject_id, entity_id)):
        found[Source.PAIRWISE_ID] = f"{own.value}@{scope}"
    return found
