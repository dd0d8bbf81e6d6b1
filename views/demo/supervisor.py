"""``make run``: prepares the demonstration, then keeps its servers alive in the foreground."""

import errno
import fcntl
import logging
import os
import shutil
import signal
import socket
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from configparser import ConfigParser
from contextlib import ExitStack, contextmanager
from http import HTTPStatus
from pathlib import Path
from types import FrameType
from typing import Self, TextIO
from urllib.error import URLError
from urllib.request import ProxyHandler, build_opener
from warnings import catch_warnings, simplefilter

import click

from idp import make_app, migrations
from idp.errors import ConfigurationError
from idp.keys import KeyState, KeyUse
from idp.passwords import PLACES
from idp.services import Services, build, import_models
from idp.settings import Settings, from_file
from views.demo import loading
from views.demo.applications import APPLICATIONS
from views.demo.children import Child

ADDRESS = "127.0.0.1"
TICK = 0.1
ASKING_TIMEOUT = 2.0
ENDING_SECONDS = 8.0
FAILURES_BEFORE_READY = 3
OTHER_THREADS = 16
"""Of a worker, beside those in which people wait for their password's turn."""

FEW_HEAPS = {"MALLOC_ARENA_MAX": "2"}
"""For the environment of a server: else glibc keeps a heap per thread, each with what it freed."""


def run_demonstration(config: Path, port: int, sp_port: int) -> None:
    """Prepare, serve until SIGTERM or Ctrl+C, end every child.

    Raises:
        ConfigurationError: another one runs on this folder, a port is in use, a setting is wrong,
            or the portal does not start.
    """
    settings = from_file(config)
    if not settings.demonstration:
        raise _refused("« run » est réservé à la démonstration (convergences.demonstration).")
    if port == sp_port:
        raise _refused("PORT et SP_PORT doivent être différents.")
    with ExitStack() as stack:
        stack.enter_context(pid_file(settings.var / "server.pid"))
        stopping = stack.enter_context(Stopping())
        for each in (port, sp_port):
            refuse_taken(each)
        write_local_ini(settings.var, port, sp_port)
        settings = from_file(config)
        prepare(settings, sp_port)
        children = children_of(config, settings, port, sp_port)
        ready_urls = [f"http://{ADDRESS}:{each}/readyz" for each in (port, sp_port)]
        Supervisor(children, ready_urls).run(stopping, lambda: announce(settings, sp_port))


class Stopping:
    """Whether somebody asked for the end; inside the block signals say so instead of killing."""

    SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)

    def __init__(self) -> None:
        self.asked = False

    def __enter__(self) -> Self:
        """Listen."""
        self._before = {number: signal.signal(number, self._note) for number in self.SIGNALS}
        return self

    def __exit__(self, *error: object) -> None:
        """Give the signals back."""
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _note(self, number: int, frame: FrameType | None) -> None:
        del number, frame
        self.asked = True


class Supervisor:
    """Keeps the children alive; ``ready_urls`` answer 200 when all of them serve."""

    def __init__(self, children: Sequence[Child], ready_urls: Sequence[str]) -> None:
        self._children = children
        self._waiting = list(ready_urls)

    def run(self, stopping: Stopping, announce: Callable[[], None]) -> None:
        """Serve until asked to stop; ``announce`` once everything answers.

        Raises:
            ConfigurationError: a child dies again and again before that.
        """
        announced = False
        try:
            while not stopping.asked:
                self._tend(announced=announced)
                if not announced and self._all_answer():
                    announce()
                    announced = True
                time.sleep(TICK)
        finally:
            self._end()

    def _tend(self, *, announced: bool) -> None:
        for child in self._children:
            code = child.tend()
            if code is None:
                continue
            click.echo(f"{child.label} s'est arrêté (code {code}) ; redémarrage.", err=True)
            if not announced and child.failures >= FAILURES_BEFORE_READY:
                raise _refused(f"{child.label} ne démarre pas ; la cause est écrite plus haut.")

    def _all_answer(self) -> bool:
        self._waiting = [url for url in self._waiting if not answers(url)]
        return not self._waiting

    def _end(self) -> None:
        deadline = time.monotonic() + ENDING_SECONDS
        for child in self._children:
            child.ask_to_end()
        for child in self._children:
            child.end(deadline)


def prepare(settings: Settings, sp_port: int) -> None:
    """Database, first keys, demonstration data: whatever is missing.

    Raises:
        ConfigurationError: a plug-in is missing or wrong.
        sqlalchemy.exc.DBAPIError: the database does not answer.
    """
    import_models(settings)
    logging.getLogger("alembic").setLevel(logging.WARNING)
    migrations.upgrade(settings)
    services = build(settings)
    try:
        for use in KeyUse:
            _first_key(services, use)
        loading.load(services, sp_port, settings.var)
        with catch_warnings():
            simplefilter("ignore")
            # Built once here: what is wrong is one line now, instead of servers that never start.
            make_app(settings, services)
    finally:
        services.db.dispose()


def _first_key(services: Services, use: KeyUse) -> None:
    active = (key.use for key in services.keys.list() if key.state == KeyState.ACTIVE)
    if use not in active:
        services.keys.promote(services.keys.generate(use))


