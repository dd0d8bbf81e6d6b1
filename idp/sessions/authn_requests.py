"""AuthnRequests received: replay guard and store of pending sign-ons in one table."""

import json
from collections.abc import Mapping
from dataclasses import asdict
from datetime import datetime, timedelta
from typing import Any, cast

from sqlalchemy import Table, bindparam, null, select, update

from idp.db import Database
from idp.errors import ReplayedMessage, RequestRefused, UnknownFlow
from idp.interfaces import IClock
from idp.messages import AcceptedRequest, NameIDPolicy, RequestedAuthnContext
from idp.purge import delete_in_chunks
from idp.sessions.tables import AuthnRequestRow
from idp.sessions.tokens import hashed, new_token
from idp.types import NameID, SsoSession

FLOW_LIFETIME = timedelta(minutes=60)
"""How long a sign-on waits for the person."""

REPLAY_KEPT = timedelta(minutes=15)
"""A message lives 5 minutes, with 180 s of skew on either side: 11 minutes; and a margin."""

MAX_PENDING = 16 * 1024
"""Bytes of JSON that a sign-on may occupy while it waits: anybody may start any number of them."""

_table = cast("Table", AuthnRequestRow.__table__)

_WAITING = (
    _table.c.flow == bindparam("of_flow"),
    _table.c.answered_at.is_(None),
    _table.c.expires_at > bindparam("now"),
)
_FIND = select(_table.c.pending).where(*_WAITING)
_MEET = (
    update(_table).where(*_WAITING).values(pending=bindparam("met", type_=_table.c.pending.type))
)
_ANSWER = update(_table).where(*_WAITING).values(answered_at=bindparam("now"), pending=null())


class AuthnRequests:
    """``IAuthnRequests`` on the database."""

    def __init__(self, db: Database, clock: IClock) -> None:
        self._db = db
        self._clock = clock
        # A conflict must leave the transaction usable (PostgreSQL aborts it on an error), so a
        # replay is a row that is not returned, not an exception of the database.
        self._insert = db.insert(_table).on_conflict_do_nothing().returning(_table.c.id)

    def hold(self, accepted: AcceptedRequest) -> str:
        """See :class:`idp.interfaces.IAuthnRequests`."""
        flow, pending = new_token(), to_json(accepted)
        if len(json.dumps(pending)) > MAX_PENDING:
            raise RequestRefused(f"more than {MAX_PENDING} bytes to keep until the person signs in")
        self._add(accepted, FLOW_LIFETIME, flow=hashed(flow), pending=pending, answered_at=None)
        return flow

    def find(self, flow: str) -> AcceptedRequest:
        """See :class:`idp.interfaces.IAuthnRequests`."""
        values = {"of_flow": hashed(flow), "now": self._clock.now()}
        found = self._db.rows(_FIND, values)
        if not found:
            raise UnknownFlow("no sign-on waits under this flow id")
        return from_json(found[0].pending)

    def meet(self, flow: str, session: SsoSession) -> None:
        """See :class:`idp.interfaces.IAuthnRequests`."""
        values = {"of_flow": hashed(flow), "now": self._clock.now()}
        with self._db.writing() as connection:
            # Locked: whoever answers it meanwhile waits, or has emptied it.
            found = connection.execute(_FIND.with_for_update(), values).first()
            if found is not None:
                met = {**found.pending, "met_by": session.key}
                connection.execute(_MEET, values | {"met": met})

    def answer(self, flow: str) -> None:
        """See :class:`idp.interfaces.IAuthnRequests`."""
        values = {"of_flow": hashed(flow), "now": self._clock.now()}
        with self._db.writing() as connection:
            if connection.execute(_ANSWER, values).rowcount != 1:
                raise UnknownFlow("expired, or answered meanwhile")

    def answer_at_once(self, accepted: AcceptedRequest) -> None:
        """See :class:`idp.interfaces.IAuthnRequests`."""
        self._add(accepted, REPLAY_KEPT, answered_at=self._clock.now())

    def _add(self, accepted: AcceptedRequest, kept: timedelta, **values: object) -> None:
        values |= {
            "entity_id": accepted.entity_id,
            "message_id": accepted.message_id,
            "received_at": accepted.received_at,
            "expires_at": self._clock.now() + kept,
        }
        with self._db.writing() as connection:
            if connection.execute(self._insert, values).first() is None:
                raise ReplayedMessage(f"{accepted.message_id} was already used")


def purge(db: Database, now: datetime) -> int:
    """Delete the messages that can no longer be replayed; returns how many."""
    return delete_in_chunks(db, _table, _table.c.expires_at <= now)


def to_json(accepted: AcceptedRequest) -> dict[str, Any]:
    """A sign-on as JSON; dates in ISO 8601."""
    return asdict(accepted) | {"received_at": accepted.received_at.isoformat()}


def from_json(data: Mapping[str, Any]) -> AcceptedRequest:
    """The sign-on that :func:`to_json` wrote."""
    policy, context, subject = (
        data["name_id_policy"],
        data["requested_authn_context"],
        data["subject"],
    )
    return AcceptedRequest(
        **{
            **data,
            "received_at": datetime.fromisoformat(data["received_at"]),
            "name_id_policy": None if policy is None else NameIDPolicy(**policy),
            "requested_authn_context": None if context is None else _context(context),
            "subject": None if subject is None else NameID(**subject),
        }
    )


def _context(data: Mapping[str, Any]) -> RequestedAuthnContext:
    return RequestedAuthnContext(
        class_refs=tuple(data["class_refs"]),
        comparison=data["comparison"],
        declaration_refs=tuple(data["declaration_refs"]),
    )
