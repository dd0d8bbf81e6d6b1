"""What people ask for on the portal, and what the centre tells them there."""

from datetime import datetime

from sqlalchemy import CheckConstraint, ForeignKey, Index, String, text
from sqlalchemy.orm import Mapped, mapped_column, relationship

from directory.models.people import Membership
from directory.models.rights import Application
from idp.db import Base

_PENDING = text("state = 'pending'")


class AccessRequest(Base):
    """A membership asks for an application; a référent grants or refuses it, the person withdraws.

    ``answered_by`` is a subject id, as in the journal; ``answer`` what was said with it.
    """

    __tablename__ = "access_request"
    __table_args__ = (
        CheckConstraint("(state = 'pending') = (answered_at IS NULL)", name="answered"),
        Index(
            "uq_access_request_pending",
            "membership_id",
            "application_id",
            unique=True,
            sqlite_where=_PENDING,
            postgresql_where=_PENDING,
        ),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    public_id: Mapped[str] = mapped_column(String(64), unique=True)
    membership_id: Mapped[int] = mapped_column(
        ForeignKey("membership.id", ondelete="CASCADE"), index=True
    )
    application_id: Mapped[int] = mapped_column(
        ForeignKey("application.id", ondelete="CASCADE"), index=True
    )
    reason: Mapped[str] = mapped_column(String(500))
    state: Mapped[str] = mapped_column(String(20))
    created_at: Mapped[datetime]
    answered_at: Mapped[datetime | None]
    answered_by: Mapped[str | None] = mapped_column(String(120))
    answer: Mapped[str | None] = mapped_column(String(500))

    membership: Mapped[Membership] = relationship()
    application: Mapped[Application] = relationship()


class NoticeRow(Base):
    """A notice from the centre; ``application_id``: for those who may open that one alone."""

    __tablename__ = "notice"
    __table_args__ = (
        CheckConstraint(
            "valid_until IS NULL OR valid_from IS NULL OR valid_until > valid_from",
            name="validity",
        ),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    text: Mapped[str] = mapped_column(String(1000))
    level: Mapped[str] = mapped_column(String(20))
    application_id: Mapped[int | None] = mapped_column(
        ForeignKey("application.id", ondelete="CASCADE"), index=True
    )
    on_sign_in: Mapped[bool] = mapped_column(default=False)
    valid_from: Mapped[datetime | None]
    valid_until: Mapped[datetime | None]
    created_at: Mapped[datetime]
    created_by: Mapped[str] = mapped_column(String(120))

    application: Mapped[Application | None] = relationship()
