"""People: accounts and their memberships."""

from datetime import datetime

from sqlalchemy import CheckConstraint, ForeignKey, LargeBinary, String, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column, relationship

from directory.models.structures import Structure
from idp.db import Base


class Account(Base):
    """One person. The e-mail is the identifier: ``mail`` as typed, ``mail_key`` folded, unique.

    ``subject_id`` is what the other rooms know the person by; it is random and never changes.
    Deleted accounts stay in the bin until they are purged.
    """

    __tablename__ = "account"
    __table_args__ = (
        CheckConstraint("valid_until IS NULL OR valid_until > valid_from", name="validity"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    subject_id: Mapped[str] = mapped_column(String(64), unique=True)
    mail: Mapped[str] = mapped_column(String(254))
    mail_key: Mapped[str] = mapped_column(String(254), unique=True)
    sn: Mapped[str] = mapped_column(String(100))
    given_name: Mapped[str] = mapped_column(String(100))
    search_key: Mapped[str] = mapped_column(String(500))
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
    confirmation: until then it grants and restricts nothing.
    """

    __tablename__ = "membership"
    __table_args__ = (
        UniqueConstraint("account_id", "structure_id"),
        CheckConstraint(
            "valid_until IS NULL OR valid_from IS NULL OR valid_until > valid_from",
            name="validity",
        ),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    public_id: Mapped[str] = mapped_column(String(64), unique=True)
    account_id: Mapped[int] = mapped_column(ForeignKey("account.id", ondelete="CASCADE"))
    structure_id: Mapped[int] = mapped_column(ForeignKey("structure.id"), index=True)
    service: Mapped[str | None] = mapped_column(String(200))
    function: Mapped[str | None] = mapped_column(String(200))
    application_identifier: Mapped[str | None] = mapped_column(String(100))
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
