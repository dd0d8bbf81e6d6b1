"""A page that one person left open does nothing for the next; one's own go on."""

from collections.abc import Callable

import pytest

from tests.functional.conftest import Visitor, World, text_of

pytestmark = pytest.mark.sqlite_only

ASK = "/demander-un-acces"
COOKIE = "convergences-csrf"


def sign_out(visitor: Visitor) -> None:
    visitor.app.get("/deconnexion").forms["formulaire"].submit(status=303)


def end(world: World, visitor: Visitor) -> None:
    """An hour without a word."""
    del visitor
    world.clock.advance(world.services.settings.session_idle * 2)


LEAVES: list[Callable[[World, Visitor], None]] = [lambda _, visitor: sign_out(visitor), end]


@pytest.mark.parametrize("leave", LEAVES, ids=["signed out", "idle"])
def test_a_page_of_one_person_does_nothing_as_the_next(
    world: World, visitor: Visitor, leave: Callable[[World, Visitor], None]
) -> None:
    visitor.sign_in("sansdroit")
    old = visitor.app.get("/").forms["ouvrir-aia"]
    leave(world, visitor)
    visitor.sign_in("agent")
    answer = old.submit(status=400)
    assert "quelqu'un d'autre s'est connecté depuis" in text_of(answer)
    ways = [each.text for each in answer.html.select("main a.button")]
    assert ways == ["Rouvrir la page", "Aller au portail"]
    assert visitor.app.get("/aia").status_int == 303, "nothing was done in her name"


def test_who_signs_in_again_goes_on_with_his_own_pages(world: World, visitor: Visitor) -> None:
    visitor.sign_in("agent")
    old = visitor.app.get("/").forms["ouvrir-aia"]
    end(world, visitor)
    visitor.sign_in("agent")
    assert old.submit(status=303).location.endswith("/aia")


def test_each_state_of_a_browser_has_a_token_of_its_own(visitor: Visitor, world: World) -> None:
    del world
    visitor.app.get("/connexion")
    tokens = [visitor.app.cookies[COOKIE]]
    for name in ("agent", "multi"):
        visitor.sign_in(name)
        tokens.append(visitor.app.cookies[COOKIE])
        sign_out(visitor)
        tokens.append(visitor.app.cookies[COOKIE])
    assert len(set(tokens)) == len(tokens)


def test_the_same_person_has_another_token_in_another_browser(
    visitor: Visitor, world: World, another_visitor: Callable[[], Visitor]
) -> None:
    del world
    tokens = set()
    for browser in (visitor, another_visitor()):
        browser.sign_in("agent")
        tokens.add(browser.app.cookies[COOKIE])
    assert len(tokens) == 2
