"""In which structure an event of the journal happened: *Historique* is read by it.

Revision ID: 0014
Revises: 0013
"""

import sqlalchemy as sa
from alembic import op

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None

_TARGET = "UPDATE audit_event SET structure = substr(target, 11) WHERE target LIKE 'structure:%'"
_PARAMETER = """
UPDATE audit_event SET structure = {read}
WHERE structure IS NULL AND (code LIKE 'assignment.%' OR code LIKE 'access-request.%')
"""
_READ = {
    "sqlite": "json_extract(parameters, '$.structure')",
    "postgresql": "parameters ->> 'structure'",
}


def upgrade() -> None:
    """Add the column, fill it from what the events say already, and index it."""
    op.add_column("audit_event", sa.Column("structure", sa.String(64)))
    op.execute(_TARGET)
    op.execute(_PARAMETER.format(read=_READ[op.get_context().dialect.name]))
    op.create_index(
        "ix_audit_event_structure_at",
        "audit_event",
        ["structure", "at"],
        sqlite_where=sa.text("structure IS NOT NULL"),
        postgresql_where=sa.text("structure IS NOT NULL"),
    )


def downgrade() -> None:
    """Remove both."""
    op.drop_index("ix_audit_event_structure_at", "audit_event")
    op.drop_column("audit_event", "structure")
