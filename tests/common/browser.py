"""A real browser: the system's Chromium, led by Playwright, on the loopback only."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from playwright.sync_api import Browser, Page, Playwright, ViewportSize, sync_playwright

from tests.common.processes import REPOSITORY

AXE = REPOSITORY / "node_modules" / "axe-core" / "axe.min.js"
PICTURES = REPOSITORY / "var" / "pictures"
PICTURED = bool(os.environ.get("PICTURES"))
"""Whether pictures are wanted: a test that looks at many pages takes a third longer with them."""

DESKTOP = ViewportSize(width=1280, height=900)
PHONE = ViewportSize(width=375, height=812)
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
    if not page.evaluate("'axe' in window"):
        page.evaluate(AXE.read_text(encoding="utf-8"))
    result = page.evaluate("async () => (await axe.run(document)).violations")
    return [
        f"{violation['impact']} {violation['id']}: {violation['help']}: "
        + " | ".join(node["html"] for node in violation["nodes"])
        for violation in result
    ]


# Every line of text must end inside the window, and inside the box that would cut it off; what may
# be scrolled by itself, and what only a screen reader reads, is left out.
CUT_OFF = """() => {
  const found = [];
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    const node = walker.currentNode;
    const parent = node.parentElement;
    if (!node.data.trim() || !parent.checkVisibility()) continue;
    const range = document.createRange();
    range.selectNodeContents(node);
    let right = document.documentElement.clientWidth;
    let left = 0;
    let skipped = false;
    for (let box = parent; box && box !== document.body; box = box.parentElement) {
      const style = getComputedStyle(box);
      const edges = box.getBoundingClientRect();
      if (style.clipPath !== "none" || edges.width <= 1) skipped = true;
      if (["auto", "scroll"].includes(style.overflowX)) skipped = true;
      if (["hidden", "clip"].includes(style.overflowX)) {
        right = Math.min(right, edges.right);
        left = Math.max(left, edges.left);
      }
    }
    const lines = [...range.getClientRects()];
    const beyond = (line) =>
      line.right > right + 1 || (line.left < left - 1 && line.right > 0);
    if (!skipped && lines.some(beyond)) {
      found.push(node.data.trim());
    }
  }
  return found;
}"""


def cut_off(page: Page) -> list[str]:
    """The texts that leave a window of 320 pixels or their box, and whether it scrolls sideways.

    [WCAG] 1.4.10.
    """
    before = page.viewport_size or DESKTOP
    page.set_viewport_size(NARROW)
    found: list[str] = page.evaluate(CUT_OFF)
    width = page.evaluate("document.documentElement.scrollWidth")
    page.set_viewport_size(before)
    return [*found, f"the page is {width} pixels wide"] if width > NARROW["width"] else found


# Somebody of the first line whose name is as long as a name may be.
LONG_NAMED = """() => {
  const name = document.querySelector("tbody th");
  (name.querySelector("a") ?? name).textContent = "W".repeat(100);
}"""
BEYOND = """() => {
  const { clientWidth, scrollWidth } = document.documentElement;
  const right = (menu) => menu.getBoundingClientRect().right;
  const menus = [...document.querySelectorAll("tbody .row-menu > summary")];
  return scrollWidth > clientWidth || menus.some((menu) => right(menu) > clientWidth);
}"""


def too_wide(page: Page) -> list[int]:
    """The widths of window where a list with a very long name scrolls sideways or is cut off."""
    before = page.viewport_size or DESKTOP
    page.evaluate(LONG_NAMED)
    found = []
    for width in range(320, 1921, 40):
        page.set_viewport_size({"width": width, "height": 800})
        if page.evaluate(BEYOND):
            found.append(width)
    page.set_viewport_size(before)
    return found


# What has the focus must be seen, or a part of it that stands for it: a box in its label.
UNSEEN = """() => {
  const clipped = (element) => {
    const edges = element.getBoundingClientRect();
    if (edges.width <= 1 || edges.height <= 1) return true;
    for (let box = element; box && box !== document.body; box = box.parentElement) {
      if (getComputedStyle(box).clipPath !== "none") return true;
    }
    return false;
  };
  const found = [];
  const reached = "a[href], button, input, select, summary, textarea";
  for (const element of document.querySelectorAll(reached)) {
    element.focus({ preventScroll: true });
    if (element === document.activeElement && clipped(element)) found.push(element.outerHTML);
  }
  document.activeElement?.blur();
  return found;
}"""


# The words of buttons and addresses break where a reader expects it: at spaces, hyphens, "@", dots.
BROKEN = """() => {
  const found = [];
  const places = document.querySelectorAll(".button, td[data-label*='mail' i], .bulk-mail, dd");
  for (const place of [...places].filter((place) => place.checkVisibility())) {
    const walker = document.createTreeWalker(place, NodeFilter.SHOW_TEXT);
    while (walker.nextNode()) {
      const node = walker.currentNode;
      if (node.parentElement.closest(".hidden")) continue;
      for (const word of node.data.matchAll(/[^\\s\\-\\/]+/g)) {
        const range = document.createRange();
        range.setStart(node, word.index);
        range.setEnd(node, word.index + word[0].length);
        const lines = new Set([...range.getClientRects()].map((line) => line.top));
        if (lines.size > 1) found.push(word[0]);
      }
    }
  }
  return found;
}"""


def broken(page: Page) -> list[str]:
    """The words of buttons, addresses and facts that go on in the next line."""
    found: list[str] = page.evaluate(BROKEN)
    return found


def unseen(page: Page) -> list[str]:
    """What the keyboard reaches although nobody sees it. [WCAG] 2.4.7."""
    found: list[str] = page.evaluate(UNSEEN)
    return found


# The help and the error of a field are read out with it.
UNTIED = """() => {
  const tied = new Set(
    [...document.querySelectorAll("[aria-describedby]")]
      .flatMap((element) => element.getAttribute("aria-describedby").split(/\\s+/)),
  );
  const notes = [...document.querySelectorAll(".field .field-help, .field-error:not([role])")];
  const missing = [...tied].filter((id) => id && !document.getElementById(id));
  return [...missing, ...notes.filter((note) => !tied.has(note.id)).map((note) => note.outerHTML)];
}"""


def untied(page: Page) -> list[str]:
    """Texts of a field that no field names, and names of none. [WCAG] 1.3.1."""
    found: list[str] = page.evaluate(UNTIED)
    return found


def picture(page: Page, name: str) -> Path:
    """Save what the page looks like, whole, at desktop and at phone width, under var/pictures."""
    PICTURES.mkdir(parents=True, exist_ok=True)
    before = page.viewport_size or DESKTOP
    for size, width in ((PHONE, "phone"), (DESKTOP, "desktop")):
        page.set_viewport_size(size)
        page.screenshot(path=PICTURES / f"{name}-{width}.png", full_page=True)
    page.set_viewport_size(before)
    return PICTURES / f"{name}-desktop.png"
