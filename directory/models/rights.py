"""Rights: applications, their roles, who holds them, and who may grant them."""

from datetime import datetime
from enum import StrEnum

from sqlalchemy import (
    CheckConstraint,
    ForeignKey,
    ForeignKeyConstraint,
    Index,
    String,
    UniqueConstraint,
    text,
)
from sqlalchemy.orm import Mapped, mapped_column, relationship

from directory.models.keys import folded
from directory.models.people import Account, Membership
from directory.models.structures import Structure
from idp.db import Base


class Application(Base):
    """What a tile opens. Outside ``opens_at`` .. ``closes_at`` it is closed, with a message."""

    __tablename__ = "application"

    id: Mapped[int] = mapped_column(primary_key=True)
    code: Mapped[str] = mapped_column(String(64), unique=True)
    label: Mapped[str] = mapped_column(String(200))
    description: Mapped[str] = mapped_column(String(500), default="")
    icon: Mapped[str] = mapped_column(String(40), default="")
    start_url: Mapped[str | None] = mapped_column(String(1024))
    single_role: Mapped[bool] = mapped_column(default=False)
    opens_at: Mapped[datetime | None]
    closes_at: Mapped[datetime | None]
    closed_message: Mapped[str | None] = mapped_column(String(500))

    roles: Mapped[list["Role"]] = relationship(back_populates="application")


class ApplicationEntity(Base):
    """Which application a SAML entity is; the directory knows the entityID and nothing more."""

    __tablename__ = "application_entity"

    entity_id: Mapped[str] = mapped_column(String(1024), primary_key=True)
    application_id: Mapped[int] = mapped_column(
        ForeignKey("application.id", ondelete="CASCADE"), unique=True
    )


class Role(Base):
    """A role of one application; ``value`` is what the SP receives."""

    __tablename__ = "role"
    __table_args__ = (UniqueConstraint("application_id", "code"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    application_id: Mapped[int] = mapped_column(ForeignKey("application.id", ondelete="CASCADE"))
    code: Mapped[str] = mapped_column(String(64))
    label: Mapped[str] = mapped_column(String(200))
    value: Mapped[str] = mapped_column(String(256))

    application: Mapped[Application] = relationship(back_populates="roles")


class Assignment(Base):
    """A membership holds a role, granted by whom and when, optionally from / until.

    ``structure_id`` and ``search_key`` repeat the membership's, so that one index tells who holds a
    role in some structures, and another who of them is found by words, in the order of their names.
    The foreign key keeps the one true when a membership moves; only
    :mod:`directory.models.search_keys` writes the other.
    """

    __tablename__ = "assignment"
    __table_args__ = (
        UniqueConstraint("membership_id", "role_id"),
        ForeignKeyConstraint(
            ["membership_id", "structure_id"],
            ["membership.id", "membership.structure_id"],
            ondelete="CASCADE",
            onupdate="CASCADE",
        ),
        Index("ix_assignment_role_id", "role_id", "structure_id", "membership_id"),
        Index(
            "ix_assignment_role_id_search_key",
            "role_id",
            "search_key",
            "structure_id",
            "membership_id",
        ),
        CheckConstraint(
            "valid_until IS NULL OR valid_from IS NULL OR valid_until > valid_from",
            name="validity",
        ),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    membership_id: Mapped[int]
    structure_id: Mapped[int]
    search_key: Mapped[str] = mapped_column(folded(1000), server_default=text("''"))
    role_id: Mapped[int] = mapped_column(ForeignKey("role.id", ondelete="CASCADE"))
    granted_by: Mapped[str] = mapped_column(String(120))
    granted_at: Mapped[datetime]
    valid_from: Mapped[datetime | None]
    valid_until: Mapped[datetime | None]

    membership: Mapped[Membership] = relationship()
    role: Mapped[Role] = relationship()


class MandateKind(StrEnum):
    """``referent``: a subtree and a set of applications. ``central``: the correspondant CIG."""

    REFERENT = "referent"
    CENTRAL = "central"


class Mandate(Base):
    """An account administers a structure's subtree for a set of applications; or everything."""

    __tablename__ = "mandate"
    __table_args__ = (
        CheckConstraint(
            "(kind = 'central') = (structure_id IS NULL)", name="central_has_no_structure"
        ),
        Index(
            "uq_mandate_account_structure",
            "account_id",
            "structure_id",
            unique=True,
            sqlite_where=text("structure_id IS NOT NULL"),
            postgresql_where=text("structure_id IS NOT NULL"),
        ),
        Index(
            "uq_mandate_central",
            "account_id",
            unique=True,
            sqlite_where=text("kind = 'central'"),
            postgresql_where=text("kind = 'central'"),
        ),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    account_id: Mapped[int] = mapped_column(ForeignKey("account.id", ondelete="CASCADE"))
    kind: Mapped[str] = mapped_column(String(20))
    structure_id: Mapped[int | None] = mapped_column(ForeignKey("structure.id"), index=True)
    valid_from: Mapped[datetime | None]
    valid_until: Mapped[datetime | None]
    granted_by: Mapped[str] = mapped_column(String(120))
    granted_at: Mapped[datetime]

    account: Mapped[Account] = relationship()
    structure: Mapped[Structure | None] = relationship()
    applications: Mapped[list[Application]] = relationship(secondary="mandate_application")


class MandateApplication(Base):
    """An application that a mandate covers."""

    __tablename__ = "mandate_application"

    mandate_id: Mapped[int] = mapped_column(
        ForeignKey("mandate.id", ondelete="CASCADE"), primary_key=True
    )
    application_id: Mapped[int] = mapped_column(
        ForeignKey("application.id", ondelete="CASCADE"), primary_key=True
    )
