"""One Alembic history for the tables of every room.

A revision is plain DDL that imports no model: what it does must not change when a model does.
History goes forward only: what undoes an upgrade is the backup taken before it.
Alembic is imported when a function is called, never when a server starts.
"""

from typing import TYPE_CHECKING

from sqlalchemy import Connection

from idp.db import Database
from idp.settings import Settings

if TYPE_CHECKING:
    from alembic.config import Config
    from alembic.script import ScriptDirectory

# Two processes that start at once must not migrate at once: PostgreSQL's lock for it.
ADVISORY_LOCK = 0x436F6E76


def upgrade(settings: Settings) -> None:
    """Bring the database of these settings to the newest revision, in one transaction.

    Raises:
        sqlalchemy.exc.DBAPIError: the database does not answer, or refuses.
    """
    from alembic import command  # noqa: PLC0415 - see above

    database = Database(settings.database_url, durable=settings.durable)
    try:
        with database.engine.connect() as connection:
            lock(connection)
            config = _config()
            config.attributes["connection"] = connection
            config.attributes["settings"] = settings
            command.upgrade(config, "head")
            connection.commit()
    finally:
        database.dispose()


def is_current(settings: Settings) -> bool:
    """Whether the database is at the newest revision.

    Raises:
        sqlalchemy.exc.DBAPIError: the database does not answer.
    """
    from alembic.runtime.migration import MigrationContext  # noqa: PLC0415 - see above

    database = Database(settings.database_url, durable=settings.durable)
    try:
        with database.engine.connect() as connection:
            heads = MigrationContext.configure(connection).get_current_heads()
    finally:
        database.dispose()
    return set(heads) == set(scripts().get_heads())


def scripts() -> "ScriptDirectory":
    """The revisions of this history."""
    from alembic.script import ScriptDirectory  # noqa: PLC0415 - see above

    return ScriptDirectory.from_config(_config())


def lock(connection: Connection) -> None:
    """Open a transaction in which nobody else migrates."""
    if connection.dialect.name == "sqlite":
        connection.exec_driver_sql("BEGIN IMMEDIATE")
    else:
        connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({ADVISORY_LOCK})")


def _config() -> "Config":
    from alembic.config import Config  # noqa: PLC0415 - see above

    config = Config()
    config.set_main_option("script_location", "idp:migrations")
    return config
