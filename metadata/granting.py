"""Grants legacy exceptions, withdraws them, and warns before they end."""

from dataclasses import replace
from datetime import datetime

from idp.db import Database
from idp.errors import MetadataError, NotFound
from idp.log import logger
from idp.services import Core
from idp.types import Legacy
from metadata import rows, tables
from metadata.exceptions import Granted
from metadata.snapshot import REVISION
from metadata.tables import ServiceProviderRow


class Exceptions:
    """Writes the exceptions of registered SPs; each method is one unit of work, journalled."""

    def __init__(self, core: Core) -> None:
        self._db: Database = core.db
        self._clock = core.clock
        self._audit = core.audit

    def grant(self, entity_id: str, exception: Granted) -> None:
        """Grant it, or grant it anew with another end and reason.

        Raises:
            NotFound: this entityID is not registered.
        """
        with self._db.unit_of_work():
            row = rows.locked(self._db, entity_id)
            others = [each for each in _read(row) if each.kind is not exception.kind]
            self._write(row, [*others, exception])
            self._record("granted", entity_id, exception)

    def withdraw(self, entity_id: str, kind: Legacy) -> None:
        """Take it away at once.

        Raises:
            NotFound: this entityID is not registered, or has no such exception.
        """
        with self._db.unit_of_work():
            row = rows.locked(self._db, entity_id)
            found = _read(row)
            gone = [each for each in found if each.kind is kind]
            if not gone:
                text = f"{entity_id} n'a pas d'exception {kind}."
                raise NotFound(text, public=text)
            self._write(row, [each for each in found if each.kind is not kind])
            self._record("withdrawn", entity_id, gone[0])

    def give_notice(self) -> int:
        """The worker's: warn of each end 30 and 7 days before, and once it is over."""
        with self._db.reading() as session:
            with_any = [row.entity_id for row in session.scalars(tables.every()) if row.exceptions]
        return sum(self._give_notice(entity_id) for entity_id in with_any)

    def _give_notice(self, entity_id: str) -> int:
        now = self._clock.now()
        told: list[Granted] = []
        with self._db.unit_of_work():
            try:
                row = rows.locked(self._db, entity_id)
                found = _read(row)
            except (NotFound, MetadataError):
                return 0  # removed meanwhile, or unreadable, which the registration says
            after = [replace(each, noticed=_soonest(each, now)) for each in found]
            told = [new for old, new in zip(found, after, strict=True) if new != old]
            if not told:
                return 0
            self._write(row, after)
            for each in told:
                self._record("ended" if each.noticed == 0 else "ending", entity_id, each)
        for each in told:
            logger.warning(
                "service-provider.exception-ending",
                entity_id=entity_id,
                kind=each.kind.value,
                until=each.until.isoformat(),
            )
        return len(told)

    def _write(self, row: ServiceProviderRow, granted: list[Granted]) -> None:
        order = list(Legacy)
        granted.sort(key=lambda each: order.index(each.kind))
        row.exceptions = [each.as_json() for each in granted]
        self._db.bump(REVISION)

    def _record(self, event: str, entity_id: str, exception: Granted) -> None:
        self._audit.record(
            f"service-provider.exception-{event}",
            entity_id=entity_id,
            parameters={
                "kind": exception.kind.value,
                "until": exception.until.isoformat(),
                "reason": exception.reason,
            },
        )


def _read(row: ServiceProviderRow) -> list[Granted]:
    return list(rows.read_exceptions(row))


def _soonest(exception: Granted, now: datetime) -> int | None:
    """The notice to have given by now; one that was given is not taken back."""
    found = [each for each in (exception.noticed, exception.notice(now)) if each is not None]
    return min(found, default=None)
