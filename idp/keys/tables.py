"""Tables of the key ring: the keys, and the service providers that are kept on one of them."""

from datetime import datetime
from enum import StrEnum

from sqlalchemy import ForeignKey, Index, String, Text, text
from sqlalchemy.orm import Mapped, mapped_column

from idp.db import Base


class KeyUse(StrEnum):
    """What a key is for: ``use`` of a KeyDescriptor. [SAMLMeta] 2.4.1.1."""

    SIGNING = "signing"
    ENCRYPTION = "encryption"


class KeyState(StrEnum):
    """Where a key is in its life."""

    NEXT = "next"
    ACTIVE = "active"
    RETIRED = "retired"


class SigningKey(Base):
    """A key of the IdP, of either use: its certificate (PEM) and its state.

    The private key is the file ``<kid>.pem`` of the keys' folder; a node without the active key's
    file is not ready. A retired key is published (signing) or still decrypts (encryption) until
    ``published_until``. ``warned_days`` is the last threshold of which a mail warned.
    """

    __tablename__ = "signing_key"
    __table_args__ = (
        Index(
            "uq_signing_key_active",
            "use",
            unique=True,
            sqlite_where=text("state = 'active'"),
            postgresql_where=text("state = 'active'"),
        ),
    )

    kid: Mapped[str] = mapped_column(String(64), primary_key=True)
    use: Mapped[str] = mapped_column(String(20), default=KeyUse.SIGNING, server_default="signing")
    state: Mapped[str] = mapped_column(String(20))
    certificate: Mapped[str] = mapped_column(Text)
    created_at: Mapped[datetime]
    promoted_at: Mapped[datetime | None]
    published_until: Mapped[datetime | None]
    warned_days: Mapped[int | None]


class KeyAssignment(Base):
    """A service provider that is answered with this signing key, whichever is active."""

    __tablename__ = "key_assignment"

    entity_id: Mapped[str] = mapped_column(String(1024), primary_key=True)
    kid: Mapped[str] = mapped_column(String(64), ForeignKey("signing_key.kid"))
    assigned_at: Mapped[datetime]