def children_of(config: Path, settings: Settings, port: int, sp_port: int) -> list[Child]:
    """The portal, the worker, the demonstration applications."""
    metrics = settings.var / "metrics"
    shutil.rmtree(metrics, ignore_errors=True)
    metrics.mkdir(parents=True)
    environment = {
        **os.environ,
        "CONVERGENCES_CONFIG": str(config.resolve()),
        "VAR": str(settings.var.resolve()),
        "SP_PORT": str(sp_port),
        "DEMO_IDP": settings.public_url,
        # What packages have to say to their authors is of no use to whoever tries this.
        "PYTHONWARNINGS": "ignore",
    }
    portal = {**environment, **FEW_HEAPS, "PROMETHEUS_MULTIPROC_DIR": str(metrics.resolve())}
    command = [sys.executable, "-c", "from idp.cli import main; main()"]
    worker = [*command, "--config", str(config.resolve()), "worker"]
    return [
        Child("Le portail", granian("idp.wsgi:application", port, workers=2), portal),
        Child("Le travail de fond", worker, environment),
        Child(
            "Le serveur des applications",
            # One process: what it remembers is in memory.
            [*granian("views.demo.sp:from_environment", sp_port, workers=1), "--factory"],
            environment,
        ),
    ]


def granian(target: str, port: int, *, workers: int) -> list[str]:
    """The command of a server on the loopback."""
    threads = PLACES + OTHER_THREADS
    return [
        *(sys.executable, "-m", "granian", "--interface", "wsgi", "--http", "1", "--no-ws"),
        *("--host", ADDRESS, "--port", str(port)),
        *("--workers", str(workers), "--blocking-threads", str(threads)),
        *("--respawn-failed-workers", "--respawn-interval", "1", "--workers-kill-timeout", "5"),
        *("--log-level", "error", target),
    ]


@contextmanager
def pid_file(path: Path) -> Iterator[None]:
    """Hold ``server.pid``, with our process id in it; removed at the end.

    Raises:
        ConfigurationError: a living server holds it.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    file = _locked(path)
    try:
        file.truncate()
        file.write(f"{os.getpid()}\n")
        file.flush()
        yield
    finally:
        path.unlink(missing_ok=True)
        file.close()


def _locked(path: Path) -> TextIO:
    """The lock tells the living from the dead: it ends with its process, however that dies."""
    while True:
        # Not truncated: a living server's number must stay.
        file = os.fdopen(os.open(path, os.O_RDWR | os.O_CREAT, 0o644), "r+", encoding="ascii")
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.close()
            raise _refused(
                f"La démonstration fonctionne déjà avec le dossier {path.parent}."
            ) from None
        if path.exists() and path.stat().st_ino == os.fstat(file.fileno()).st_ino:
            return file
        file.close()  # its last holder removed it meanwhile


def refuse_taken(port: int) -> None:
    """Check that this port is free on both addresses that ``localhost`` may mean.

    Raises:
        ConfigurationError: somebody listens there, or we may not.
    """
    for family, address in ((socket.AF_INET, ADDRESS), (socket.AF_INET6, "::1")):
        try:
            with socket.socket(family, socket.SOCK_STREAM) as trial:
                trial.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                trial.bind((address, port))
                trial.listen()
        except OSError as error:
            if error.errno == errno.EADDRINUSE:
                text = f"Le port {port} est déjà utilisé. Choisissez-en un autre (PORT, SP_PORT)."
                raise _refused(text) from None
            if family == socket.AF_INET:
                raise _refused(
                    f"Le port {port} ne peut pas être ouvert ({error.strerror})."
                ) from None
            # No IPv6 here: localhost means 127.0.0.1 alone.


def write_local_ini(var: Path, port: int, sp_port: int) -> None:
    """Tell the command line where the portal and its demonstration applications are."""
    half = var / "local.ini.new"
    half.write_text(
        f"[app:main]\nconvergences.public_url = http://localhost:{port}\n"
        f"[demonstration]\nsp_port = {sp_port}\n",
        encoding="utf-8",
    )
    half.replace(var / "local.ini")


def served_sp_port(var: Path) -> int | None:
    """The SP_PORT of the demonstration that ``run`` last served from this folder."""
    local = ConfigParser(interpolation=None)
    local.read(var / "local.ini", encoding="utf-8")
    return local.getint("demonstration", "sp_port", fallback=None)


def answers(url: str) -> bool:
    """Whether a GET of this address is answered 200; never through a proxy."""
    try:
        with build_opener(ProxyHandler({})).open(url, timeout=ASKING_TIMEOUT) as response:
            return bool(response.status == HTTPStatus.OK)
    except (URLError, OSError):
        return False


def announce(settings: Settings, sp_port: int) -> None:
    """Say in French where everything is."""
    addresses = [
        ("Portail", settings.url("/")),
        ("Mails", settings.url("/demo/courriels")),
        *((application.label, application.base(sp_port)) for application in APPLICATIONS),
    ]
    lines = ["", "Convergences est prêt.", ""]
    lines += [f"  {label:<18}{address}" for label, address in addresses]
    lines += ["", f"  Comptes (mot de passe : {loading.PASSWORD})"]
    lines += [f"    {account.mail:<28}{account.shows}" for account in loading.ACCOUNTS]
    lines += ["", "Ctrl+C pour arrêter.", ""]
    click.echo("\n".join(lines))


def _refused(text: str) -> ConfigurationError:
    return ConfigurationError(text, public=text)
