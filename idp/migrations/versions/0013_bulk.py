"""Long work over many accounts, and the bin as a list.

Revision ID: 0013
Revises: 0012
"""

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None

UNDER_WAY = sa.text("started_at IS NOT NULL AND finished_at IS NULL")
WAITING = sa.text("outcome IS NULL")
BINNED = sa.text("deleted_at IS NOT NULL")


def upgrade() -> None:
    """Add the two tables, and an index on what is in the bin."""
    op.create_table(
        "bulk_action",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("public_id", sa.String(64), nullable=False),
        sa.Column("subject_id", sa.String(64), nullable=False),
        sa.Column("action", sa.String(20), nullable=False),
        sa.Column("way_back", sa.String(1500), nullable=False),
        sa.Column("address", sa.String(64), nullable=False),
        sa.Column("request_id", sa.String(64), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("finished_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_bulk_action"),
        sa.UniqueConstraint("public_id", name="uq_bulk_action_public_id"),
    )
    op.create_index("ix_bulk_action_subject_id", "bulk_action", ["subject_id"])
    op.create_index("ix_bulk_action_expires_at", "bulk_action", ["expires_at"])
    op.create_index(
        "ix_bulk_action_under_way",
        "bulk_action",
        ["started_at"],
        sqlite_where=UNDER_WAY,
        postgresql_where=UNDER_WAY,
    )
    op.create_table(
        "bulk_item",
        sa.Column("bulk_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("account_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("sn", sa.String(100), nullable=False),
        sa.Column("given_name", sa.String(100), nullable=False),
        sa.Column("mail", sa.String(254), nullable=False),
        sa.Column("announced", sa.String(32), nullable=True),
        sa.Column("outcome", sa.String(20), nullable=True),
        sa.Column("reason", sa.String(300), nullable=False),
        sa.ForeignKeyConstraint(
            ["bulk_id"],
            ["bulk_action.id"],
            name="fk_bulk_item_bulk_id_bulk_action",
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["account_id"],
            ["account.id"],
            name="fk_bulk_item_account_id_account",
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("bulk_id", "account_id", name="pk_bulk_item"),
    )
    op.create_index("ix_bulk_item_account_id", "bulk_item", ["account_id"])
    op.create_index(
        "ix_bulk_item_waiting",
        "bulk_item",
        ["bulk_id", "account_id"],
        sqlite_where=WAITING,
        postgresql_where=WAITING,
    )
    op.create_index(
        "ix_membership_deleted_at",
        "membership",
        ["deleted_at"],
        sqlite_where=BINNED,
        postgresql_where=BINNED,
    )


def downgrade() -> None:
    """Remove them."""
    op.drop_index("ix_membership_deleted_at", table_name="membership")
    op.drop_table("bulk_item")
    op.drop_table("bulk_action")
