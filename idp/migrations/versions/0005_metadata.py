"""A service provider's address is read again, by a signer's key; legacy exceptions with an end.

Revision ID: 0005
Revises: 0004
"""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

TABLE = "service_provider"


def upgrade() -> None:
    """Add what is known of each reading, and the exceptions."""
    moment = sa.DateTime(timezone=True)
    op.add_column(TABLE, sa.Column("signer", sa.Text()))
    op.add_column(TABLE, sa.Column("valid_until", moment))
    op.add_column(TABLE, sa.Column("last_tried_at", moment))
    op.add_column(TABLE, sa.Column("last_error", sa.String(1000)))
    op.add_column(TABLE, sa.Column("failures", sa.Integer(), server_default="0", nullable=False))
    op.add_column(TABLE, sa.Column("next_try_at", moment))
    op.add_column(TABLE, sa.Column("exceptions", sa.JSON()))


def downgrade() -> None:
    """Remove them."""
    names = ("exceptions", "next_try_at", "failures", "last_error", "last_tried_at")
    for name in (*names, "valid_until", "signer"):
        op.drop_column(TABLE, name)
