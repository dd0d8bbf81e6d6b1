"""Search keys sort as names do, and one index of them tells who is found by words, and where.

Revision ID: 0017
Revises: 0016

A name and a first name end with a tab in a search key, which sorts before all that they may hold.
No row of an index of PostgreSQL may exceed 2,704 bytes: keys were cut by letters, now by bytes.
"""

import sqlalchemy as sa
from alembic import op

revision = "0017"
down_revision = "0016"
branch_labels = None
depends_on = None

INDEX = "ix_membership_search_key_live"
LIVE = sa.text("deleted_at IS NULL")
END = "\t"
LETTERS = 500  # of an account's key
LONGEST = 2600  # bytes of a membership's; a letter has four at most

ACCOUNT = sa.table(
    "account",
    *map(sa.column, ("id", "sn_key", "given_name_key")),
    sa.column("search_key", sa.String),
)
STRUCTURE = sa.table("structure", sa.column("id"), sa.column("search_key", sa.String))
MEMBERSHIP = sa.table(
    "membership",
    *map(sa.column, ("account_id", "structure_id")),
    sa.column("identifier_key", sa.String),
    sa.column("search_key", sa.String),
)


def upgrade() -> None:
    """End the names, cut what is too long, then index it."""
    write(ended())
    if op.get_bind().dialect.name == "postgresql":
        key = MEMBERSHIP.c.search_key
        too_long = MEMBERSHIP.update().where(sa.func.octet_length(key) > LONGEST)
        op.execute(too_long.values(search_key=sa.func.left(key, LONGEST // 4)))
    op.create_index(
        INDEX,
        "membership",
        ["search_key", "id", "structure_id", "account_id"],
        sqlite_where=LIVE,
        postgresql_where=LIVE,
    )


def downgrade() -> None:
    """End the names with a space again."""
    op.drop_index(INDEX, table_name="membership")
    write(sa.func.replace(ACCOUNT.c.search_key, END, " "))


def ended() -> sa.ColumnElement[str]:
    """An account's key: what follows the names in the old one is the address."""
    key, sn, given_name = ACCOUNT.c.search_key, ACCOUNT.c.sn_key, ACCOUNT.c.given_name_key
    names = sa.func.trim(sn + " " + given_name) + " "
    length = sa.func.length(names)
    # Of a name that was cut the old key tells the rest.
    rest = sa.case(
        (sa.func.substr(key, 1, length) == names, sa.func.substr(key, length + 1)), else_=key
    )
    return sa.func.substr(sn + END + given_name + END + rest, 1, LETTERS)


def write(key: sa.ColumnElement[str]) -> None:
    """Write an account's key, and those of its memberships with it."""
    op.execute(ACCOUNT.update().values(search_key=key))
    joined = (
        sa.select(
            ACCOUNT.c.search_key + " " + STRUCTURE.c.search_key + " " + MEMBERSHIP.c.identifier_key
        )
        .where(ACCOUNT.c.id == MEMBERSHIP.c.account_id, STRUCTURE.c.id == MEMBERSHIP.c.structure_id)
        .correlate(MEMBERSHIP)
        .scalar_subquery()
    )
    op.execute(MEMBERSHIP.update().values(search_key=joined))
