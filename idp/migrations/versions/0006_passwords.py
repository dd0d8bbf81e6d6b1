"""First visits and forgotten passwords: what is asked, and the links that were mailed.

Revision ID: 0006
Revises: 0005
"""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the two tables."""
    moment = sa.DateTime(timezone=True)
    op.create_table(
        "password_request",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("mail", sa.String(254), nullable=False),
        sa.Column("purpose", sa.String(20), nullable=False),
        sa.Column("flow", sa.String(200), nullable=False),
        sa.Column("address", sa.String(64), nullable=False),
        sa.Column("requested_at", moment, nullable=False),
        sa.Column("failures", sa.Integer(), server_default="0", nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_password_request"),
    )
    op.create_table(
        "password_link",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("key", sa.String(64), nullable=False),
        sa.Column("account_id", sa.Integer(), nullable=False),
        sa.Column("purpose", sa.String(20), nullable=False),
        sa.Column("flow", sa.String(200), nullable=False),
        sa.Column("created_at", moment, nullable=False),
        sa.Column("expires_at", moment, nullable=False),
        sa.Column("ended_at", moment),
        sa.Column("end_reason", sa.String(20)),
        sa.ForeignKeyConstraint(
            ["account_id"],
            ["account.id"],
            name="fk_password_link_account_id_account",
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name="pk_password_link"),
        sa.UniqueConstraint("key", name="uq_password_link_key"),
    )
    op.create_index("ix_password_link_account_id", "password_link", ["account_id"])
    still_open = sa.text("ended_at IS NULL")
    op.create_index(
        "uq_password_link_account_id_open",
        "password_link",
        ["account_id"],
        unique=True,
        sqlite_where=still_open,
        postgresql_where=still_open,
    )
    op.create_index("ix_password_link_expires_at", "password_link", ["expires_at"])


def downgrade() -> None:
    """Remove them."""
    op.drop_table("password_link")
    op.drop_table("password_request")
