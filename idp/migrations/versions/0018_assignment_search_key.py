"""One index tells who of those that hold a role is found by words, in the order of their names.

Revision ID: 0018
Revises: 0017

An assignment repeats the search key of its membership; the services carry a change of it along.
Keys of accounts that 0017 left too long for a row of an index are cut as new ones are.
"""

import sqlalchemy as sa
from alembic import op

revision = "0018"
down_revision = "0017"
branch_labels = None
depends_on = None

INDEX = "ix_assignment_role_id_search_key"
LETTERS = 300
"""Of at most four bytes: those of an account's key take at most 1,200."""

KEY = sa.String(1000).with_variant(sa.String(1000, collation="C"), "postgresql")


def upgrade() -> None:
    """Repeat the key, and index it behind the role."""
    if op.get_bind().dialect.name == "postgresql":
        op.execute(
            f"UPDATE account SET search_key = left(search_key, {LETTERS})"  # noqa: S608 - a number
            f" WHERE octet_length(search_key) > {4 * LETTERS}"
        )
    key = sa.Column("search_key", KEY, nullable=False, server_default=sa.text("''"))
    op.add_column("assignment", key)
    op.execute(
        "UPDATE assignment SET search_key ="
        " (SELECT search_key FROM membership WHERE membership.id = assignment.membership_id)"
    )
    columns = ["role_id", "search_key", "structure_id", "membership_id"]
    op.create_index(INDEX, "assignment", columns)


def downgrade() -> None:
    """Ask the membership for it again."""
    op.drop_index(INDEX, table_name="assignment")
    op.drop_column("assignment", "search_key")
