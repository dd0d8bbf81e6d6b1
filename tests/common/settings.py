"""Settings of the tests: those of development.ini, on a folder of the test's own."""

from configparser import ConfigParser
from pathlib import Path

from idp.settings import Settings, from_mapping
from tests.common.processes import REPOSITORY

PUBLIC_URL = "http://localhost:6543"

CHANGES = {
    "convergences.public_url": PUBLIC_URL,
    "convergences.demonstration": "false",
    "convergences.durable": "false",
    "passwords.bcrypt_cost": "4",
}


def make_settings(folder: Path, database_url: str, **changes: str) -> Settings:
    """Settings whose state is in ``folder``.

    ``changes`` are further keys with ``__`` for the dot: ``idp__directory="…"``.
    """
    parser = ConfigParser(interpolation=None)
    parser.read(REPOSITORY / "development.ini", encoding="utf-8")
    raw = {key: value for key, value in parser["app:main"].items() if key != "use"}
    raw |= CHANGES
    raw |= {"convergences.var": str(folder), "convergences.database_url": database_url}
    raw |= {key.replace("__", "."): value for key, value in changes.items()}
    return from_mapping(raw, here=folder)


def write_ini(path: Path, settings: Settings, database_url: str) -> Path:
    """The file of these settings, as a command reads it (``--config``)."""
    ini = ConfigParser(interpolation=None)
    ini.read(REPOSITORY / "development.ini", encoding="utf-8")
    ini["app:main"].update(CHANGES)
    ini["app:main"]["convergences.var"] = str(settings.var)
    ini["app:main"]["convergences.database_url"] = database_url
    with path.open("w", encoding="utf-8") as file:
        ini.write(file)
    return path
