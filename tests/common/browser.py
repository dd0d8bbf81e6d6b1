"""A real browser: the system's Chromium, led by Playwright, on the loopback only."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from playwright.sync_api import Browser, Page, Playwright, ViewportSize, sync_playwright

from tests.common.processes import REPOSITORY

AXE = REPOSITORY / "node_modules" / "axe-core" / "axe.min.js"
PICTURES = REPOSITORY / "var" / "pictures"

DESKTOP = ViewportSize(width=1280, height=900)
PHONE = ViewportSize(width=390, height=844)
NARROW = ViewportSize(width=320, height=800)

FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE localhost, EXCLUDE 127.0.0.*",
]


@contextmanager
def launched() -> Iterator[Browser]:
    """The browser; each test opens contexts of its own in it.

    Raises:
        RuntimeError: Chromium is not installed.
    """
    program = shutil.which("chromium")
    if program is None:
        message = "Chromium is not installed; `make test` says how to get it"
        raise RuntimeError(message)
    with sync_playwright() as playwright:
        browser = _launch(playwright, program)
        try:
            yield browser
        finally:
            browser.close()


def _launch(playwright: Playwright, program: str) -> Browser:
    return playwright.chromium.launch(executable_path=program, headless=True, args=FLAGS)


def violations(page: Page) -> list[str]:
    """What axe finds wrong with the page as it is now, one line each, with the elements.

    The checker is evaluated through the debugging protocol, so the page's own CSP stays in force.
    """
    page.evaluate(AXE.read_text(encoding="utf-8"))
    result = page.evaluate("async () => (await axe.run(document)).violations")
    return [
        f"{violation['impact']} {violation['id']}: {violation['help']}: "
        + " | ".join(node["html"] for node in violation["nodes"])
        for violation in result
    ]


def picture(page: Page, name: str) -> Path:
    """Save what the page looks like, whole, at desktop and at phone width, under var/pictures."""
    PICTURES.mkdir(parents=True, exist_ok=True)
    before = page.viewport_size or DESKTOP
    for size, width in ((PHONE, "phone"), (DESKTOP, "desktop")):
        page.set_viewport_size(size)
        page.screenshot(path=PICTURES / f"{name}-{width}.png", full_page=True)
    page.set_viewport_size(before)
    return PICTURES / f"{name}-desktop.png"
