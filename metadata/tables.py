"""The registry's table."""

from datetime import datetime
from typing import Any

from sqlalchemy import JSON, String, Text
from sqlalchemy.orm import Mapped, mapped_column

from idp.db import Base


class ServiceProviderRow(Base):
    """A service provider: its EntityDescriptor as uploaded, and how we answer it.

    ``xml`` is what was uploaded, byte for byte; the rest is our own choice about it. ``rules`` is
    the ordered list of release rules, ``rule_set`` the name of the ready-made set they came from.
    """

    __tablename__ = "service_provider"

    entity_id: Mapped[str] = mapped_column(String(1024), primary_key=True)
    xml: Mapped[str] = mapped_column(Text)
    source_url: Mapped[str | None] = mapped_column(String(1024))
    rule_set: Mapped[str] = mapped_column(String(40))
    rules: Mapped[list[dict[str, Any]]] = mapped_column(JSON)
    name_id_format: Mapped[str] = mapped_column(String(120))
    sign: Mapped[str] = mapped_column(String(20))
    encrypt: Mapped[str] = mapped_column(String(20))
    structures: Mapped[str] = mapped_column(String(20))
    requests: Mapped[str] = mapped_column(String(20), server_default="any")
    refusals: Mapped[str] = mapped_column(String(20), server_default="page")
    enabled: Mapped[bool] = mapped_column(default=True)
    created_at: Mapped[datetime]
    updated_at: Mapped[datetime]
