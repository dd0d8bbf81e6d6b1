"""The registry's table."""

from datetime import datetime
from typing import Any

from sqlalchemy import JSON, Select, String, Text, select
from sqlalchemy.orm import Mapped, mapped_column

from idp.db import Base


class ServiceProviderRow(Base):
    """A service provider: its EntityDescriptor as uploaded, and how we answer it.

    ``xml`` is what was uploaded, byte for byte, ``valid_until`` the end that it says (a copy of the
    same may move it away, of which no snapshot is told); the rest is our own choice about it.
    ``rules`` is the ordered list of release rules, ``rule_set`` the name of the ready-made set they
    came from.

    ``signer`` is the certificate (DER, base64) whose key must have signed what ``source_url``
    gives. ``last_tried_at``, ``last_error`` (in words) and ``failures`` tell of its readings;
    ``next_try_at`` is when the worker reads it next. ``exceptions`` are legacy exceptions with
    their ends, as :mod:`metadata.exceptions` writes them; None when there never was one.
    """

    __tablename__ = "service_provider"

    entity_id: Mapped[str] = mapped_column(String(1024), primary_key=True)
    xml: Mapped[str] = mapped_column(Text)
    valid_until: Mapped[datetime | None]
    source_url: Mapped[str | None] = mapped_column(String(1024))
    rule_set: Mapped[str] = mapped_column(String(40))
    rules: Mapped[list[dict[str, Any]]] = mapped_column(JSON)
    name_id_format: Mapped[str] = mapped_column(String(120))
    sign: Mapped[str] = mapped_column(String(20))
    encrypt: Mapped[str] = mapped_column(String(20))
    structures: Mapped[str] = mapped_column(String(20))
    requests: Mapped[str] = mapped_column(String(20), server_default="any")
    refusals: Mapped[str] = mapped_column(String(20), server_default="page")
    signer: Mapped[str | None] = mapped_column(Text)
    last_tried_at: Mapped[datetime | None]
    last_error: Mapped[str | None] = mapped_column(String(1000))
    failures: Mapped[int] = mapped_column(default=0, server_default="0")
    next_try_at: Mapped[datetime | None]
    exceptions: Mapped[list[dict[str, Any]] | None] = mapped_column(JSON)
    enabled: Mapped[bool] = mapped_column(default=True)
    created_at: Mapped[datetime]
    updated_at: Mapped[datetime]


def every() -> Select[ServiceProviderRow]:
    """All the rows, in no order: databases sort differently."""
    return select(ServiceProviderRow)


def end_of(entity_id: str) -> Select[datetime | None]:
    """When the copy that is held ends, as its ``validUntil`` says."""
    return select(ServiceProviderRow.valid_until).where(ServiceProviderRow.entity_id == entity_id)


def due(now: datetime) -> Select[str]:
    """The entityIDs whose address is to be read again, those that wait longest first."""
    return (
        select(ServiceProviderRow.entity_id)
        .where(ServiceProviderRow.source_url.is_not(None))
        .where((ServiceProviderRow.next_try_at <= now) | ServiceProviderRow.next_try_at.is_(None))
        .order_by(ServiceProviderRow.next_try_at, ServiceProviderRow.entity_id)
    )
