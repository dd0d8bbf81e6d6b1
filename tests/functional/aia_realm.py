"""The whole application on the SQL directory, whose database is put back in a few milliseconds.

So hundreds of requests share one application: each starts from the same rows, whatever the one
before it changed.
"""

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import datetime
from http.cookiejar import Cookie
from pathlib import Path

from sqlalchemy import update
from webtest import TestApp, TestResponse

from directory.models import Account
from directory.services import DirectoryServices, build
from idp.db import Base
from idp.passwords import Passwords
from idp.services import Services
from tests.common.clock import FakeClock
from tests.common.databases import Databases, Filling
from tests.common.settings import make_settings
from tests.conftest import furnished, spoken_to
from tests.functional.conftest import PASSWORD

WATCHED = sorted(
    {
        "outbox",
        *(
            each.__tablename__
            for each in Base.__subclasses__()
            if each.__module__.startswith("directory.")
        ),
    }
)
"""Tables that no reading changes: the directory's, and the mails that wait."""

Rows = dict[str, dict[tuple[object, ...], dict[str, object]]]


class Realm:
    """An application, its database as a file, and who sits in front of it."""

    def __init__(self, services: Services, app: TestApp, folder: Path) -> None:
        self.services = services
        self.app = app
        self.directory: DirectoryServices = build(services.core)
        clock = services.clock
        assert isinstance(clock, FakeClock)
        self.clock = clock
        self._hash = Passwords(services.settings.secret, 4).hash(PASSWORD)
        self._file = Path(str(services.db.engine.url.database))
        self._copies = folder
        self._moments: dict[str, tuple[datetime, list[Cookie]]] = {}

    def keep(self, name: str) -> None:
        """Remember the database as it is now, the time, and the cookies of its first browser."""
        self._copy(self._file, self._copies / f"{name}.kept")
        self._moments[name] = (self.clock.now(), list(self.app.cookiejar))

    def put_back(self, name: str) -> None:
        """As it was when it was kept by this name."""
        self._copy(self._copies / f"{name}.kept", self._file)
        moment, cookies = self._moments[name]
        self.clock.advance(moment - self.clock.now())
        self.app.reset()
        for cookie in cookies:
            self.app.cookiejar.set_cookie(cookie)

    def rows(self) -> Rows:
        """Every row of the directory, by table and key."""
        found: Rows = {}
        with closing(sqlite3.connect(self._file)) as connection:
            connection.row_factory = sqlite3.Row
            for table in WATCHED:
                columns = list(connection.execute(f"PRAGMA table_info({table})"))
                keys = [column["name"] for column in columns if column["pk"]]
                found[table] = {
                    tuple(row[key] for key in keys): dict(row)
                    for row in connection.execute(f"SELECT * FROM {table}")  # noqa: S608
                }
        return found

    def browser(self, mail: str, password: str = PASSWORD) -> TestApp:
        """Somebody signs in and clicks the AIA's tile."""
        browser = self.stranger()
        page = browser.get("/connexion")
        form = next(one for one in page.forms.values() if "password" in one.fields)
        form["login"], form["password"] = mail, password
        form.submit(status=303)
        post(browser, "/aia").follow(status=200)
        return browser

    def stranger(self) -> TestApp:
        """A browser that nobody signed in with; it has a CSRF token."""
        browser = TestApp(self.app.app, extra_environ=self.app.extra_environ)
        browser.get("/connexion")
        return browser

    def give_password(self, *mails: str) -> None:
        """:data:`PASSWORD`, to these."""
        with self.services.db.unit_of_work() as session:
            session.execute(
                update(Account)
                .where(Account.mail.in_(mails))
                .values(password_hash=self._hash, password_changed_at=self.services.clock.now())
            )

    @staticmethod
    def _copy(source: Path, target: Path) -> None:
        with closing(sqlite3.connect(source)) as taken, closing(sqlite3.connect(target)) as given:
            given.execute("PRAGMA synchronous = OFF")
            taken.backup(given)


def post(browser: TestApp, path: str, fields: object = ()) -> TestResponse:
    """A form with our token and whatever fields, forged or not."""
    token = browser.cookies["convergences-csrf"]
    listed = [("csrf_token", token), *fields]  # type: ignore[misc]
    return browser.post(path, listed, expect_errors=True)


@contextmanager
def realm_on(
    databases: Databases, folder: Path, filling: Filling | None = None, **changes: str
) -> Iterator[Realm]:
    """A realm on a database of SQLite of its own; ``changes`` are those of its settings."""
    settings = make_settings(folder, databases.fresh("sqlite", folder, filling), **changes)
    with furnished(settings, FakeClock()) as services:
        yield Realm(services, spoken_to(settings, services), folder)
