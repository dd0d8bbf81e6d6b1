"""Work over many accounts: what was ordered, and what became of each account."""

from datetime import datetime

from sqlalchemy import ForeignKey, Index, String, text
from sqlalchemy.orm import Mapped, mapped_column

from idp.db import Base


class BulkAction(Base):
    """An order over several accounts: chosen, then confirmed (``started_at``), then done.

    ``subject_id`` is who orders; ``way_back`` the path of the list where he chose; ``address`` and
    ``request_id`` are those of his confirmation, for the journal of what the worker does on his
    behalf.
    """

    __tablename__ = "bulk_action"
    __table_args__ = (
        Index(
            "ix_bulk_action_under_way",
            "started_at",
            sqlite_where=text("started_at IS NOT NULL AND finished_at IS NULL"),
            postgresql_where=text("started_at IS NOT NULL AND finished_at IS NULL"),
        ),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    public_id: Mapped[str] = mapped_column(String(64), unique=True)
    subject_id: Mapped[str] = mapped_column(String(64), index=True)
    action: Mapped[str] = mapped_column(String(20))
    way_back: Mapped[str] = mapped_column(String(1500), default="")
    address: Mapped[str] = mapped_column(String(64), default="")
    request_id: Mapped[str] = mapped_column(String(64), default="")
    created_at: Mapped[datetime]
    started_at: Mapped[datetime | None]
    finished_at: Mapped[datetime | None]
    expires_at: Mapped[datetime] = mapped_column(index=True)


class BulkItem(Base):
    """One account of it, named as it was when it was chosen; no ``outcome`` yet: it waits.

    ``announced``: the print of what was to become of it when the order was confirmed; None: nothing
    was said of it then.
    """

    __tablename__ = "bulk_item"
    __table_args__ = (
        Index(
            "ix_bulk_item_waiting",
            "bulk_id",
            "account_id",
            sqlite_where=text("outcome IS NULL"),
            postgresql_where=text("outcome IS NULL"),
        ),
    )

    bulk_id: Mapped[int] = mapped_column(
        ForeignKey("bulk_action.id", ondelete="CASCADE"), primary_key=True, autoincrement=False
    )
    account_id: Mapped[int] = mapped_column(
        ForeignKey("account.id", ondelete="CASCADE"),
        primary_key=True,
        autoincrement=False,
        index=True,
    )
    sn: Mapped[str] = mapped_column(String(100))
    given_name: Mapped[str] = mapped_column(String(100))
    mail: Mapped[str] = mapped_column(String(254))
    announced: Mapped[str | None] = mapped_column(String(32))
    outcome: Mapped[str | None] = mapped_column(String(20))
    reason: Mapped[str] = mapped_column(String(300), default="")
