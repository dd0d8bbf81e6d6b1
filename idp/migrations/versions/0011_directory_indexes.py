"""What lists and searches of the directory need: folded keys, and indexes.

Revision ID: 0011
Revises: 0010

On PostgreSQL searches use the extension pg_trgm. Where it is not installed, or the role may not
create it, its indexes are left out: searches find the same, more slowly (docs/operations.md).
"""

from unicodedata import combining, normalize

import sqlalchemy as sa
from alembic import op
from sqlalchemy.exc import DBAPIError

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None

KEYS = {
    "account": {"sn_key": 100, "given_name_key": 100},
    "structure": {"path_key": 400},
    "membership": {"identifier_key": 100, "search_key": 1000},
}
INDEXES = (
    ("ix_account_sn_key", "account", ["sn_key", "given_name_key", "id"], "deleted_at IS NULL"),
    (
        "ix_account_given_name_key",
        "account",
        ["given_name_key", "sn_key", "id"],
        "deleted_at IS NULL",
    ),
    ("ix_account_last_sign_in_at", "account", ["last_sign_in_at"], None),
    ("ix_account_valid_from", "account", ["valid_from"], None),
    ("ix_account_valid_until", "account", ["valid_until"], "valid_until IS NOT NULL"),
    ("ix_account_locked", "account", ["id"], "locked"),
    ("ix_membership_suspended", "membership", ["account_id"], "suspended"),
    ("ix_structure_path_key", "structure", ["path_key", "id"], None),
    (
        "ix_membership_structure_id_live",
        "membership",
        ["structure_id", "account_id", "id"],
        "deleted_at IS NULL",
    ),
)
# Each of one column: of several, one that is asked for two letters would be read from end to end.
TRIGRAMS = (
    ("membership", "search_key"),
    ("account", "sn_key"),
    ("account", "given_name_key"),
    ("account", "mail_key"),
)
BATCH = 5000


def upgrade() -> None:
    for table, columns in KEYS.items():
        for name, length in columns.items():
            op.add_column(
                table,
                sa.Column(name, sa.String(length), server_default=sa.text("''"), nullable=False),
            )
    fill()
    op.drop_index("ix_assignment_role_id", table_name="assignment")
    op.create_index("ix_assignment_role_id", "assignment", ["role_id", "membership_id"])
    for name, table, indexed, condition in INDEXES:
        where = sa.text(condition) if condition else None
        op.create_index(name, table, indexed, sqlite_where=where, postgresql_where=where)
    if op.get_bind().dialect.name == "postgresql":
        create_trigrams()


def downgrade() -> None:
    if op.get_bind().dialect.name == "postgresql":
        for table, column in TRIGRAMS:
            op.execute(f"DROP INDEX IF EXISTS ix_{table}_{column}_trgm")
    op.drop_index("ix_assignment_role_id", table_name="assignment")
    op.create_index("ix_assignment_role_id", "assignment", ["role_id"])
    for name, table, _, _ in INDEXES:
        op.drop_index(name, table_name=table)
    for table, columns in KEYS.items():
        for name in columns:
            op.drop_column(table, name)


def fold(text: str | None, longest: int) -> str:
    """As ``idp.folding.search_key`` was when this revision was written."""
    letters: dict[str, str | int | None] = {"œ": "oe", "æ": "ae", "-": " ", "'": " ", "\u2019": " "}
    decomposed = normalize("NFKD", text or "").casefold()
    plain = "".join(letter for letter in decomposed if not combining(letter))
    return " ".join(plain.translate(str.maketrans(letters)).split())[:longest]


def fill() -> None:
    fold_columns("account", {"sn_key": ("sn", 100), "given_name_key": ("given_name", 100)})
    fold_columns("structure", {"path_key": ("label_path", 400)})
    fold_columns(
        "membership",
        {"identifier_key": ("application_identifier", 100)},
        "application_identifier IS NOT NULL",
    )
    op.execute(
        "UPDATE membership SET search_key = ("
        "SELECT account.search_key || ' ' || structure.search_key || ' ' ||"
        " membership.identifier_key FROM account, structure"
        " WHERE account.id = membership.account_id AND structure.id = membership.structure_id)"
    )


def fold_columns(
    table: str, columns: dict[str, tuple[str, int]], condition: str = "id IS NOT NULL"
) -> None:
    """Fold the sources of these columns into them, some thousand rows at a time."""
    connection = op.get_bind()
    sources = ", ".join(source for source, _ in columns.values())
    read = sa.text(
        f"SELECT id, {sources} FROM {table}"  # noqa: S608 - constants
        f" WHERE id > :last AND {condition} ORDER BY id LIMIT {BATCH}"
    )
    changes = ", ".join(f"{name} = :{name}" for name in columns)
    write = sa.text(f"UPDATE {table} SET {changes} WHERE id = :id")  # noqa: S608 - constants
    last = 0
    while rows := connection.execute(read, {"last": last}).all():
        folded = [
            {"id": row[0]}
            | {
                name: fold(text, longest)
                for (name, (_, longest)), text in zip(columns.items(), row[1:], strict=True)
            }
            for row in rows
        ]
        connection.execute(write, folded)
        last = rows[-1][0]


def create_trigrams() -> None:
    connection = op.get_bind()
    try:
        with connection.begin_nested():
            connection.execute(sa.text("CREATE EXTENSION IF NOT EXISTS pg_trgm"))
    except DBAPIError:
        return
    for table, column in TRIGRAMS:
        name = f"ix_{table}_{column}_trgm"
        connection.execute(
            sa.text(f"CREATE INDEX {name} ON {table} USING gin ({column} gin_trgm_ops)")
        )
