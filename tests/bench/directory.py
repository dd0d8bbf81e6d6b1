"""``python -m tests.bench.directory``: lists and exports of people in large directories (P5, P6).

Prints one table and writes ``$VAR/bench-directory.json``. A PostgreSQL of its own holds 5,000 and
500,000 accounts, SQLite 5,000 and 50,000 (``BENCH_DIRECTORY=5000,50000`` for other sizes of
PostgreSQL). ``BENCH_DIRECTORY_KEEP=folder`` keeps what was generated there, and uses it again while
neither the migrations nor the generator change. Everybody in the largest is exported; both kinds
of file of the smallest are opened by LibreOffice, in French. Figures are told, not enforced.
"""

import os
import random
import sys
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path
from tempfile import TemporaryDirectory

from sqlalchemy import event

from directory import actors
from idp import garbage, migrations
from idp.db import Database
from idp.services import Services, build
from tests.bench import directory_world
from tests.bench.directory_cases import cases
from tests.bench.directory_desk import Desk, Unanswered, application_of
from tests.bench.directory_export import WRITERS, Exported, exported, opened
from tests.bench.directory_report import Figure, document, text
from tests.bench.directory_world import WHO
from tests.bench.report import percentile, write
from tests.common import postgres
from tests.common.settings import make_settings

VAR = Path(os.environ.pop("VAR", "") or "var")
KEPT = Path(os.environ["BENCH_DIRECTORY_KEEP"]) if os.environ.get("BENCH_DIRECTORY_KEEP") else None
FILLED = "filled"
TIMES = 25
SQLITE = (5_000, 50_000)
TUNED = {"shared_buffers": "1GB", "max_wal_size": "8GB", "max_parallel_workers_per_gather": "0"}


def main() -> int:
    """Run; the exit code."""
    for name in ("DATABASE_URL", "PORT", "SP_PORT"):
        os.environ.pop(name, None)
    sizes = tuple(map(int, os.environ.get("BENCH_DIRECTORY", "5000,500000").split(",")))
    warnings.simplefilter("ignore")  # what packages have to say to their authors
    load, started = os.getloadavg()[0], time.monotonic()
    figures: list[Figure] = []
    exports: list[Exported] = []
    french: dict[str, str] = {}
    with place() as folder, server(folder) as running:
        for size in sizes:
            name = f"people{size}"
            own = home(folder, "PostgreSQL", size)
            url = running.url(name) if is_filled(own) else running.create(name)
            figures += measured(folder, url, "PostgreSQL", size)
            if size == min(sizes):
                say("LibreOffice opens the exports")
                french = {kind: opened(own, url, kind) for kind in WRITERS}
            if size == max(sizes):
                say("exporting everybody")
                exports = [exported(own, url, kind) for kind in WRITERS]
        for size in SQLITE:
            url = f"sqlite:///{folder}/people{size}.sqlite"
            figures += measured(folder, url, "SQLite", size)
    seconds = time.monotonic() - started
    made = document(figures, exports, french, load=load, seconds=seconds)
    write(VAR / "bench-directory.json", made)
    print(text(figures, exports, french, made))
    return 0


@contextmanager
def place() -> Iterator[Path]:
    """A folder for the databases' files, that ends with us or is kept."""
    if KEPT is not None:
        KEPT.mkdir(parents=True, exist_ok=True)
        yield KEPT
        return
    with TemporaryDirectory(prefix="bench-") as folder:
        yield Path(folder)


@contextmanager
def server(folder: Path) -> Iterator[postgres.Postgres]:
    """A PostgreSQL that ends with us; its data too, unless they are kept."""
    where = folder / "postgres"
    if where.exists():
        running = postgres.Postgres(Path(where.read_text(encoding="utf-8")))
        if not running.runs:
            running.start()
    else:
        running = postgres.start(**TUNED)
        where.write_text(str(running.folder), encoding="utf-8")
    try:
        yield running
    finally:
        if KEPT is None:
            postgres.stop(running)
        else:
            with running.connect() as connection:
                connection.execute("CHECKPOINT")
            running.crash()


