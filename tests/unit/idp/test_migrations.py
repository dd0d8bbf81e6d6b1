"""The history of the tables: it builds what the models say, on both databases."""

import re
from pathlib import Path

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import Engine, Index, inspect, text

from idp.db import Base, Database
from idp.migrations import _config, is_current, lock, scripts, upgrade
from idp.services import import_models
from idp.settings import Settings
from tests.common.clock import START
from tests.common.databases import Databases


@pytest.fixture
def modelled(
    database_engine: str, databases: Databases, tmp_path: Path, settings: Settings
) -> Engine:
    """A database built from the models, to compare the migrated one with."""
    import_models(settings)
    folder = tmp_path / "modelled"
    folder.mkdir()
    database = Database(databases.blank(database_engine, folder), durable=False)
    Base.metadata.create_all(database.engine)
    return database.engine


def test_models_and_migrations_agree(database: Database, settings: Settings) -> None:
    import_models(settings)
    with database.engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_server_default": True})
        differences = compare_metadata(context, Base.metadata)
    # The indexes of pg_trgm exist where the extension does; no model has them.
    assert [each for each in differences if not about_trigrams(each)] == []


def about_trigrams(difference: object) -> bool:
    match difference:
        case ("remove_index", Index(name=name)):
            return str(name).endswith("_trgm")
    return False


def constraints(engine: Engine) -> dict[str, list[str]]:
    """What Alembic's comparison does not look at: checks, and the conditions of indexes."""
    inspector = inspect(engine)
    return {
        table: sorted(
            [
                f"{check['name']}: {check['sqltext']}"
                for check in inspector.get_check_constraints(table)
            ]
            + [
                f"{index['name']}: {index['column_names']} {sorted_options(index)}"
                for index in inspector.get_indexes(table)
                if not str(index["name"]).endswith("_trgm")
            ]
        )
        for table in inspector.get_table_names()
        if table != "alembic_version"
    }


def sorted_options(index: object) -> list[str]:
    options = index.get("dialect_options", {})  # type: ignore[attr-defined]
    return sorted(f"{key}={value}" for key, value in options.items())


def test_checks_and_conditions_agree(database: Database, modelled: Engine) -> None:
    migrated, expected = constraints(database.engine), constraints(modelled)
    modelled.dispose()
    assert any("ck_account_validity" in line for line in migrated["account"])
    assert migrated == expected


def test_prefixes_of_paths_are_indexed_on_postgresql(database: Database) -> None:
    if database.is_sqlite:
        definition = "SELECT sql FROM sqlite_master WHERE name = 'ix_structure_path'"
        expected = r"\(path\)"
    else:
        definition = "SELECT indexdef FROM pg_indexes WHERE indexname = 'ix_structure_path'"
        expected = r"\(path text_pattern_ops\)"
    with database.engine.connect() as connection:
        assert re.search(expected, connection.exec_driver_sql(definition).scalar_one())


def test_a_blank_database_is_not_current_until_it_is_upgraded(
    blank_database_url: str, settings: Settings
) -> None:
    assert settings.database_url == blank_database_url
    assert not is_current(settings)
    upgrade(settings)
    assert is_current(settings)


def test_an_upgrade_keeps_what_is_there(database: Database, settings: Settings) -> None:
    database.bump("kept")
    upgrade(settings)
    assert database.revision("kept") == 1


def at(settings: Settings, revision: str) -> Database:
    """The blank database of these settings at this revision."""
    database = Database(settings.database_url, durable=False)
    with database.engine.connect() as connection:
        lock(connection)
        config = _config()
        config.attributes["connection"] = connection
        config.attributes["settings"] = settings
        command.upgrade(config, revision)
        connection.commit()
    return database


def put(database: Database, *statements: str) -> None:
    """These rows; ``:now`` is a moment."""
    now = START if not database.is_sqlite else START.replace(tzinfo=None).isoformat(" ")
    with database.engine.connect() as connection:
        lock(connection)
        for statement in statements:
            connection.execute(text(statement), {"now": now} if ":now" in statement else {})
        connection.commit()


def test_service_providers_registered_before_0002_are_answered_as_they_were(
    blank_database_url: str, settings: Settings
) -> None:
    assert settings.database_url == blank_database_url
    import_models(settings)
    database = at(settings, "0001")
    old = {
        "entity_id": "https://bip.example",
        "xml": "<é/>",
        "rule_set": "bip",
        "rules": "[]",
        "name_id_format": "f",
        "sign": "both",
        "encrypt": "auto",
        "structures": "ask",
        "enabled": True,
        "created_at": START,
        "updated_at": START,
    }
    columns = ", ".join(old)
    values = ", ".join(f":{name}" for name in old)
    with database.engine.connect() as connection:
        lock(connection)
        connection.execute(text(f"INSERT INTO service_provider ({columns}) VALUES ({values})"), old)  # noqa: S608 - constants
        connection.commit()
    assert not is_current(settings)
    upgrade(settings)
    assert is_current(settings)
    with database.engine.connect() as connection:
        row = connection.execute(text("SELECT * FROM service_provider")).mappings().one()
    database.dispose()
    assert (row["entity_id"], row["xml"], row["structures"]) == (
        "https://bip.example",
        "<é/>",
        "ask",
    )
    assert (row["requests"], row["refusals"]) == ("any", "page")


def test_the_history_is_one_line() -> None:
    assert len(scripts().get_heads()) == 1
    assert len(scripts().get_bases()) == 1


