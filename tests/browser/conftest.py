"""The whole demonstration, started once a run, and the people who sit in front of it."""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Page, Response, expect

from directory.demonstration import PASSWORD
from tests.common import browser as browsers
from tests.common.ports import free_ports
from tests.common.processes import REPOSITORY, answers, running

CONVERGENCES = Path(sys.executable).parent / "convergences"
IN_ONE_PROCESS = """
import json, sys
from idp.cli import convergences
for words in json.loads(sys.argv[1]):
    convergences.main(words, standalone_mode=False)
"""
SLOW = 15_000
"""Milliseconds: the machine may be busy."""

expect.set_options(timeout=SLOW)


@dataclass(frozen=True)
class Demonstration:
    """A running ``convergences run``."""

    port: int
    sp_port: int
    var: Path
    log: Path

    @property
    def environment(self) -> dict[str, str]:
        """What makes the command line speak of this run."""
        return {"PORT": str(self.port), "SP_PORT": str(self.sp_port), "VAR": str(self.var)}

    def url(self, path: str) -> str:
        """An address of the portal."""
        return f"http://localhost:{self.port}{path}"

    def sp(self, path: str) -> str:
        """An address of the service providers: ``bip/``, ``bip/whoami``."""
        return f"http://localhost:{self.sp_port}/{path}"

    def command(self, *words: str) -> str:
        """Run ``convergences …`` on the database of the running server."""
        return self.commands(words)

    def commands(self, *lines: Sequence[str]) -> str:
        """Run several one after the other, as a process needs seconds to begin."""
        words = ("--config", "development.ini")
        done = subprocess.run(
            [sys.executable, "-c", IN_ONE_PROCESS, json.dumps([[*words, *line] for line in lines])],
            cwd=REPOSITORY,
            env={**os.environ, **self.environment},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout


@pytest.fixture(scope="session")
def demonstration(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Demonstration]:
    """Started with what a newcomer has: a free port and an empty folder."""
    folder = tmp_path_factory.mktemp("demonstration")
    port, sp_port = free_ports(2)
    run = Demonstration(port, sp_port, folder / "var", folder / "log")
    ready = f"http://localhost:{sp_port}/readyz"
    with running([CONVERGENCES, "run"], log=run.log, ready_url=ready, environment=run.environment):
        assert answers(run.url("/readyz"))
        yield run
    said = run.log.read_text(encoding="utf-8")
    assert "[error" not in said, said
    assert "Traceback" not in said, said
    assert not answers(ready), "ended with all its children"


@dataclass
class Visit:
    """One person in front of one browser; ``script`` is whether JavaScript runs there.

    ``dark`` is whether the person prefers dark pages.

    Everything that the browser complains of is kept, and fails the test at its end.
    """

    context: BrowserContext
    page: Page
    demonstration: Demonstration
    script: bool = True
    dark: bool = False
    complaints: list[str] = field(default_factory=list)
    pictured: set[str] = field(default_factory=set)

    def watch(self) -> None:
        """Listen to what the browser says."""
        self.context.on("console", self._on_console)
        self.context.on("weberror", lambda error: self.complaints.append(str(error.error)))
        self.context.on("response", self._on_response)

    def _on_console(self, message: ConsoleMessage) -> None:
        # The page of an error is no complaint: tests look at its status themselves.
        if message.type in {"error", "warning"} and "server responded with" not in message.text:
            self.complaints.append(f"{message.type}: {message.text}")

    def _on_response(self, response: Response) -> None:
        if response.status >= 400 and not response.request.is_navigation_request():
            self.complaints.append(f"{response.status} {response.url}")

    # --- moving around ---

    def open(self, path: str) -> None:
        """An address of the portal."""
        self.page.goto(self.demonstration.url(path))

    def open_sp(self, name: str) -> None:
        """An application's own page, and what comes of it."""
        self.page.goto(self.demonstration.sp(f"{name}/"))
        self.hand_over()

    def hand_over(self) -> None:
        """Without JavaScript the hand-over page waits for its button."""
        button = self.page.get_by_role("button", name="Continuer", exact=True)
        if not self.script and button.is_visible():
            button.click()

    def fill_in(self, mail: str, password: str = PASSWORD) -> None:
        """The sign-in form."""
        self.page.get_by_role("textbox", name="Adresse mail").fill(mail)
        self.page.get_by_role("textbox", name="Mot de passe").fill(password)
        self.page.get_by_role("button", name="Se connecter").click()

    def sign_in(self, mail: str) -> None:
        """To the portal."""
        self.open("/connexion")
        self.fill_in(mail)
        expect(self.page).to_have_url(self.demonstration.url("/"))

    # --- looking ---

    def whoami(self, name: str) -> dict[str, object] | None:
        """What the application knows of this browser; None without a session there."""
        answer = self.context.request.get(self.demonstration.sp(f"{name}/whoami"))
        assert answer.status in {200, 401}
        return None if answer.status == 401 else json.loads(answer.text())

    def forget(self, name: str) -> None:
        """The application's session is lost; the portal's stays."""
        self.context.clear_cookies(name=f"demo-{name}")

    def look(self, name: str) -> None:
        """The page as it is now: accessible, not too wide, and if wanted pictured once."""
        if not self.script:
            return
        found = browsers.violations(self.page)
        assert found == [], f"{name}: {self.page.url}"
        assert browsers.cut_off(self.page) == [], f"{name} at 320 px"
        picture = f"{name}-nuit" if self.dark else name
        if browsers.PICTURED and picture not in self.pictured:
            self.pictured.add(picture)
            browsers.picture(self.page, picture)


@pytest.fixture(scope="session")
def pictured() -> set[str]:
    """The pages of which there is a picture of this run."""
    return set()


Visitors = Callable[..., Visit]


@pytest.fixture
def visitors(
    browser: Browser, demonstration: Demonstration, pictured: set[str]
) -> Iterator[Visitors]:
    """Opens browsers; at the end of the test none of them may have complained."""
    opened: list[Visit] = []

    def open_browser(*, phone: bool = False, script: bool = True, dark: bool = False) -> Visit:
        context = browser.new_context(
            locale="fr-FR",
            timezone_id="Europe/Paris",
            viewport=browsers.PHONE if phone else browsers.DESKTOP,
            java_script_enabled=script,
            color_scheme="dark" if dark else "light",
        )
        context.set_default_timeout(SLOW)
        visit = Visit(context, context.new_page(), demonstration, script, dark, pictured=pictured)
        visit.watch()
        opened.append(visit)
        return visit

    yield open_browser
    for visit in opened:
        visit.context.close()
    assert [complaint for visit in opened for complaint in visit.complaints] == []


@pytest.fixture
def visit(visitors: Visitors) -> Visit:
    """One browser, desktop width, with JavaScript."""
    return visitors()
