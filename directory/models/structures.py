"""The tree of structures, by materialised path."""

from datetime import datetime

from sqlalchemy import ForeignKey, Index, String, text
from sqlalchemy.orm import Mapped, mapped_column

from directory.models.keys import folded
from idp.db import Base


class Structure(Base):
    """A node of the tree.

    ``path`` (``/1/5/9/``: ids from the root down to itself) answers "is it below" in SQL with a
    prefix; ``label_path`` (``cig-pc / collectivites / Vitry``) and ``siret_in_force`` (its own or
    the nearest ancestor's) are kept beside it, because every assertion needs them and a rename is
    rare. One function writes the three: ``directory.services.structures.changes.refresh_subtree``.
    ``path_key`` is the beginning of the folded label path, by which lists are sorted; only
    :mod:`directory.models.search_keys` writes it.
    """

    __tablename__ = "structure"
    __table_args__ = (
        Index("ix_structure_path", "path", postgresql_ops={"path": "text_pattern_ops"}),
        Index("ix_structure_path_key", "path_key", "id"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    code: Mapped[str] = mapped_column(String(64), unique=True)
    label: Mapped[str] = mapped_column(String(200))
    siret: Mapped[str | None] = mapped_column(String(14))
    parent_id: Mapped[int | None] = mapped_column(ForeignKey("structure.id"), index=True)
    path: Mapped[str] = mapped_column(String(400))
    label_path: Mapped[str] = mapped_column(String(2000))
    siret_in_force: Mapped[str | None] = mapped_column(String(14))
    search_key: Mapped[str] = mapped_column(folded(200))
    path_key: Mapped[str] = mapped_column(folded(400), server_default=text("''"))
    closed_at: Mapped[datetime | None]
