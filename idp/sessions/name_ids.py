"""Persistent NameIDs: random, stored, one per person and SP. [SAMLCore] 8.3.7."""

from secrets import token_hex
from typing import cast

from sqlalchemy import Table, bindparam, select

from idp.db import Database
from idp.interfaces import IClock
from idp.records import Pseudonym
from idp.sessions.tables import NameIdRow
from idp.types import NameID, NameIDFormat

VALUE_BYTES = 20
"""160 random bits in lower-case hexadecimal: some SPs fold the case of identifiers."""

_table = cast("Table", NameIdRow.__table__)
_FIND = select(_table.c.value).where(
    _table.c.entity_id == bindparam("entity_id"), _table.c.subject_id == bindparam("subject_id")
)

_OF_SUBJECT = (
    select(_table.c.entity_id, _table.c.value, _table.c.created_at)
    .where(_table.c.subject_id == bindparam("subject_id"))
    .order_by(_table.c.entity_id)
)


class NameIDs:
    """``INameIDs`` on the database; ``idp_entity_id`` qualifies what is issued."""

    def __init__(self, db: Database, clock: IClock, idp_entity_id: str) -> None:
        self._db = db
        self._clock = clock
        self._name_qualifier = idp_entity_id
        self._insert = db.insert(_table).on_conflict_do_nothing(
            index_elements=[_table.c.entity_id, _table.c.subject_id]
        )

    def persistent(self, subject_id: str, entity_id: str, *, create: bool = True) -> NameID | None:
        """See :class:`idp.interfaces.INameIDs`."""
        value = self._find(subject_id, entity_id)
        if value is None and create:
            value = self._create(subject_id, entity_id)
        if value is None:
            return None
        return NameID(
            value=value,
            format=NameIDFormat.PERSISTENT,
            name_qualifier=self._name_qualifier,
            sp_name_qualifier=entity_id,
        )

    def of_subject(self, subject_id: str) -> tuple[Pseudonym, ...]:
        """See :class:`idp.interfaces.INameIDs`."""
        rows = self._db.rows(_OF_SUBJECT, {"subject_id": subject_id})
        mappings = (row._mapping for row in rows)  # noqa: SLF001 - public, says its manual
        return tuple(Pseudonym(**mapping) for mapping in mappings)

    def _find(self, subject_id: str, entity_id: str) -> str | None:
        values = {"subject_id": subject_id, "entity_id": entity_id}
        found = self._db.rows(_FIND, values)
        return found[0].value if found else None

    def _create(self, subject_id: str, entity_id: str) -> str | None:
        """Whoever inserts first decides the value; then everybody reads it."""
        values = {
            "subject_id": subject_id,
            "entity_id": entity_id,
            "value": token_hex(VALUE_BYTES),
            "created_at": self._clock.now(),
        }
        with self._db.writing() as connection:
            connection.execute(self._insert, values)
            return self._find(subject_id, entity_id)
