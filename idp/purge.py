"""Deletes what nothing needs any more; each store says what that is in its ``purge``."""

from sqlalchemy import ColumnElement, Table, delete, select, tuple_

from idp.db import Database

CHUNK = 500
"""Rows deleted in one transaction: on SQLite every sign-on waits for it."""


def delete_in_chunks(db: Database, table: Table, *gone: ColumnElement[bool]) -> int:
    """Delete the rows that meet every condition, each chunk in a transaction of its own.

    Returns how many they were. Nothing is written where there are none.
    """
    keys = tuple(table.primary_key.columns)
    chunk = select(*keys).where(*gone).limit(CHUNK)
    statement = delete(table).where(tuple_(*keys).in_(chunk))
    removed = 0
    while True:
        with db.reading() as reading:
            if reading.connection().execute(chunk).first() is None:
                return removed
        with db.unit_of_work() as work:
            removed += work.connection().execute(statement).rowcount
