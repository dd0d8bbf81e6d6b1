"""Lists that find people by the state of their account read the confirmation in the index too.

Revision ID: 0015
Revises: 0014
"""

import sqlalchemy as sa
from alembic import op

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None

_NAME = "ix_membership_structure_id_live"
_COLUMNS = ["structure_id", "account_id", "id"]


def upgrade() -> None:
    """Add the column to the index."""
    _replace([*_COLUMNS, "confirmed_at"])


def downgrade() -> None:
    """Take it out again."""
    _replace(_COLUMNS)


def _replace(columns: list[str]) -> None:
    op.drop_index(_NAME, table_name="membership")
    live = sa.text("deleted_at IS NULL")
    op.create_index(_NAME, "membership", columns, sqlite_where=live, postgresql_where=live)
