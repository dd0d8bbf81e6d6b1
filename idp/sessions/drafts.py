"""What a person had typed in a form when his session ended: kept for a day, for him alone.

A form may keep here as well what it needs between two requests (the steps of a creation, what the
last press of a button made): at an address with ``#``, to which nothing is posted. It is kept as
long and counts as much, though what it says may be true for a minute: whoever keeps it reads when.
It may name somebody else, and :meth:`Drafts.own` shows it to the person who typed it.

Encrypted under the server's secret and bound to the person and to the form, so that a copy of the
database shows nothing of it and no row can be given to somebody else.
"""

import hmac
import json
from collections.abc import Mapping
from datetime import datetime, timedelta
from os import urandom
from typing import cast

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from sqlalchemy import Table, bindparam, delete, select

from idp.db import Database
from idp.interfaces import IClock
from idp.log import logger
from idp.purge import delete_in_chunks
from idp.sessions.tables import DraftRow

KEPT = timedelta(hours=24)
MOST = 10
"""Drafts of one person; the oldest makes room."""
LARGEST = 64 * 1024
"""Bytes of one draft."""
LONGEST_ADDRESS = 1024

_NONCE = 12

_table = cast("Table", DraftRow.__table__)
_FIND = select(_table.c.sealed).where(
    _table.c.subject_id == bindparam("subject_id"),
    _table.c.address == bindparam("address"),
    _table.c.expires_at > bindparam("now"),
)

_ADDRESSES = (
    select(_table.c.address)
    .where(_table.c.subject_id == bindparam("subject_id"))
    .order_by(_table.c.address)
)


class Drafts:
    """The drafts of everybody; ``address`` is the path that the form is posted to, or its name."""

    def __init__(self, db: Database, clock: IClock, *, secret: bytes) -> None:
        self._db = db
        self._clock = clock
        self._cipher = AESGCM(hmac.digest(secret, b"convergences drafts", "sha256"))

    def keep(self, subject_id: str, address: str, typed: Mapping[str, str]) -> bool:
        """Keep it instead of what was kept of this form; False when it is empty or too large."""
        plain = json.dumps(dict(typed)).encode()
        empty = not any(value.strip() for value in typed.values())
        if empty or len(plain) > LARGEST or len(address) > LONGEST_ADDRESS:
            return False
        nonce = urandom(_NONCE)
        sealed = nonce + self._cipher.encrypt(nonce, plain, _bound_to(subject_id, address))
        values = {
            "subject_id": subject_id,
            "address": address,
            "sealed": sealed,
            "expires_at": self._clock.now() + KEPT,
        }
        statement = self._db.insert(_table).values(values)
        statement = statement.on_conflict_do_update(
            index_elements=[_table.c.subject_id, _table.c.address],
            set_={name: values[name] for name in ("sealed", "expires_at")},
        )
        newest = (
            select(_table.c.id)
            .where(_table.c.subject_id == subject_id)
            .order_by(_table.c.expires_at.desc(), _table.c.id.desc())
            .limit(MOST)
        )
        with self._db.writing() as connection:
            connection.execute(statement)
            connection.execute(
                delete(_table).where(
                    _table.c.subject_id == subject_id,
                    _table.c.id.not_in(select(newest.subquery().c.id)),
                )
            )
        return True

    def find(self, subject_id: str, address: str) -> dict[str, str] | None:
        """What this person had typed in this form; None when nothing is kept. One statement."""
        values = {"subject_id": subject_id, "address": address, "now": self._clock.now()}
        found = self._db.rows(_FIND, values)
        if not found:
            return None
        sealed: bytes = found[0].sealed
        try:
            plain = self._cipher.decrypt(
                sealed[:_NONCE], sealed[_NONCE:], _bound_to(subject_id, address)
            )
        except InvalidTag:  # moved by hand, or another secret: as if there were none
            logger.warning("draft.unreadable", subject_id=subject_id)
            return None
        return cast("dict[str, str]", json.loads(plain))

    def own(self, subject_id: str) -> dict[str, dict[str, str]]:
        """All that is kept of this person, by address; :data:`MOST` at the most."""
        found = self._db.rows(_ADDRESSES, {"subject_id": subject_id})
        typed = {row.address: self.find(subject_id, row.address) for row in found}
        return {address: each for address, each in typed.items() if each is not None}

    def forget(self, subject_id: str, address: str | None = None) -> bool:
        """Delete this one, or (without ``address``) all of this person's; whether there was any."""
        which = [_table.c.subject_id == subject_id]
        if address is not None:
            which.append(_table.c.address == address)
        with self._db.reading() as reading:
            if reading.execute(select(_table.c.id).where(*which).limit(1)).first() is None:
                return False
        with self._db.writing() as connection:
            return connection.execute(delete(_table).where(*which)).rowcount > 0


def purge(db: Database, now: datetime) -> int:
    """Delete what is older than a day; returns how many."""
    return delete_in_chunks(db, _table, _table.c.expires_at <= now)


def _bound_to(subject_id: str, address: str) -> bytes:
    return f"{subject_id}\n{address}".encode()
