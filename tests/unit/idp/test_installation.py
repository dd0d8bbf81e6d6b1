"""What a process must find in its database: the schema of its code, and the secret of its kind."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy import select
from sqlalchemy.exc import SQLAlchemyError
from webtest import TestApp

from idp import make_app
from idp.db import Database
from idp.errors import ConfigurationError
from idp.installation import SCHEMA, Installation, check_schema, check_secret
from idp.migrations import scripts, upgrade
from idp.services import build
from idp.settings import Settings
from tests.common.settings import make_settings

SECRET = b"s" * 32
OTHER = b"t" * 32


@pytest.fixture
def blank(blank_database_url: str) -> Iterator[Database]:
    database = Database(blank_database_url, durable=False)
    yield database
    database.dispose()


def test_a_server_knows_the_newest_revision() -> None:
    assert scripts().get_heads() == [SCHEMA]


def test_a_schema_must_be_there_and_be_ours(blank: Database, settings: Settings) -> None:
    with pytest.raises(SQLAlchemyError):
        check_schema(blank)
    upgrade(settings)
    check_schema(blank)
    with blank.unit_of_work() as work:
        work.connection().exec_driver_sql("UPDATE alembic_version SET version_num = '0000'")
    with pytest.raises(ConfigurationError, match="the schema is 0000, not"):
        check_schema(blank)
    with blank.unit_of_work() as work:
        work.connection().exec_driver_sql("DELETE FROM alembic_version")
    with pytest.raises(ConfigurationError, match="the schema is none, not"):
        check_schema(blank)


def test_an_unmigrated_database_starts_and_is_not_ready(
    blank_database_url: str, settings: Settings
) -> None:
    assert settings.database_url == blank_database_url
    services = build(settings)
    assert TestApp(make_app(settings, services)).get("/readyz", status=503).text == "not ready\n"
    services.db.dispose()


def test_the_first_secret_is_the_one(database: Database) -> None:
    check_secret(database, SECRET)
    check_secret(database, SECRET)
    with pytest.raises(ConfigurationError, match=r"convergences\.secret_file") as refused:
        check_secret(database, OTHER)
    with database.reading() as reading:
        (noted,) = reading.scalars(select(Installation.secret_fingerprint))
    assert noted not in refused.value.cause
    assert SECRET.hex() not in noted


def test_of_two_nodes_that_come_first_at_once_one_is_refused(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The other node notes its secret between our look and our writing."""
    look = database.rows
    looks: list[object] = []

    def rows(statement: object, values: object) -> object:
        looks.append(statement)
        if len(looks) > 1:
            return look(statement, values)  # type: ignore[arg-type]
        found = look(statement, values)  # type: ignore[arg-type]
        other = Database(database.url.render_as_string(hide_password=False), durable=False)
        check_secret(other, OTHER)
        other.dispose()
        return found

    monkeypatch.setattr(database, "rows", rows)
    with pytest.raises(ConfigurationError, match="secret_file"):
        check_secret(database, SECRET)


def test_a_second_node_with_a_var_of_its_own_does_not_start(
    settings: Settings, database: Database, tmp_path: Path
) -> None:
    build(settings).db.dispose()
    build(settings).db.dispose()
    elsewhere = make_settings(tmp_path / "node2", settings.database_url)
    with pytest.raises(ConfigurationError, match=r"convergences\.secret_file"):
        build(elsewhere)
    build(replace(elsewhere, secret=settings.secret)).db.dispose()
    assert database.url.database in settings.database_url


def test_a_database_that_is_gone_does_not_keep_a_server_from_starting(
    tmp_path: Path,
) -> None:
    build(make_settings(tmp_path, f"sqlite:///{tmp_path}")).db.dispose()
