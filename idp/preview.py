"""What an application would receive of a person now: the calls of the sign-on, without its effects.

Nothing is made by looking: a persistent identifier that does not exist yet is said to be made at
the first sign-on, and is not stored.
"""

from dataclasses import dataclass, replace

from idp.identity import released_identity
from idp.interfaces import IDirectory, INameIDs, IServiceProviders
from idp.messages import AcceptedRequest
from idp.records import Pseudonym
from idp.saml.attributes import rules_for
from idp.sign_on import SignOn, chosen
from idp.types import (
    Entitlement,
    NameID,
    NameIDFormat,
    NotEntitled,
    ReleasedAttribute,
    ServiceProvider,
    Source,
    SsoSession,
)


@dataclass(frozen=True, slots=True)
class Received:
    """What leaves in one assertion; ``structures`` are the paths of those that it speaks of.

    ``name_id`` without value: made at each sign-on (transient) or at the first one (persistent).
    Each attribute comes with what it is drawn from; without values: made at the first sign-on.
    """

    structures: tuple[str, ...]
    name_id: NameID
    attributes: tuple[tuple[Source, ReleasedAttribute], ...]


class Preview:
    """Read-only; every collaborator is the sign-on's."""

    def __init__(
        self,
        sign_on: SignOn,
        directory: IDirectory,
        service_providers: IServiceProviders,
        name_ids: INameIDs,
        *,
        scope: str,
    ) -> None:
        self._sign_on = sign_on
        self._directory = directory
        self._service_providers = service_providers
        self._name_ids = _Untouched(name_ids)
        self._scope = scope

    def received(self, session: SsoSession, entity_id: str) -> tuple[Received, ...]:
        """What this SP would receive now; one for each structure where the person would be asked.

        Empty when sign-on would be refused.

        Raises:
            UnknownServiceProvider: none of this entityID, or disabled.
            UnusableServiceProvider: sign-on would fail as well.
        """
        service_provider = self._service_providers.get(entity_id)
        accepted = self._sign_on.start(entity_id, None)
        found = self._directory.entitlements(session.subject_id, entity_id)
        if isinstance(found, NotEntitled):
            return ()
        settled = chosen(found, session, service_provider)
        choices = [settled] if settled else [(each,) for each in found]
        return tuple(self._received(accepted, service_provider, each) for each in choices)

    def _received(
        self,
        accepted: AcceptedRequest,
        service_provider: ServiceProvider,
        entitlements: tuple[Entitlement, ...],
    ) -> Received:
        identity = released_identity(
            accepted,
            service_provider,
            entitlements,
            name_ids=self._name_ids,
            scope=self._scope,
        )
        name_id = identity.name_id
        if name_id.format == NameIDFormat.TRANSIENT:
            name_id = replace(name_id, value="")
        sources = {rule.name: rule.source for rule in rules_for(service_provider)}
        return Received(
            structures=tuple(dict.fromkeys(each.structure_path for each in entitlements)),
            name_id=name_id,
            attributes=tuple(
                (sources[each.name], _without_placeholder(sources[each.name], each))
                for each in identity.attributes
            ),
        )


class _Untouched:
    """``INameIDs`` that makes none: one that does not exist yet has no value."""

    def __init__(self, name_ids: INameIDs) -> None:
        self._name_ids = name_ids

    def persistent(self, subject_id: str, entity_id: str, *, create: bool = True) -> NameID:
        """See :class:`idp.interfaces.INameIDs`."""
        del create
        found = self._name_ids.persistent(subject_id, entity_id, create=False)
        return found or NameID("", NameIDFormat.PERSISTENT)

    def of_subject(self, subject_id: str) -> tuple[Pseudonym, ...]:
        """See :class:`idp.interfaces.INameIDs`."""
        return self._name_ids.of_subject(subject_id)


def _without_placeholder(source: Source, attribute: ReleasedAttribute) -> ReleasedAttribute:
    """A pairwise identifier that is not made yet is only its scope."""
    unmade = source is Source.PAIRWISE_ID and attribute.values[0].startswith("@")
    return replace(attribute, values=()) if unmade else attribute
