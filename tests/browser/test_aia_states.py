"""Every screen and state of the AIA in a real browser: accessible, on a phone as on a desktop."""

import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Error, ViewportSize, expect

from tests.browser.aia_leads import follow
from tests.browser.aia_states import DARK, LISTS, STATES
from tests.browser.aia_world import World, world_on
from tests.browser.conftest import SLOW
from tests.common import browser as browsers
from tests.common.databases import Databases
from tests.common.processes import REPOSITORY

TEMPLATES = REPOSITORY / "views" / "templates" / "aia"
PAGE = re.compile(r"^{% extends", re.MULTILINE)
SURROUNDINGS = {"shell.jinja2", "fragment.jinja2"}
SIZES = {"1280": browsers.DESKTOP, "390": ViewportSize(width=390, height=844)}


def pages() -> set[str]:
    """The templates that are a page, and no part of one."""
    return {
        path.name
        for path in TEMPLATES.glob("*.jinja2")
        if path.name not in SURROUNDINGS and PAGE.search(path.read_text(encoding="utf-8"))
    }


def wrong(world: World, name: str) -> list[str]:
    """What is the matter with this state; an error too is of this one alone."""
    try:
        return list(looked_at(world, name))
    except (AssertionError, Error) as error:
        return [f"{name}: {error}"]


def looked_at(world: World, name: str) -> Iterator[str]:
    """Look at it, small and large; at some of them in the dark as well."""
    lead, words = STATES[name]
    page = world.page
    page.set_viewport_size(browsers.DESKTOP)
    page.emulate_media(color_scheme="light")
    world.put_back()
    follow(world, lead)
    expect(page.locator("body")).to_contain_text(re.compile(re.escape(words)), use_inner_text=True)
    for size, viewport in SIZES.items():
        page.set_viewport_size(viewport)
        yield from (f"{name} at {size}: {each}" for each in browsers.violations(page))
    page.set_viewport_size(browsers.DESKTOP)
    yield from (f"{name}: broken within a word: {each}" for each in browsers.broken(page))
    yield from (f"{name}: read with no field: {each}" for each in browsers.untied(page))
    yield from (f"{name} at 320: {each}" for each in browsers.cut_off(page))
    yield from (f"{name}: the focus is not seen on {each}" for each in browsers.unseen(page))
    if name in LISTS:
        yield from (f"{name} is too wide at {each}" for each in browsers.too_wide(page))
    if name in DARK:
        page.emulate_media(color_scheme="dark")
        yield from (f"{name} in the dark: {each}" for each in browsers.violations(page))


@pytest.mark.sqlite_only
def test_every_state_is_accessible(
    browser: Browser, databases: Databases, tmp_path_factory: pytest.TempPathFactory
) -> None:
    context = browser.new_context(locale="fr-FR", timezone_id="Europe/Paris")
    context.set_default_timeout(SLOW)
    with world_on(databases, tmp_path_factory.mktemp("states"), context) as world:
        found = [each for name in STATES for each in wrong(world, name)]
        assert found == []
        assert pages() <= world.rendered, "a page without a state in the table"
    context.close()
