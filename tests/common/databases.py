"""Databases of the tests: built once by the migrations, then copied or emptied for each test."""

import fcntl
import shutil
from collections.abc import Callable
from pathlib import Path

from idp.migrations import upgrade
from idp.settings import Settings
from tests.common import postgres
from tests.common.postgres import Postgres
from tests.common.settings import make_settings

Filling = Callable[[Settings], None]
"""Puts people and rights into the migrated, empty database of these settings."""


class Databases:
    """Hands a migrated database to each test of one process, empty or filled.

    ``shared`` is a folder that all the processes of a run see: the first that needs PostgreSQL
    starts it there, :func:`stop_postgres` ends it. What fills a database does so once in a process;
    the tests get copies.
    """

    def __init__(self, shared: Path, own: Path, worker: str) -> None:
        self._shared = shared
        self._own = own
        self._worker = worker
        self._sqlite: dict[Filling | None, Path] = {}
        self._filled: dict[Filling, str] = {}
        self._postgres: Postgres | None = None
        self._database = f"test_{worker}"

    def fresh(self, engine: str, folder: Path, filling: Filling | None = None) -> str:
        """The URL of a migrated database; ``folder`` is the test's own, for its state.

        What is in a filled one was made with a secret, which is then put there too.
        """
        sqlite = engine == "sqlite"
        url = self._fresh_sqlite(folder, filling) if sqlite else self._fresh_postgres(filling)
        if filling is not None:
            shutil.copy(self._own / "secret", folder)
        return url

    def blank(self, engine: str, folder: Path) -> str:
        """The URL of a database without any table, for the tests of the migrations."""
        if engine == "sqlite":
            return f"sqlite:///{folder / 'blank.sqlite'}"
        return shared_postgres(self._shared).create(f"blank_{self._worker}")

    def _fresh_sqlite(self, folder: Path, filling: Filling | None) -> str:
        if filling not in self._sqlite:
            self._sqlite[filling] = self._sqlite_template(filling)
        copy = folder / "convergences.sqlite"
        shutil.copyfile(self._sqlite[filling], copy)
        return f"sqlite:///{copy}"

    def _sqlite_template(self, filling: Filling | None) -> Path:
        template = self._own / f"template-{len(self._sqlite)}.sqlite"
        self._furnish(f"sqlite:///{template}", filling)
        return template

    def _fresh_postgres(self, filling: Filling | None) -> str:
        if self._postgres is None:
            self._postgres = shared_postgres(self._shared)
            self._furnish(self._postgres.create(self._database), None)
        if filling is None:
            self._postgres.empty(self._database)
            return self._postgres.url(self._database)
        if filling not in self._filled:
            template = f"{self._database}_{len(self._filled)}"
            self._furnish(self._postgres.create(template), filling)
            self._filled[filling] = template
        return self._postgres.create(self._database, self._filled[filling])

    def _furnish(self, url: str, filling: Filling | None) -> None:
        settings = make_settings(self._own, url)
        upgrade(settings)
        if filling is not None:
            filling(settings)


def shared_postgres(shared: Path) -> Postgres:
    """The run's PostgreSQL server, started at the first call of any process."""
    with (shared / "postgres.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        where = shared / "postgres"
        if where.exists():
            return Postgres(Path(where.read_text()))
        server = postgres.start()
        where.write_text(str(server.folder))
        return server


def stop_postgres(shared: Path) -> None:
    """End the run's PostgreSQL server, if any test needed it."""
    where = shared / "postgres"
    if where.exists():
        postgres.stop(Postgres(Path(where.read_text())))
