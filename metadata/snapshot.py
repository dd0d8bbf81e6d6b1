"""The service providers as the sign-on path reads them: parsed once a change of the table."""

import logging
from collections.abc import Mapping, MutableMapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import partial

from idp.db import Database
from idp.errors import MetadataError, UnknownServiceProvider
from idp.interfaces import IClock, IServiceProviders
from idp.saml.checks import SKEW
from idp.services import Core
from idp.snapshot import Snapshot
from idp.types import ServiceProvider
from metadata import rows, tables
from metadata.exceptions import Granted, in_force

REVISION = "service_provider"

SUSPENDED = "La connexion à cette application est suspendue. Adressez-vous au correspondant."

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class _Held:
    """The snapshot. ``valid_until`` and ``exceptions`` hold only the SPs that have any."""

    enabled: Mapping[str, ServiceProvider]
    every: tuple[ServiceProvider, ...]
    valid_until: MutableMapping[str, datetime]
    exceptions: Mapping[str, tuple[Granted, ...]]


class ServiceProviders:
    """``IServiceProviders`` over the table."""

    def __init__(self, db: Database, clock: IClock) -> None:
        self._db = db
        self._clock = clock
        self._snapshot = Snapshot(db, REVISION, partial(_load, db, clock))

    def get(self, entity_id: str) -> ServiceProvider:
        """See :class:`idp.interfaces.IServiceProviders`.

        Metadata that has expired since, beyond the skew of two clocks, is not used any more
        ([SAMLMeta] 2.3.2, ``validUntil``), and an exception holds to its end, not to the next
        change of the table.
        """
        held = self._snapshot.get()
        found = held.enabled.get(entity_id)
        if found is None:
            known = any(each.entity_id == entity_id for each in held.every)
            raise UnknownServiceProvider(
                f"no enabled service provider {entity_id[:200]!r}",
                public=SUSPENDED if known else None,
            )
        if self._is_over(entity_id, held):
            raise UnknownServiceProvider(f"the metadata of {entity_id} expired", public=SUSPENDED)
        return self._excepted(found, held)

    def all(self) -> Sequence[ServiceProvider]:
        """See :class:`idp.interfaces.IServiceProviders`; those that cannot be read are left out."""
        held = self._snapshot.get()
        return tuple(self._excepted(each, held) for each in held.every)

    def _is_over(self, entity_id: str, held: _Held) -> bool:
        end, now = held.valid_until.get(entity_id), self._clock.now()
        if end is None or now - end < SKEW:
            return False
        # The copy may have been read again with a later end, for which no snapshot is made anew.
        with self._db.reading() as session:
            later = session.scalar(tables.end_of(entity_id))
        if later is None or now - later >= SKEW:
            return True
        held.valid_until[entity_id] = later
        return False

    def _excepted(self, found: ServiceProvider, held: _Held) -> ServiceProvider:
        granted = held.exceptions.get(found.entity_id)
        if granted is None:
            return found
        return replace(found, exceptions=in_force(granted, self._clock.now()))


def build(core: Core) -> IServiceProviders:
    """The plug-in that the setting ``idp.service_providers`` names."""
    return ServiceProviders(core.db, core.clock)


def _load(db: Database, clock: IClock) -> _Held:
    now = clock.now()
    every: list[ServiceProvider] = []
    valid_until: dict[str, datetime] = {}
    exceptions: dict[str, tuple[Granted, ...]] = {}
    with db.reading() as session:
        found = session.scalars(tables.every()).all()
    for row in sorted(found, key=lambda row: row.entity_id):
        try:
            parsed, options = rows.read_metadata(row, now), rows.read_options(row)
            granted = rows.read_exceptions(row)
        except MetadataError as error:
            log.exception("service provider %s is left out: %s", row.entity_id, error.cause)
            continue
        every.append(rows.service_provider(parsed, options, enabled=row.enabled))
        if parsed.valid_until is not None:
            valid_until[row.entity_id] = parsed.valid_until
        if granted:
            exceptions[row.entity_id] = granted
    enabled = {each.entity_id: each for each in every if each.enabled}
    return _Held(enabled, tuple(every), valid_until, exceptions)