def test_revisions_import_no_room() -> None:
    for revision in scripts().walk_revisions():
        source = Path(revision.path).read_text(encoding="utf-8")
        imported = re.findall(r"^(?:from|import) (\w+)", source, re.MULTILINE)
        assert set(imported) <= {"sqlalchemy", "alembic", "unicodedata"}, revision.path


def test_names_recorded_before_0011_are_folded(blank_database_url: str, settings: Settings) -> None:
    assert settings.database_url == blank_database_url
    import_models(settings)
    database = at(settings, "0010")
    put(
        database,
        (
            "INSERT INTO structure (id, code, label, path, label_path, search_key)"
            " VALUES (1, 'c', 'Créteil', '/1/', 'Ville / Créteil', 'creteil')"
        ),
        (
            "INSERT INTO account (id, subject_id, mail, mail_key, sn, given_name, search_key,"
            " locked, valid_from, created_at) VALUES (1, 's', 'l@v.fr', 'l@v.fr', 'D''Œuvre',"
            " 'Leïla', 'd oeuvre leila l@v.fr', false, :now, :now)"
        ),
        (
            "INSERT INTO membership (id, public_id, account_id, structure_id, teleworking,"
            " suspended, application_identifier, created_at)"
            " VALUES (1, 'm', 1, 1, false, false, 'É-7', :now)"
        ),
    )
    upgrade(settings)
    with database.engine.connect() as connection:
        found = connection.execute(
            text(
                "SELECT sn_key, given_name_key, path_key, identifier_key, membership.search_key"
                " FROM account, structure, membership"
            )
        ).one()
    database.dispose()
    assert tuple(found) == (
        "d oeuvre",
        "leila",
        "ville / creteil",
        "e 7",
        "d oeuvre\tleila\tl@v.fr creteil e 7",
    )


def test_an_assignment_says_where_and_follows_its_membership(
    blank_database_url: str, settings: Settings
) -> None:
    assert settings.database_url == blank_database_url
    import_models(settings)
    database = at(settings, "0015")
    put(
        database,
        (
            "INSERT INTO structure (id, code, label, path, label_path, search_key)"
            " VALUES (7, 'a', 'A', '/7/', 'A', 'a'), (8, 'b', 'B', '/8/', 'B', 'b')"
        ),
        (
            "INSERT INTO account (id, subject_id, mail, mail_key, sn, given_name, search_key,"
            " locked, valid_from, created_at)"
            " VALUES (1, 's', 'l@v.fr', 'l@v.fr', 'L', 'L', 'l', false, :now, :now)"
        ),
        (
            "INSERT INTO membership (id, public_id, account_id, structure_id, teleworking,"
            " suspended, created_at) VALUES (3, 'm', 1, 7, false, false, :now)"
        ),
        (
            "INSERT INTO application (id, code, label, description, icon, single_role)"
            " VALUES (1, 'bip', 'BIP', '', '', false)"
        ),
        ("INSERT INTO role (id, application_id, code, label, value) VALUES (1, 1, 'r', 'R', 'R')"),
        (
            "INSERT INTO assignment (id, membership_id, role_id, granted_by, granted_at)"
            " VALUES (5, 3, 1, 'system', :now)"
        ),
    )
    upgrade(settings)
    where = text("SELECT id, granted_by, structure_id FROM assignment")
    key = text("SELECT search_key FROM assignment")
    with database.engine.connect() as connection:
        assert connection.scalar(key) == "\t\tl a ", "as its membership's"
        assert connection.execute(where).all() == [(5, "system", 7)]
        connection.execute(text("UPDATE membership SET structure_id = 8"))
        assert connection.execute(where).all() == [(5, "system", 8)]
        connection.execute(text("DELETE FROM membership"))
        assert connection.execute(where).all() == []
    database.dispose()


def test_keys_that_are_too_long_for_an_index_are_cut(
    blank_database_url: str, settings: Settings
) -> None:
    assert settings.database_url == blank_database_url
    import_models(settings)
    database = at(settings, "0017")
    put(
        database,
        (
            "INSERT INTO account (id, subject_id, mail, mail_key, sn, given_name, sn_key,"
            " given_name_key, search_key, locked, valid_from, created_at)"
            " VALUES (1, 's', 'l@v.fr', 'l@v.fr', 'L', 'L', 'l', 'l', 'k', false, :now, :now)"
        ),
    )
    long = "\N{GOTHIC LETTER HWAIR}" * 400
    with database.engine.begin() as connection:
        connection.execute(text("UPDATE account SET search_key = :long"), {"long": long})
    upgrade(settings)
    with database.engine.connect() as connection:
        key = connection.scalar(text("SELECT search_key FROM account"))
    database.dispose()
    assert key == (long if database.is_sqlite else long[:300]), "SQLite has no such limit"


def test_folded_keys_compare_by_their_bytes(database: Database) -> None:
    if database.is_sqlite:
        return  # as SQLite does
    collated = text(
        "SELECT table_name || '.' || column_name FROM information_schema.columns"
        " WHERE collation_name = 'C' AND table_schema = 'public' ORDER BY 1"
    )
    with database.engine.connect() as connection:
        assert connection.scalars(collated).all() == [
            "account.given_name_key",
            "account.mail_key",
            "account.search_key",
            "account.sn_key",
            "assignment.search_key",
            "membership.identifier_key",
            "membership.search_key",
            "structure.path_key",
            "structure.search_key",
        ]
