"""Sign-outs under way, and the service providers that are to be told.

Revision ID: 0003
Revises: 0002
"""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the tables, and the index by which a LogoutRequest finds its session."""
    moment = sa.DateTime(timezone=True)
    op.create_index("ix_sp_session_name_id", "sp_session", ["name_id"])
    op.create_table(
        "logout",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("flow", sa.String(64), nullable=False),
        sa.Column("entity_id", sa.String(1024)),
        sa.Column("message_id", sa.String(256)),
        sa.Column("known", sa.Boolean(), nullable=False),
        sa.Column("asked", sa.JSON()),
        sa.Column("started_at", moment, nullable=False),
        sa.Column("expires_at", moment, nullable=False),
        sa.Column("answered_at", moment),
        sa.PrimaryKeyConstraint("id", name="pk_logout"),
        sa.UniqueConstraint("flow", name="uq_logout_flow"),
        sa.UniqueConstraint("entity_id", "message_id", name="uq_logout_entity_id_message_id"),
    )
    op.create_index("ix_logout_expires_at", "logout", ["expires_at"])
    op.create_table(
        "task",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("logout_id", sa.Integer()),
        sa.Column("entity_id", sa.String(1024), nullable=False),
        sa.Column("subject_id", sa.String(64), nullable=False),
        sa.Column("name_id", sa.String(512), nullable=False),
        sa.Column("name_id_format", sa.String(120), nullable=False),
        sa.Column("name_qualifier", sa.String(1024)),
        sa.Column("sp_name_qualifier", sa.String(1024)),
        sa.Column("session_indexes", sa.JSON(), nullable=False),
        sa.Column("in_browser", sa.Boolean(), nullable=False),
        sa.Column("by_person", sa.Boolean(), nullable=False),
        sa.Column("state", sa.String(20), nullable=False),
        sa.Column("request_id", sa.String(64)),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("created_at", moment, nullable=False),
        sa.Column("next_try_at", moment, nullable=False),
        sa.Column("expires_at", moment, nullable=False),
        sa.Column("last_error", sa.String(500)),
        sa.ForeignKeyConstraint(
            ["logout_id"], ["logout.id"], name="fk_task_logout_id_logout", ondelete="SET NULL"
        ),
        sa.PrimaryKeyConstraint("id", name="pk_task"),
        sa.UniqueConstraint("request_id", name="uq_task_request_id"),
    )
    op.create_index("ix_task_logout_id", "task", ["logout_id"])
    op.create_index("ix_task_expires_at", "task", ["expires_at"])
    op.create_index("ix_task_state_next_try_at", "task", ["state", "next_try_at"])


def downgrade() -> None:
    """Remove them."""
    op.drop_table("task")
    op.drop_table("logout")
    op.drop_index("ix_sp_session_name_id", table_name="sp_session")
