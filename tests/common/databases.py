"""Databases of the tests: built once by the migrations, then copied or emptied for each test."""

import fcntl
import shutil
from pathlib import Path

from idp.migrations import upgrade
from tests.common import postgres
from tests.common.postgres import Postgres
from tests.common.settings import make_settings


class Databases:
    """Hands a migrated, empty database to each test of one process.

    ``shared`` is a folder that all the processes of a run see: the first that needs PostgreSQL
    starts it there, :func:`stop_postgres` ends it.
    """

    def __init__(self, shared: Path, own: Path, worker: str) -> None:
        self._shared = shared
        self._own = own
        self._worker = worker
        self._sqlite: Path | None = None
        self._postgres: Postgres | None = None
        self._database = f"test_{worker}"

    def fresh(self, engine: str, folder: Path) -> str:
        """The URL of a migrated, empty database; ``folder`` is the test's own."""
        return self._fresh_sqlite(folder) if engine == "sqlite" else self._fresh_postgres()

    def blank(self, engine: str, folder: Path) -> str:
        """The URL of a database without any table, for the tests of the migrations."""
        if engine == "sqlite":
            return f"sqlite:///{folder / 'blank.sqlite'}"
        return shared_postgres(self._shared).create(f"blank_{self._worker}")

    def _fresh_sqlite(self, folder: Path) -> str:
        if self._sqlite is None:
            template = self._own / "template.sqlite"
            upgrade(make_settings(self._own, f"sqlite:///{template}"))
            self._sqlite = template
        copy = folder / "convergences.sqlite"
        shutil.copyfile(self._sqlite, copy)
        return f"sqlite:///{copy}"

    def _fresh_postgres(self) -> str:
        if self._postgres is None:
            server = shared_postgres(self._shared)
            url = server.create(self._database)
            upgrade(make_settings(self._own, url))
            self._postgres = server
        else:
            self._postgres.empty(self._database)
        return self._postgres.url(self._database)


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
