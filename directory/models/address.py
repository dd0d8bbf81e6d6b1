"""Addresses that were replaced."""

from datetime import datetime

from sqlalchemy import ForeignKey, String
from sqlalchemy.orm import Mapped, mapped_column

from idp.db import Base


class AddressChange(Base):
    """The address of an account was replaced, its former owner told by a link to refuse it.

    ``key`` is the hash of the link's token. Until ``expires_at`` the link works and the old address
    is nobody else's. ``changed_by`` is a subject id, as in the journal. Once refused, the account
    is the correspondant's alone until he settled it. Settled and never refused: the address was put
    back, and the link is closed.
    """

    __tablename__ = "address_change"

    id: Mapped[int] = mapped_column(primary_key=True)
    key: Mapped[str] = mapped_column(String(64), unique=True)
    account_id: Mapped[int] = mapped_column(
        ForeignKey("account.id", ondelete="CASCADE"), index=True
    )
    old_mail: Mapped[str] = mapped_column(String(254))
    old_mail_key: Mapped[str] = mapped_column(String(254), index=True)
    changed_by: Mapped[str] = mapped_column(String(120))
    changed_at: Mapped[datetime]
    expires_at: Mapped[datetime] = mapped_column(index=True)
    refused_at: Mapped[datetime | None]
    settled_at: Mapped[datetime | None]
