"""A tile is open if and only if sign-on would succeed."""

from collections.abc import Callable
from datetime import timedelta

import pytest

from metadata.registry import Registry
from tests.common.fake_sp import status_of
from tests.functional.conftest import Visitor, World, text_of, tile_of

PEOPLE = ("agent", "multi", "sansdroit", "referent")
LABELS = {
    "bip": "BIP",
    "net-cap": "Net-CAP",
    "net-cotisations": "Net-Cotisations",
    "site": "Site",
}


def nothing(world: World) -> None:
    """As the world is made."""
    del world


def disabled(world: World) -> None:
    """Every service provider is disabled."""
    for sp in world.sps.values():
        Registry(world.services.core).disable(sp.entity_id)


def one_disabled(world: World) -> None:
    """BIP's alone."""
    Registry(world.services.core).disable(world.sps["bip"].entity_id)


def closed(world: World) -> None:
    """Net-CAP closed an hour ago."""
    at = world.now - timedelta(hours=1)
    world.directory._applications["net-cap"].opens.valid_until = at


def not_open_yet(world: World) -> None:
    """The site opens tomorrow."""
    world.directory._applications["site"].opens.valid_from = world.now + timedelta(days=1)


def withdrawn(world: World) -> None:
    """The agent's roles are withdrawn, and one of the two of the person of two structures."""
    for code in LABELS:
        world.directory.unassign(world.memberships["agent/vitry"], code, "gest")
        world.directory.unassign(world.memberships["multi/ivry"], code, "lect")


def future_role(world: World) -> None:
    """Somebody's role begins tomorrow, somebody's ended."""
    for name, dates in (
        ("sansdroit/vitry", {"valid_from": world.now + timedelta(days=1)}),
        ("referent/vitry", {"valid_until": world.now}),
    ):
        world.directory.assign(world.memberships[name], "bip", "gest", **dates)


def suspended(world: World) -> None:
    """The agent's membership, and one of two."""
    world.directory.suspend(world.memberships["agent/vitry"])
    world.directory.suspend(world.memberships["multi/ivry"])


def structure_closed(world: World) -> None:
    """Vitry closes."""
    world.directory.close_structure("vitry")


CASES: tuple[Callable[[World], None], ...] = (
    nothing,
    disabled,
    one_disabled,
    closed,
    not_open_yet,
    withdrawn,
    future_role,
    suspended,
    structure_closed,
)


def signs_on(visitor: Visitor, world: World, code: str) -> bool:
    """Whether the SP's request ends with an assertion, at the latest once a structure is chosen."""
    page = visitor.open(world.sps[code], now=world.now)[1]
    if "Pour quelle structure" in page.text:
        form = next(one for one in page.forms.values() if "membership" in one.fields)
        chosen = page.html.select_one("button.choice")["value"]
        page = visitor.follow(form.submit("membership", value=chosen))
    if page.status_int != 200:
        assert page.status_int in {400, 403}, text_of(page)
        return False
    response = world.sps[code].read_page(page.text)[1]
    assert status_of(response) == ("Success", None)
    return True


@pytest.mark.parametrize("name", PEOPLE)
@pytest.mark.parametrize("case", CASES, ids=lambda case: case.__name__)
def test_a_tile_is_open_if_and_only_if_sign_on_succeeds(
    case: Callable[[World], None], name: str, world: World, visitor: Visitor
) -> None:
    case(world)
    world.services.service_providers._snapshot.forget()
    portal = visitor.sign_in(name)
    shown = {tile.text.strip() for tile in portal.html.select(".tile-name")}
    leads = {code: label in shown and tile_of(portal, label) for code, label in LABELS.items()}
    for code, place in leads.items():
        assert bool(place) is signs_on(visitor, world, code), code
        if place:
            page = visitor.follow(visitor.app.get(place))
            assert page.status_int == 200
            assert "SAMLResponse" in page.text or "Pour quelle structure" in page.text, code


def test_a_closed_tile_says_why(world: World, visitor: Visitor) -> None:
    one_disabled(world)
    closed(world)
    world.services.service_providers._snapshot.forget()
    tiles = visitor.sign_in("agent").html.select(".tile-closed")
    assert [tile.select_one(".tile-name").text.strip() for tile in tiles] == ["BIP", "Net-CAP"]
    assert "La connexion à cette application est suspendue." in tiles[0].text
    assert "Cette application est fermée." in tiles[1].text


def test_an_application_that_is_closed_is_named_with_its_article(
    world: World, visitor: Visitor
) -> None:
    closed(world)
    visitor.sign_in("agent")
    page = visitor.open(world.sps["net-cap"], now=world.now)[1]
    assert page.html.h1.text == "L'application Net-CAP est fermée pour le moment"
