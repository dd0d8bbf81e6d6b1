"""Run by Alembic for each of its commands.

``idp.migrations.upgrade`` hands over its connection and settings; on the command line
(``alembic revision --autogenerate``, ``alembic -x config=production.ini history``) they come from
an .ini file, development.ini by default.
"""

from pathlib import Path
from typing import Literal

from alembic import context
from alembic.autogenerate.api import AutogenContext
from sqlalchemy import Connection

from idp.db import Base, Database, UtcDateTime
from idp.migrations import lock
from idp.services import import_models
from idp.settings import Settings, from_file


def render_item(kind: str, item: object, autogen: AutogenContext) -> str | Literal[False]:
    """Write our column type as plain DDL, so that a revision imports nothing of ours."""
    del autogen
    if kind == "type" and isinstance(item, UtcDateTime):
        return "sa.DateTime(timezone=True)"
    return False


def include_name(name: str | None, kind: str, parents: object) -> bool:
    """Leave out the indexes of pg_trgm: they exist where the extension does, no model has them."""
    del parents
    return not (kind == "index" and name is not None and name.endswith("_trgm"))


def run(connection: Connection, settings: Settings) -> None:
    """Run the command on this connection, inside its transaction."""
    import_models(settings)
    context.configure(
        connection=connection,
        target_metadata=Base.metadata,
        include_name=include_name,
        render_item=render_item,
        render_as_batch=connection.dialect.name == "sqlite",
        transactional_ddl=True,
        compare_server_default=True,
    )
    with context.begin_transaction():
        context.run_migrations()


def run_from_command_line() -> None:
    """Open the database of an .ini file and run the command."""
    name = context.get_x_argument(as_dictionary=True).get("config", "development.ini")
    settings = from_file(Path(name))
    database = Database(settings.database_url, durable=settings.durable)
    with database.engine.connect() as connection:
        lock(connection)
        run(connection, settings)
        connection.commit()
    database.dispose()


attributes = context.config.attributes
if "connection" in attributes:
    run(attributes["connection"], attributes["settings"])
else:
    run_from_command_line()
