"""What people are still to be told of by mail, and were told of."""

from datetime import datetime

from sqlalchemy import ForeignKey, String
from sqlalchemy.orm import Mapped, mapped_column

from idp.db import Base


class RoleChange(Base):
    """A role granted or withdrawn, in words, until the person is told; then it is deleted."""

    __tablename__ = "role_change"

    id: Mapped[int] = mapped_column(primary_key=True)
    account_id: Mapped[int] = mapped_column(
        ForeignKey("account.id", ondelete="CASCADE"), index=True
    )
    granted: Mapped[bool]
    application: Mapped[str] = mapped_column(String(200))
    role: Mapped[str] = mapped_column(String(200))
    structure: Mapped[str] = mapped_column(String(2000))
    at: Mapped[datetime]


class AccountWarning(Base):
    """The person was told, ``days`` before, that his account ends at ``valid_until``."""

    __tablename__ = "account_warning"

    account_id: Mapped[int] = mapped_column(
        ForeignKey("account.id", ondelete="CASCADE"), primary_key=True
    )
    valid_until: Mapped[datetime] = mapped_column(primary_key=True)
    days: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
