"""Addresses that were changed: who may refuse it, and until when the old one is reserved.

Revision ID: 0012
Revises: 0011
"""

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the table."""
    op.create_table(
        "address_change",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("key", sa.String(64), nullable=False),
        sa.Column("account_id", sa.Integer(), nullable=False),
        sa.Column("old_mail", sa.String(254), nullable=False),
        sa.Column("old_mail_key", sa.String(254), nullable=False),
        sa.Column("changed_by", sa.String(120), nullable=False),
        sa.Column("changed_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("refused_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("settled_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(
            ["account_id"],
            ["account.id"],
            name="fk_address_change_account_id_account",
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name="pk_address_change"),
        sa.UniqueConstraint("key", name="uq_address_change_key"),
    )
    for column in ("account_id", "old_mail_key", "expires_at"):
        op.create_index(f"ix_address_change_{column}", "address_change", [column])


def downgrade() -> None:
    """Remove it."""
    op.drop_table("address_change")