def is_filled(own: Path) -> bool:
    """Whether the database of these secrets is as we would fill it now."""
    mark = own / FILLED
    return mark.exists() and mark.read_text(encoding="ascii") == recipe()


def recipe() -> str:
    """Of what a filled database is made."""
    revisions = sorted(Path(migrations.__file__).with_name("versions").glob("*.py"))
    sources = [*revisions, Path(directory_world.__file__)]
    return sha256(b"".join(each.read_bytes() for each in sources)).hexdigest()


def home(folder: Path, engine: str, accounts: int) -> Path:
    """The folder of a database's secrets."""
    return folder / f"{engine}-{accounts}"


def measured(folder: Path, url: str, engine: str, accounts: int) -> list[Figure]:
    """Fill a database, and ask it everything."""
    say(f"{engine}: {accounts:,} accounts")
    own = home(folder, engine, accounts)
    filled = is_filled(own)
    if engine == "SQLite" and not filled:
        for old in folder.glob(f"people{accounts}.sqlite*"):
            old.unlink()
    own.mkdir(exist_ok=True)
    settings = make_settings(own, url)
    migrations.upgrade(settings)
    if not filled:
        patient = build(settings)
        directory_world.fill(patient.db, accounts)
        patient.db.dispose()
        (own / FILLED).write_text(recipe(), encoding="ascii")
    services = build(settings, hurried=True)
    say(f"{engine}: asking")
    meter = Meter(services.db)
    try:
        return [
            Figure(engine, accounts, name, case.name, *meter.times(case.make(desk)))
            for name, desk in desks(services)
            for case in cases()
        ]
    finally:
        services.db.dispose()


def desks(services: Services) -> Iterator[tuple[str, Desk]]:
    """The three who ask."""
    application = application_of(services)
    for name, subject_id in WHO.items():
        actor = actors.load(services.core, subject_id)
        if actor is None:
            raise Unanswered(f"{subject_id} is not usable")
        widest = min((scope.root for scope in actor.scopes), key=len, default="/1/2/")
        root = f"s{widest.strip('/').rpartition('/')[2]}"
        yield name, Desk(services, application, subject_id, root)


class Meter:
    """Measures what is asked, by the clock and in processor time of ours and the database's."""

    def __init__(self, db: Database) -> None:
        self._database = 0.0
        if not db.is_sqlite:
            event.listen(db.engine, "before_cursor_execute", self._begin)
            event.listen(db.engine, "after_cursor_execute", self._end)

    def times(self, ask: object) -> tuple[float, float, float, float]:
        """Milliseconds: p50 and p95 by the clock, then of processor time."""
        dice = random.Random(1)  # noqa: S311 - reproducible, not secret
        clock: list[float] = []
        processor: list[float] = []
        garbage.settle()  # as idp.wsgi
        for _ in range(TIMES):
            self._database = 0.0
            began, worked = time.perf_counter(), time.process_time()
            ask(dice)  # type: ignore[operator]
            clock.append(time.perf_counter() - began)
            processor.append(time.process_time() - worked + self._database)
        return tuple(  # type: ignore[return-value]
            percentile(seconds[1:], percent) * 1000
            for seconds in (clock, processor)
            for percent in (50, 95)
        )

    def _begin(self, connection: object, *_: object) -> None:
        self._database -= backend_seconds(connection)

    def _end(self, connection: object, *_: object) -> None:
        self._database += backend_seconds(connection)


def backend_seconds(connection: object) -> float:
    """Processor time of the server's process behind a connection."""
    driver = connection.connection.driver_connection  # type: ignore[attr-defined]
    schedule = Path(f"/proc/{driver.info.backend_pid}/schedstat").read_text(encoding="ascii")
    return int(schedule.split()[0]) / 1e9


def say(what: str) -> None:
    print(f"bench: {what}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
