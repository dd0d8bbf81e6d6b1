"""What the mails' screens and notices need.

Revision ID: 0009
Revises: 0008
"""

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Why a mail did not leave; what people are still to be told of."""
    moment = sa.DateTime(timezone=True)
    op.add_column(
        "outbox", sa.Column("has_link", sa.Boolean(), nullable=False, server_default=sa.false())
    )
    op.add_column("outbox", sa.Column("cause", sa.String(20)))
    op.create_index("ix_outbox_state_id", "outbox", ["state", "id"])
    op.create_index("ix_outbox_recipient_id", "outbox", ["recipient", "id"])
    op.create_table(
        "role_change",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("account_id", sa.Integer(), nullable=False),
        sa.Column("granted", sa.Boolean(), nullable=False),
        sa.Column("application", sa.String(200), nullable=False),
        sa.Column("role", sa.String(200), nullable=False),
        sa.Column("structure", sa.String(2000), nullable=False),
        sa.Column("at", moment, nullable=False),
        sa.ForeignKeyConstraint(
            ["account_id"],
            ["account.id"],
            name="fk_role_change_account_id_account",
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name="pk_role_change"),
    )
    op.create_index("ix_role_change_account_id", "role_change", ["account_id"])
    op.create_table(
        "account_warning",
        sa.Column("account_id", sa.Integer(), nullable=False),
        sa.Column("valid_until", moment, nullable=False),
        sa.Column("days", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(
            ["account_id"],
            ["account.id"],
            name="fk_account_warning_account_id_account",
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("account_id", "valid_until", "days", name="pk_account_warning"),
    )


def downgrade() -> None:
    """Nobody will be told."""
    op.drop_table("account_warning")
    op.drop_table("role_change")
    op.drop_index("ix_outbox_recipient_id", table_name="outbox")
    op.drop_index("ix_outbox_state_id", table_name="outbox")
    op.drop_column("outbox", "cause")
    op.drop_column("outbox", "has_link")
