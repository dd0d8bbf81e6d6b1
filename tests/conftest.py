"""The shared harness: see docs/contributing.md for which fixture to take when."""

import logging
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import hypothesis
import pytest
import structlog
from coverage import Coverage
from playwright.sync_api import Browser, BrowserContext, Page
from webtest import TestApp

from idp import garbage, make_app
from idp.db import Database
from idp.keys import KeyState, SigningKey
from idp.services import Services, build
from idp.settings import Settings
from tests.common import browser as browsers
from tests.common import schemas
from tests.common.clock import START, FakeClock
from tests.common.databases import Databases, Filling, stop_postgres
from tests.common.network import refuse_network
from tests.common.settings import PUBLIC_URL, make_settings
from tests.common.templates import compile_once

HERE = Path(__file__).parent
KEYS = HERE / "data" / "keys"

# Where tests that ask for a database run on PostgreSQL too.
ON_BOTH = ("contract", "functional", "unit/directory", "unit/idp", "unit/metadata")
# Where the product runs in a process of its own, or coverage, by which a test takes half as long
# again, would only cost time; a test's second run counts only for the doors of the databases.
UNCOVERED = ("attacks", "browser", "interop", "resilience")
COVERED_ON_BOTH = ("unit/idp",)

# The environment of whoever runs the suite is not the suite's.
for name in ("VAR", "DATABASE_URL", "PORT", "SP_PORT"):
    os.environ.pop(name, None)

# No test judges a time: the machine may be busy with something else.
hypothesis.settings.register_profile("suite", deadline=None)
hypothesis.settings.load_profile("suite")


# --- the run ---------------------------------------------------------------------------------


class SharedFolder:
    """Gives all the processes of a run one short folder, and clears it away at the end."""

    def __init__(self, path: Path) -> None:
        self.path = path

    @pytest.hookimpl(optionalhook=True)
    def pytest_configure_node(self, node: object) -> None:
        """Tell an xdist worker where the folder is."""
        node.workerinput["shared_folder"] = str(self.path)  # type: ignore[attr-defined]

    def pytest_unconfigure(self) -> None:
        """End what was shared."""
        stop_postgres(self.path)
        shutil.rmtree(self.path, ignore_errors=True)


SHARED_FOLDER = pytest.StashKey[Path]()


def pytest_configure(config: pytest.Config) -> None:
    """Forbid the network; make what the tests of a process, and those of the run, share."""
    refuse_network()
    compile_once()
    worker: dict[str, str] | None = getattr(config, "workerinput", None)
    if worker is not None:
        config.stash[SHARED_FOLDER] = Path(worker["shared_folder"])
        return
    shared = SharedFolder(Path(tempfile.mkdtemp(prefix="suite-")))
    config.stash[SHARED_FOLDER] = shared.path
    config.pluginmanager.register(shared)


def _is_in(path: Path, folders: tuple[str, ...]) -> bool:
    return any(path.is_relative_to(HERE / folder) for folder in folders)


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run each test that asks for a database on SQLite, and where it matters on PostgreSQL."""
    if "database_engine" not in metafunc.fixturenames:
        return
    definition = metafunc.definition
    both = _is_in(definition.path, ON_BOTH) and not definition.get_closest_marker("sqlite_only")
    metafunc.parametrize("database_engine", ["sqlite", "postgresql"] if both else ["sqlite"])


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Tell the browser's tests, and those whose lines count for nothing, from the others."""
    for item in items:
        on = getattr(item, "callspec", None)
        second = on is not None and on.params.get("database_engine") == "postgresql"
        if _is_in(item.path, UNCOVERED) or (second and not _is_in(item.path, COVERED_ON_BOTH)):
            item.add_marker("uncovered")
        if _is_in(item.path, ("browser",)):
            item.add_marker("browser")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Iterator[None]:
    """Measure no coverage of an uncovered test, nor of what is set up for it."""
    measuring = Coverage.current()
    if measuring is None or item.get_closest_marker("uncovered") is None:
        return (yield)
    measuring.stop()
    try:
        return (yield)
    finally:
        measuring.start()


def pytest_collection_finish() -> None:
    """Let the collector pass over what lives as long as the run: modules, thousands of tests."""
    garbage.settle()


# --- the parts -------------------------------------------------------------------------------


@pytest.fixture(autouse=True)
def _log_as_before() -> Iterator[None]:
    """What a test (or a command that it calls) sets of the log ends with it."""
    root = logging.getLogger()
    handlers, level, chain = root.handlers, root.level, structlog.get_config()
    configured = structlog.is_configured()
    yield
    root.handlers, root.level = handlers, level
    if configured:
        structlog.configure(**chain)
    else:
        structlog.reset_defaults()


