"""What a process must find in the database that its settings name: our schema, and our secret.

Passwords and device cookies are worth nothing without the secret they were made with. A node that
lost its file, or has another ``convergences.var``, would make a new one and nobody could sign in:
it refuses to start instead.
"""

import hmac
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from sqlalchemy import Row, String, select, text
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError
from sqlalchemy.orm import Mapped, mapped_column

from idp.db import Base, Database
from idp.errors import ConfigurationError

SCHEMA = "0018"
"""The newest revision of ``idp/migrations``, which a server knows without loading Alembic."""

_SCHEMA = text("SELECT version_num FROM alembic_version")


class Installation(Base):
    """The one row that says with which secret this database is used."""

    __tablename__ = "installation"

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    secret_fingerprint: Mapped[str] = mapped_column(String(64))


_ONLY = 1
_FINGERPRINT = select(Installation.secret_fingerprint).where(Installation.id == _ONLY)


def check_schema(db: Database) -> None:
    """Return only if the database is at the schema of this code.

    Raises:
        ConfigurationError: it is at another one.
        sqlalchemy.exc.SQLAlchemyError: it does not answer, or was never migrated.
    """
    found = {row[0] for row in db.rows(_SCHEMA, {})}
    if found != {SCHEMA}:
        raise ConfigurationError(
            f"the schema is {', '.join(sorted(found)) or 'none'}, not {SCHEMA}: "
            "run `convergences migrate`"
        )


def check_secret(db: Database, secret: bytes) -> None:
    """Return only if the database is used with this secret; the first one to come is noted.

    Raises:
        ConfigurationError: it is used with another one; the cause names the setting.
        sqlalchemy.exc.SQLAlchemyError: it does not answer, or was never migrated.
    """
    own = hmac.digest(secret, b"convergences installation", "sha256").hex()
    known = db.rows(_FINGERPRINT, {}) or _noted(db, own)
    if not hmac.compare_digest(known[0][0], own):
        raise ConfigurationError(
            "the setting convergences.secret_file names another secret than the one this database "
            "is used with: restore the file, or copy it from another node"
        )


def _noted(db: Database, own: str) -> Sequence[Row[Any]]:
    """What is known once ours is noted; of two nodes that come at once, the first one's."""
    statement = db.insert(Installation).values(id=_ONLY, secret_fingerprint=own)
    with db.unit_of_work() as work:
        work.execute(statement.on_conflict_do_nothing())
        return db.rows(_FINGERPRINT, {})


def check_there_is_one(url: str) -> None:
    """See that a database can be at this URL, before one is made by a slip of the keyboard.

    Raises:
        ConfigurationError: another kind of database, or an SQLite file that is not there.
    """
    try:
        parsed = make_url(url)
    except ArgumentError:
        parsed = None
    if parsed is None or parsed.get_backend_name() not in {"sqlite", "postgresql"}:
        raise ConfigurationError(
            "convergences.database_url is neither sqlite:// nor postgresql://",
            public="L'adresse de la base de données doit commencer par sqlite:// ou postgresql://.",
        )
    in_file = parsed.get_backend_name() == "sqlite" and parsed.database
    if in_file and not Path(in_file).exists():
        raise ConfigurationError(
            f"no database {in_file}",
            public=f"Il n'y a pas de base de données à l'adresse {in_file}. Vérifiez VAR et "
            "DATABASE_URL, ou préparez-la avec « convergences migrate ».",
        )
