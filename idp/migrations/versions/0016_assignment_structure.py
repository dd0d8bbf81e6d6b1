"""Who holds a role in some structures is told by one index; folded keys compare by their bytes.

Revision ID: 0016
Revises: 0015

An assignment repeats the structure of its membership; the foreign key of both carries a change of
it along. On PostgreSQL the order of the keys was the cluster's locale's: now it is the same as on
SQLite, whatever the locale, and an upgrade of the system's locales spoils no index.
"""

import sqlalchemy as sa
from alembic import op

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None

KEYS = {
    "account": {"mail_key": 254, "sn_key": 100, "given_name_key": 100, "search_key": 500},
    "membership": {"identifier_key": 100, "search_key": 1000},
    "structure": {"search_key": 200, "path_key": 400},
}
ROLE = "ix_assignment_role_id"
PARENT = "uq_membership_id_structure_id"


def upgrade() -> None:
    """Repeat the structure, and index it behind the role."""
    collate("C")
    op.create_index(PARENT, "membership", ["id", "structure_id"], unique=True)
    op.drop_index(ROLE, table_name="assignment")
    op.add_column("assignment", sa.Column("structure_id", sa.Integer(), nullable=True))
    op.execute(
        "UPDATE assignment SET structure_id ="
        " (SELECT structure_id FROM membership WHERE membership.id = assignment.membership_id)"
    )
    with op.batch_alter_table("assignment") as table:
        table.alter_column("structure_id", existing_type=sa.Integer(), nullable=False)
        table.drop_constraint("fk_assignment_membership_id_membership", type_="foreignkey")
        table.create_foreign_key(
            "fk_assignment_membership_id_structure_id_membership",
            "membership",
            ["membership_id", "structure_id"],
            ["id", "structure_id"],
            ondelete="CASCADE",
            onupdate="CASCADE",
        )
    op.create_index(ROLE, "assignment", ["role_id", "structure_id", "membership_id"])


def downgrade() -> None:
    """Ask the membership for it again."""
    op.drop_index(ROLE, table_name="assignment")
    with op.batch_alter_table("assignment") as table:
        table.drop_constraint(
            "fk_assignment_membership_id_structure_id_membership", type_="foreignkey"
        )
        table.create_foreign_key(
            "fk_assignment_membership_id_membership",
            "membership",
            ["membership_id"],
            ["id"],
            ondelete="CASCADE",
        )
        table.drop_column("structure_id")
    op.create_index(ROLE, "assignment", ["role_id", "membership_id"])
    op.drop_index(PARENT, table_name="membership")
    collate("default")


def collate(collation: str) -> None:
    """Have PostgreSQL compare the keys by this collation; SQLite compares bytes."""
    if op.get_bind().dialect.name != "postgresql":
        return
    for table, columns in KEYS.items():
        changes = ", ".join(
            f'ALTER COLUMN {name} TYPE varchar({length}) COLLATE "{collation}"'
            for name, length in columns.items()
        )
        op.execute(f"ALTER TABLE {table} {changes}")