@pytest.fixture
def clock() -> FakeClock:
    """The time, which stands still until ``clock.advance(timedelta)``."""
    return FakeClock()


@pytest.fixture(scope="session")
def keys_folder() -> Path:
    """Committed private keys and certificates; its README names them."""
    return KEYS


@pytest.fixture
def directory_plugin() -> str:
    """The setting ``idp.directory``; a module that tests on the memory one overrides this."""
    return "directory.plugin.build"


@pytest.fixture(scope="session")
def databases(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Databases:
    """Where databases come from; tests take ``database`` or ``blank_database_url``."""
    worker = getattr(request.config, "workerinput", {}).get("workerid", "main")
    shared = request.config.stash[SHARED_FOLDER]
    return Databases(shared, tmp_path_factory.mktemp("databases"), worker)


@pytest.fixture
def database_filling() -> Filling | None:
    """What the database holds from the start: nothing, if a module does not override this."""
    return None


@pytest.fixture
def database_url(
    database_engine: str, databases: Databases, tmp_path: Path, database_filling: Filling | None
) -> str:
    """The URL of a migrated database."""
    return databases.fresh(database_engine, tmp_path, database_filling)


@pytest.fixture
def blank_database_url(database_engine: str, databases: Databases, tmp_path: Path) -> str:
    """The URL of a database without any table."""
    return databases.blank(database_engine, tmp_path)


@pytest.fixture
def settings(request: pytest.FixtureRequest, tmp_path: Path, directory_plugin: str) -> Settings:
    """Settings on a folder of the test's own, and on its database if it asks for one."""
    url = f"sqlite:///{tmp_path / 'unused.sqlite'}"
    for fixture in ("database_url", "blank_database_url"):
        if fixture in request.fixturenames:
            url = request.getfixturevalue(fixture)
    return make_settings(tmp_path, url, idp__directory=directory_plugin)


@pytest.fixture
def services(database_url: str, settings: Settings, clock: FakeClock) -> Iterator[Services]:
    """Every service on a migrated database, with an active signing key."""
    assert settings.database_url == database_url
    with furnished(settings, clock) as built:
        yield built


@contextmanager
def furnished(settings: Settings, clock: FakeClock) -> Iterator[Services]:
    """Every service on the migrated database of these settings, with an active key."""
    settings.keys.mkdir(mode=0o700, parents=True, exist_ok=True)
    shutil.copyfile(KEYS / "idp.pem", settings.keys / "idp.pem")
    (settings.keys / "idp.pem").chmod(0o600)
    built = build(settings, clock=clock)
    with built.db.unit_of_work() as session:
        session.add(_active_key(KEYS))
    built.db.bump("signing_key")
    yield built
    built.db.dispose()


def _active_key(folder: Path) -> SigningKey:
    made = datetime(2026, 1, 1, tzinfo=UTC)
    assert made < START
    return SigningKey(
        kid="idp",
        state=KeyState.ACTIVE,
        certificate=(folder / "idp.crt").read_text(),
        created_at=made,
        promoted_at=made,
        published_until=None,
    )


@pytest.fixture
def database(
    request: pytest.FixtureRequest, database_url: str, settings: Settings
) -> Iterator[Database]:
    """A migrated database; the one of ``services`` when the test takes both."""
    assert settings.database_url == database_url
    if "services" in request.fixturenames:
        yield request.getfixturevalue("services").db
        return
    database = Database(database_url, durable=False)
    yield database
    database.dispose()


@pytest.fixture
def app(settings: Settings, services: Services) -> TestApp:
    """The whole application, spoken to as a browser does, without a server between."""
    return spoken_to(settings, services)


def spoken_to(settings: Settings, services: Services) -> TestApp:
    """The application of these services; every SAML document that it sends must validate."""
    environ = {"HTTP_HOST": PUBLIC_URL.removeprefix("http://"), "REMOTE_ADDR": "127.0.0.1"}
    return TestApp(schemas.Watched(make_app(settings, services)), extra_environ=environ)


# --- the browser -----------------------------------------------------------------------------


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """Chromium, started once."""
    with browsers.launched() as browser:
        yield browser


@pytest.fixture
def browser_context(browser: Browser) -> Iterator[BrowserContext]:
    """A fresh profile: no cookie, French, desktop width."""
    context = browser.new_context(
        locale="fr-FR", timezone_id="Europe/Paris", viewport=browsers.DESKTOP
    )
    yield context
    context.close()


@pytest.fixture
def page(browser_context: BrowserContext) -> Page:
    """A page of a fresh profile."""
    return browser_context.new_page()
