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
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from functools import partial
from hashlib import sha256
from pathlib import Path
from tempfile import TemporaryDirectory

from sqlalchemy import event

from directory import actors
from idp import garbage, migrations
from idp.db import Database
from idp.services import Services, build
from tests.bench import directory_world
from tests.bench.directory_cases import Ask, cases
from tests.bench.directory_desk import Desk, Unanswered, application_of
from tests.bench.directory_export import WRITERS, exported, opened
from tests.bench.directory_report import Figure, document, text
from tests.bench.directory_world import WHO
from tests.bench.report import percentile, write
from tests.bench.yardstick import milliseconds
from tests.common import postgres
from tests.common.settings import make_settings

VAR = Path(os.environ.pop("VAR", "") or "var")
KEPT = Path(os.environ["BENCH_DIRECTORY_KEEP"]) if os.environ.get("BENCH_DIRECTORY_KEEP") else None
FILLED = "filled"
WARM = 15
TIMES = 40
SQLITE = (5_000, 50_000)
TUNED = {"shared_buffers": "1GB", "max_wal_size": "8GB", "max_parallel_workers_per_gather": "0"}


def main() -> int:
    """Run; the exit code."""
    for name in ("DATABASE_URL", "PORT", "SP_PORT"):
        os.environ.pop(name, None)
    sizes = tuple(map(int, os.environ.get("BENCH_DIRECTORY", "5000,500000").split(",")))
    warnings.simplefilter("ignore")  # what packages have to say to their authors
    load, started = os.getloadavg()[0], time.monotonic()
    yardstick = [milliseconds()]
    figures: list[Figure] = []
    with place() as folder, server(folder) as running:
        places = {size: (home(folder, "PostgreSQL", size), f"people{size}") for size in sizes}
        urls = {
            size: running.url(name) if is_filled(own) else running.create(name)
            for size, (own, name) in places.items()
        }
        figures += measured(folder, urls, "PostgreSQL")
        yardstick.append(milliseconds())
        say("LibreOffice opens the exports")
        least, most = min(sizes), max(sizes)
        french = {kind: opened(places[least][0], urls[least], kind) for kind in WRITERS}
        say("exporting everybody")
        exports = [exported(places[most][0], urls[most], kind) for kind in WRITERS]
        yardstick.append(milliseconds())
        urls = {size: f"sqlite:///{folder}/people{size}.sqlite" for size in SQLITE}
        figures += measured(folder, urls, "SQLite")
        yardstick.append(milliseconds())
    seconds = time.monotonic() - started
    made = document(figures, exports, french, yardstick, load=load, seconds=seconds)
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


def measured(folder: Path, urls: Mapping[int, str], engine: str) -> list[Figure]:
    """Fill databases of these sizes, and ask them everything, each in its turn.

    So what slows this machine for a while slows all of them.
    """
    with ExitStack() as stack:
        opened_here = {}
        for accounts, url in urls.items():
            say(f"{engine}: {accounts:,} accounts")
            services = filled(folder, url, engine, accounts)
            stack.callback(services.db.dispose)
            opened_here[accounts] = Meter(services.db), list(desks(services))
        say(f"{engine}: asking")
        people = [name for name, _ in next(iter(opened_here.values()))[1]]
        return [
            Figure(engine, accounts, name, case.name, *figures)
            for at, name in enumerate(people)
            for case in cases()
            for accounts, figures in zip(
                opened_here,
                times([(meter, case.make(own[at][1])) for meter, own in opened_here.values()]),
                strict=True,
            )
        ]


def filled(folder: Path, url: str, engine: str, accounts: int) -> Services:
    """The services of a database with so many people."""
    own = home(folder, engine, accounts)
    full = is_filled(own)
    if engine == "SQLite" and not full:
        for old in folder.glob(f"people{accounts}.sqlite*"):
            old.unlink()
    own.mkdir(exist_ok=True)
    settings = make_settings(own, url)
    migrations.upgrade(settings)
    if not full:
        patient = build(settings)
        directory_world.fill(patient.db, accounts)
        patient.db.dispose()
        (own / FILLED).write_text(recipe(), encoding="ascii")
    return build(settings, hurried=True)


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

    def time(self, ask: Callable[[], object]) -> tuple[float, float]:
        """Seconds by the clock, and of processor time."""
        self._database = 0.0
        began, worked = time.perf_counter(), time.process_time()
        ask()
        seconds = time.perf_counter() - began
        return seconds, time.process_time() - worked + self._database

    def _begin(self, connection: object, *_: object) -> None:
        self._database -= backend_seconds(connection)

    def _end(self, connection: object, *_: object) -> None:
        self._database += backend_seconds(connection)


def times(asked: Sequence[tuple[Meter, Ask]]) -> list[tuple[float, float, float, float]]:
    """Milliseconds for each: p50 and p95 by the clock, then of processor time.

    All are asked the same, one after the other, a few times before that counts: a process that
    has just started must find what a server that runs has in memory.
    """
    taken: list[list[tuple[float, float]]] = [[] for _ in asked]
    every = [random.Random(1) for _ in asked]  # noqa: S311 - reproducible, not secret
    garbage.settle()  # as idp.wsgi
    for _ in range(WARM + TIMES):
        for (meter, ask), dice, seconds in zip(asked, every, taken, strict=True):
            seconds.append(meter.time(partial(ask, dice)))
    return [
        tuple(  # type: ignore[misc]
            percentile([each[kind] for each in seconds[WARM:]], percent) * 1000
            for kind in (0, 1)
            for percent in (50, 95)
        )
        for seconds in taken
    ]


def backend_seconds(connection: object) -> float:
    """Processor time of the server's process behind a connection."""
    driver = connection.connection.driver_connection  # type: ignore[attr-defined]
    schedule = Path(f"/proc/{driver.info.backend_pid}/schedstat").read_text(encoding="ascii")
    return int(schedule.split()[0]) / 1e9


def say(what: str) -> None:
    print(f"bench: {what}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
