"""People: accounts and their memberships."""

from datetime import datetime

from sqlalchemy import (
    CheckConstraint,
    ForeignKey,
    Index,
    LargeBinary,
    String,
    UniqueConstraint,
    text,
)
from sqlalchemy.orm import Mapped, mapped_column, relationship

from directory.models.keys import folded
from directory.models.structures import Structure
from idp.db import Base


class Account(Base):
    """One person. The e-mail is the identifier: ``mail`` as typed, ``mail_key`` folded, unique.

    ``sn_key``, ``given_name_key`` and ``search_key`` are what lists sort and search by; only
    :mod:`directory.models.search_keys` writes them.

    ``subject_id`` is what the other rooms know the person by; it is random and never changes.
    Deleted accounts stay in the bin until they are purged.
    """

    __tablename__ = "account"
    __table_args__ = (
        CheckConstraint("valid_until IS NULL OR valid_until > valid_from", name="validity"),
        Index(
            "ix_account_sn_key",
            "sn_key",
            "given_name_key",
            "id",
            sqlite_where=text("deleted_at IS NULL"),
            postgresql_where=text("deleted_at IS NULL"),
        ),
        Index(
            "ix_account_given_name_key",
            "given_name_key",
            "sn_key",
            "id",
            sqlite_where=text("deleted_at IS NULL"),
            postgresql_where=text("deleted_at IS NULL"),
        ),
        Index("ix_account_last_sign_in_at", "last_sign_in_at"),
        Index("ix_account_valid_from", "valid_from"),
        Index(
            "ix_account_valid_until",
            "valid_until",
            sqlite_where=text("valid_until IS NOT NULL"),
            postgresql_where=text("valid_until IS NOT NULL"),
        ),
        Index(
            "ix_account_locked",
            "id",
            sqlite_where=text("locked"),
            postgresql_where=text("locked"),
        ),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    subject_id: Mapped[str] = mapped_column(String(64), unique=True)
    mail: Mapped[str] = mapped_column(String(254))
    mail_key: Mapped[str] = mapped_column(folded(254), unique=True)
    sn: Mapped[str] = mapped_column(String(100))
    given_name: Mapped[str] = mapped_column(String(100))
    sn_key: Mapped[str] = mapped_column(folded(100), server_default=text("''"))
    given_name_key: Mapped[str] = mapped_column(folded(100), server_default=text("''"))
    search_key: Mapped[str] = mapped_column(folded(500))
    password_hash: Mapped[str | None] = mapped_column(String(100))
    password_changed_at: Mapped[datetime | None]
    locked: Mapped[bool] = mapped_column(default=False)
    valid_from: Mapped[datetime]
    valid_until: Mapped[datetime | None]
    last_sign_in_at: Mapped[datetime | None]
    created_at: Mapped[datetime]
    deleted_at: Mapped[datetime | None]

    memberships: Mapped[list["Membership"]] = relationship(back_populates="account")


class AccountPhoto(Base):
    """The photo of an account, small and square; ``digest`` is its name in addresses."""

    __tablename__ = "account_photo"

    account_id: Mapped[int] = mapped_column(
        ForeignKey("account.id", ondelete="CASCADE"), primary_key=True, autoincrement=False
    )
    digest: Mapped[str] = mapped_column(String(64), unique=True)
    content_type: Mapped[str] = mapped_column(String(40))
    updated_at: Mapped[datetime]
    # last: SQLite reads a row from its beginning, and every page asks for the digest alone
    image: Mapped[bytes] = mapped_column(LargeBinary)


class Membership(Base):
    """An account in a structure. ``public_id`` is what the other rooms know it by.

    ``confirmed_at`` is empty while a second structure's membership waits for the person's own
    confirmation: until then it grants and restricts nothing. ``search_key`` joins the account's,
    the structure's and ``identifier_key``, so that one index finds a person by any of them, and
    another tells who is found, and where, nearly in the order of their names; only
    :mod:`directory.models.search_keys` writes the two.
    """

    __tablename__ = "membership"
    __table_args__ = (
        UniqueConstraint("account_id", "structure_id"),
        Index("uq_membership_id_structure_id", "id", "structure_id", unique=True),
        CheckConstraint(
            "valid_until IS NULL OR valid_from IS NULL OR valid_until > valid_from",
            name="validity",
        ),
        Index(
            "ix_membership_structure_id_live",
            "structure_id",
            "account_id",
            "id",
            "confirmed_at",
            sqlite_where=text("deleted_at IS NULL"),
            postgresql_where=text("deleted_at IS NULL"),
        ),
        Index(
            "ix_membership_search_key_live",
            "search_key",
            "id",
            "structure_id",
            "account_id",
            sqlite_where=text("deleted_at IS NULL"),
            postgresql_where=text("deleted_at IS NULL"),
        ),
        Index(
            "ix_membership_suspended",
            "account_id",
            sqlite_where=text("suspended"),
            postgresql_where=text("suspended"),
        ),
        Index(
            "ix_membership_deleted_at",
            "deleted_at",
            sqlite_where=text("deleted_at IS NOT NULL"),
            postgresql_where=text("deleted_at IS NOT NULL"),
        ),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    public_id: Mapped[str] = mapped_column(String(64), unique=True)
    account_id: Mapped[int] = mapped_column(ForeignKey("account.id", ondelete="CASCADE"))
    structure_id: Mapped[int] = mapped_column(ForeignKey("structure.id"), index=True)
    service: Mapped[str | None] = mapped_column(String(200))
    function: Mapped[str | None] = mapped_column(String(200))
    application_identifier: Mapped[str | None] = mapped_column(String(100))
    identifier_key: Mapped[str] = mapped_column(folded(100), server_default=text("''"))
    search_key: Mapped[str] = mapped_column(folded(1000), server_default=text("''"))
    teleworking: Mapped[bool] = mapped_column(default=False)
    postal_address: Mapped[str | None] = mapped_column(String(500))
    phone: Mapped[str | None] = mapped_column(String(40))
    suspended: Mapped[bool] = mapped_column(default=False)
    valid_from: Mapped[datetime | None]
    valid_until: Mapped[datetime | None]
    confirmed_at: Mapped[datetime | None]
    created_at: Mapped[datetime]
    deleted_at: Mapped[datetime | None]

    account: Mapped[Account] = relationship(back_populates="memberships")
    structure: Mapped[Structure] = relationship()
