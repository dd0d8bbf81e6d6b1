"""Encryption keys, service providers kept on a key, and with which key each was last served.

Revision ID: 0004
Revises: 0003
"""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

_ACTIVE = sa.text("state = 'active'")


def upgrade() -> None:
    """Every key so far signs; which one served whom is known from now on."""
    moment = sa.DateTime(timezone=True)
    op.add_column(
        "signing_key",
        sa.Column("use", sa.String(20), nullable=False, server_default="signing"),
    )
    op.add_column("signing_key", sa.Column("warned_days", sa.Integer()))
    op.drop_index("uq_signing_key_active", table_name="signing_key")
    op.create_index(
        "uq_signing_key_active",
        "signing_key",
        ["use"],
        unique=True,
        sqlite_where=_ACTIVE,
        postgresql_where=_ACTIVE,
    )
    op.add_column("sp_session", sa.Column("kid", sa.String(64)))
    op.create_table(
        "key_assignment",
        sa.Column("entity_id", sa.String(1024), nullable=False),
        sa.Column("kid", sa.String(64), nullable=False),
        sa.Column("assigned_at", moment, nullable=False),
        sa.ForeignKeyConstraint(
            ["kid"], ["signing_key.kid"], name="fk_key_assignment_kid_signing_key"
        ),
        sa.PrimaryKeyConstraint("entity_id", name="pk_key_assignment"),
    )
    op.create_table(
        "key_served",
        sa.Column("entity_id", sa.String(1024), nullable=False),
        sa.Column("kid", sa.String(64), nullable=False),
        sa.Column("served_at", moment, nullable=False),
        sa.PrimaryKeyConstraint("entity_id", name="pk_key_served"),
    )


def downgrade() -> None:
    """Remove them; encryption keys go, because every key would sign again."""
    op.drop_table("key_served")
    op.drop_table("key_assignment")
    op.drop_column("sp_session", "kid")
    op.execute("DELETE FROM signing_key WHERE use <> 'signing'")
    op.drop_index("uq_signing_key_active", table_name="signing_key")
    op.drop_column("signing_key", "warned_days")
    op.drop_column("signing_key", "use")
    op.create_index(
        "uq_signing_key_active",
        "signing_key",
        ["state"],
        unique=True,
        sqlite_where=_ACTIVE,
        postgresql_where=_ACTIVE,
    )
