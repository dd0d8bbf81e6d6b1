"""Rows of the sessions' tables as the values that travel."""

from sqlalchemy.engine import RowMapping

from idp.records import OpenSession
from idp.sessions.tokens import public_id
from idp.types import NameID, SpSession, SsoSession

_SESSION = tuple(SsoSession.__dataclass_fields__)


def sso_session(row: RowMapping) -> SsoSession:
    """Its columns are named as the fields."""
    return SsoSession(**{name: row[name] for name in _SESSION})


def open_session(row: RowMapping, current: str | None) -> OpenSession:
    """As its owner sees it; ``current`` is the key of the session from which he looks."""
    return OpenSession(
        public_id=public_id(row["key"]),
        user_agent=row["user_agent"],
        address=row["address"],
        started_at=row["started_at"],
        last_seen_at=row["last_seen_at"],
        expires_at=row["expires_at"],
        ended_at=row["ended_at"],
        current=row["key"] == current,
    )


def sp_session(row: RowMapping) -> SpSession:
    """With its NameID put together."""
    return SpSession(
        entity_id=row["entity_id"],
        name_id=NameID(
            row["name_id"], row["name_id_format"], row["name_qualifier"], row["sp_name_qualifier"]
        ),
        session_index=row["session_index"],
        started_at=row["started_at"],
        expires_at=row["expires_at"],
        kid=row["kid"],
    )
