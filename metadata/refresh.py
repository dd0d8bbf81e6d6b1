"""Reads the addresses of registered service providers again; what it refuses changes nothing."""

from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from contextvars import copy_context
from datetime import timedelta

from idp.errors import ConvergencesError, MetadataError, NotFound
from idp.log import logger
from idp.metrics import metadata_refreshes
from idp.services import Core
from metadata import rows, tables
from metadata.fetch import fetch
from metadata.registry import Registry, Written
from metadata.schedule import pause
from metadata.tables import ServiceProviderRow

AT_ONCE = 4
"""Addresses read in parallel; more would be more aggregates in memory."""
LEASE = timedelta(minutes=10)
"""For how long the others leave an address to the worker that took it."""
MAX_ERROR = 1000


class Refresher:
    """Reads an address and hands what it gave to the registry, outside any transaction."""

    def __init__(self, core: Core) -> None:
        self._loopback = core.settings.on_loopback
        self._db = core.db
        self._clock = core.clock
        self._registry = Registry(core)

    def refresh_due(self) -> int:
        """The worker's: read every address whose time has come; returns how many.

        A few at once: one that takes all the time it has holds nobody else.
        """
        with self._db.reading() as session:
            due = session.scalars(tables.due(self._clock.now())).all()
        with ThreadPoolExecutor(AT_ONCE, thread_name_prefix="metadata") as pool:
            return sum(pool.map(lambda one: copy_context().run(self._refresh_one, one), due))

    def refresh(self, entity_id: str) -> Written:
        """Read this SP's address now.

        Raises:
            MetadataError: it has none, or what it gives is refused; the last good copy stays.
            NotFound: this entityID is not registered.
        """
        source_url = self._registry.find(entity_id).source_url
        if source_url is None:
            text = "Enregistré à partir d'un fichier : donnez le nouveau avec « sp add --replace »."
            raise MetadataError(text, public=text)
        try:
            document = fetch(source_url, loopback=self._loopback)
            written = self._registry.refresh(entity_id, document, source_url)
        except MetadataError as error:
            self._failed(entity_id, source_url, error)
            raise
        outcome = "changed" if written.changes else "same"
        metadata_refreshes.labels(entity_id=entity_id, outcome=outcome).inc()
        for change in written.changes:
            logger.info("service-provider.changed", entity_id=entity_id, change=change.sentence())
        return written

    def _refresh_one(self, entity_id: str) -> bool:
        if not self._take(entity_id):
            return False
        # What went wrong is told already, and the others have their turn.
        with suppress(ConvergencesError):
            self.refresh(entity_id)
        return True

    def _take(self, entity_id: str) -> bool:
        """Whether it is still due, and now ours: another worker may have been quicker."""
        now = self._clock.now()
        with self._db.unit_of_work() as session:
            row = session.get(ServiceProviderRow, entity_id, with_for_update=True)
            if row is None or row.source_url is None:
                return False
            if row.next_try_at is not None and row.next_try_at > now:
                return False
            row.next_try_at = now + LEASE
        return True

    def _failed(self, entity_id: str, source_url: str, error: MetadataError) -> None:
        now = self._clock.now()
        with self._db.unit_of_work() as session:
            row = session.get(ServiceProviderRow, entity_id, with_for_update=True)
            if row is None:
                raise NotFound(f"{entity_id} was removed meanwhile") from error
            if row.source_url != source_url:
                return
            row.failures += 1
            row.last_tried_at, row.last_error = now, error.public[:MAX_ERROR]
            wait = pause(now, None, rows.valid_until(row, now), failures=row.failures)
            row.next_try_at = now + wait
            failures = row.failures
        metadata_refreshes.labels(entity_id=entity_id, outcome="failed").inc()
        logger.warning(
            "service-provider.refresh-failed",
            entity_id=entity_id,
            cause=error.cause,
            failures=failures,
            again_in=wait.total_seconds(),
        )
