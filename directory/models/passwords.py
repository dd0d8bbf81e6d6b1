"""What leads to a new password: who asked for a link, and the links that were mailed."""

from datetime import datetime

from sqlalchemy import ForeignKey, Index, String, text
from sqlalchemy.orm import Mapped, mapped_column

from idp.db import Base


class PasswordRequest(Base):
    """An address that somebody typed, whoever's it is, until the worker looks it up and forgets it.

    ``purpose`` is an :class:`idp.self_service.Purpose`; ``flow`` the sign-on that waits, or empty;
    ``address`` the network address, for the journal; ``mail`` is spelled as addresses are compared
    (:func:`directory.search.mail_key`); ``failures`` counts the answers that a defect prevented.
    """

    __tablename__ = "password_request"

    id: Mapped[int] = mapped_column(primary_key=True)
    mail: Mapped[str] = mapped_column(String(254))
    purpose: Mapped[str] = mapped_column(String(20))
    flow: Mapped[str] = mapped_column(String(200))
    address: Mapped[str] = mapped_column(String(64))
    requested_at: Mapped[datetime]
    failures: Mapped[int] = mapped_column(default=0, server_default="0")


class PasswordLinkRow(Base):
    """A link; ``key`` is the hash of its token.

    ``end_reason``: used, replaced (by a newer one), changed (the password was, otherwise), address
    (that of the account was changed since), deleted (the account was).
    """

    __tablename__ = "password_link"
    __table_args__ = (
        # One that could be spent, whoever makes two at once.
        Index(
            "uq_password_link_account_id_open",
            "account_id",
            unique=True,
            sqlite_where=text("ended_at IS NULL"),
            postgresql_where=text("ended_at IS NULL"),
        ),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    key: Mapped[str] = mapped_column(String(64), unique=True)
    account_id: Mapped[int] = mapped_column(
        ForeignKey("account.id", ondelete="CASCADE"), index=True
    )
    purpose: Mapped[str] = mapped_column(String(20))
    flow: Mapped[str] = mapped_column(String(200))
    created_at: Mapped[datetime]
    expires_at: Mapped[datetime] = mapped_column(index=True)
    ended_at: Mapped[datetime | None]
    end_reason: Mapped[str | None] = mapped_column(String(20))
