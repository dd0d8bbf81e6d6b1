"""A PostgreSQL server of the suite's own, from the system's binaries, thrown away at the end.

It listens on a Unix socket in a fresh short folder (a socket's path holds 107 bytes), so two suites
on one machine never meet. As root it runs as the system's user ``postgres``, because PostgreSQL
refuses to run as root.
"""

import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from urllib.parse import quote

import psycopg

from tests.common.processes import children

SYSTEM_USER = "postgres"
ENDING_SECONDS = 20

# The data is thrown away: nothing has to survive a power cut.
OPTIONS = {
    "fsync": "off",
    "synchronous_commit": "off",
    "full_page_writes": "off",
    "max_connections": "200",
    "listen_addresses": "",
    "unix_socket_permissions": "0777",
    "timezone": "UTC",
}


class Postgres:
    """The server whose data is in ``folder``."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def start(self) -> None:
        """Start it and wait until it answers; after a crash too."""
        _run(
            self.folder, "pg_ctl", "start", "--wait", "-D", self._data, "-l", self.folder / "log"
        )  # fmt: skip

    def crash(self) -> None:
        """End it as ``pg_ctl stop -m immediate`` does: no farewell, a recovery at the next start.

        What was committed stays, if ``synchronous_commit`` is on.
        """
        with suppress(FileNotFoundError, ProcessLookupError):
            pid = self._postmaster
            os.kill(pid, signal.SIGQUIT)
            deadline = time.monotonic() + ENDING_SECONDS
            while time.monotonic() < deadline:
                os.kill(pid, 0)
                time.sleep(0.05)

    @contextmanager
    def frozen(self) -> Iterator[None]:
        """It hangs: connections stay open and are even taken, nothing answers."""
        pids = [self._postmaster, *children(self._postmaster)]
        for pid in pids:
            os.kill(pid, signal.SIGSTOP)
        try:
            yield
        finally:
            for pid in reversed(pids):
                os.kill(pid, signal.SIGCONT)

    @property
    def runs(self) -> bool:
        """Whether it was started and not ended since."""
        return (self._data / "postmaster.pid").exists() and Path(
            f"/proc/{self._postmaster}"
        ).exists()

    @property
    def _data(self) -> Path:
        return self.folder / "data"

    @property
    def _postmaster(self) -> int:
        return int((self._data / "postmaster.pid").read_text().split()[0])

    def url(self, database: str) -> str:
        """What SQLAlchemy calls this database."""
        host = quote(str(self.folder), safe="")
        return f"postgresql+psycopg://{SYSTEM_USER}@/{database}?host={host}"

    def connect(self, database: str = "postgres") -> psycopg.Connection:
        """A connection of the administrator, each statement committed at once."""
        return psycopg.connect(
            host=str(self.folder), user=SYSTEM_USER, dbname=database, autocommit=True
        )

    def create(self, database: str, template: str = "template0") -> str:
        """Make a database anew as a copy of ``template``; returns its URL."""
        with self.connect() as connection:
            connection.execute(f'DROP DATABASE IF EXISTS "{database}" WITH (FORCE)')
            connection.execute(f'CREATE DATABASE "{database}" TEMPLATE "{template}"')
        return self.url(database)

    def empty(self, database: str) -> None:
        """Remove every row of every table but the schema's version.

        Fails after 5 seconds when a test left a transaction open.
        """
        with self.connect(database) as connection, connection.transaction():
            connection.execute("SET LOCAL lock_timeout = '5s'")
            connection.execute("SET LOCAL session_replication_role = replica")
            tables = connection.execute(
                "SELECT quote_ident(tablename) FROM pg_tables"
                " WHERE schemaname = 'public' AND tablename <> 'alembic_version'"
            )
            for (table,) in tables.fetchall():
                connection.execute(f"DELETE FROM {table}")  # noqa: S608 - from the catalogue


def start(**changes: str) -> Postgres:
    """Make a server and start it; ``changes`` are further options of its configuration.

    Raises:
        RuntimeError: PostgreSQL is not installed, or does not start; the text says why.
    """
    folder = Path(tempfile.mkdtemp(prefix="pg-", dir="/tmp"))
    if os.geteuid() == 0:
        shutil.chown(folder, SYSTEM_USER, SYSTEM_USER)
    data = folder / "data"
    _run(
        folder, "initdb", "--no-sync", "--auth=trust", f"--username={SYSTEM_USER}",
        "--encoding=UTF8", "--locale=C.UTF-8", "-D", data,
    )  # fmt: skip
    options = {**OPTIONS, **changes, "unix_socket_directories": str(folder)}
    with (data / "postgresql.conf").open("a") as configuration:
        configuration.writelines(f"{key} = '{value}'\n" for key, value in options.items())
    postgres = Postgres(folder)
    postgres.start()
    return postgres


def stop(postgres: Postgres) -> None:
    """Stop the server at once and throw its data away."""
    postgres.crash()
    shutil.rmtree(postgres.folder, ignore_errors=True)


def _binary(name: str) -> Path:
    found = sorted(
        Path("/usr/lib/postgresql").glob(f"*/bin/{name}"),
        key=lambda path: int(path.parts[-3].partition(".")[0]),
    )
    if not found:
        message = "PostgreSQL is not installed; `make test` says how to get it"
        raise RuntimeError(message)
    return found[-1]


def _run(folder: Path, name: str, *arguments: str | Path) -> None:
    command = [str(_binary(name)), *map(str, arguments)]
    if os.geteuid() == 0:
        ids = [f"--reuid={SYSTEM_USER}", f"--regid={SYSTEM_USER}", "--clear-groups"]
        command = ["setpriv", *ids, *command]
    # Not a pipe: the server would keep it open for ever.
    with (folder / "set-up.log").open("ab") as log:
        status = subprocess.run(
            command, cwd=folder, stdin=subprocess.DEVNULL, stdout=log, stderr=log, check=False
        ).returncode
    if status:
        message = f"{name} failed:\n{(folder / 'set-up.log').read_text()}"
        raise RuntimeError(message)
