"""Tables of the sign-on: browser sessions, SP sessions, AuthnRequests, persistent NameIDs.

Rooms join on ``subject_id`` and ``entity_id`` strings, never by foreign key.
"""

from datetime import datetime
from typing import Any

from sqlalchemy import JSON, ForeignKey, Index, LargeBinary, String, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from idp.db import Base


class SsoSessionRow(Base):
    """A browser's session; ``key`` is the SHA-256 of the cookie's token."""

    __tablename__ = "sso_session"

    key: Mapped[str] = mapped_column(String(64), primary_key=True)
    subject_id: Mapped[str] = mapped_column(String(64), index=True)
    authn_instant: Mapped[datetime]
    authn_context: Mapped[str] = mapped_column(String(120))
    started_at: Mapped[datetime]
    last_seen_at: Mapped[datetime]
    expires_at: Mapped[datetime] = mapped_column(index=True)
    ended_at: Mapped[datetime | None]
    end_reason: Mapped[str | None] = mapped_column(String(40))
    aia_until: Mapped[datetime | None]
    choices: Mapped[dict[str, str]] = mapped_column(JSON, default=dict)
    user_agent: Mapped[str] = mapped_column(String(256), default="")
    address: Mapped[str] = mapped_column(String(64), default="")


class SpSessionRow(Base):
    """A session that an assertion opened at a service provider."""

    __tablename__ = "sp_session"
    __table_args__ = (
        Index("ix_sp_session_entity_subject", "entity_id", "subject_id"),
        Index("ix_sp_session_name_id", "name_id"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    sso_key: Mapped[str] = mapped_column(
        ForeignKey("sso_session.key", ondelete="CASCADE"), index=True
    )
    entity_id: Mapped[str] = mapped_column(String(1024))
    subject_id: Mapped[str] = mapped_column(String(64))
    session_index: Mapped[str] = mapped_column(String(64))
    name_id: Mapped[str] = mapped_column(String(512))
    name_id_format: Mapped[str] = mapped_column(String(120))
    name_qualifier: Mapped[str | None] = mapped_column(String(1024))
    sp_name_qualifier: Mapped[str | None] = mapped_column(String(1024))
    started_at: Mapped[datetime]
    expires_at: Mapped[datetime]
    ended_at: Mapped[datetime | None]
    kid: Mapped[str | None] = mapped_column(String(64))


class KeyServedRow(Base):
    """With which signing key an SP was last answered; of sessions that were purged."""

    __tablename__ = "key_served"

    entity_id: Mapped[str] = mapped_column(String(1024), primary_key=True)
    kid: Mapped[str] = mapped_column(String(64))
    served_at: Mapped[datetime]


class AuthnRequestRow(Base):
    """A message ID of an SP (replay guard) and, while ``flow`` waits, its pending sign-on."""

    __tablename__ = "authn_request"
    __table_args__ = (UniqueConstraint("entity_id", "message_id"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    entity_id: Mapped[str] = mapped_column(String(1024))
    message_id: Mapped[str | None] = mapped_column(String(256))
    flow: Mapped[str | None] = mapped_column(String(64), unique=True)
    pending: Mapped[dict[str, Any] | None] = mapped_column(JSON)
    received_at: Mapped[datetime]
    expires_at: Mapped[datetime] = mapped_column(index=True)
    answered_at: Mapped[datetime | None]


class LogoutRow(Base):
    """A sign-out of a browser session; when an SP asked for it, its message ID (replay guard).

    ``known`` is false when that SP named a person or a session that was never its own.
    """

    __tablename__ = "logout"
    __table_args__ = (UniqueConstraint("entity_id", "message_id"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    flow: Mapped[str] = mapped_column(String(64), unique=True)
    entity_id: Mapped[str | None] = mapped_column(String(1024))
    message_id: Mapped[str | None] = mapped_column(String(256))
    known: Mapped[bool] = mapped_column(default=True)
    asked: Mapped[dict[str, Any] | None] = mapped_column(JSON)
    started_at: Mapped[datetime]
    expires_at: Mapped[datetime] = mapped_column(index=True)
    answered_at: Mapped[datetime | None]


class TaskRow(Base):
    """An SP to tell that sessions are over.

    ``logout_id`` is the sign-out in whose course it is told; None: the worker does. ``in_browser``:
    the session was that of the browser that goes through the sign-out, which may carry messages.
    """

    __tablename__ = "task"
    __table_args__ = (Index("ix_task_state_next_try_at", "state", "next_try_at"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    logout_id: Mapped[int | None] = mapped_column(
        ForeignKey("logout.id", ondelete="SET NULL"), index=True
    )
    entity_id: Mapped[str] = mapped_column(String(1024))
    subject_id: Mapped[str] = mapped_column(String(64))
    name_id: Mapped[str] = mapped_column(String(512))
    name_id_format: Mapped[str] = mapped_column(String(120))
    name_qualifier: Mapped[str | None] = mapped_column(String(1024))
    sp_name_qualifier: Mapped[str | None] = mapped_column(String(1024))
    session_indexes: Mapped[list[str]] = mapped_column(JSON)
    in_browser: Mapped[bool]
    by_person: Mapped[bool]
    state: Mapped[str] = mapped_column(String(20))
    request_id: Mapped[str | None] = mapped_column(String(64), unique=True)
    attempts: Mapped[int] = mapped_column(default=0)
    created_at: Mapped[datetime]
    next_try_at: Mapped[datetime]
    expires_at: Mapped[datetime] = mapped_column(index=True)
    last_error: Mapped[str | None] = mapped_column(String(500))


class DraftRow(Base):
    """What a person had typed in a form when his session ended; ``sealed`` is encrypted."""

    __tablename__ = "draft"
    __table_args__ = (UniqueConstraint("subject_id", "address"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    subject_id: Mapped[str] = mapped_column(String(64))
    address: Mapped[str] = mapped_column(String(1024))
    sealed: Mapped[bytes] = mapped_column(LargeBinary)
    expires_at: Mapped[datetime] = mapped_column(index=True)


class NameIdRow(Base):
    """A persistent, pairwise identifier of a person for one SP."""

    __tablename__ = "name_id"
    __table_args__ = (
        UniqueConstraint("entity_id", "subject_id"),
        UniqueConstraint("entity_id", "value"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    entity_id: Mapped[str] = mapped_column(String(1024))
    subject_id: Mapped[str] = mapped_column(String(64))
    value: Mapped[str] = mapped_column(String(256))
    created_at: Mapped[datetime]
